//! What is in a cluster, judged beside files: nothing is counted twice, nothing is taken to be absent, nothing is printed
//! that is secret.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of a test")]

use std::collections::BTreeMap;

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_core::select::Version;
use dr_lint::{Appetite, Finding, Input, Judgement, Settings};
use serde_json::{Value, json};

/// A cluster with one StatefulSet, its pods and claims, and a Velero that takes CSI snapshots.
struct Cluster(Facts);

impl Cluster {
    fn new() -> Self {
        let facts = Facts {
            format: dr_core::facts::FORMAT,
            taken: jiff::Timestamp::UNIX_EPOCH,
            context: String::new(),
            server: String::new(),
            server_version: String::new(),
            cluster_uid: String::new(),
            namespace: String::new(),
            velero_namespace: "velero".to_owned(),
            objects: BTreeMap::new(),
            documents: BTreeMap::new(),
        };
        let mut cluster = Self(facts);
        for name in ["shop", "velero"] {
            cluster.add(Kind::Namespace, json!({ "metadata": { "name": name }, "status": { "phase": "Active" } }));
        }
        let container = json!({ "name": "velero", "image": "velero/velero:v1.18.3", "command": ["/velero"],
            "args": ["server", "--features=EnableCSI"] });
        let pod = json!({ "spec": { "containers": [container] } });
        cluster.add(
            Kind::Deployment,
            json!({ "metadata": { "name": "velero", "namespace": "velero" }, "spec": { "template": pod } }),
        );
        let spec = json!({ "provider": "aws", "default": true, "objectStorage": { "bucket": "b" } });
        cluster.add(
            Kind::BackupStorageLocation,
            json!({ "metadata": { "name": "default", "namespace": "velero" },
            "spec": spec, "status": { "phase": "Available" } }),
        );
        cluster.add(Kind::StorageClass, json!({ "metadata": { "name": "fast" }, "provisioner": "csi.fast" }));
        let labels = json!({ "velero.io/csi-volumesnapshot-class": "true" });
        cluster.add(
            Kind::VolumeSnapshotClass,
            json!({ "metadata": { "name": "fast", "labels": labels }, "driver": "csi.fast", "deletionPolicy": "Delete" }),
        );
        cluster.add(Kind::StatefulSet, set());
        for at in 0..3 {
            cluster.replica("db", at);
        }
        cluster
    }

    fn add(&mut self, kind: Kind, object: Value) -> &mut Self {
        let listed = self.0.objects.entry(kind).or_insert(Listed::Objects(Vec::new()));
        let Listed::Objects(objects) = listed else { panic!("{kind} may not be read") };
        objects.push(Raw(object));
        self
    }

    /// A pod of a StatefulSet with its claim and volume.
    fn replica(&mut self, set: &str, at: usize) {
        let (pod, claim, volume) = (format!("{set}-{at}"), format!("data-{set}-{at}"), format!("pv-{set}-{at}"));
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": "u", "controller": true }]);
        let mounts =
            json!([{ "name": "db", "image": "x", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }]);
        let volumes = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
        self.add(
            Kind::Pod,
            json!({ "metadata": { "name": pod, "namespace": "shop", "labels": { "app": set }, "ownerReferences": owner },
                "spec": { "nodeName": "n", "containers": mounts, "volumes": volumes }, "status": { "phase": "Running" } }),
        );
        self.add(
            Kind::PersistentVolumeClaim,
            json!({ "metadata": { "name": claim, "namespace": "shop", "labels": { "app": set } },
                "spec": { "storageClassName": "fast", "volumeName": volume }, "status": { "phase": "Bound" } }),
        );
        let csi = json!({ "driver": "csi.fast", "volumeHandle": "h" });
        let to = json!({ "namespace": "shop", "name": claim });
        self.add(
            Kind::PersistentVolume,
            json!({ "metadata": { "name": volume }, "spec": { "storageClassName": "fast", "csi": csi, "claimRef": to },
                "status": { "phase": "Bound" } }),
        );
    }

    fn schedule(&mut self, template: &Value) -> &mut Self {
        let metadata = json!({ "name": "nightly", "namespace": "velero" });
        self.add(
            Kind::Schedule,
            json!({ "metadata": metadata, "spec": { "schedule": "0 2 * * *", "template": template } }),
        )
    }

    fn forbid(&mut self, kind: Kind) -> &mut Self {
        self.0.objects.insert(kind, Listed::Forbidden("no".to_owned()));
        self
    }

    /// Beside files of manifests.
    fn judged(&self, files: &[&str]) -> (Input, Judgement) {
        let mut input = Input::default();
        for (at, text) in files.iter().enumerate() {
            input.add(format!("{at}.yaml"), text.as_bytes(), false);
        }
        input.add_live(&self.0, Some(Version::NEWEST));
        let judgement = dr_lint::judge(&input, &Settings { appetite: Appetite::Default, ..Settings::default() });
        (input, judgement)
    }

    /// Rule, place and message of each finding.
    fn says(&self, files: &[&str]) -> Vec<String> {
        let (input, judgement) = self.judged(files);
        let line = |finding: &Finding| format!("{} {}: {}", finding.rule, input.file_of(finding).name, finding.message);
        judgement.findings.iter().map(line).collect()
    }
}

fn set() -> Value {
    let template = json!({ "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [{ "name": "db", "image": "x",
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }] } });
    json!({ "metadata": { "name": "db", "namespace": "shop", "labels": { "tier": "data" } },
        "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "db" } }, "template": template,
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": { "storageClassName": "fast" } }] } })
}

/// Takes the StatefulSet by a label that nothing of it hands on.
fn tier() -> Value {
    json!({ "ttl": "720h", "includedNamespaces": ["shop"], "labelSelector": { "matchLabels": { "tier": "data" } } })
}

const MISSED: &str = "volume-left-out schedule/nightly (velero, live): the data of claim shop/data-db-0 and of 2 more like it \
                      is not in this backup, while StatefulSet shop/db is: persistentvolumeclaims/shop/data-db-0 is not \
                      selected by labelSelector.matchLabels[tier]: it has no label tier, not \"data\"";

#[test]
fn the_claims_that_are_there_are_told_once_for_all_replicas() {
    assert_eq!(Cluster::new().schedule(&tier()).says(&[]), [MISSED]);
    let all = json!({ "ttl": "720h", "includedNamespaces": ["shop"] });
    assert_eq!(Cluster::new().schedule(&all).says(&[]), [""; 0]);
}

#[test]
fn neither_a_backup_that_is_being_made_nor_a_paused_schedule_of_a_file_hides_what_a_schedule_loses() {
    let all = json!({ "ttl": "720h", "includedNamespaces": ["shop"] });
    let mut cluster = Cluster::new();
    cluster.schedule(&tier());
    for status in [json!({ "phase": "InProgress" }), json!({})] {
        let metadata = json!({ "name": "manual", "namespace": "velero" });
        cluster.add(Kind::Backup, json!({ "metadata": metadata, "spec": all, "status": status }));
        assert_eq!(cluster.says(&[]), [MISSED]);
    }
    let file = json!({ "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": { "name": "weekly", "namespace": "velero" },
        "spec": { "schedule": "0 2 * * 0", "template": all } });
    assert_eq!(cluster.says(&[&file.to_string()]), [""; 0], "another schedule has it");
    let mut paused = file;
    paused["spec"]["paused"] = json!(true);
    let told = cluster.says(&[&paused.to_string()]);
    assert!(told.contains(&MISSED.to_owned()), "{told:?}");
}

#[test]
fn a_claim_that_has_other_labels_than_its_template_is_judged_by_those_it_has() {
    let mut cluster = Cluster::new();
    let Some(Listed::Objects(claims)) = cluster.0.objects.get_mut(&Kind::PersistentVolumeClaim) else { panic!() };
    claims[1].0["metadata"]["labels"] = json!({ "app": "other" });
    let by_app =
        json!({ "ttl": "720h", "includedNamespaces": ["shop"], "labelSelector": { "matchLabels": { "app": "db" } } });
    // Its pod brings it along.
    assert_eq!(cluster.schedule(&by_app).says(&[]), [""; 0]);
    let Some(Listed::Objects(pods)) = cluster.0.objects.get_mut(&Kind::Pod) else { panic!() };
    pods.clear();
    let Some(Listed::Objects(sets)) = cluster.0.objects.get_mut(&Kind::StatefulSet) else { panic!() };
    sets[0].0["metadata"]["labels"] = json!({ "app": "db" });
    let told = cluster.says(&[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the data of claim shop/data-db-1 is not in this backup"), "{told:?}");
}

#[test]
fn a_workload_of_a_file_stands_in_the_place_of_the_clusters_with_the_claims_that_are_there() {
    let mut file = set();
    file["apiVersion"] = json!("apps/v1");
    file["kind"] = json!("StatefulSet");
    let mut cluster = Cluster::new();
    cluster.schedule(&tier());
    let text = file.to_string();
    assert_eq!(cluster.says(&[&text]), [MISSED], "of all ordinals");
    let (input, judgement) = cluster.judged(&[&text]);
    assert_eq!(input.files[judgement.findings[0].related[0].file].name, "0.yaml");
    assert_eq!(input.live.unwrap().replaced.into_iter().collect::<Vec<_>>(), ["statefulset/db (shop, live)"]);
    // Its pods will have the label, and bring their claims along.
    file["spec"]["template"]["metadata"]["labels"]["tier"] = json!("data");
    assert_eq!(cluster.says(&[&file.to_string()]), [""; 0]);
    let annotations = json!({ "backup.velero.io/backup-volumes": "nothing" });
    file["spec"]["template"]["metadata"]["annotations"] = annotations;
    let told = cluster.says(&[&file.to_string()]);
    assert_eq!(told, ["unknown-volume-in-annotation 0.yaml: the pod has no volume \"nothing\"; it has: data"]);
}

#[test]
fn pods_that_a_file_will_change_bring_no_claim_along_any_more() {
    let owner = |kind: &str, name: &str| json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true }]);
    let spec = json!({ "nodeName": "n", "containers": [{ "name": "web", "image": "x" }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "web" } }] });
    let web = |app: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "labels": { "app": "web" } },
            "spec": { "template": { "metadata": { "labels": { "app": app } }, "spec": spec } } })
    };
    let mut cluster = Cluster::new();
    cluster.add(Kind::Deployment, web("web"));
    let metadata = json!({ "name": "web-1", "namespace": "shop", "ownerReferences": owner("Deployment", "web") });
    cluster.add(Kind::ReplicaSet, json!({ "metadata": metadata, "spec": {} }));
    let metadata = json!({ "name": "web-1-x", "namespace": "shop", "labels": { "app": "web" },
        "ownerReferences": owner("ReplicaSet", "web-1") });
    cluster.add(Kind::Pod, json!({ "metadata": metadata, "spec": spec, "status": { "phase": "Running" } }));
    cluster.add(
        Kind::PersistentVolumeClaim,
        json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": { "storageClassName": "fast" } }),
    );
    let by_app = json!({ "matchLabels": { "app": "web" } });
    cluster.schedule(&json!({ "ttl": "720h", "includedNamespaces": ["shop"], "labelSelector": by_app }));
    assert_eq!(cluster.says(&[]), [""; 0]);
    assert_eq!(cluster.says(&[&web("web").to_string()]), [""; 0]);
    let told = cluster.says(&[&web("renamed").to_string()]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the data of claim shop/web is not in this backup"), "{told:?}");
}

#[test]
fn a_file_that_is_for_no_namespace_stands_in_the_place_of_what_is_in_veleros() {
    let file = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: nightly}\nspec:\n  schedule: 0 2 * * *\n  \
                template: {ttl: 720h, includedNamespaces: [shop], storageLocation: default}\n";
    let mut cluster = Cluster::new();
    cluster.schedule(&tier());
    assert_eq!(cluster.says(&[file]), [""; 0]);
    let (input, _) = cluster.judged(&[file]);
    assert_eq!(input.live.unwrap().placed, 1);
    assert_eq!(input.objects[0].label(), "Schedule nightly", "as it is written");
}

#[test]
fn what_somebody_decided_on_is_no_finding_and_what_cannot_be_taken_is_one() {
    let all = json!({ "ttl": "720h", "includedNamespaces": ["shop"] });
    let mut classless = Cluster::new();
    classless.0.objects.remove(&Kind::VolumeSnapshotClass);
    let told = classless.schedule(&all).says(&[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("0 VolumeSnapshotClasses are of driver csi.fast"), "{told:?}");

    let mut excluded = Cluster::new();
    excluded.0.objects.remove(&Kind::VolumeSnapshotClass);
    let Some(Listed::Objects(claims)) = excluded.0.objects.get_mut(&Kind::PersistentVolumeClaim) else { panic!() };
    for claim in claims {
        claim.0["metadata"]["labels"]["velero.io/exclude-from-backup"] = json!("true");
    }
    assert_eq!(excluded.schedule(&all).says(&[]), [""; 0]);

    let mut skipped = Cluster::new();
    let policies = "version: v1\nvolumePolicies:\n- conditions: {storageClass: [fast]}\n  action: {type: skip}\n";
    skipped.add(
        Kind::ConfigMap,
        json!({ "metadata": { "name": "skips", "namespace": "velero" }, "data": { "p": policies } }),
    );
    let mut template = all;
    template["resourcePolicy"] = json!({ "kind": "configmap", "name": "skips" });
    assert_eq!(skipped.schedule(&template).says(&[]), [""; 0]);
}

#[test]
fn a_schedule_that_is_paused_takes_nothing_of_what_another_misses() {
    let mut cluster = Cluster::new();
    cluster.schedule(&tier());
    let all = json!({ "ttl": "720h", "includedNamespaces": ["shop"] });
    let mut whole = json!({ "metadata": { "name": "whole", "namespace": "velero" },
        "spec": { "schedule": "0 3 * * *", "template": all } });
    cluster.add(Kind::Schedule, whole.clone());
    assert_eq!(cluster.says(&[]), [""; 0]);
    whole["spec"]["paused"] = json!(true);
    let mut cluster = Cluster::new();
    cluster.schedule(&tier()).add(Kind::Schedule, whole);
    let told = cluster.says(&[]);
    assert!(told.contains(&MISSED.to_owned()), "{told:?}");
}

#[test]
fn nothing_is_judged_by_kinds_that_may_not_be_read() {
    for kind in [Kind::Pod, Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::Namespace, Kind::Deployment] {
        let mut cluster = Cluster::new();
        let cluster = cluster.schedule(&tier()).forbid(kind);
        assert_eq!(cluster.says(&[]), [""; 0], "{kind}");
        let (input, _) = cluster.judged(&[]);
        assert_eq!(input.live.unwrap().unread, BTreeMap::from([(kind, "no".to_owned())]));
    }
    let mut template = tier();
    template["storageLocation"] = json!("gone");
    let mut cluster = Cluster::new();
    cluster.schedule(&template);
    assert_eq!(
        cluster.says(&[]),
        ["backup-refused schedule/nightly (velero, live): BackupStorageLocation gone does not exist"]
    );
    assert_eq!(cluster.forbid(Kind::BackupStorageLocation).says(&[]), [""; 0]);
    // Which class is taken may be said on a claim.
    let mut classes = Cluster::new();
    classes.add(
        Kind::VolumeSnapshotClass,
        json!({ "metadata": { "name": "slow",
        "labels": { "velero.io/csi-volumesnapshot-class": "true" } }, "driver": "csi.fast", "deletionPolicy": "Delete" }),
    );
    assert_eq!(classes.says(&[]).len(), 2);
    assert_eq!(classes.forbid(Kind::PersistentVolumeClaim).says(&[]), [""; 0]);
}

#[test]
fn no_password_of_a_location_is_in_what_is_shown() {
    let mut cluster = Cluster::new();
    let config = json!({ "secretAccessKey": "hunter2", "region": "eu", "accountKey": "hunter2", "MyToken": "hunter2",
        "s3Url": "http://user:hunter2@minio:9000", "publicUrl": "https://hunter2@minio" });
    let spec = json!({ "provider": "aws", "objectStorage": { "bucket": "c" }, "config": config });
    let annotations = json!({ "kapp.k14s.io/original": json!({ "spec": spec }).to_string(),
        "ignore.kubectl-dr/location-around-another": "known", "velero.io/source": "a" });
    let metadata = json!({ "name": "other", "namespace": "velero", "annotations": annotations });
    cluster.add(
        Kind::BackupStorageLocation,
        json!({ "metadata": metadata, "spec": spec, "status": { "phase": "Available" } }),
    );
    // What is shown as the place of a volume.
    let Some(Listed::Objects(sets)) = cluster.0.objects.get_mut(&Kind::StatefulSet) else { panic!() };
    let pod = &mut sets[0].0["spec"]["template"];
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "PASSWORD", "value": "hunter2" }]);
    pod["metadata"]["annotations"] =
        json!({ "vault.example/inline": "hunter2", "backup.velero.io/backup-volumes": "data" });
    cluster.schedule(&tier());
    let (input, judgement) = cluster.judged(&[]);
    let told = judgement.findings.iter().find(|finding| finding.rule == "credentials-in-the-clear").unwrap();
    let text = &input.file_of(told).text;
    for shown in [
        "secretAccessKey: \"(redacted)\"",
        "MyToken: \"(redacted)\"",
        "s3Url: \"http://(redacted)@minio:9000\"",
        "region: eu",
        "ignore.kubectl-dr/location-around-another: known",
        "velero.io/source: a",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(judgement.findings.iter().any(|finding| !finding.related.is_empty()));
    assert!(input.files.iter().all(|file| !file.text.contains("hunter2")));
    assert!(input.files.iter().any(|file| file.text.contains("backup.velero.io/backup-volumes: data")));
    // Of which all that is printed is made, as text and as JSON.
    assert!(!format!("{:?}", judgement.findings).contains("hunter2"));
    let commands = judgement.findings.iter().filter_map(|one| dr_lint::fix::command(&input, one));
    assert!(commands.into_iter().all(|command| !command.contains("hunter2")));
}

#[test]
fn an_annotation_for_a_rule_that_is_not_asked_is_not_called_unused() {
    let annotated = |rule: &str| {
        let mut cluster = Cluster::new();
        let annotations = json!({ format!("ignore.kubectl-dr/{rule}"): "known" });
        let metadata = json!({ "name": "n", "namespace": "velero", "annotations": annotations });
        let template = json!({ "ttl": "720h", "includedNamespaces": ["shop"] });
        cluster.add(
            Kind::Schedule,
            json!({ "metadata": metadata, "spec": { "schedule": "0 2 * * *", "template": template } }),
        );
        cluster
    };
    assert_eq!(annotated("unknown-field").says(&[]), [""; 0]);
    assert_eq!(annotated("volume-left-out").says(&[]).len(), 1);
    assert_eq!(annotated("volume-left-out").forbid(Kind::Pod).says(&[]), [""; 0]);
}

#[test]
fn the_server_has_held_what_is_in_it_against_its_own_schemas() {
    let mut cluster = Cluster::new();
    let template = json!({ "ttl": "720h", "includedNamespaces": ["shop"], "ofANewerVelero": 1 });
    assert_eq!(cluster.schedule(&template).says(&[]), [""; 0]);
}

#[test]
fn the_command_of_a_fix_is_quoted_for_a_shell() {
    let mut cluster = Cluster::new();
    let labels = json!({ "it's": "x", "a/b~c": "" });
    let template =
        json!({ "ttl": "720h", "includedNamespaces": ["shop"], "metadata": { "labels": labels }, "labelSelector": {} });
    cluster.schedule(&template);
    let (input, judgement) = cluster.judged(&[]);
    let commands: Vec<String> =
        judgement.findings.iter().filter_map(|one| dr_lint::fix::command(&input, one)).collect();
    let patch = r#"'[{"op":"remove","path":"/spec/template/labelSelector"}]'"#;
    assert_eq!(commands, [format!("kubectl -n velero patch schedules.velero.io nightly --type=json -p {patch}")]);
    assert_eq!(dr_lint::fix::apply(&input, judgement.findings[0].file, &[]).unwrap().1, 0);
}

#[test]
fn a_file_alone_has_no_command() {
    let file = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: n, namespace: velero}\nspec:\n  schedule: 0 2 * * *\n  template: {ttl: 30d}\n";
    let (input, judgement) = Cluster::new().judged(&[file]);
    assert_eq!(judgement.findings.len(), 1);
    assert_eq!(dr_lint::fix::command(&input, &judgement.findings[0]), None);
}

/// Of a file.
fn text(api_version: &str, kind: &str, mut object: Value) -> String {
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    object.to_string()
}

fn all() -> Value {
    json!({ "ttl": "720h", "includedNamespaces": ["shop"] })
}

/// The server, as it is; `of` a namespace.
fn server(of: &str, args: &[&str]) -> Value {
    let container = json!({ "name": "velero", "image": "velero/velero:v1.18.3", "command": ["/velero"], "args": args });
    json!({ "metadata": { "name": "velero", "namespace": of }, "spec": { "template": { "spec": { "containers": [container] } } } })
}

#[test]
fn a_file_that_is_as_the_cluster_changes_nothing() {
    let mut cluster = Cluster::new();
    let mut moved = all();
    moved["snapshotMoveData"] = json!(true);
    moved["volumeSnapshotLocations"] = json!(["aws"]);
    let agent = json!({ "metadata": { "name": "node-agent", "namespace": "velero" }, "spec": {} });
    let mut live = agent.clone();
    live["status"] = json!({ "numberReady": 1 });
    let location = json!({ "metadata": { "name": "aws", "namespace": "velero" }, "spec": { "provider": "aws" } });
    cluster.schedule(&moved).add(Kind::DaemonSet, live).add(Kind::VolumeSnapshotLocation, location.clone());
    assert_eq!(cluster.says(&[]), [""; 0]);
    let labels = json!({ "velero.io/csi-volumesnapshot-class": "true" });
    let class =
        json!({ "metadata": { "name": "fast", "labels": labels }, "driver": "csi.fast", "deletionPolicy": "Delete" });
    let storage = json!({ "metadata": { "name": "fast" }, "provisioner": "csi.fast" });
    for file in [
        text("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", class),
        text("storage.k8s.io/v1", "StorageClass", storage),
        text("velero.io/v1", "VolumeSnapshotLocation", location),
        text("apps/v1", "DaemonSet", agent),
        text("apps/v1", "StatefulSet", set()),
    ] {
        assert_eq!(cluster.says(&[&file]), [""; 0], "{file}");
    }
}

#[test]
fn the_claims_of_a_daemon_set_are_told_whatever_a_file_says_of_it() {
    let mut cluster = Cluster::new();
    let spec = json!({ "nodeName": "n", "containers": [{ "name": "web", "image": "x" }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "web" } }] });
    let web = json!({ "metadata": { "name": "web", "namespace": "shop", "labels": { "tier": "data" } },
        "spec": { "template": { "spec": spec } } });
    cluster.schedule(&tier()).add(Kind::DaemonSet, web.clone());
    cluster.add(
        Kind::PersistentVolumeClaim,
        json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": { "storageClassName": "fast" } }),
    );
    let told = cluster.says(&[]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|line| line.contains("claim shop/web is not in this backup, while DaemonSet shop/web is")));
    assert_eq!(cluster.says(&[&text("apps/v1", "DaemonSet", web.clone())]), told);
    // One that is new.
    cluster.0.objects.remove(&Kind::DaemonSet);
    assert_eq!(cluster.says(&[]), [MISSED]);
    assert_eq!(cluster.says(&[&text("apps/v1", "DaemonSet", web)]), told);
}

#[test]
fn of_a_workload_of_a_file_it_is_told_what_only_a_cluster_tells() {
    let mut cluster = Cluster::new();
    cluster.0.objects.remove(&Kind::VolumeSnapshotClass);
    cluster.schedule(&all());
    let told = cluster.says(&[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("shop/data-db-0 and of 2 more like it"), "{told:?}");
    assert_eq!(cluster.says(&[&text("apps/v1", "StatefulSet", set())]), told);
    // A claim as a file is still bound to its volume.
    let labels = json!({ "app": "db" });
    let claim = json!({ "metadata": { "name": "data-db-0", "namespace": "shop", "labels": labels }, "spec": {} });
    assert_eq!(cluster.says(&[&text("v1", "PersistentVolumeClaim", claim)]), told);
}

#[test]
fn the_pods_of_a_workload_of_a_file_run_where_they_run_now() {
    let mut cluster = Cluster::new();
    let mut copied = all();
    copied["defaultVolumesToFsBackup"] = json!(true);
    cluster.schedule(&copied);
    let told = cluster.says(&[]);
    assert!(told[0].contains("pods/shop/db-0 would copy it and is not in the backup"), "{told:?}");
    let file = text("apps/v1", "StatefulSet", set());
    assert_eq!(cluster.says(&[&file]), told);
    let agent = json!({ "metadata": { "name": "node-agent-x", "namespace": "velero", "labels": { "role": "node-agent" } },
        "spec": { "nodeName": "n" }, "status": { "phase": "Running" } });
    cluster.add(Kind::Pod, agent);
    assert_eq!(cluster.says(&[&file]), [""; 0]);
    let mut new = set();
    new["metadata"]["name"] = json!("other");
    assert_eq!(cluster.says(&[&text("apps/v1", "StatefulSet", new)]), [""; 0]);
}

#[test]
fn values_of_the_chart_say_nothing_of_how_a_location_is() {
    let mut cluster = Cluster::new();
    cluster.schedule(&all());
    let Some(Listed::Objects(locations)) = cluster.0.objects.get_mut(&Kind::BackupStorageLocation) else { panic!() };
    locations[0].0["status"] = json!({ "phase": "Unavailable", "message": "no such bucket" });
    let told = cluster.says(&[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("backup-refused"), "{told:?}");
    let values =
        "configuration:\n  backupStorageLocation:\n  - {name: default, provider: aws, bucket: b, default: true}\n";
    assert_eq!(cluster.says(&[values]), told);
}

#[test]
fn a_velero_of_another_namespace_is_not_the_clusters() {
    let mut cluster = Cluster::new();
    let Some(Listed::Objects(servers)) = cluster.0.objects.get_mut(&Kind::Deployment) else { panic!() };
    servers[0].0 = server("velero", &["server"]);
    let told = cluster.schedule(&all()).says(&[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("without --features=EnableCSI"), "{told:?}");
    let file = |of: &str| text("apps/v1", "Deployment", server(of, &["server", "--features=EnableCSI"]));
    assert_eq!(cluster.says(&[&file("velero-dr")]), told);
    assert_eq!(cluster.says(&[&file("velero")]), [""; 0]);
}

#[test]
fn a_claim_that_names_no_class_has_the_clusters_own() {
    let mut new = set();
    new["metadata"]["name"] = json!("other");
    new["spec"]["volumeClaimTemplates"][0]["spec"] = json!({});
    let file = text("apps/v1", "StatefulSet", new);
    let mut cluster = Cluster::new();
    cluster.schedule(&all());
    assert_eq!(cluster.says(&[&file]), [""; 0], "nobody knows its class");
    let default = |cluster: &mut Cluster, name: &str| {
        let annotations = json!({ "storageclass.kubernetes.io/is-default-class": "true" });
        let metadata = json!({ "name": name, "annotations": annotations });
        cluster.add(Kind::StorageClass, json!({ "metadata": metadata, "provisioner": "csi.other" }));
    };
    default(&mut cluster, "other");
    let told = cluster.says(&[&file]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("0 VolumeSnapshotClasses are of driver csi.other"), "{told:?}");
    assert_eq!(cluster.forbid(Kind::StorageClass).says(&[&file]), [""; 0]);
}

#[test]
fn pods_that_are_not_in_the_backup_say_nothing_of_its_restore() {
    let restored = |source: Value, restore: Value| {
        let mut cluster = Cluster::new();
        let annotations = json!({ "backup.velero.io/backup-volumes": "data" });
        let metadata = json!({ "name": "a", "namespace": "bank", "annotations": annotations });
        cluster.add(Kind::Pod, json!({ "metadata": metadata, "spec": {}, "status": { "phase": "Running" } }));
        cluster.add(
            Kind::Backup,
            json!({ "metadata": { "name": "b", "namespace": "velero" }, "spec": source, "status": { "phase": "Completed" } }),
        );
        let mut spec =
            json!({ "backupName": "b", "includedResources": ["persistentvolumeclaims", "persistentvolumes"] });
        spec.as_object_mut().unwrap().extend(restore.as_object().unwrap().clone());
        let metadata = json!({ "name": "r", "namespace": "velero" });
        let told = cluster.says(&[&text("velero.io/v1", "Restore", json!({ "metadata": metadata, "spec": spec }))]);
        told.iter().any(|line| line.starts_with("restore-without-pods"))
    };
    assert!(restored(json!({}), json!({})));
    assert!(restored(json!({ "includedNamespaces": ["ba*"] }), json!({ "includedNamespaces": ["*"] })));
    assert!(!restored(json!({ "includedNamespaces": ["shop"] }), json!({})));
    assert!(!restored(json!({ "excludedNamespaces": ["bank"] }), json!({})));
    assert!(!restored(json!({}), json!({ "includedNamespaces": ["shop"] })));
}
