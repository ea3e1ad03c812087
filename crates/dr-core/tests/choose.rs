//! Which backup is taken, and what is said of the ones that are not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::BTreeMap;

use dr_core::choose::{Choice, Chosen, Request, What, choose};
use dr_core::facts::{Archive, Document, Documents, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use serde_json::{Value, json};

/// A cluster at noon with a StatefulSet `db` on claim `data-db-0`.
fn cluster() -> Facts {
    let mut objects: BTreeMap<Kind, Listed> =
        Kind::ALL.iter().map(|kind| (*kind, Listed::Objects(Vec::new()))).collect();
    let mut add = |kind: Kind, value: Value| {
        if let Some(Listed::Objects(list)) = objects.get_mut(&kind) {
            list.push(Object(value));
        }
    };
    add(
        Kind::StatefulSet,
        json!({ "metadata": { "name": "db", "namespace": "shop" },
                "spec": { "replicas": 1, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } }),
    );
    add(
        Kind::BackupStorageLocation,
        json!({ "metadata": { "name": "default", "namespace": "velero" }, "status": { "phase": "Available" } }),
    );
    Facts {
        format: 1,
        taken: "2026-01-02T12:00:00Z".parse().unwrap(),
        context: "test".into(),
        server: "https://127.0.0.1:6443".into(),
        server_version: "v1.34.2".into(),
        cluster_uid: "cluster".into(),
        namespace: "shop".into(),
        velero_namespace: "velero".into(),
        objects,
        documents: BTreeMap::new(),
    }
}

fn push(facts: &mut Facts, kind: Kind, value: Value) {
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&kind) {
        list.push(Object(value));
    }
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
            "claim data-db-0: the backup has no entry for this volume: its data was not taken".to_owned()
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
    for (status, expected) in [
        (json!({ "phase": "Failed" }), "its phase is Failed"),
        (json!({ "phase": "FailedValidation" }), "its phase is FailedValidation"),
        (json!({ "phase": "InProgress" }), "it is still running (InProgress)"),
        (json!({ "phase": "Deleting" }), "it is being deleted"),
        (json!({ "phase": "Completed", "expiration": "2026-01-02T11:00:00Z" }), "it expired at"),
        (json!({ "phase": "Completed", "expiration": "2026-01-02T12:30:00Z" }), "it expires at"),
    ] {
        let mut facts = cluster();
        backup_in(&mut facts, "b", 1, &["data-db-0"], status);
        because(&facts, expected);
    }
}

#[test]
fn a_partially_failed_backup_is_judged_by_its_volumes() {
    let mut facts = cluster();
    backup_in(&mut facts, "b", 1, &["data-db-0"], json!({ "phase": "PartiallyFailed" }));
    assert_eq!(taken(&facts, &Request::default()).backup, "b");
    edit_copy(&mut facts, "/status/phase", json!("Failed"));
    because(&facts, "its PodVolumeBackup b-data-db-0 is Failed");
}

fn edit_copy(facts: &mut Facts, pointer: &str, value: Value) {
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&Kind::PodVolumeBackup) {
        *list[0].0.pointer_mut(pointer).unwrap() = value;
    }
}

#[test]
fn a_copy_that_would_restore_an_empty_volume_is_never_taken() {
    for (pointer, value, expected) in [
        ("/status/snapshotID", json!(""), "its PodVolumeBackup is empty: zero bytes were copied"),
        ("/status/progress/totalBytes", json!(0), "its PodVolumeBackup is empty: zero bytes were copied"),
        ("/status/progress/bytesDone", json!(4), "its PodVolumeBackup copied 4 of 10 bytes"),
        ("/spec/volume", json!("other"), "its PodVolumeBackup object is not in the cluster"),
    ] {
        let mut facts = cluster();
        backup(&mut facts, "b", 1, &["data-db-0"]);
        edit_copy(&mut facts, pointer, value);
        because(&facts, expected);
    }
}

#[test]
fn an_object_store_that_is_away_refuses() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&Kind::BackupStorageLocation) {
        list[0].0["status"] = json!({ "phase": "Unavailable", "message": "dial tcp: no route" });
    }
    because(&facts, "its backup storage location default is Unavailable: dial tcp: no route");
}

#[test]
fn a_backup_deleted_from_the_object_store_refuses_by_name() {
    let mut facts = cluster();
    backup(&mut facts, "b", 1, &["data-db-0"]);
    facts.documents.get_mut("b").unwrap().volume_infos = Document::Failed("404 Not Found".into());
    let refusal = refused(&facts, &from("b"));
    assert!(refusal.starts_with("backup b: its list of volumes cannot be read"), "{refusal}");
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
    because(&facts, "namespace elsewhere: no backup includes it");
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
    let request = Request { schedule: Some("nightly".into()), ..Request::default() };
    assert!(choose(&facts, &request).is_err());
}
