//! How the data of volumes is captured, and what leaves it out.

use dr_core::select::{Capture, Policies, Rule, Shown};
use serde_json::{Value, json};

use crate::build::{Answer, World, copy, snapshot};

fn shop() -> Value {
    json!({"includedNamespaces": ["shop"]})
}

fn spec(more: Value) -> Value {
    let mut spec = shop();
    json_patch::merge(&mut spec, &more);
    spec
}

fn database() -> World {
    let mut world = World::new();
    world.claim("data", json!({})).pod("db-0", json!({}), &["data"]);
    world
}

fn with_policy(world: &World, policy: &Value) -> Answer {
    let spec = spec(json!({"resourcePolicy": {"kind": "configmap", "name": "p"}}));
    world.backup_with(spec, |backup| {
        backup.policies = Policies::Read(json!({"version": "v1", "volumePolicies": policy}));
    })
}

/// No capture, the rule that decided it, and how loud Velero is about it.
fn lost(answer: &Answer, rule: Rule, shown: Shown) {
    let verdict = answer.claim("data");
    assert_eq!(verdict.capture, Capture::None, "{verdict:?}");
    assert!(answer.rules("data").contains(&rule), "{:?}", answer.rules("data"));
    assert_eq!(verdict.shown, shown, "{verdict:?}");
    assert!(verdict.fix.is_some(), "{verdict:?}");
}

#[test]
fn a_csi_claim_is_snapshotted_with_the_only_class_of_its_driver() {
    let answer = database().backup(shop());
    assert_eq!(answer.claim("data").capture, snapshot());
}

#[test]
fn data_is_moved_where_the_backup_or_the_server_says_so() {
    let mut world = database();
    let moved = Capture::CsiMoved { class: "snap".to_owned() };
    assert_eq!(world.backup(spec(json!({"snapshotMoveData": true}))).claim("data").capture, moved);
    world.server.default_snapshot_move_data = true;
    assert_eq!(world.backup(shop()).claim("data").capture, moved);
    assert_eq!(world.backup(spec(json!({"snapshotMoveData": false}))).claim("data").capture, snapshot());
}

#[test]
fn moving_data_without_a_ready_node_agent_fails() {
    let mut world = database();
    world.with("node-agent", json!({"status": {"numberReady": 0}}));
    lost(&world.backup(spec(json!({"snapshotMoveData": true}))), Rule::NodeAgentMissing, Shown::Error);
}

#[test]
fn snapshot_volumes_false_leaves_a_csi_claim_out_in_silence() {
    lost(&database().backup(spec(json!({"snapshotVolumes": false}))), Rule::SnapshotsOff, Shown::Silent);
}

#[test]
fn a_server_without_enable_csi_takes_nothing_in_silence() {
    let mut world = database();
    world.server.csi = false;
    let answer = world.backup(shop());
    lost(&answer, Rule::CsiOff, Shown::Silent);
    assert_eq!(answer.rules("data").last(), Some(&Rule::CsiOff));
}

#[test]
fn a_driver_without_a_class_or_with_two_unmarked_ones_is_an_error() {
    let mut world = database();
    world.add(json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "two"},
        "driver": "csi.example.com",
    }));
    lost(&world.backup(shop()), Rule::NoSnapshotClass, Shown::Error);
    // Of the label only the presence counts.
    world.with("two", json!({"metadata": {"labels": {"velero.io/csi-volumesnapshot-class": "false"}}}));
    assert_eq!(world.backup(shop()).claim("data").capture, Capture::CsiSnapshot { class: "two".to_owned() });
    world.without("snap").without("two");
    lost(&world.backup(shop()), Rule::NoSnapshotClass, Shown::Error);
}

#[test]
fn a_class_named_on_the_claim_wins_and_one_of_another_driver_is_passed_over() {
    let mut world = database();
    for (name, driver) in [("mine", "csi.example.com"), ("foreign", "other.example.com")] {
        world.add(json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": name},
            "driver": driver,
        }));
    }
    let named = |world: &mut World, name: &str| {
        world.with("data", json!({"metadata": {"annotations": {"velero.io/csi-volumesnapshot-class": name}}}));
        world.backup(shop()).claim("data").capture.clone()
    };
    assert_eq!(named(&mut world, "mine"), Capture::CsiSnapshot { class: "mine".to_owned() });
    assert_eq!(named(&mut world, "foreign"), Capture::None);
}

#[test]
fn opting_in_copies_files_and_suppresses_the_snapshot() {
    let mut world = database();
    world.with("db-0", json!({"metadata": {"annotations": {"backup.velero.io/backup-volumes": "data"}}}));
    let answer = world.backup(shop());
    assert_eq!(answer.claim("data").capture, copy("db-0", "data"));
    assert_eq!(answer.rules("data"), [Rule::OptedIn, Rule::Copied]);
}

#[test]
fn a_misspelt_or_spaced_name_is_not_opted_in_and_the_snapshot_is_taken() {
    for value in ["dta", "logs, data"] {
        let mut world = database();
        world.with("db-0", json!({"metadata": {"annotations": {"backup.velero.io/backup-volumes": value}}}));
        assert_eq!(world.backup(shop()).claim("data").capture, snapshot(), "{value}");
        lost(&world.backup(spec(json!({"snapshotVolumes": false}))), Rule::NotOptedIn, Shown::Silent);
    }
}

#[test]
fn opting_out_of_copies_has_the_volume_snapshotted() {
    let mut world = database();
    world.with("db-0", json!({"metadata": {"annotations": {"backup.velero.io/backup-volumes-excludes": "data"}}}));
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
    assert_eq!(answer.claim("data").capture, snapshot());
}

#[test]
fn a_pod_that_does_not_run_is_copied_from_by_nobody_and_keeps_the_snapshot_away() {
    for patch in [json!({"status": {"phase": "Pending"}}), json!({"spec": {"nodeName": null}})] {
        let mut world = database();
        world.with("db-0", patch);
        let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
        lost(&answer, Rule::PodNotRunning, Shown::Warning);
        assert!(answer.rules("data").contains(&Rule::SnapshotSuppressed));
    }
}

#[test]
fn an_excluded_pod_suppresses_the_snapshot_that_would_have_saved_the_data() {
    let mut world = database();
    world.with("db-0", json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}}));
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
    lost(&answer, Rule::SnapshotSuppressed, Shown::Silent);
    assert!(answer.rules("data").ends_with(&[Rule::PodNotInBackup, Rule::ExcludeLabel]));
}

#[test]
fn without_a_node_agent_on_its_node_the_pod_is_dropped() {
    let mut world = database();
    world.with("db-0", json!({"spec": {"nodeName": "node2"}}));
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
    lost(&answer, Rule::NodeAgentMissing, Shown::Error);
    assert!(!answer.has("pods/shop/db-0"));
}

#[test]
fn host_paths_block_devices_and_volumes_no_container_mounts_are_passed_over() {
    let copies = spec(json!({"defaultVolumesToFsBackup": true}));
    let mut world = database();
    world.volume("data", json!({"hostPath": {"path": "/srv"}}));
    lost(&world.backup(copies.clone()), Rule::HostPathVolume, Shown::Warning);
    let mut world = database();
    let device = json!({"spec": {"containers": [{"name": "main", "volumeDevices": [{"name": "data"}]}]}});
    world.with("db-0", device);
    lost(&world.backup(copies.clone()), Rule::BlockVolume, Shown::Warning);
    let mut world = database();
    world.with(
        "db-0",
        json!({"spec": {"containers": [{"name": "main"}], "initContainers": [
        {"name": "sidecar", "restartPolicy": "Always", "volumeMounts": [{"name": "data"}]}]}}),
    );
    lost(&world.backup(copies), Rule::NotMounted, Shown::Warning);
}

#[test]
fn a_claim_that_two_pods_mount_is_copied_once() {
    let mut world = database();
    world.pod("web", json!({}), &["data"]);
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
    assert_eq!(answer.claim("data").capture, copy("db-0", "data"));
}

#[test]
fn a_volume_that_no_snapshotter_and_no_pod_takes_is_left_out_in_silence() {
    let mut world = database();
    world.volume("data", json!({"nfs": {"server": "s", "path": "/"}})).without("db-0");
    let answer = world.backup(shop());
    lost(&answer, Rule::NotCsi, Shown::Silent);
    assert!(answer.rules("data").contains(&Rule::NoSnapshotLocation));
    world.add(json!({
        "apiVersion": "velero.io/v1", "kind": "VolumeSnapshotLocation",
        "metadata": {"namespace": "velero", "name": "disks"}, "spec": {"provider": "example.com/disks"},
    }));
    let native = Capture::NativeSnapshot { location: "disks".to_owned() };
    assert_eq!(world.backup(shop()).claim("data").capture, native);
}

#[test]
fn a_native_snapshot_needs_the_volume_in_the_backup() {
    let mut world = database();
    world.volume("data", json!({"awsElasticBlockStore": {"volumeID": "v"}}));
    world.add(json!({
        "apiVersion": "velero.io/v1", "kind": "VolumeSnapshotLocation",
        "metadata": {"namespace": "velero", "name": "disks"}, "spec": {"provider": "example.com/disks"},
    }));
    lost(&world.backup(spec(json!({"includedResources": ["pods", "pvc"]}))), Rule::VolumeNotInBackup, Shown::Silent);
}

#[test]
fn claims_that_are_pending_or_lost_fail_with_csi_and_pass_in_silence_without() {
    for phase in ["Pending", "Lost"] {
        let mut world = database();
        world.with("data", json!({"spec": {"volumeName": null}, "status": {"phase": phase}}));
        let answer = world.backup(shop());
        lost(&answer, Rule::ClaimUnbound, Shown::Error);
        assert!(!answer.has("persistentvolumeclaims/shop/data") && !answer.has("pods/shop/db-0"));
        world.server.csi = false;
        let answer = world.backup(shop());
        lost(&answer, Rule::CsiOff, Shown::Silent);
        assert!(answer.has("persistentvolumeclaims/shop/data"));
    }
}

#[test]
fn a_claim_without_a_class_or_with_a_class_that_is_gone_is_an_error() {
    let mut world = database();
    world.with("data", json!({"spec": {"storageClassName": null}}));
    lost(&world.backup(shop()), Rule::ClaimWithoutClass, Shown::Error);
    world.with("data", json!({"spec": {"storageClassName": "old"}}));
    lost(&world.backup(shop()), Rule::StorageClassMissing, Shown::Error);
}

#[test]
fn the_first_policy_that_matches_decides() {
    let skip = |conditions| json!([{"conditions": conditions, "action": {"type": "skip"}}]);
    let world = database();
    for conditions in [
        json!({"capacity": "1Gi,100Gi"}),
        json!({"capacity": "10Gi,"}),
        json!({"storageClass": ["x", "csi"]}),
        json!({"csi": {}}),
        json!({"csi": {"driver": "csi.example.com"}}),
        json!({"volumeTypes": ["csi"]}),
        json!({"pvcPhase": ["Bound"]}),
        json!({}),
    ] {
        let answer = with_policy(&world, &skip(conditions.clone()));
        lost(&answer, Rule::PolicyMatched, Shown::Silent);
    }
    for conditions in [
        json!({"capacity": "0,9Gi"}),
        json!({"storageClass": ["x"]}),
        json!({"nfs": {}}),
        json!({"csi": {"driver": "other"}}),
        json!({"pvcLabels": {"a": "b"}}),
    ] {
        assert_eq!(with_policy(&world, &skip(conditions.clone())).claim("data").capture, snapshot(), "{conditions}");
    }
}

#[test]
fn a_policy_beats_annotations_the_default_and_snapshot_volumes_false() {
    let mut world = database();
    let policy = |action: &str| json!([{"conditions": {}, "action": {"type": action}}]);
    assert_eq!(with_policy(&world, &policy("fs-backup")).claim("data").capture, copy("db-0", "data"));
    world.server.default_volumes_to_fs_backup = true;
    assert_eq!(with_policy(&world, &policy("snapshot")).claim("data").capture, snapshot());
}

#[test]
fn a_policy_for_copies_takes_nothing_of_a_claim_that_no_pod_mounts() {
    let mut world = database();
    world.without("db-0");
    let answer = with_policy(&world, &json!([{"conditions": {}, "action": {"type": "fs-backup"}}]));
    lost(&answer, Rule::NoPodMounts, Shown::Silent);
}

#[test]
fn a_copy_by_default_takes_nothing_of_a_claim_that_no_pod_mounts_and_that_is_what_is_told() {
    let mut world = database();
    world.without("db-0");
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true, "snapshotVolumes": false})));
    lost(&answer, Rule::NoPodMounts, Shown::Silent);
    assert_eq!(answer.claim("data").deciding().map(|reason| reason.rule), Some(Rule::NoPodMounts));
}

#[test]
fn a_policy_that_velero_cannot_read_refuses_the_backup() {
    let world = database();
    for policy in [
        json!([{"conditions": {"capacity": "5Gi"}, "action": {"type": "skip"}}]),
        json!([{"conditions": {"size": "5Gi"}, "action": {"type": "skip"}}]),
        json!([{"conditions": {}, "action": {"type": "omit"}}]),
        json!([{"conditions": {"csi": {"volumeAttributes": {"a": "b"}}}, "action": {"type": "skip"}}]),
    ] {
        lost(&with_policy(&world, &policy), Rule::Refused, Shown::Error);
    }
    let missing = world.backup_with(shop(), |backup| backup.policies = Policies::Missing);
    lost(&missing, Rule::Refused, Shown::Error);
}

#[test]
fn volumes_that_live_with_the_pod_are_copied_or_said_to_be_lost() {
    let mut world = World::new();
    let mount = |name: &str| json!({"name": name, "mountPath": format!("/{name}")});
    world.add(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": "main", "volumeMounts": [mount("cache"), mount("host"), mount("cert")]}],
            "volumes": [
                {"name": "cache", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/srv"}},
                {"name": "cert", "secret": {"secretName": "tls"}},
            ],
        },
        "status": {"phase": "Running"},
    }));
    let answer = world.backup(spec(json!({"defaultVolumesToFsBackup": true})));
    let captures: Vec<_> = answer.0.volumes.iter().map(|v| (v.volume.pod.clone(), v.capture.is_captured())).collect();
    let volume = |name: &str| Some(("web".to_owned(), name.to_owned()));
    assert_eq!(captures, [(volume("cache"), true), (volume("host"), false)]);
}

#[test]
fn what_was_not_read_is_unknown_and_never_called_captured() {
    let mut world = database();
    world.without("pv-data").unread.insert("persistentvolumes".to_owned(), "forbidden".to_owned());
    let answer = world.backup(shop());
    assert_eq!(answer.claim("data").capture, Capture::Unknown);
    assert_eq!(answer.0.assumed, ["persistentvolumes were not read as a whole: forbidden"]);
}
