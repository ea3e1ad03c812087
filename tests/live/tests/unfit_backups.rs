//! Backups that cannot give the data back: refused before any change, exit 3, the reason, and how to go on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use dr_live::refused::{PutBack, refuses, refuses_from, scale_to, with_status};
use dr_live::{By, Cases, Class, Shop, node, until};
use serde_json::json;

#[test]
fn a_backup_that_cannot_give_the_data_back_is_refused_before_any_change() {
    let node = node!();
    let shop = Shop::open(&node, "live-no-backup", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let ns = shop.namespace.clone();
    let mut cases = Cases::default();

    cases.case("no backup holds the namespace", || refuses(&shop, &["no backup includes it"]));
    cases.case("a namespace that never existed", || {
        node.dr(&["restore", "--ns", "live-no-bakcup", "--yes"]).exits(3).says("live-no-bakcup");
    });
    cases.case("the backup does not hold the volume's data", || {
        shop.back_up_with_velero("live-no-backup-0", &["--snapshot-volumes=false"]);
        refuses(&shop, &["live-no-backup-0", "data-postgres-0"]);
        refuses_from(&shop, "live-no-backup-0", &["data-postgres-0"]);
    });
    let backups = shop.back_up_both();
    let (files, snapshot) = (backups.files.as_str(), backups.snapshot.as_str());
    cases.case("a backup that does not exist, with the nearest names", || {
        refuses_from(&shop, &format!("{snapshot}x"), &[snapshot]);
    });
    cases.case("a backup that is still running", || {
        let hooks = [
            "pre.hook.backup.velero.io/command=[\"sleep\",\"25\"]",
            "pre.hook.backup.velero.io/container=postgres",
            "pre.hook.backup.velero.io/timeout=60s",
        ];
        node.kubectl(&[&["annotate", "pod", "postgres-0", "-n", &ns][..], &hooks[..]].concat());
        let out = node.velero(&["backup", "create", "live-no-backup-1", "--include-namespaces", &ns]);
        assert!(out.status.success(), "velero backup create");
        let phase = || node.get(&["backups.velero.io", "live-no-backup-1", "-n", "velero"])["status"]["phase"].clone();
        until("Velero has begun it", 120, || (phase() == "InProgress").then_some(()));
        refuses_from(&shop, "live-no-backup-1", &["still running"]);
        let off = ["command-", "container-", "timeout-"].map(|what| format!("pre.hook.backup.velero.io/{what}"));
        let off: Vec<&str> = off.iter().map(String::as_str).collect();
        node.kubectl(&[&["annotate", "pod", "postgres-0", "-n", &ns][..], &off].concat());
        until("Velero is done with it", 180, || (phase() == "Completed").then_some(()));
    });
    cases.case("a backup that failed", || {
        let failed = json!({ "phase": "Failed", "failureReason": "the disk of the object store is full" });
        with_status(&shop, "backups.velero.io", snapshot, &failed, || refuses_from(&shop, snapshot, &["Failed"]));
    });
    cases.case("a backup that has expired", || {
        let expired = json!({ "expiration": "2020-01-01T00:00:00Z" });
        with_status(&shop, "backups.velero.io", snapshot, &expired, || {
            refuses_from(&shop, snapshot, &["expired"]);
        });
    });
    let copy =
        node.get(&["podvolumebackups.velero.io", "-n", "velero", "-l", &format!("velero.io/backup-name={files}")]);
    let copy = copy["items"][0]["metadata"]["name"].as_str().expect("a PodVolumeBackup").to_owned();
    cases.case("a backup that is PartiallyFailed, for that very volume", || {
        with_status(&shop, "backups.velero.io", files, &json!({ "phase": "PartiallyFailed" }), || {
            with_status(&shop, "podvolumebackups.velero.io", &copy, &json!({ "phase": "Failed" }), || {
                refuses_from(&shop, files, &["data-postgres-0", "Failed"]);
            });
        });
    });
    cases.case("a PodVolumeBackup of zero bytes", || {
        let empty = json!({ "progress": { "totalBytes": 0, "bytesDone": 0 } });
        with_status(&shop, "podvolumebackups.velero.io", &copy, &empty, || {
            refuses_from(&shop, files, &["data-postgres-0", "zero bytes"]);
        });
    });
    cases.case("a PodVolumeBackup without snapshot", || {
        with_status(&shop, "podvolumebackups.velero.io", &copy, &json!({ "snapshotID": "" }), || {
            refuses_from(&shop, files, &["data-postgres-0", "is empty"]);
        });
    });
    cases.case("no VolumeSnapshotClass for the driver", || {
        let _back = PutBack::keep(&node, &["volumesnapshotclass", "csi"]);
        node.kubectl(&["delete", "volumesnapshotclass", "csi"]);
        refuses_from(&shop, snapshot, &["VolumeSnapshotClass"]);
    });
    cases.case("the CSI driver is not installed", || {
        let _back = PutBack::keep(&node, &["csidriver", "csi.dr.test"]);
        node.kubectl(&["delete", "csidriver", "csi.dr.test"]);
        refuses_from(&shop, snapshot, &["csi.dr.test is not installed"]);
    });
    cases.case("the storage location is not available", || without_object_store(&shop));
    cases.case("the backup is gone from the object store", || {
        for file in node.bucket(&format!("backups/{files}")) {
            fs::remove_file(file).expect("delete from the bucket");
        }
        refuses_from(&shop, files, &[files]);
    });
    cases.case("a backup that may be used is used all the same", || {
        node.dr(&["restore", "--ns", &ns, "--from", snapshot, "--dry-run"]).exits(0).says("quiesce");
    });
}

fn without_object_store(shop: &Shop<'_>) {
    let node = shop.node;
    let available = |wanted: &str| {
        let phase = || node.get(&["bsl", "default", "-n", "velero"])["status"]["phase"].clone();
        until(&format!("the location is {wanted}"), 180, || (phase() == *wanted).then_some(()));
    };
    scale_to(node, "s3", "deployment/s3", 0);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        available("Unavailable");
        refuses(shop, &["backup storage location default is Unavailable"]);
    }));
    scale_to(node, "s3", "deployment/s3", 1);
    node.kubectl(&["rollout", "status", "-n", "s3", "deployment/s3", "--timeout=120s"]);
    available("Available");
    if let Err(reason) = ended {
        resume_unwind(reason);
    }
}
