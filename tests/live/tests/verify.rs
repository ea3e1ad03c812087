//! `kubectl dr backup verify` on backups that Velero calls Completed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use dr_live::refused::with_status;
use dr_live::{By, Cases, Class, Node, Shop, node, until};
use serde_json::{Value, json};

const CLAIM: &str = "data-postgres-0";

#[test]
fn what_a_backup_can_give_back_is_told_volume_by_volume() {
    let node = node!();
    let shop = Shop::open(&node, "live-verify", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let backups = shop.back_up_both();
    let (files, snapshot) = (backups.files.as_str(), backups.snapshot.as_str());
    let mut cases = Cases::default();

    cases.case("both paths give everything back", || {
        for (backup, method) in [(files, "file-system"), (snapshot, "csi-snapshot")] {
            let answer = node.dr(&["backup", "verify", backup, "-o", "json"]).exits(0).json();
            assert_eq!(answer["verdict"], "restorable", "{answer:#}");
            assert_eq!(volume(&answer)["method"], method, "{answer:#}");
            assert!(volume(&answer)["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{answer:#}");
            node.dr(&["backup", "verify", backup, "--ns", &shop.namespace]).exits(0).says("everything can be restored");
        }
        nothing_left(&node);
    });
    cases.case("a backup that does not exist, with the nearest names", || {
        node.dr(&["backup", "verify", &format!("{snapshot}x")]).exits(3).says(snapshot);
    });
    cases.case("Completed, and the volume's data is not in it", || {
        shop.back_up_with_velero("live-verify-0", &["--snapshot-volumes=false"]);
        let answer = not_restorable(&node, "live-verify-0");
        assert_eq!(volume(&answer)["verdict"], "not-restorable", "{answer:#}");
    });
    let copy =
        node.get(&["podvolumebackups.velero.io", "-n", "velero", "-l", &format!("velero.io/backup-name={files}")]);
    let copy = copy["items"][0]["metadata"]["name"].as_str().expect("a PodVolumeBackup").to_owned();
    cases.case("a PodVolumeBackup of zero bytes", || {
        let empty = json!({ "progress": { "totalBytes": 0, "bytesDone": 0 } });
        with_status(&shop, "podvolumebackups.velero.io", &copy, &empty, || {
            node.dr(&["backup", "verify", files]).exits(1).says("zero bytes");
        });
    });
    cases.case("a backup whose hook failed", || {
        let off = ["command-", "container-"].map(|what| format!("pre.hook.backup.velero.io/{what}"));
        let on = ["pre.hook.backup.velero.io/command=[\"false\"]", "pre.hook.backup.velero.io/container=postgres"];
        let annotate = |what: &[&str]| {
            node.kubectl(&[&["annotate", "pod", "postgres-0", "-n", &shop.namespace][..], what].concat());
        };
        annotate(&on);
        node.velero(&["backup", "create", "live-verify-1", "--include-namespaces", &shop.namespace, "--wait"]);
        annotate(&[off[0].as_str(), off[1].as_str()]);
        node.dr(&["backup", "verify", "live-verify-1"]).exits(1).says("1 of 1 failed");
    });
    cases.case("an archive that is cut in the object store, and one that is gone", || {
        let archive = archive_of(&node, files);
        changed(
            &archive,
            |bytes| bytes.truncate(bytes.len() / 2),
            || {
                node.dr(&["backup", "verify", files]).exits(1).says("damaged or cut short");
            },
        );
        let aside = archive.with_extension("aside");
        fs::rename(&archive, &aside).expect("move the archive away");
        let ended = catch_unwind(AssertUnwindSafe(|| {
            node.dr(&["backup", "verify", files]).exits(1).says("no such document");
        }));
        fs::rename(&aside, &archive).expect("move the archive back");
        if let Err(reason) = ended {
            resume_unwind(reason);
        }
        node.dr(&["backup", "verify", files]).exits(0);
    });
    cases.case("a snapshot that is deleted at its driver, behind Velero's back", || {
        let answer = node.dr(&["backup", "verify", snapshot, "-o", "json"]).exits(0).json();
        let told = volume(&answer)["because"].as_str().unwrap_or_default();
        let handle = told.strip_prefix("CSI snapshot ").and_then(|rest| rest.split_once(':')).map(|(handle, _)| handle);
        delete_at_the_driver(&node, "csi.dr.test", handle.unwrap_or_else(|| panic!("no handle in {told:?}")));
        let phase = node.get(&["backups.velero.io", snapshot, "-n", "velero"])["status"]["phase"].clone();
        assert_eq!(phase, "Completed", "Velero has noticed");
        let answer = not_restorable(&node, snapshot);
        assert!(volume(&answer)["because"].as_str().is_some_and(|because| because.contains("is gone")), "{answer:#}");
        nothing_left(&node);
    });
}

#[test]
fn a_snapshot_of_a_driver_that_cannot_list_is_unknown() {
    let node = node!();
    let shop = Shop::open(&node, "live-verify-blind", By::Snapshot, Class::NoAttach, 1);
    let backup = shop.back_up();
    let answer = node.dr(&["backup", "verify", &backup, "-o", "json"]).exits(1).json();
    assert_eq!(answer["verdict"], "unknown", "{answer:#}");
    let because = volume(&answer)["because"].as_str().unwrap_or_default();
    assert!(because.contains("cannot list snapshots"), "{answer:#}");
    nothing_left(&node);
}

#[track_caller]
fn volume(answer: &Value) -> &Value {
    let volumes = answer["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    volumes.iter().find(|volume| volume["claim"] == CLAIM).unwrap_or_else(|| panic!("no {CLAIM} in {answer:#}"))
}

#[track_caller]
fn not_restorable(node: &Node, backup: &str) -> Value {
    let answer = node.dr(&["backup", "verify", backup, "-o", "json"]).exits(1).json();
    assert_eq!(answer["verdict"], "not-restorable", "{answer:#}");
    answer
}

/// Whatever was made to ask a driver is deleted again.
#[track_caller]
fn nothing_left(node: &Node) {
    let left = node.get(&["volumesnapshotcontents", "-l", "kubectl-dr/asks-for-snapshot"]);
    assert!(left["items"].as_array().is_none_or(Vec::is_empty), "{left:#}");
}

fn archive_of(node: &Node, backup: &str) -> PathBuf {
    let files = node.bucket(&format!("backups/{backup}"));
    let named = format!("{backup}.tar.gz");
    let archive = files.iter().find(|file| file.file_name().is_some_and(|name| *name == *named));
    archive.unwrap_or_else(|| panic!("no {named} in {files:?}")).clone()
}

/// A file that is otherwise for the length of one case.
fn changed(file: &Path, change: impl FnOnce(&mut Vec<u8>), case: impl FnOnce()) {
    let before = fs::read(file).expect("read a file of the bucket");
    let mut after = before.clone();
    change(&mut after);
    fs::write(file, after).expect("write a file of the bucket");
    let ended = catch_unwind(AssertUnwindSafe(case));
    fs::write(file, before).expect("write a file of the bucket");
    if let Err(reason) = ended {
        resume_unwind(reason);
    }
}

/// Imports the snapshot with the policy Delete, and deletes the import: what is not bound is let go of without a word to
/// the driver.
fn delete_at_the_driver(node: &Node, driver: &str, handle: &str) {
    let (name, namespace) = ("live-verify-delete", "live-verify");
    let content = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotContent",
        "metadata": { "name": name },
        "spec": {
            "deletionPolicy": "Delete",
            "driver": driver,
            "source": { "snapshotHandle": handle },
            "volumeSnapshotRef": { "name": name, "namespace": namespace },
        },
    });
    let snapshot = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "source": { "volumeSnapshotContentName": name } },
    });
    node.apply(&content.to_string());
    node.apply(&snapshot.to_string());
    until("the snapshot is imported", 60, || {
        let snapshot = node.get(&["volumesnapshot", name, "-n", namespace]);
        (snapshot["status"]["readyToUse"] == true).then_some(())
    });
    node.kubectl(&["delete", "volumesnapshot", name, "-n", namespace, "--timeout=60s"]);
    until("its content is gone", 60, || node.get(&["volumesnapshotcontents", name]).is_null().then_some(()));
}
