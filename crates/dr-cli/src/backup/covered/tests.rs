use dr_core::object::Object;
use dr_core::schedule;
use dr_core::select::{Backup, Resources, Server, select};
use serde_json::{Value, json};

use super::*;

/// Two claims in `shop`, of which one is on NFS and one of a CSI driver, and a Secret that is excluded by its label.
fn cluster() -> Cluster {
    let object = |kind: &str, namespaced: bool, name: &str, rest: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        if namespaced {
            merge(&mut object, json!({"metadata": {"namespace": "shop"}}));
        }
        merge(&mut object, rest);
        Object(object)
    };
    let bound = |name: &str| json!({"spec": {"volumeName": format!("pv-{name}"), "storageClassName": "fast"}, "status": {"phase": "Bound"}});
    let storage = |group: &str, rest: Value| {
        let mut object = json!({"apiVersion": format!("{group}/v1")});
        merge(&mut object, rest);
        object
    };
    let objects = [
        object("Namespace", false, "shop", json!({"status": {"phase": "Active"}})),
        object("PersistentVolume", false, "pv-data", json!({"spec": {"nfs": {"server": "s"}}})),
        object("PersistentVolume", false, "pv-logs", json!({"spec": {"csi": {"driver": "csi.example.com"}}})),
        object("PersistentVolumeClaim", true, "data", bound("data")),
        object("PersistentVolumeClaim", true, "logs", bound("logs")),
        object("Secret", true, "key", json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}})),
        object("StorageClass", false, "fast", storage("storage.k8s.io", json!({"provisioner": "csi.example.com"}))),
        object(
            "VolumeSnapshotClass",
            false,
            "snap",
            storage("snapshot.storage.k8s.io", json!({"driver": "csi.example.com"})),
        ),
    ];
    let unread = BTreeMap::from([("backupstoragelocations.velero.io".to_owned(), "forbidden".to_owned())]);
    Cluster::new(Resources::built_in(), objects, unread)
}

fn merge(object: &mut Value, patch: Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, patch) => *object = patch,
    }
}

/// What these Schedules would take: name, spec beside the cron expression.
pub(crate) fn of(schedules: &[(&str, Value)]) -> Covered {
    let cluster = cluster();
    let server = Server { csi: true, ..Server::plain(Version::NEWEST, "velero") };
    let judged = schedules.iter().map(|(name, spec)| {
        let mut object = json!({"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": name},
            "spec": {"schedule": "0 1 * * *"}});
        merge(&mut object, json!({"spec": spec}));
        let object = Object(object);
        let selection = select(&cluster, &Backup::of(&object).unwrap(), &server);
        let idle = schedule::idle(&object, "velero");
        Judged {
            kind: "Schedule".to_owned(),
            name: (*name).to_owned(),
            idle,
            undecided: false,
            selection,
            hooks: Vec::new(),
        }
    });
    let judged = judged.collect();
    Covered { namespace: "shop".to_owned(), version: Version::NEWEST, judged, assumed: Vec::new(), cluster }
}

fn manifests() -> (&'static str, Value) {
    ("manifests", json!({"template": {"snapshotVolumes": false}}))
}

fn nightly() -> (&'static str, Value) {
    ("nightly", json!({"template": {"includedNamespaces": ["shop"]}}))
}

/// One takes only manifests, one also snapshots.
pub(crate) fn covered() -> Covered {
    of(&[manifests(), nightly()])
}

/// The one that takes snapshots is paused.
pub(crate) fn paused() -> Covered {
    let (name, mut spec) = nightly();
    spec["paused"] = json!(true);
    of(&[manifests(), (name, spec)])
}

fn lines(covered: &Covered) -> Vec<String> {
    let line = |line: &Line<'_>| {
        let claim = line.verdict.volume.claim.as_deref().unwrap_or("no claim");
        format!("{claim} {} {:?}", line.by.name, line.standing())
    };
    covered.volumes().iter().map(line).collect()
}

fn left_out(covered: &Covered) -> Vec<String> {
    let named = |left: &LeftOut<'_>| format!("{} {}", left.verdict.item, left.idle.map_or("", |idle| &idle.says));
    covered.left_out().iter().map(|left| named(left).trim_end().to_owned()).collect()
}

#[test]
fn a_volume_is_shown_with_what_takes_best_care_of_it_and_the_worst_comes_first() {
    let covered = covered();
    assert_eq!(lines(&covered), ["data manifests Silent", "logs nightly Captured"]);
    assert_eq!(covered.lost(), ["data"]);
    assert_eq!(covered.exit(), Exit::Failed);
}

#[test]
fn an_object_is_left_out_only_when_nothing_takes_it() {
    assert_eq!(left_out(&covered()), ["secrets/shop/key"]);
}

#[test]
fn what_only_a_paused_schedule_would_take_is_not_taken() {
    let covered = paused();
    assert_eq!(lines(&covered), ["data manifests Silent", "logs nightly Idle"]);
    assert_eq!(covered.lost(), ["data", "logs"]);
    let mut alone = of(&[("nightly", json!({"paused": true}))]);
    assert!(
        left_out(&alone).contains(&"persistentvolumeclaims/shop/logs it is paused".to_owned()),
        "{:?}",
        left_out(&alone)
    );
    assert!(!alone.takes_any());
    alone.judged[0].idle = None;
    assert_eq!(left_out(&alone), ["secrets/shop/key"]);
}

#[test]
fn a_namespace_without_claims_that_nothing_takes_is_not_done() {
    let other = ("other", json!({"template": {"includedNamespaces": ["books"]}}));
    let mut covered = of(&[other]);
    for by in &mut covered.judged {
        by.selection.volumes.clear();
    }
    assert_eq!(covered.lost(), [""; 0]);
    assert!(!covered.takes_any());
    assert_eq!(covered.exit(), Exit::Failed);
}

#[test]
fn an_unknown_volume_is_never_done() {
    let mut covered = of(&[nightly()]);
    for verdict in &mut covered.judged[0].selection.volumes {
        verdict.capture = Capture::Unknown;
    }
    assert_eq!(lines(&covered), ["data nightly Unknown", "logs nightly Unknown"]);
    assert_eq!(covered.exit(), Exit::Failed);
}

#[test]
fn one_claim_is_done_with_its_data_and_not_without() {
    let covered = covered();
    let claim = |name: &str| ItemRef::new("persistentvolumeclaims", Some("shop"), name);
    assert_eq!(covered.exit_of(&claim("logs")), Exit::Done);
    assert_eq!(covered.exit_of(&claim("data")), Exit::Failed);
    assert_eq!(covered.exit_of(&ItemRef::new("secrets", Some("shop"), "key")), Exit::Failed);
    assert_eq!(covered.exit_of(&ItemRef::new("namespaces", None, "shop")), Exit::Done);
    assert_eq!(paused().exit_of(&claim("logs")), Exit::Failed);
}

#[test]
fn nothing_is_captured_while_what_decides_was_not_read() {
    let unread = |kind: &str| {
        let unread = BTreeMap::from([(kind.to_owned(), "forbidden".to_owned())]);
        undecided(&Cluster::new(Resources::built_in(), Vec::<Object>::new(), unread))
    };
    for kind in DECIDING {
        assert!(unread(kind), "{kind}");
    }
    assert!(unread("*.velero.io") && unread("*."), "a whole group");
    assert!(!unread("configmaps") && !unread("*.apps"));

    let mut covered = of(&[("nightly", json!({"template": {"defaultVolumesToFsBackup": false}}))]);
    let captured = covered.lost().len();
    for by in &mut covered.judged {
        by.undecided = true;
    }
    assert!(covered.lost().len() > captured, "a claim that was captured is still told as captured");
    assert_eq!(covered.exit(), Exit::Failed);
}

#[test]
fn claims_that_were_not_listed_are_not_no_claims() {
    let unread = BTreeMap::from([("persistentvolumeclaims".to_owned(), "forbidden".to_owned())]);
    let covered = Covered { cluster: Cluster::new(Resources::built_in(), Vec::<Object>::new(), unread), ..of(&[]) };
    assert!(covered.claims().is_empty() && covered.claims_unread());
    assert_eq!(covered.exit(), Exit::Failed);
}
