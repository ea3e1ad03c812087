//! What a restore needs whatever the volume.

use dr_core::kind::Kind;
use dr_core::verify::{Aspect, Earlier, Fetched, Missing, Verdict, running, wants_results};
use serde_json::{Value, json};

use crate::common::push;
use crate::night::files;

#[test]
fn each_phase_of_a_backup_is_told_apart() {
    let with = |phase: &str| {
        let mut night = files();
        night.backup.0["status"]["phase"] = json!(phase);
        night
    };
    with("InProgress").checked(Aspect::Phase, Verdict::NotRestorable, "it is still running (InProgress)");
    with("Deleting").checked(Aspect::Phase, Verdict::NotRestorable, "it is being deleted");
    with("Melting").checked(Aspect::Phase, Verdict::Unknown, "its phase is Melting, which is not known here");
    let mut failed = with("Failed");
    failed.backup.0["status"]["failureReason"] = json!("token=hunter2hunter2 was refused");
    let because = failed.check(Aspect::Phase).finding.because;
    assert!(because.starts_with("its phase is Failed: ") && !because.contains("hunter2"), "{because}");
    assert_eq!(running(&failed.backup), None);
    assert_eq!(running(&with("Finalizing").backup).as_deref(), Some("it is still running (Finalizing)"));
}

#[test]
fn what_expires_is_deleted_or_whose_location_is_away_gives_no_volume_back() {
    let mut night = files();
    night.backup.0["status"]["expiration"] = json!("2026-01-02T12:30:00Z");
    night.data_is(
        Verdict::NotRestorable,
        "the backup: it expires at 2026-01-02T12:30:00Z, and Velero may delete it during a restore",
    );
    let mut night = files();
    let request = json!({ "metadata": { "name": "r", "namespace": "velero" }, "spec": { "backupName": "b" } });
    push(&mut night.facts, Kind::DeleteBackupRequest, request);
    night.data_is(Verdict::NotRestorable, "the backup: its deletion was requested");
    let mut night = files();
    night.first(Kind::BackupStorageLocation, |location| {
        location["status"] = json!({ "phase": "Unavailable", "message": "no such bucket" });
    });
    night.data_is(Verdict::NotRestorable, "the backup: default is Unavailable: no such bucket");
    night.clear(Kind::BackupStorageLocation);
    night.data_is(Verdict::NotRestorable, "the backup: the backup storage location default does not exist");
    let mut forever = files();
    forever.backup.0["status"].as_object_mut().unwrap().remove("expiration");
    forever.checked(Aspect::Kept, Verdict::Restorable, "it does not expire");
}

#[test]
fn an_archive_that_is_damaged_gives_nothing_back_and_one_that_nobody_read_is_unknown() {
    let mut night = files();
    night.held.archive = Fetched::Worthless("the archive is damaged or cut short".into());
    night.data_is(Verdict::NotRestorable, "the backup: the archive is damaged or cut short");
    night.held.archive = Fetched::Unread("the object store answers 403".into());
    night.data_is(Verdict::Unknown, "the backup: the object store answers 403");
    night.checked(Aspect::Items, Verdict::Unknown, "the archive was not read");
    let mut night = files();
    night.contents(|contents| contents.resources.clear());
    night.checked(Aspect::Archive, Verdict::NotRestorable, "it is readable and holds nothing");
}

#[test]
fn items_that_velero_lists_and_the_archive_lacks_are_named() {
    let mut night = files();
    night.contents(|contents| {
        let named = vec!["v1/Pod shop/web".to_owned(), "v1/Pod shop/api".to_owned()];
        contents.missing = Fetched::Read(Missing { count: 3, named });
    });
    night.checked(
        Aspect::Items,
        Verdict::NotRestorable,
        "3 items that Velero lists are not in the archive: v1/Pod shop/web, v1/Pod shop/api",
    );
    // The volume itself is sound all the same.
    assert_eq!(night.volume("data").finding.verdict, Verdict::Restorable);
    night.contents(|contents| contents.missing = Fetched::Worthless("no such document".into()));
    night.checked(
        Aspect::Items,
        Verdict::Unknown,
        "whether one is missing nobody can tell: Velero's list of items: no such document",
    );
}

#[test]
fn without_the_list_of_volumes_every_claim_of_the_archive_is_unknown() {
    let mut night = files();
    night.held.infos = Fetched::Worthless("no such document".into());
    night.data_is(Verdict::Unknown, "the backup's list of volumes was not read: no such document");
    night.checked(Aspect::VolumeList, Verdict::Unknown, "no such document");
}

#[test]
fn velero_s_errors_are_told_with_the_first_and_are_never_green() {
    let mut night = files();
    night.backup.0["status"]["phase"] = json!("PartiallyFailed");
    night.backup.0["status"]["errors"] = json!(2);
    assert!(wants_results(&night.backup));
    let results = json!({ "errors": { "namespaces": { "shop": ["pod web: no such container"] } } });
    night.held.results = Some(Fetched::Read(results));
    night.checked(Aspect::Errors, Verdict::Unknown, "Velero had 2 errors; the first: pod web: no such container");
    assert_eq!(night.volume("data").finding.verdict, Verdict::Restorable);
    assert!(!wants_results(&files().backup));
}

#[test]
fn hooks_that_failed_or_fitted_nothing_are_not_green() {
    let with = |asked: bool, status: Value| {
        let mut night = files();
        night.backup.0["status"]["hookStatus"] = status;
        if asked {
            night.backup.0["spec"]["hooks"] = json!({ "resources": [{ "name": "checkpoint" }] });
        }
        night
    };
    let hint = with(true, json!({})).check(Aspect::Hooks).finding.hint;
    assert!(
        hint.contains("kubectl dr backup coverage --ns NAMESPACE --backup b tells which hooks fit nothing"),
        "{hint}"
    );
    with(true, json!({ "hooksAttempted": 2 })).checked(Aspect::Hooks, Verdict::Restorable, "all 2 ended well");
    with(true, json!({ "hooksAttempted": 2, "hooksFailed": 1 })).checked(
        Aspect::Hooks,
        Verdict::Unknown,
        "1 of 2 failed: a file copy may be that of a running engine, and what a hook was to write is missing or old",
    );
    with(true, json!({})).checked(
        Aspect::Hooks,
        Verdict::Unknown,
        "the backup asks for some, and none ran: they fit no pod that it holds",
    );
    with(true, Value::Null).checked(
        Aspect::Hooks,
        Verdict::Unknown,
        "the backup asks for some and does not say how they ended",
    );
    with(false, Value::Null).checked(Aspect::Hooks, Verdict::Restorable, "none were asked for");
}

#[test]
fn one_namespace_of_a_backup_is_judged_by_its_own_volumes() {
    let night = files();
    assert_eq!(night.judged().of_namespace(&night.held, "shop").unwrap().volumes.len(), 1);
    assert_eq!(night.judged().of_namespace(&night.held, "other"), None);
}

#[test]
fn what_is_kept_of_a_verification_is_the_worst_of_each_namespace_and_never_older_good_news() {
    let mut night = files();
    let mut earlier = Earlier::default();
    let at = |hour: i8| {
        jiff::civil::date(2026, 1, 3).at(hour, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()
    };
    earlier.add(at(1), &night.judged(), &night.held, None);
    let found = earlier.of("shop").unwrap();
    assert_eq!((found.verdict, found.because.as_str(), found.volumes), (Verdict::Restorable, "", 1));
    assert_eq!(earlier.namespaces().collect::<Vec<_>>(), ["shop"]);
    night.held.archive = Fetched::Unread("the object store answers 403".into());
    night.held.infos = Fetched::Unread("the object store answers 403".into());
    earlier.add(at(2), &night.judged(), &night.held, Some("other"));
    assert_eq!(earlier.of("shop").unwrap().at, at(1), "nobody looked at it");
    earlier.add(at(3), &night.judged(), &night.held, None);
    let found = earlier.of("shop").unwrap();
    assert_eq!((found.at, found.verdict), (at(3), Verdict::Unknown));
    assert!(found.because.starts_with("archive: the object store answers 403"), "{}", found.because);
    night.held.archive = Fetched::Worthless("cut short".into());
    earlier.add(at(4), &night.judged(), &night.held, Some("shop"));
    assert_eq!(earlier.of("shop").unwrap().verdict, Verdict::NotRestorable);
    assert_eq!(earlier.namespaces().collect::<Vec<_>>(), ["shop"], "what it holds was seen once");
    night.held.archive = Fetched::Unread("the object store answers 403".into());
    earlier.add(at(5), &night.judged(), &night.held, None);
    let found = earlier.of("shop").unwrap();
    assert_eq!((found.at, found.verdict), (at(4), Verdict::NotRestorable), "who sees nothing sees nothing better");
}

#[test]
fn hooks_that_failed_are_named_by_their_pods_and_what_velero_says_of_them() {
    let mut night = files();
    night.backup.0["status"]["hookStatus"] = json!({ "hooksAttempted": 3, "hooksFailed": 1 });
    let because = "1 of 3 failed: a file copy may be that of a running engine, and what a hook was to write is missing or \
                   old";
    night.checked(Aspect::Hooks, Verdict::Unknown, because);
    let told =
        " resource: /pods name: /db-0 message: /Error executing hook error: /command terminated with exit code 1";
    let secret = " resource: /pods name: /db-1 message: /Error executing hook error: /token=hunter2hunter2 was refused";
    let other = " resource: /pods name: /db-2 message: /Error backing up item error: /no";
    let results = json!({ "errors": { "namespaces": { "shop": [told, secret, other] } } });
    night.held.results = Some(Fetched::Read(results));
    let because = night.check(Aspect::Hooks).finding.because;
    let first = "1 of 3 failed (pod shop/db-0: command terminated with exit code 1; pod shop/db-1: ";
    assert!(because.starts_with(first) && !because.contains("hunter2") && !because.contains("db-2"), "{because}");
    assert!(
        because.contains("): a file copy may be that of a running engine, and what a hook was to write"),
        "{because}"
    );
}
