//! Which backup is taken, and what is said of the ones that are not.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed, which is what it is for"
)]

use dr_core::choose::{Choice, Chosen, Request, What, choose};
use dr_core::facts::{Archive, Document, Documents, Facts, Listed};
use dr_core::kind::Kind;
use serde_json::{Value, json};

mod common;

use common::{empty, push};

/// A cluster with a StatefulSet `db` on claim `data-db-0`.
fn cluster() -> Facts {
    let mut facts = empty();
    push(
        &mut facts,
        Kind::StatefulSet,
        json!({ "metadata": { "name": "db" },
                "spec": { "replicas": 1, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } }),
    );
    push(
        &mut facts,
        Kind::BackupStorageLocation,
        json!({ "metadata": { "name": "default", "namespace": "velero" }, "status": { "phase": "Available" } }),
    );
    facts
}

/// A Completed backup of `shop` at this hour, holding a file-system copy of each claim.
fn backup(facts: &mut Facts, name: &str, hour: u32, claims: &[&str]) {
    backup_in(facts, name, hour, claims, json!({ "phase": "Completed" }));
}

fn backup_in(facts: &mut Facts, name: &str, hour: u32, claims: &[&str], status: Value) {
    let mut whole = json!({
        "startTimestamp": format!("2026-01-02T{hour:02}:00:00Z"),
        "completionTimestamp": format!("2026-01-02T{hour:02}:01:00Z"),
        "expiration": "2026-02-01T00:00:00Z",
    });
    whole.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    push(
        facts,
        Kind::Backup,
        json!({ "metadata": { "name": name, "namespace": "velero", "uid": format!("uid-{name}") },
                "spec": { "includedNamespaces": ["shop"], "storageLocation": "default" }, "status": whole }),
    );
    let mut infos = Vec::new();
    for claim in claims {
        infos.push(json!({
            "pvcName": claim, "pvcNamespace": "shop", "backupMethod": "PodVolumeBackup", "result": "succeeded",
            "pvbInfo": { "podName": "db-0", "volumeName": claim },
        }));
        push(
            facts,
            Kind::PodVolumeBackup,
            json!({ "metadata": { "name": format!("{name}-{claim}"), "namespace": "velero",
                                  "labels": { "velero.io/backup-name": name } },
                    "spec": { "pod": { "name": "db-0", "namespace": "shop" }, "volume": claim },
                    "status": { "phase": "Completed", "snapshotID": "abc",
                                "startTimestamp": format!("2026-01-02T{hour:02}:00:10Z"),
                                "progress": { "totalBytes": 10, "bytesDone": 10 } } }),
        );
    }
    facts.documents.insert(
        name.to_owned(),
        Documents { volume_infos: Document::Read(infos), archive: Document::Read(Archive::default()) },
    );
}

#[track_caller]
fn taken(facts: &Facts, request: &Request) -> Chosen {
    match choose(facts, request) {
        Ok(Choice::Take(chosen)) => *chosen,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(facts: &Facts, request: &Request) -> String {
    match choose(facts, request) {
        Err(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Refused when it is named, with exactly this reason and this way on; and passed over when it is not.
#[track_caller]
fn refuses(facts: &Facts, expected: &str) {
    assert_eq!(refused(facts, &from("b")), expected);
    assert_eq!(refused(facts, &Request::default()), expected.replace("claim data", "backup b: claim data"));
}

#[track_caller]
fn because(facts: &Facts, expected: &str) {
    let refusal = refused(facts, &Request::default());
    assert!(refusal.contains(expected), "{refusal}");
}

fn from(name: &str) -> Request {
    Request { backup: Some(name.into()), ..Request::default() }
}

#[test]
fn the_newest_backup_that_covers_the_volumes_is_taken_not_merely_the_newest() {
    let mut facts = cluster();
    backup(&mut facts, "old", 1, &["data-db-0"]);
    backup(&mut facts, "newer-without-data", 2, &[]);
    let chosen = taken(&facts, &Request::default());
    assert_eq!(chosen.backup, "old");
    assert_eq!(
        chosen.passed_over,
        [(
            "newer-without-data".to_owned(),
            "claim data-db-0: the backup has no entry for this volume: its data was not taken, or its PersistentVolume is not in the backup".to_owned()
        )]
    );
}

#[test]
fn a_claim_that_is_gone_is_still_asked_for_because_its_statefulset_is_not() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    let claims: Vec<_> = taken(&facts, &Request::default()).volumes.into_iter().map(|volume| volume.claim).collect();
    assert_eq!(claims, ["data-db-0"]);
}

#[test]
fn documents_are_fetched_one_backup_at_a_time_newest_first() {
    let mut facts = cluster();
    backup(&mut facts, "old", 1, &["data-db-0"]);
    backup(&mut facts, "new", 2, &["data-db-0"]);
    let documents = std::mem::take(&mut facts.documents);
    let fetch = |what| Ok(Choice::Fetch { backup: "new".into(), what });
    assert_eq!(choose(&facts, &Request::default()), fetch(What::VolumeInfos));
    let infos = documents["new"].volume_infos.clone();
    facts.documents.insert("new".into(), Documents { volume_infos: infos, archive: Document::NotRead });
    assert_eq!(choose(&facts, &Request::default()), fetch(What::Archive));
}

#[test]
fn a_cache_that_no_backup_holds_does_not_stop_the_database_once_it_is_left() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    push(&mut facts, Kind::PersistentVolumeClaim, json!({ "metadata": { "name": "cache", "namespace": "shop" } }));
    because(&facts, "claim cache: the backup has no entry for this volume");
    let request = Request { leave: vec!["cache".into()], ..Request::default() };
    assert_eq!(taken(&facts, &request).left_out, [("cache".to_owned(), "named by --leave".to_owned())]);
    let request = Request { claims: vec!["data-db-0".into()], ..Request::default() };
    assert_eq!(taken(&facts, &request).left_out, [("cache".to_owned(), "not named by --claim".to_owned())]);
}

#[test]
fn each_state_a_backup_may_be_in_is_told_apart() {
    const OTHER: &str = "choose another with --from";
    const WAIT: &str = "wait for it, or choose another with --from";
    const RAISE: &str = "raise its spec.ttl first, or choose another with --from";
    for (status, because, hint) in [
        (json!({ "phase": "Failed" }), "its phase is Failed", OTHER),
        (json!({ "phase": "FailedValidation" }), "its phase is FailedValidation", OTHER),
        (json!({ "phase": "InProgress" }), "it is still running (InProgress)", WAIT),
        (json!({ "phase": "WaitingForPluginOperations" }), "it is still running (WaitingForPluginOperations)", WAIT),
        (json!({ "phase": "Deleting" }), "it is being deleted", OTHER),
        (
            json!({ "phase": "Completed", "expiration": "2026-01-02T11:00:00Z" }),
            "it expired at 2026-01-02T11:00:00Z",
            RAISE,
        ),
        (
            json!({ "phase": "Completed", "expiration": "2026-01-02T12:30:00Z" }),
            "it expires at 2026-01-02T12:30:00Z",
            RAISE,
        ),
    ] {
        let mut facts = cluster();
        backup_in(&mut facts, "b", 1, &["data-db-0"], status);
        refuses(&facts, &format!("backup b: {because}\n  {hint}"));
    }
}

#[test]
fn a_backup_whose_deletion_was_requested_refuses() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    let request = json!({ "metadata": { "name": "b-x", "namespace": "velero" }, "spec": { "backupName": "b" } });
    push(&mut facts, Kind::DeleteBackupRequest, request);
    refuses(&facts, "backup b: its deletion was requested\n  choose another with --from");
}

const LEAVE: &str = "leave this claim as it is with --leave, or choose another backup with --from";

#[test]
fn a_volume_that_is_not_in_the_backup_refuses() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &[]);
    let because =
        "the backup has no entry for this volume: its data was not taken, or its PersistentVolume is not in the backup";
    refuses(&facts, &format!("claim data-db-0: {because}\n  {LEAVE}"));
}

#[test]
fn a_volume_that_velero_skipped_refuses_with_veleros_reason() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    edit_info(&mut facts, |info| {
        info["skipped"] = json!(true);
        info["skippedReason"] = json!("skipped by volume policy");
    });
    refuses(&facts, &format!("claim data-db-0: the backup skipped it: skipped by volume policy\n  {LEAVE}"));
}

fn edit_info(facts: &mut Facts, edit: impl FnOnce(&mut Value)) {
    if let Document::Read(infos) = &mut facts.documents.get_mut("b").unwrap().volume_infos {
        edit(&mut infos[0]);
    }
}

/// A backup that took the volume as a snapshot of this driver.
fn snapshot(driver: &str) -> Facts {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    edit_info(&mut facts, |info| {
        info["backupMethod"] = json!("CSISnapshot");
        info["startTimestamp"] = json!("2026-01-02T01:00:10Z");
        info["csiSnapshotInfo"] = json!({ "driver": driver, "snapshotHandle": "snap-1" });
    });
    push(&mut facts, Kind::CSIDriver, json!({ "metadata": { "name": "csi.test" } }));
    push(&mut facts, Kind::VolumeSnapshotClass, json!({ "metadata": { "name": "c" }, "driver": "csi.test" }));
    facts
}

#[test]
fn a_snapshot_of_a_driver_that_is_not_installed_refuses() {
    assert_eq!(taken(&snapshot("csi.test"), &Request::default()).backup, "b");
    refuses(
        &snapshot("gone.test"),
        "claim data-db-0: the CSI driver gone.test is not installed in this cluster\n  install the driver, or choose \
         another backup with --from",
    );
}

#[test]
fn a_snapshot_without_a_class_to_import_it_by_refuses() {
    let mut facts = snapshot("csi.test");
    facts.objects.insert(Kind::VolumeSnapshotClass, Listed::NotServed);
    refuses(
        &facts,
        "claim data-db-0: no VolumeSnapshotClass of driver csi.test exists, so its snapshot cannot be imported\n  create \
         a VolumeSnapshotClass for the driver",
    );
}

#[test]
fn a_snapshot_that_failed_was_moved_or_was_never_ready_refuses() {
    for (pointer, value, because) in [
        ("result", json!("failed"), "taking its data failed"),
        (
            "snapshotDataMoved",
            json!(true),
            "its snapshot was moved to the object store (DataUpload), which this version cannot stage yet",
        ),
        (
            "csiSnapshotInfo",
            json!({ "driver": "csi.test", "snapshotHandle": "snap-1", "ReadyToUse": false }),
            "its snapshot was not ready to use when the backup ended",
        ),
        ("csiSnapshotInfo", json!({ "driver": "csi.test" }), "the backup names no driver and handle for its snapshot"),
        (
            "backupMethod",
            json!("NativeSnapshot"),
            "it is a native snapshot of the provider, which this version cannot stage beside the live volume",
        ),
    ] {
        let mut facts = snapshot("csi.test");
        edit_info(&mut facts, |info| info[pointer] = value);
        refuses(&facts, &format!("claim data-db-0: {because}\n  {LEAVE}"));
    }
}

#[test]
fn of_many_backups_that_do_not_fit_the_newest_tell_why() {
    let mut facts = cluster();
    for hour in 1..=7 {
        backup_in(&mut facts, &format!("b{hour}"), hour, &["data-db-0"], json!({ "phase": "Failed" }));
    }
    let told = refused(&facts, &Request::default());
    let subjects: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(
        subjects,
        [
            "backup b7: its phase is Failed",
            "backup b6: its phase is Failed",
            "backup b5: its phase is Failed",
            "backup b4: its phase is Failed",
            "backup b3: its phase is Failed",
            "2 older backups: they do not fit either",
        ]
    );
}

#[test]
fn a_partially_failed_backup_is_judged_by_its_volumes() {
    let mut facts = cluster();
    backup_in(&mut facts, "b", 1, &["data-db-0"], json!({ "phase": "PartiallyFailed" }));
    assert_eq!(taken(&facts, &Request::default()).backup, "b");
    edit_copy(&mut facts, "/status/phase", json!("Failed"));
    refuses(&facts, &format!("claim data-db-0: its PodVolumeBackup b-data-db-0 is Failed\n  {LEAVE}"));
}

fn edit_copy(facts: &mut Facts, pointer: &str, value: Value) {
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&Kind::PodVolumeBackup) {
        *list[0].0.pointer_mut(pointer).unwrap() = value;
    }
}

#[test]
fn a_copy_that_would_restore_an_empty_volume_is_never_taken() {
    const SYNC: &str = "wait for Velero's backup sync to bring it from the object store, then try again";
    for (pointer, value, because, hint) in [
        ("/status/snapshotID", json!(""), "its PodVolumeBackup is empty: zero bytes were copied", LEAVE),
        ("/status/progress/totalBytes", json!(0), "its PodVolumeBackup is empty: zero bytes were copied", LEAVE),
        ("/status/progress/bytesDone", json!(4), "its PodVolumeBackup copied 4 of 10 bytes", LEAVE),
        (
            "/spec/volume",
            json!("other"),
            "its PodVolumeBackup object is not in the cluster, and without it Velero restores an empty volume",
            SYNC,
        ),
    ] {
        let mut facts = cluster();
        backup(&mut facts, "b", 1, &["data-db-0"]);
        edit_copy(&mut facts, pointer, value);
        refuses(&facts, &format!("claim data-db-0: {because}\n  {hint}"));
    }
}

#[test]
fn an_object_store_that_is_away_refuses() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&Kind::BackupStorageLocation) {
        list[0].0["status"] = json!({ "phase": "Unavailable", "message": "dial tcp: no route" });
    }
    refuses(
        &facts,
        "backup b: its backup storage location default is Unavailable: dial tcp: no route\n  kubectl -n velero get bsl \
         default -o yaml",
    );
}

#[test]
fn a_backup_deleted_from_the_object_store_refuses_by_name() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    facts.documents.get_mut("b").unwrap().volume_infos = Document::Failed("404 Not Found".into());
    refuses(
        &facts,
        "backup b: its list of volumes cannot be read from the object store: 404 Not Found\n  a backup of another time may \
         still be there: choose it with --from",
    );
    let read = |archive| Documents { volume_infos: Document::Read(Vec::new()), archive };
    facts.documents.insert("b".into(), read(Document::Failed("404 Not Found".into())));
    facts.objects.insert(Kind::StatefulSet, Listed::Objects(Vec::new()));
    because(&facts, "it holds no volume of the namespace");
}

#[test]
fn a_backup_that_a_restore_overlapped_is_passed_over() {
    let mut facts = cluster();
    backup(&mut facts, "before", 1, &["data-db-0"]);
    backup(&mut facts, "during", 2, &["data-db-0"]);
    push(
        &mut facts,
        Kind::ConfigMap,
        json!({ "metadata": { "name": "dr-x", "namespace": "velero",
                              "labels": { "kubectl-dr/namespace": "shop", "kubectl-dr/operation": "x" } },
                "data": { "exchanges": r#"[{"from":"2026-01-02T02:00:30Z","until":"2026-01-02T02:00:40Z"}]"# } }),
    );
    let chosen = taken(&facts, &Request::default());
    assert_eq!(chosen.backup, "before");
    assert_eq!(chosen.passed_over[0].1, "backup during: restore x was exchanging the volumes while it ran");
}

#[test]
fn a_backup_that_does_not_exist_is_answered_with_the_nearest_names() {
    let mut facts = cluster();
    backup(&mut facts, "nightly-1", 1, &["data-db-0"]);
    backup(&mut facts, "weekly", 2, &["data-db-0"]);
    assert_eq!(
        refused(&facts, &from("nightly-2")),
        "backup nightly-2: there is no such backup\n  nearest names: nightly-1, weekly"
    );
}

#[test]
fn a_claim_nobody_knows_is_answered_with_the_known_ones() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    let request = Request { claims: vec!["data".into()], backup: Some("b".into()), ..Request::default() };
    assert_eq!(
        refused(&facts, &request),
        "claim data: neither the namespace nor the backup knows it\n  known claims: data-db-0"
    );
}

#[test]
fn a_namespace_no_backup_includes_is_told_as_that() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    facts.namespace = "elsewhere".into();
    assert_eq!(
        refused(&facts, &Request::default()),
        "namespace elsewhere: no backup includes it\n  kubectl -n velero get backups; is this the right context and \
         namespace? nearest names: shop"
    );
}

#[test]
fn rights_that_do_not_reach_are_a_refusal_not_an_empty_list() {
    let mut facts = cluster();
    facts.objects.insert(Kind::Backup, Listed::Forbidden("backups.velero.io is forbidden".into()));
    because(&facts, "cannot list backups.velero.io: backups.velero.io is forbidden");
}

#[test]
fn time_and_schedule_narrow_the_choice() {
    let mut facts = cluster();
    backup(&mut facts, "one", 1, &["data-db-0"]);
    backup(&mut facts, "two", 2, &["data-db-0"]);
    let request = Request { at: Some("2026-01-02T01:30:00Z".parse().unwrap()), ..Request::default() };
    assert_eq!(taken(&facts, &request).backup, "one");
    let early = Request { at: Some("2026-01-01T00:00:00Z".parse().unwrap()), ..Request::default() };
    assert_eq!(
        refused(&facts, &early),
        "time 2026-01-01T00:00:00Z: no backup of namespace shop that was asked for began by then\n  the oldest backup of the \
         namespace began at 2026-01-02T01:00:00Z"
    );
    let request = Request { schedule: Some("nigtly".into()), ..Request::default() };
    assert_eq!(
        refused(&facts, &request),
        "schedule nigtly: it has made no backup that includes namespace shop\n  no schedule has; kubectl -n velero get backups"
    );
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&Kind::Backup) {
        list[0].0["metadata"]["labels"] = json!({ "velero.io/schedule-name": "nightly" });
    }
    assert_eq!(
        refused(&facts, &request),
        "schedule nigtly: it has made no backup that includes namespace shop\n  nearest names: nightly"
    );
    let request = Request { schedule: Some("nightly".into()), ..Request::default() };
    assert_eq!(taken(&facts, &request).backup, "one");
}
