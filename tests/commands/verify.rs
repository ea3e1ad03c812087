//! `kubectl dr backup verify`: what it says of a served cluster, what it asks, and what it leaves there.

use dr_world::app::BACKUP as NIGHTLY;
use dr_world::served::Store;
use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
const CLAIM: &str = "data0-part0-0";
const VERIFY: &[&str] = &["verify", NIGHTLY];

fn site(change: impl FnOnce(&mut World)) -> Site {
    of(Paths::Snapshots, change)
}

fn of(paths: Paths, change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, paths, ..shape() }, |world| {
        let spec =
            json!({ "volumeNamespace": NAMESPACE, "backupStorageLocation": "default", "repositoryType": "kopia" });
        let key = Key::namespaced(Kind::BackupRepository, VELERO, "bookstore-default-kopia");
        world.create(&key, &json!({ "spec": spec })).unwrap();
        world.edit(&key, |object| object["status"] = json!({ "phase": "Ready" }));
        change(world);
    })
}

#[track_caller]
fn check<'a>(document: &'a Value, of: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    checks.iter().find(|check| check["of"] == of).unwrap_or_else(|| panic!("no check {of}: {document:#}"))
}

#[track_caller]
fn says(value: &Value, text: &str) {
    assert!(value["because"].as_str().unwrap().contains(text), "{value:#} does not say {text:?}");
}

fn contents(site: &Site) -> usize {
    site.served.api.world().of(Kind::VolumeSnapshotContent).count()
}

#[test]
fn a_backup_whose_snapshot_the_driver_still_has_can_be_restored_and_nothing_is_left_behind() {
    let site = site(|_| {});
    site.served.seen();
    let document = site.document(0, BACKUP, VERIFY);
    assert_eq!((&document["verdict"], &document["exit"]), (&json!("restorable"), &json!("done")));
    let volume = &document["volumes"][0];
    assert_eq!(
        (&volume["namespace"], &volume["claim"], &volume["method"], &volume["verdict"]),
        (&json!(NAMESPACE), &json!(CLAIM), &json!("csi-snapshot"), &json!("restorable"))
    );
    says(volume, "has it");
    let seen = site.served.seen();
    let made =
        |method: &str, what: &str| seen.iter().filter(|one| one.method == method && one.path.contains(what)).count();
    assert_eq!((made("POST", "/volumesnapshotcontents"), made("DELETE", "/volumesnapshotcontents/")), (1, 1));
    assert_eq!(made("POST", "/downloadrequests"), made("DELETE", "/downloadrequests/"));
    let asked = seen.iter().find(|one| one.method == "POST" && one.path.contains("/volumesnapshotcontents")).unwrap();
    assert_eq!(asked.body["spec"]["deletionPolicy"], "Retain", "the question would delete the snapshot");
    let changed: Vec<String> =
        changing(&seen).into_iter().filter(|one| !one.contains("/volumesnapshotcontents")).collect();
    assert_eq!(changed, [""; 0]);
    assert_eq!(contents(&site), 0);
    let table = site.run(BACKUP, VERIFY);
    assert!(table.stdout.starts_with(&format!("backup {NIGHTLY}: everything can be restored; 1 of 1 volumes can\n")));
    assert_eq!(site.run(BACKUP, &["verify", NIGHTLY, "-o", "name"]).stdout, "");
}

#[test]
fn a_snapshot_that_was_deleted_at_the_storage_is_found_out() {
    let site = site(|world| {
        world.lost_snapshots.insert(format!("{NIGHTLY}/{CLAIM}"));
    });
    let document = site.document(1, BACKUP, VERIFY);
    assert_eq!((&document["verdict"], &document["exitCode"]), (&json!("not-restorable"), &json!(1)));
    says(&document["volumes"][0], "is gone");
    let name = site.run(BACKUP, &["verify", NIGHTLY, "-o", "name"]);
    assert_eq!((name.code, name.stdout), (1, format!("{NAMESPACE}/{CLAIM}\n")));
    assert_eq!(contents(&site), 0);
}

#[test]
fn a_driver_that_cannot_list_leaves_the_snapshot_unknown() {
    let site = site(|world| world.lists_snapshots = false);
    let document = site.document(1, BACKUP, VERIFY);
    assert_eq!(document["verdict"], "unknown");
    says(&document["volumes"][0], "cannot list snapshots");
}

#[test]
fn a_question_that_an_earlier_process_left_is_removed_and_a_fresh_one_is_not() {
    // Also by a backup without snapshots.
    let site = of(Paths::Files, |world| {
        for (name, made) in [("old", "2020-01-01T00:00:00Z"), ("fresh", "2999-01-01T00:00:00Z")] {
            let key = Key::cluster(Kind::VolumeSnapshotContent, name);
            let labels = json!({ dr_core::verify::PROBE: "true" });
            world.create(&key, &json!({ "metadata": { "labels": labels }, "spec": {} })).unwrap();
            world.edit(&key, |object| object["metadata"]["creationTimestamp"] = json!(made));
        }
    });
    site.document(0, BACKUP, VERIFY);
    let left: Vec<String> =
        site.served.api.world().of(Kind::VolumeSnapshotContent).map(|(key, _)| key.name.clone()).collect();
    assert_eq!(left, ["fresh"]);
}

#[test]
fn no_driver_is_asked_for_what_nobody_asks_about_or_no_snapshot_helps() {
    let site = site(|_| {});
    let asks_none = |code: i32, args: &[&str]| {
        site.served.seen();
        let document = site.document(code, BACKUP, args);
        assert_eq!(changing(&site.served.seen()), [""; 0], "{document:#}");
    };
    asks_none(3, &["verify", NIGHTLY, "--ns", "bookshop"]);
    site.served.store(Store::Cut);
    asks_none(1, VERIFY);
}

#[test]
fn without_a_terminal_each_thing_that_is_read_is_told_on_stderr() {
    let site = site(|_| {});
    for args in [VERIFY, &["verify", NIGHTLY, "-o", "json"]] {
        let told = site.run(BACKUP, args).stderr;
        let told: Vec<&str> =
            told.lines().filter_map(|line| line.trim().split_once(" s ")).map(|(_, told)| told).collect();
        let wanted = [
            "reading the backup's list of volumes",
            "reading the list of items",
            "reading the archive",
            "asking drivers for the snapshots, 1 in all",
        ];
        assert_eq!(told, wanted);
    }
}

#[test]
fn file_copies_are_held_against_their_objects_and_the_repository() {
    let site = of(Paths::Files, |_| {});
    let document = site.document(0, BACKUP, VERIFY);
    assert_eq!(document["volumes"][0]["method"], "file-system");
    site.served.api.change(|world| {
        world.edit(&Key::namespaced(Kind::BackupRepository, VELERO, "bookstore-default-kopia"), |repository| {
            repository["status"] = json!({ "phase": "NotReady", "message": "wrong password" });
        });
    });
    says(&site.document(1, BACKUP, VERIFY)["volumes"][0], "is NotReady: wrong password");
    site.served.api.change(|world| {
        let copies = world.keys_of(Kind::PodVolumeBackup);
        world.edit(&copies[0], |copy| copy["status"]["progress"] = json!({ "totalBytes": 0, "bytesDone": 0 }));
    });
    says(&site.document(1, BACKUP, VERIFY)["volumes"][0], "zero bytes");
}

#[test]
fn an_archive_that_is_cut_hostile_or_lacks_something_is_told_apart_from_one_that_nobody_could_read() {
    let site = site(|_| {});
    let with = |store| {
        site.served.store(store);
        let document = site.document(1, BACKUP, VERIFY);
        assert!(!document.to_string().contains("planted"), "{document:#}");
        document
    };
    let cut = with(Store::Cut);
    assert_eq!(check(&cut, "archive")["verdict"], "not-restorable");
    says(check(&cut, "archive"), "damaged or cut short");
    says(&cut["volumes"][0], "damaged or cut short");
    let hostile = with(Store::Hostile);
    says(check(&hostile, "archive"), "\"resources/../../../etc/cron.d/job\", which leads out of it");
    let lacks = with(Store::Lacks);
    assert_eq!(
        (&lacks["verdict"], &check(&lacks, "archive")["verdict"]),
        (&json!("not-restorable"), &json!("restorable"))
    );
    says(
        check(&lacks, "items"),
        &format!("1 item that Velero lists are not in the archive: v1/Secret {NAMESPACE}/never-arrived"),
    );
    let refused = with(Store::Refuses);
    assert_eq!((&refused["verdict"], &refused["volumes"]), (&json!("unknown"), &json!([])));
    says(check(&refused, "archive"), "answers 403 (AccessDenied)");
}

#[test]
fn errors_of_velero_are_told_with_the_first_of_them() {
    let site = site(|world| {
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["status"]["phase"] = json!("PartiallyFailed");
            backup["status"]["errors"] = json!(2);
        });
    });
    let document = site.document(1, BACKUP, VERIFY);
    assert_eq!(document["verdict"], "unknown");
    says(check(&document, "errors"), "Velero had 2 errors; the first: a volume could not be read");
}

#[test]
fn of_a_backup_that_still_runs_nothing_is_downloaded() {
    let site = site(|world| {
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["status"]["phase"] = json!("InProgress");
        });
    });
    site.served.seen();
    let document = site.document(1, BACKUP, VERIFY);
    says(check(&document, "phase"), "still running (InProgress)");
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn a_backup_or_a_namespace_that_is_not_there_is_refused_with_the_nearest_names() {
    let site = site(|_| {});
    let missing = site.document(3, BACKUP, &["verify", "nightly-2"]);
    assert_eq!(missing["message"], format!("there is no backup nightly-2 in namespace {VELERO}"));
    assert_eq!(missing["hint"], format!("nearest names: {NIGHTLY}"));
    let elsewhere = site.document(3, BACKUP, &["verify", NIGHTLY, "--ns", "bookshop"]);
    assert_eq!(elsewhere["message"], format!("backup {NIGHTLY} holds nothing of namespace bookshop"));
    assert_eq!(site.document(0, BACKUP, &["verify", NIGHTLY, "--ns", NAMESPACE])["namespace"], NAMESPACE);
    assert_eq!(site.run(BACKUP, &["verify"]).code, 2);
}
