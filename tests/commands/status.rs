//! `kubectl dr backup status`: what it says of a served cluster, and what it asks.

use dr_world::app::BACKUP as NIGHTLY;
use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
/// The world's backup is of another year.
const BEGAN: &str = "2020-01-01T00:00:00Z";
const LONG: &str = "1000000h";

fn site(change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        BEGAN.clone_into(&mut Arc::make_mut(world.backups.get_mut(NIGHTLY).unwrap()).started);
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["status"]["startTimestamp"] = json!(BEGAN);
        });
        change(world);
    })
}

#[test]
fn the_newest_backup_that_a_restore_would_take_is_told_with_its_age() {
    let site = site(|_| {});
    let document = site.document(0, BACKUP, &["status", "--rpo", LONG]);
    let item = &document["items"][0];
    assert_eq!((&item["namespace"], &item["standing"]), (&json!(NAMESPACE), &json!("good")));
    let plan = site.document(0, RESTORE, &["plan", "--ns", NAMESPACE, "--accept-unproven"]);
    assert_eq!(item["point"]["backup"], plan["plan"]["source"]["backup"]);
    assert_eq!(item["point"]["taken"], BEGAN);
    assert_eq!((&item["point"]["claims"], &item["point"]["survivesLossOf"]), (&json!(1), &json!("namespace")));
    assert_eq!(item["limit"]["because"], "--rpo allows 41666d 16h");
    let table = site.run(BACKUP, &["status", "-A", "--rpo", LONG]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.contains(&format!("\n{NAMESPACE}   good ")), "{}", table.stdout);
    assert_eq!(site.run(BACKUP, &["status", "-o", "name", "--rpo", LONG]).stdout, "");
}

#[test]
fn data_that_is_too_old_or_that_nobody_watches_over_is_not_good() {
    let site = site(|_| {});
    let old = site.document(1, BACKUP, &["status", "--ns", NAMESPACE, "--rpo", "1h"]);
    assert_eq!((&old["items"][0]["standing"], &old["exitCode"]), (&json!("old"), &json!(1)));
    let alone = site.document(1, BACKUP, &["status", "--ns", NAMESPACE]);
    assert_eq!(alone["items"][0]["standing"], "no-schedule");
    let name = site.run(BACKUP, &["status", "-o", "name"]);
    assert_eq!((name.code, name.stdout), (1, format!("namespace/{NAMESPACE}\n")));
    std::fs::write(site.file("dr.yaml"), format!("namespaces:\n  {NAMESPACE}:\n    rpo: 2h\n")).unwrap();
    let configured = site.document(1, BACKUP, &["status", "--ns", NAMESPACE]);
    assert_eq!(configured["items"][0]["limit"]["because"], "dr.yaml allows 2h");
}

#[test]
fn a_schedule_tells_how_old_the_data_may_be_and_when_the_next_backup_comes() {
    let site = site(|world| {
        let spec = json!({ "spec": { "schedule": "@every 6h", "template": { "includedNamespaces": [NAMESPACE] } } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, "often"), &spec).unwrap();
    });
    let item = site.document(1, BACKUP, &["status"])["items"][0].clone();
    assert_eq!(item["limit"]["because"], "schedule often leaves 6 h between two backups");
    assert_eq!((&item["standing"], &item["next"]["schedule"]), (&json!("old"), &json!("often")));
}

#[test]
fn a_list_of_volumes_that_cannot_be_had_is_unknown() {
    let site = site(|world| {
        world.backups.remove(NIGHTLY);
    });
    let item = site.document(1, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    assert_eq!(item["standing"], "unknown");
    assert!(
        item["because"].as_str().unwrap().starts_with(&format!("backup {NIGHTLY}: its list of volumes cannot be")),
        "{item}"
    );
}

#[test]
fn a_claim_that_no_backup_holds_leaves_nothing_to_go_back_to() {
    let site = site(|world| {
        let claim = json!({ "metadata": { "name": "later" }, "spec": { "storageClassName": "fast" } });
        world.create(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "later"), &claim).unwrap();
    });
    let item = site.document(1, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    assert_eq!((&item["standing"], &item["point"]), (&json!("nothing"), &Value::Null));
    assert!(item["because"].as_str().unwrap().contains("claim later: the backup has no entry"), "{item}");
}

#[test]
fn a_namespace_without_claims_is_refused_and_not_called_good() {
    let error = site(|_| {}).document(3, BACKUP, &["status", "--ns", "kube-system"]);
    assert_eq!(error["message"], "namespace kube-system has no claims, and nothing in it asks for one");
}

#[test]
fn it_changes_nothing_and_asks_for_each_list_of_volumes_once() {
    let site = site(|world| {
        for name in ["one", "two"] {
            world.create(&Key::cluster(Kind::Namespace, name), &json!({})).unwrap();
            let claim = json!({ "spec": { "storageClassName": "fast" } });
            world.create(&Key::namespaced(Kind::PersistentVolumeClaim, name, "data"), &claim).unwrap();
        }
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["spec"]["includedNamespaces"] = json!(["*"]);
        });
    });
    site.served.seen();
    let document = site.document(1, BACKUP, &["status", "-A", "--rpo", LONG]);
    let standings: Vec<&str> =
        document["items"].as_array().unwrap().iter().map(|one| one["standing"].as_str().unwrap()).collect();
    assert_eq!(standings, ["nothing", "nothing", "good"]);
    let seen = site.served.seen();
    assert_eq!(changing(&seen), [""; 0]);
    let asked =
        |method: &str| seen.iter().filter(|one| one.method == method && one.path.contains("/downloadrequests")).count();
    assert_eq!((asked("POST"), asked("DELETE")), (1, 1));
    assert!(seen.len() < 30, "{}", seen.len());
}
