//! Namespaces that are gone, and what brings them back into what is held.

use std::collections::BTreeSet;

use dr_core::facts::{Document, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::recovery::{Standing, gone, is_held, is_held_since, namespaces, unlooked};
use serde_json::json;

use super::common::push;
use super::{backup, cluster, is, judged, schedule};

/// `shop` is deleted, with everything that was in it.
fn deleted() -> Facts {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    for kind in [Kind::StatefulSet, Kind::Pod, Kind::PersistentVolumeClaim, Kind::PersistentVolume] {
        facts.objects.insert(kind, Listed::Objects(Vec::new()));
    }
    facts.objects.insert(Kind::Namespace, Listed::Objects(Vec::new()));
    facts
}

#[test]
fn a_namespace_that_is_deleted_is_the_most_endangered_and_told_with_its_newest_recovery_point() {
    let mut facts = deleted();
    schedule(&mut facts, "s", "0 * * * *", json!({}));
    assert_eq!(namespaces(&facts), Ok(BTreeSet::new()));
    let shop = BTreeSet::from(["shop".to_owned()]);
    assert_eq!(gone(&facts, &BTreeSet::new()), Ok(shop.clone()));
    assert_eq!(gone(&facts, &shop), Ok(BTreeSet::new()));
    let recovery = is(&facts, Standing::Gone, "the namespace is gone");
    assert_eq!(recovery.point.unwrap().backup, "one");
    assert!(Standing::Gone < Standing::Nothing);
    push(&mut facts, Kind::Namespace, json!({ "metadata": { "name": "shop" } }));
    is(&facts, Standing::Gone, "it has no claim any more");
}

#[test]
fn a_namespace_that_is_gone_is_known_by_copies_lists_and_names() {
    let none = BTreeSet::new();
    let shop = BTreeSet::from(["shop".to_owned()]);
    let mut facts = deleted();
    facts.documents.clear();
    facts.objects.insert(Kind::Backup, Listed::Objects(Vec::new()));
    assert_eq!(gone(&facts, &none), Ok(shop.clone()), "by its file copies");
    facts.objects.insert(Kind::PodVolumeBackup, Listed::Objects(Vec::new()));
    assert_eq!(gone(&facts, &none), Ok(none.clone()));
    assert_eq!(is_held(&facts), Ok(false));
    backup(&mut facts, "named", "10:00", &[]);
    assert_eq!(gone(&facts, &none), Ok(shop.clone()), "a backup names it");
    assert_eq!(is_held(&facts), Ok(false), "and holds nothing of it");
    facts.documents.get_mut("named").unwrap().volume_infos = Document::Failed("answered 403".to_owned());
    assert_eq!(is_held(&facts), Ok(true), "or may");
    let recovery = judged(&facts);
    assert_eq!(recovery.standing, Standing::Unknown);
    assert!(recovery.because.starts_with("there is no such namespace; backup named: "), "{}", recovery.because);
}

#[test]
fn a_namespace_is_held_again_by_any_later_backup_that_has_or_may_have_its_data() {
    let mut facts = cluster();
    backup(&mut facts, "before", "09:00", &["data-db-0"]);
    let since = |facts: &Facts| is_held_since(facts, "shop", "2026-01-02T10:00:00Z".parse().unwrap()).unwrap();
    assert!(!since(&facts), "it began before");
    backup(&mut facts, "empty", "11:00", &[]);
    assert!(!since(&facts), "its list was read, and has nothing of it");
    facts.documents.get_mut("empty").unwrap().volume_infos = Document::Failed("answered 403".to_owned());
    assert!(since(&facts), "nobody knows what is on its list");
    facts.documents.clear();
    assert!(since(&facts), "it names the namespace");
    backup(&mut facts, "after", "12:00", &["data-db-0"]);
    assert!(since(&facts));
    assert!(!is_held_since(&facts, "other", "2026-01-02T10:00:00Z".parse().unwrap()).unwrap());
}

#[test]
fn of_backups_of_all_namespaces_only_lists_that_were_read_are_looked_at() {
    let mut facts = cluster();
    backup(&mut facts, "named", "08:00", &["data-db-0"]);
    backup(&mut facts, "all", "09:00", &["data-db-0"]);
    let Some(Listed::Objects(backups)) = facts.objects.get_mut(&Kind::Backup) else { panic!("backups") };
    backups.last_mut().unwrap().0["spec"]["includedNamespaces"] = json!(["*"]);
    assert_eq!(unlooked(&facts).unwrap(), 0);
    facts.documents.get_mut("all").unwrap().volume_infos = Document::Failed("answered 403".to_owned());
    assert_eq!(unlooked(&facts).unwrap(), 1, "one that failed was not looked at");
    facts.documents.clear();
    assert_eq!(unlooked(&facts).unwrap(), 1, "what a backup names is known without its list");
}
