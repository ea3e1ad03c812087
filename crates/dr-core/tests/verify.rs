//! What can be restored from a backup: each verdict, its reason, and that nothing unknown is ever green.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed; what tests share is public"
)]

mod common;
#[path = "verify/night.rs"]
mod night;
#[path = "verify/whole.rs"]
mod whole;

use std::collections::BTreeSet;

use common::push;
use dr_core::facts::Listed;
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::verify::{
    Answer, ArchivedClaim, Asked, COMPARED, Fetched, Method, Snapshot, Verdict, answer, probe, questions,
};
use jiff::Timestamp;
use night::{Night, TAKEN, claim, copy, csi, files, mounted, moved, snapshot, upload};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn a_sound_backup_can_be_restored_by_each_path() {
    for (night, method, because) in [
        (files(), Method::FileSystem, "file-system backup of volume data in pod db-0: 1000000 bytes"),
        (csi(), Method::CsiSnapshot, "CSI snapshot snap-1: driver csi.test has it"),
        (
            moved(),
            Method::Moved,
            "moved to the object store as kopia-1: 1000000 bytes; velero restore gives it back, kubectl dr restore \
             does not stage it yet",
        ),
    ] {
        let judged = night.judged();
        assert_eq!(judged.verdict(), Verdict::Restorable, "{judged:#?}");
        let volume = night.volume("data");
        assert_eq!((volume.method, volume.finding.because.as_str()), (Some(method), because));
        assert_eq!(volume.taken.unwrap().to_string(), TAKEN);
        assert!(judged.checks.iter().all(|check| check.finding.hint.is_empty()), "{judged:#?}");
    }
}

#[test]
fn a_skipped_volume_is_told_with_veleros_reason() {
    let mut night = files();
    night.info(|info| {
        info["skipped"] = json!(true);
        info["skippedReason"] = json!("no applicable snapshotter");
    });
    night.data_is(Verdict::NotRestorable, "the backup skipped it: no applicable snapshotter");
}

#[test]
fn of_two_answers_about_one_volume_the_worse_counts_whichever_comes_first() {
    for skipped_first in [true, false] {
        let mut night = files();
        let Fetched::Read(infos) = &mut night.held.infos else { panic!("they are read") };
        let mut skipped = infos[0].clone();
        skipped["skipped"] = json!(true);
        infos.insert(usize::from(!skipped_first), skipped);
        night.data_is(Verdict::NotRestorable, "the backup skipped it: no reason recorded");
        assert_eq!(night.judged().volumes.len(), 1);
    }
}

#[test]
fn a_claim_of_the_archive_without_data_would_come_back_empty() {
    let mut night = files();
    night.contents(|contents| contents.claims.push(claim("cache", "Bound")));
    let finding = night.volume("cache").finding;
    let because = "its claim is in the archive and the backup lists no data of it: it was not taken, or its \
                   PersistentVolume is not in the backup";
    assert_eq!((finding.verdict, finding.because.as_str()), (Verdict::NotRestorable, because));
    assert_eq!(night.judged().verdict(), Verdict::NotRestorable);
}

#[test]
fn a_claim_that_never_had_a_volume_loses_nothing_and_one_whose_volume_was_lost_has_nothing() {
    let mut night = files();
    night.contents(|contents| contents.claims.push(claim("later", "Pending")));
    assert_eq!(night.judged().verdict(), Verdict::Restorable);
    night.contents(|contents| contents.claims.push(claim("gone", "Lost")));
    assert_eq!(night.volume("gone").finding.verdict, Verdict::NotRestorable);
}

#[test]
fn a_claim_that_only_an_archived_pod_speaks_of_is_missed() {
    let mut night = files();
    night.contents(|contents| contents.mounted.push(mounted("logs")));
    let because = "pod db-0 in the archive mounts it, and neither claim nor data is there";
    assert_eq!(night.volume("logs").finding.because, because);
    assert_eq!(night.judged().verdict(), Verdict::NotRestorable);
}

#[test]
fn a_file_copy_is_nothing_without_its_object_its_bytes_and_its_end() {
    let mut night = files();
    night.first(Kind::PodVolumeBackup, |copy| copy["status"]["progress"] = json!({ "totalBytes": 0, "bytesDone": 0 }));
    night.data_is(Verdict::NotRestorable, "its PodVolumeBackup is empty: zero bytes were copied");
    let mut night = files();
    night.first(Kind::PodVolumeBackup, |copy| copy["status"]["phase"] = json!("Failed"));
    night.data_is(Verdict::NotRestorable, "its PodVolumeBackup b-data is Failed");
    let mut night = files();
    night.clear(Kind::PodVolumeBackup);
    night.data_is(
        Verdict::NotRestorable,
        "its PodVolumeBackup object is not in the cluster, and without it Velero restores an empty volume",
    );
}

#[test]
fn a_repository_that_is_not_ready_or_not_known_gives_nothing_back_for_certain() {
    let mut night = files();
    night.first(Kind::BackupRepository, |repository| {
        repository["status"] = json!({ "phase": "NotReady", "message": "connection refused" });
    });
    night.data_is(
        Verdict::NotRestorable,
        "the kopia repository of namespace shop at location default is NotReady: connection refused",
    );
    night.first(Kind::BackupRepository, |repository| repository["status"] = json!({}));
    night.data_is(
        Verdict::Unknown,
        "Velero has not opened the kopia repository of namespace shop at location default yet",
    );
    // Ready, but of another location.
    night.first(Kind::BackupRepository, |repository| {
        repository["status"] = json!({ "phase": "Ready" });
        repository["spec"]["backupStorageLocation"] = json!("other");
    });
    night.data_is(
        Verdict::Unknown,
        "the kopia repository of namespace shop at location default is not known to this cluster: Velero looks for it \
         only at a restore or backup",
    );
}

/// The largest earlier copies first.
fn with_earlier(sizes: &[u64], now: u64) -> Night {
    let mut night = files();
    night.first(Kind::PodVolumeBackup, |copy| {
        copy["status"]["progress"] = json!({ "totalBytes": now, "bytesDone": now });
    });
    for (number, bytes) in sizes.iter().enumerate() {
        let started = format!("2026-01-01T{:02}:00:00Z", 23 - number);
        let earlier = copy(&format!("e{number}"), &format!("earlier-{number}"), "data", &started, *bytes);
        push(&mut night.facts, Kind::PodVolumeBackup, earlier);
    }
    night
}

#[test]
fn a_copy_of_less_than_half_of_the_last_good_ones_is_unknown_and_one_of_half_is_not() {
    with_earlier(&[1000], 499).data_is(
        Verdict::Unknown,
        "it holds 499 bytes, 49 % of the largest of the last 5 good copies (1000 bytes): nobody can tell whether that \
         is all of the data",
    );
    assert_eq!(with_earlier(&[1000], 500).judged().verdict(), Verdict::Restorable);
    assert_eq!(with_earlier(&[1000], 5000).judged().verdict(), Verdict::Restorable);
    assert_eq!(with_earlier(&[], 1).judged().verdict(), Verdict::Restorable);
}

#[test]
fn a_loss_is_remembered_over_as_many_backups_as_are_compared_and_no_longer() {
    let mut sizes = vec![10; COMPARED - 1];
    sizes.push(1000);
    assert_eq!(with_earlier(&sizes, 10).judged().verdict(), Verdict::Unknown);
    sizes.insert(0, 10);
    assert_eq!(with_earlier(&sizes, 10).judged().verdict(), Verdict::Restorable);
}

#[test]
fn copies_that_failed_are_of_another_claim_or_came_later_are_not_compared_with() {
    for change in [
        (|copy| copy["status"]["phase"] = json!("Failed")) as fn(&mut Value),
        |copy| copy["spec"]["pod"]["namespace"] = json!("other"),
        |copy| {
            copy["metadata"]["annotations"] = json!({ "velero.io/pvc-name": "logs" });
            copy["spec"]["volume"] = json!("logs");
        },
        |copy| copy["status"]["startTimestamp"] = json!("2026-01-02T02:00:00Z"),
    ] {
        let mut night = files();
        let mut other = copy("e", "earlier", "data", "2026-01-01T23:00:00Z", 1 << 40);
        change(&mut other);
        push(&mut night.facts, Kind::PodVolumeBackup, other.clone());
        let judged = night.judged();
        assert_eq!(judged.volumes[0].finding.verdict, Verdict::Restorable, "{other}");
    }
}

#[test]
fn a_snapshot_is_only_green_when_its_driver_has_it() {
    let with = |asked: Option<Asked>| {
        let mut night = csi();
        night.asked = asked.map(|asked| (snapshot(), asked)).into_iter().collect();
        night
    };
    with(Some(Asked::Gone("can not find it".into()))).data_is(
        Verdict::NotRestorable,
        "CSI snapshot snap-1 is gone: driver csi.test does not know it (can not find it)",
    );
    with(Some(Asked::CannotList)).data_is(
        Verdict::Unknown,
        "CSI snapshot snap-1: driver csi.test cannot list snapshots, so nobody can tell whether it has it",
    );
    with(Some(Asked::NoAnswer("no answer within 30 s".into())))
        .data_is(Verdict::Unknown, "CSI snapshot snap-1 of driver csi.test: no answer within 30 s");
    with(None).data_is(Verdict::Unknown, "CSI snapshot snap-1: driver csi.test was not asked for it");
}

#[test]
fn a_driver_that_is_not_installed_cannot_give_a_snapshot_back() {
    let mut night = csi();
    night.clear(Kind::CSIDriver);
    night.data_is(Verdict::NotRestorable, "the CSI driver csi.test is not installed in this cluster");
    let mut night = csi();
    night.facts.objects.insert(Kind::CSIDriver, Listed::Forbidden("no".into()));
    night.data_is(Verdict::Unknown, "cannot list csidrivers.storage.k8s.io: no");
}

#[test]
fn only_snapshots_that_stayed_with_their_driver_are_asked_for() {
    assert_eq!(asked_for(&csi(), None), BTreeSet::from([snapshot()]));
    assert_eq!(asked_for(&moved(), None), BTreeSet::new());
    assert_eq!(asked_for(&files(), None), BTreeSet::new());
}

fn asked_for(night: &Night, namespace: Option<&str>) -> BTreeSet<Snapshot> {
    questions(&night.facts, &night.backup, &night.held, namespace)
}

#[test]
fn nobody_is_asked_for_snapshots_of_other_namespaces_or_of_a_backup_that_does_not_come_back_anyway() {
    assert_eq!(asked_for(&csi(), Some("shop")), BTreeSet::from([snapshot()]));
    assert_eq!(asked_for(&csi(), Some("other")), BTreeSet::new());
    for change in [
        (|night| night.backup.0["status"]["phase"] = json!("Failed")) as fn(&mut Night),
        |night| night.backup.0["status"]["expiration"] = json!("2026-01-01T00:00:00Z"),
        |night| night.clear(Kind::BackupStorageLocation),
        |night| night.held.archive = Fetched::Unread("403".into()),
    ] {
        let mut night = csi();
        change(&mut night);
        assert_eq!(asked_for(&night, None), BTreeSet::new());
    }
}

#[test]
fn a_question_to_a_driver_leaves_its_snapshot_alone_and_carries_the_drivers_class() {
    let content = probe(&csi().facts, &snapshot(), "dr-asks-1");
    assert_eq!(
        content,
        json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": { "name": "dr-asks-1", "labels": { "kubectl-dr/asks-for-snapshot": "true" } },
            "spec": {
                "deletionPolicy": "Retain", "driver": "csi.test", "source": { "snapshotHandle": "snap-1" },
                "volumeSnapshotClassName": "c",
                "volumeSnapshotRef": { "name": "dr-asks-1", "namespace": "velero" },
            },
        })
    );
}

#[test]
fn what_csi_snapshotter_writes_into_a_question_is_read_as_what_the_driver_said() {
    let said = |status: Value| {
        let asked = json!({ "creationTimestamp": "2026-01-02T12:00:00Z" });
        answer(&Object(json!({ "metadata": asked, "status": status })))
    };
    let at = |time: &str| i64::try_from(time.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap();
    let ready = |time: &str| json!({ "readyToUse": true, "creationTime": at(time) });
    assert_eq!(said(ready("2026-01-02T01:00:10Z")), Answer::Settled(Asked::Exists));
    // A driver that lists and tells no time: the epoch.
    assert_eq!(said(json!({ "readyToUse": true, "creationTime": 0 })), Answer::Settled(Asked::Exists));
    let mut young = ready("2026-01-02T11:59:50Z");
    // As it is written for a driver without LIST_SNAPSHOTS: taken just now, by whatever clock, and no size.
    for now in ["2026-01-02T12:00:01Z", "2026-01-02T11:59:50Z", "2026-01-02T11:05:00Z", "2026-01-02T12:55:00Z"] {
        assert_eq!(said(ready(now)), Answer::Settled(Asked::CannotList), "{now}");
    }
    assert_eq!(said(json!({ "readyToUse": true })), Answer::Settled(Asked::CannotList));
    young["restoreSize"] = json!(1 << 30);
    assert_eq!(said(young), Answer::Settled(Asked::Exists));
    let gone = "failed to list snapshot for content x: can not find snapshot for snapshotID snap-1";
    let error = |message: &str| json!({ "readyToUse": false, "error": { "message": message } });
    assert_eq!(said(error(gone)), Answer::Settled(Asked::Gone(gone.into())));
    assert_eq!(said(error("code = Unavailable")), Answer::Open("code = Unavailable".into()));
    assert!(matches!(said(json!({ "readyToUse": false })), Answer::Open(_)));
    assert!(matches!(said(Value::Null), Answer::Open(_)));
}

#[test]
fn moved_data_needs_its_upload_in_the_archive_its_bytes_and_a_mover_that_is_known() {
    let mut night = moved();
    night.contents(|contents| contents.moved.clear());
    night.data_is(
        Verdict::NotRestorable,
        "its DataUpload is not in the archive, and without it Velero restores an empty volume",
    );
    let mut night = moved();
    night.first(Kind::DataUpload, |upload| upload["status"]["phase"] = json!("Failed"));
    night.data_is(Verdict::NotRestorable, "its DataUpload is Failed");
    let mut night = moved();
    night.first(Kind::DataUpload, |upload| upload["status"]["progress"]["totalBytes"] = json!(0));
    night.data_is(Verdict::NotRestorable, "its DataUpload is empty: zero bytes were moved");
    let mut night = moved();
    night.info(|info| info["snapshotDataMovementInfo"]["Phase"] = json!("Canceled"));
    night.data_is(Verdict::NotRestorable, "its DataUpload was Canceled when the backup ended");
    let mut night = moved();
    night.info(|info| info["snapshotDataMovementInfo"]["dataMover"] = json!("vendor"));
    night.data_is(Verdict::Unknown, "the data mover vendor keeps it, and only that can tell whether it does");
    let mut night = moved();
    push(&mut night.facts, Kind::DataUpload, upload("e", "earlier", "2026-01-01T01:00:00Z", 1 << 40));
    assert_eq!(night.volume("data").finding.verdict, Verdict::Unknown);
    // Of a cluster that was made anew the objects of the upload are gone; the archive has them.
    let mut night = moved();
    night.clear(Kind::DataUpload);
    assert_eq!(night.judged().verdict(), Verdict::Restorable);
}

#[test]
fn a_native_snapshot_only_its_provider_knows() {
    let mut night = files();
    night.info(|info| {
        info["backupMethod"] = json!("NativeSnapshot");
        info["nativeSnapshotInfo"] = json!({ "snapshotHandle": "snap-9" });
    });
    night.data_is(
        Verdict::Unknown,
        "the provider's snapshot snap-9: only the provider can tell whether it is still there",
    );
    night.info(|info| info["result"] = json!("failed"));
    night.data_is(Verdict::NotRestorable, "taking its data failed");
}

#[test]
fn a_copy_that_the_list_of_volumes_forgot_is_unknown() {
    let mut night = files();
    push(&mut night.facts, Kind::PodVolumeBackup, copy("b-logs", "b", "logs", TAKEN, 5));
    let because = "b-logs says that its data was copied, but the backup's list of volumes does not name it, and Velero \
                   goes by that list";
    let finding = night.volume("logs").finding;
    assert_eq!((finding.verdict, finding.because.as_str()), (Verdict::Unknown, because));
    // The copy of another backup is no business of this one.
    let mut night = files();
    push(&mut night.facts, Kind::PodVolumeBackup, copy("c-logs", "c", "logs", TAKEN, 5));
    assert_eq!(night.judged().verdict(), Verdict::Restorable);
}

#[test]
fn a_volume_that_lives_with_a_pod_is_judged_as_well() {
    let mut night = files();
    night.info(|info| {
        info["pvcName"] = json!("");
        info["pvcNamespace"] = json!("");
    });
    night.contents(|contents| {
        contents.claims.clear();
        contents.mounted.clear();
    });
    night.first(Kind::PodVolumeBackup, |copy| copy["metadata"]["annotations"] = json!({}));
    let judged = night.judged();
    assert_eq!(judged.verdict(), Verdict::Restorable, "{judged:#?}");
    assert_eq!(judged.volumes.len(), 1);
    assert_eq!(judged.volumes[0].volume.to_string(), "shop/db-0:data");
}

#[test]
fn a_copy_whose_claim_is_not_in_the_archive_does_not_come_back_though_velero_lists_it() {
    for (mut night, method) in [(files(), Method::FileSystem), (csi(), Method::CsiSnapshot), (moved(), Method::Moved)] {
        night.contents(|contents| contents.claims.clear());
        night.data_is(Verdict::NotRestorable, "its claim is not in the archive");
        let judged = night.volume("data");
        assert_eq!(judged.method, Some(method));
        assert_eq!(
            judged.finding.hint,
            "kubectl dr backup coverage --ns shop --backup b --why pvc/data tells why; restore this volume from another \
             backup"
        );
        // A claim of the same name elsewhere is another one.
        let other = ArchivedClaim { namespace: "other".into(), ..claim("data", "Pending") };
        night.contents(|contents| contents.claims.push(other));
        night.data_is(Verdict::NotRestorable, "its claim is not in the archive");
    }
}

#[test]
fn a_copy_that_is_not_listed_is_unknown_though_pod_and_volume_of_another_namespace_are_called_the_same() {
    let mut night = files();
    let mut other = copy("b-other", "b", "data", TAKEN, 1_000_000);
    other["spec"]["pod"]["namespace"] = json!("other");
    other["metadata"]["annotations"] = json!({});
    push(&mut night.facts, Kind::PodVolumeBackup, other);
    let judged = night.judged();
    let found: Vec<_> =
        judged.volumes.iter().map(|judged| (judged.volume.to_string(), judged.finding.verdict)).collect();
    let wanted = [("other/db-0:data".to_owned(), Verdict::Unknown), ("shop/data".to_owned(), Verdict::Restorable)];
    assert_eq!(found, wanted);
}

#[test]
fn what_a_driver_or_velero_says_is_told_in_one_line_without_passwords() {
    let says = "cannot reach\r\n\thttps://admin:hunter2@array/:\u{1b}[2J \u{7}token=hunter2";
    let told = "cannot reach   https://admin:(redacted)@array/:[2J token=(redacted)";
    let Answer::Open(open) = answer(&Object(json!({ "status": { "error": { "message": says } } }))) else {
        panic!("it settles nothing")
    };
    for (asked, because) in [
        (Asked::Gone(says.into()), format!("CSI snapshot snap-1 is gone: driver csi.test does not know it ({told})")),
        (Asked::NoAnswer(open), format!("CSI snapshot snap-1 of driver csi.test: {told}")),
    ] {
        let mut night = csi();
        night.asked.insert(snapshot(), asked);
        assert_eq!(night.volume("data").finding.because, because);
    }
    let mut night = files();
    night.info(|info| {
        info["skipped"] = json!(true);
        info["skippedReason"] = json!(says);
    });
    assert_eq!(night.volume("data").finding.because, format!("the backup skipped it: {told}"));
}

#[test]
fn a_backup_of_a_long_name_is_known_by_its_uid() {
    let mut night = files();
    night.backup.0["metadata"]["name"] = json!("b".repeat(70));
    night.first(Kind::PodVolumeBackup, |copy| {
        // As Velero shortens it.
        let label = format!("{}b2c4d6", "b".repeat(57));
        copy["metadata"]["labels"] = json!({ "velero.io/backup-name": label, "velero.io/backup-uid": "uid-b" });
    });
    assert_eq!(night.judged().verdict(), Verdict::Restorable, "{:#?}", night.judged());
    // As a restore judges it.
    let Fetched::Read(infos) = &night.held.infos else { panic!("they are read") };
    let mut facts = night.facts.clone();
    facts.namespace = "shop".into();
    push(&mut facts, Kind::Backup, night.backup.0.clone());
    let judged = dr_core::cover::judge(&facts, night.backup.name(), infos, "data").unwrap();
    assert!(matches!(judged, dr_core::cover::Coverage::Captured(_)), "{judged:?}");
    night.backup.0["metadata"]["uid"] = json!("uid-c");
    assert_eq!(night.volume("data").finding.verdict, Verdict::NotRestorable);
}

/// Everything that may not be read.
fn unreadable() -> impl Strategy<Value = Vec<Kind>> {
    let kinds = [
        Kind::BackupStorageLocation,
        Kind::BackupRepository,
        Kind::PodVolumeBackup,
        Kind::DataUpload,
        Kind::DeleteBackupRequest,
        Kind::CSIDriver,
        Kind::VolumeSnapshotClass,
    ];
    proptest::sample::subsequence(kinds.to_vec(), 0..=kinds.len())
}

proptest! {
    #[test]
    fn whatever_cannot_be_read_is_never_green_where_it_decides(
        forbidden in unreadable(), path in 0_usize..3, infos in any::<bool>(), archive in any::<bool>(),
    ) {
        let mut night = [files, csi, moved][path]();
        for kind in &forbidden {
            night.facts.objects.insert(*kind, Listed::Forbidden("not allowed".into()));
        }
        if infos {
            night.held.infos = Fetched::Unread("403".into());
        }
        if archive {
            night.held.archive = Fetched::Unread("403".into());
        }
        let decides: &[Kind] = match path {
            1 => &[Kind::CSIDriver, Kind::VolumeSnapshotClass],
            _ => &[Kind::BackupRepository],
        };
        let always = [Kind::BackupStorageLocation, Kind::DeleteBackupRequest, Kind::PodVolumeBackup, Kind::DataUpload];
        let blind = infos || archive || forbidden.iter().any(|kind| always.contains(kind) || decides.contains(kind));
        let verdict = night.judged().verdict();
        prop_assert_eq!(verdict == Verdict::Restorable, !blind, "{:#?}", night.judged());
        // Not looking is no proof of a loss either.
        prop_assert_ne!(verdict, Verdict::NotRestorable);
    }

    #[test]
    fn the_worst_comes_first(seed in proptest::collection::vec(0_usize..4, 1..6)) {
        let mut night = files();
        night.contents(|contents| {
            let phase = ["Bound", "Pending", "Lost", "Bound"];
            let claims = seed.iter().enumerate();
            contents.claims.extend(claims.map(|(number, kind)| claim(&format!("c{number}"), phase[*kind])));
        });
        let verdicts: Vec<Verdict> = night.judged().volumes.iter().map(|judged| judged.finding.verdict).collect();
        prop_assert!(verdicts.is_sorted());
    }
}

#[test]
fn a_file_copy_whose_pod_is_not_in_the_archive_does_not_come_back() {
    let mut night = files();
    night.contents(|contents| contents.pods.clear());
    let because = "pod db-0 is not in the archive, or had ended: Velero brings a file copy back only into the pod that it \
                   was taken from";
    night.data_is(Verdict::NotRestorable, because);
    let mut snapshot = csi();
    snapshot.contents(|contents| contents.pods.clear());
    assert_eq!(snapshot.volume("data").finding.verdict, Verdict::Restorable, "a snapshot needs no pod");
}
