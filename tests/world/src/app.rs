//! Random applications, brought up in a world, backed up, and written to afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::plan::DataPath;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::DeleteOptions;
use crate::controllers::kubelet::SERVE;
use crate::controllers::velero::{Backup, Saved, VELERO};
use crate::controllers::workload::is_ready;
use crate::invariant::Watch;
use crate::volume::Origin;
use crate::world::World;

pub const NAMESPACE: &str = "bookstore";
pub const BACKUP: &str = "nightly-1";

/// How the backup took the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    Files,
    Snapshots,
    /// One claim so, the next the other way.
    Mixed,
}

/// How one workload keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// A StatefulSet with so many claim templates.
    Templates(usize),
    /// A Deployment that mounts one claim.
    Claim,
    /// A Deployment that only talks to others.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub keeps: Keeps,
    pub replicas: usize,
    /// Its image is PostgreSQL's; else nothing is known of the engine.
    pub postgres: bool,
    /// `persistentVolumeClaimRetentionPolicy`: whenScaled and whenDeleted are Delete.
    pub when_scaled_delete: bool,
    pub when_deleted_delete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub seed: u64,
    pub workloads: Vec<Workload>,
    pub wait_for_first_consumer: bool,
    /// The StorageClass's reclaim policy is Retain.
    pub retain: bool,
    pub paths: Paths,
    pub cron: bool,
    /// The first workload that has claims is at 0 and its claims are gone.
    pub claims_lost: bool,
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    let keeps = prop_oneof![
        4 => (1_usize..=2).prop_map(Keeps::Templates),
        2 => Just(Keeps::Claim),
    ];
    let workload =
        (keeps, 1_usize..=2, any::<[bool; 3]>()).prop_map(|(keeps, replicas, [postgres, scaled, deleted])| {
            let replicas = if keeps == Keeps::Claim { 1 } else { replicas };
            Workload { keeps, replicas, postgres, when_scaled_delete: scaled, when_deleted_delete: deleted }
        });
    let client = (1_usize..=2).prop_map(|replicas| Workload {
        keeps: Keeps::Nothing,
        replicas,
        postgres: false,
        when_scaled_delete: false,
        when_deleted_delete: false,
    });
    (
        any::<u64>(),
        prop::collection::vec(workload, 1..=3),
        prop::collection::vec(client, 0..=1),
        any::<[bool; 3]>(),
        prop_oneof![Just(Paths::Files), Just(Paths::Snapshots), Just(Paths::Mixed)],
        prop::bool::weighted(0.2),
    )
        .prop_map(|(seed, mut workloads, clients, [wait, retain, cron], paths, claims_lost)| {
            workloads.extend(clients);
            Shape { seed, workloads, wait_for_first_consumer: wait, retain, paths, cron, claims_lost }
        })
}

/// An application that runs, with its backup, as a restore finds it.
#[derive(Debug, Clone)]
pub struct App {
    pub shape: Shape,
    pub world: World,
    /// Every claim that the backup holds.
    pub claims: Vec<String>,
    pub staging: String,
    pub watch: Watch,
}

impl Shape {
    pub fn name(index: usize) -> String {
        format!("part{index}")
    }

    pub fn bring_up(&self) -> App {
        let mut world = World::new(self.seed);
        let class = json!({
            "provisioner": "dr.test.csi",
            "reclaimPolicy": if self.retain { "Retain" } else { "Delete" },
            "volumeBindingMode": if self.wait_for_first_consumer { "WaitForFirstConsumer" } else { "Immediate" },
        });
        world.create(&Key::cluster(Kind::StorageClass, "fast"), &class).expect("a new class");
        world.create(&Key::cluster(Kind::Namespace, NAMESPACE), &json!({})).expect("a new namespace");
        for (index, workload) in self.workloads.iter().enumerate() {
            deploy(&mut world, &Self::name(index), workload);
        }
        if self.cron {
            let pod = json!({ "metadata": { "labels": { "app": "report" } }, "spec": { "containers": [{ "name": "job", "image": "shop:1", "args": ["report"] }] } });
            let spec = json!({
                "schedule": "* * * * *", "suspend": false, "successfulJobsHistoryLimit": 0,
                "jobTemplate": { "spec": { "template": pod } },
            });
            world
                .create(&Key::namespaced(Kind::CronJob, NAMESPACE, "report"), &json!({ "spec": spec }))
                .expect("a new CronJob");
        }
        settle(&mut world);
        while world.volumes.values().any(|volume| volume.content.facts < 6) {
            world.tick();
        }
        self.back_up(&mut world);
        for _ in 0..8 {
            world.tick();
        }
        if self.claims_lost {
            self.lose_claims(&mut world);
        }
        settle(&mut world);
        self.observe(world)
    }

    fn back_up(&self, world: &mut World) {
        let in_namespace = |key: &Key| key.namespace.as_deref() == Some(NAMESPACE);
        let objects: Vec<Arc<Object>> = world
            .objects()
            .filter(|(key, object)| {
                let of_job = object.controller().is_some_and(|by| by.kind == "Job");
                key.kind == Kind::PersistentVolume || (in_namespace(key) && !of_job)
            })
            .map(|(_, object)| Arc::clone(object))
            .collect();
        let mut data = BTreeMap::new();
        for (index, (key, claim)) in world.within(Kind::PersistentVolumeClaim, NAMESPACE).enumerate() {
            let path = match (self.paths, index % 2) {
                (Paths::Files, _) | (Paths::Mixed, 0) => DataPath::FileSystem,
                (Paths::Snapshots | Paths::Mixed, _) => DataPath::CsiSnapshot,
            };
            let disk = world.disk(claim.str_at("/spec/volumeName").expect("settled")).expect("settled");
            data.insert(key.name.clone(), Saved { path, content: disk.content.clone(), broken: false });
        }
        let started = world.timestamp().to_string();
        let backup = Backup { namespace: NAMESPACE.to_owned(), started, objects, data };
        record(world, &backup);
        world.backups.insert(BACKUP.to_owned(), Arc::new(backup));
        let object = json!({
            "spec": { "includedNamespaces": [NAMESPACE] },
            "status": { "phase": "Completed", "startTimestamp": world.timestamp().to_string() },
        });
        world.create(&Key::namespaced(Kind::Backup, VELERO, BACKUP), &object).expect("a new backup");
    }

    /// Somebody scaled the first stateful workload to 0 and deleted its claims.
    fn lose_claims(&self, world: &mut World) {
        let Some(index) = self.workloads.iter().position(|workload| workload.keeps != Keeps::Nothing) else { return };
        let kind = kind_of(self.workloads[index].keeps);
        let key = Key::namespaced(kind, NAMESPACE, Self::name(index));
        world.patch(&key, &json!({ "spec": { "replicas": 0 } })).expect("it exists");
        settle(world);
        let prefix = Self::name(index);
        let claims: Vec<Key> = world
            .within(Kind::PersistentVolumeClaim, NAMESPACE)
            .filter(|(key, _)| key.name.contains(&prefix))
            .map(|(key, _)| key.clone())
            .collect();
        for claim in claims {
            let _already_taken_along = world.delete(&claim, &DeleteOptions::default());
        }
        for _ in 0..10 {
            world.tick();
        }
    }

    fn observe(&self, mut world: World) -> App {
        let handles: BTreeSet<String> = world.volumes.keys().cloned().collect();
        for handle in handles {
            world.volumes.get_mut(&handle).expect("just listed").origin = Origin::Original;
        }
        world.destroyed.clear();
        world.trace.clear();
        let originals = world
            .of(Kind::PersistentVolume)
            .filter_map(|(key, volume)| {
                let handle = volume.str_at("/spec/csi/volumeHandle")?;
                Some((handle.to_owned(), (key.name.clone(), world.volumes.get(handle)?.content.clone())))
            })
            .collect();
        let saved: BTreeMap<_, _> =
            world.backups[BACKUP].data.iter().map(|(claim, saved)| (claim.clone(), saved.content.clone())).collect();
        let staging = format!("{NAMESPACE}-dr-{ID}");
        let claims = saved.keys().cloned().collect();
        let watch = Watch { namespace: NAMESPACE.to_owned(), staging: staging.clone(), originals, saved };
        App { shape: self.clone(), world, claims, staging, watch }
    }
}

/// What lies in the cluster beside a backup: PodVolumeBackups, and our own fingerprints.
fn record(world: &mut World, backup: &Backup) {
    let mut prints = serde_json::Map::new();
    for (claim, saved) in &backup.data {
        let text = serde_json::to_string(&saved.content.fingerprint()).expect("a fingerprint is JSON");
        prints.insert(format!("before.{claim}"), json!(text));
        prints.insert(format!("after.{claim}"), json!(text));
        if saved.path != DataPath::FileSystem {
            continue;
        }
        let (pod, volume) = crate::facts::copied_through(backup, claim).expect("a pod mounts every claim");
        let bytes = saved.content.facts * 1000;
        let object = json!({
            "metadata": { "labels": { "velero.io/backup-name": BACKUP } },
            "spec": { "pod": { "name": pod.name(), "namespace": NAMESPACE }, "volume": volume },
            "status": {
                "phase": "Completed", "snapshotID": format!("kopia-{claim}"), "startTimestamp": backup.started,
                "progress": { "totalBytes": bytes, "bytesDone": bytes },
            },
        });
        let key = Key::namespaced(Kind::PodVolumeBackup, VELERO, format!("{BACKUP}-{claim}"));
        world.create(&key, &object).expect("a new PodVolumeBackup");
    }
    let object = json!({ "metadata": { "labels": { "kubectl-dr/fingerprint": BACKUP } }, "data": prints });
    let key = Key::namespaced(Kind::ConfigMap, VELERO, format!("dr-fingerprint-{BACKUP}"));
    world.create(&key, &object).expect("a new ConfigMap");
}

/// The value of a literal environment variable: nothing of ours may ever hold it.
pub const PLANTED: &str = "planted-hunter2";

/// The id of the one run a test makes.
pub const ID: &str = "7k2m";

fn kind_of(keeps: Keeps) -> Kind {
    match keeps {
        Keeps::Templates(_) => Kind::StatefulSet,
        Keeps::Claim | Keeps::Nothing => Kind::Deployment,
    }
}

fn deploy(world: &mut World, name: &str, workload: &Workload) {
    let claim_spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": { "requests": { "storage": "1Gi" } },
    });
    let image = if workload.postgres { "postgres:15" } else { "shop:1" };
    let path = if workload.postgres { "/var/lib/postgresql/data" } else { "/data" };
    let mounts: Vec<Value> = match workload.keeps {
        Keeps::Templates(count) => (0..count)
            .map(|n| json!({ "name": format!("data{n}"), "mountPath": format!("{path}{}", "/more".repeat(n)) }))
            .collect(),
        Keeps::Claim => vec![json!({ "name": "files", "mountPath": path })],
        Keeps::Nothing => Vec::new(),
    };
    let env = json!([{ "name": "SHOP_KEY", "value": PLANTED }]);
    let container = json!({ "name": "app", "image": image, "args": [SERVE], "env": env, "volumeMounts": mounts });
    let mut pod_spec = json!({ "containers": [container] });
    let labels = json!({ "app": name });
    let mut spec = json!({ "replicas": workload.replicas, "selector": { "matchLabels": labels } });
    match workload.keeps {
        Keeps::Templates(count) => {
            let template = |index: usize| {
                let labels = json!({ "tier": "data" });
                json!({ "metadata": { "name": format!("data{index}"), "labels": labels }, "spec": claim_spec })
            };
            spec["volumeClaimTemplates"] = (0..count).map(template).collect();
            spec["serviceName"] = json!(name);
            let policy = |delete: bool| if delete { "Delete" } else { "Retain" };
            spec["persistentVolumeClaimRetentionPolicy"] = json!({
                "whenScaled": policy(workload.when_scaled_delete), "whenDeleted": policy(workload.when_deleted_delete),
            });
        }
        Keeps::Claim => {
            let object = json!({ "metadata": { "annotations": { "team": "shop" } }, "spec": claim_spec });
            world
                .create(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, format!("{name}-files")), &object)
                .expect("a new claim");
            pod_spec["volumes"] =
                json!([{ "name": "files", "persistentVolumeClaim": { "claimName": format!("{name}-files") } }]);
        }
        Keeps::Nothing => {}
    }
    spec["template"] = json!({ "metadata": { "labels": labels }, "spec": pod_spec });
    world
        .create(&Key::namespaced(kind_of(workload.keeps), NAMESPACE, name), &json!({ "spec": spec }))
        .expect("a new workload");
}

/// Lets the controllers work until every workload has the pods it wants.
pub fn settle(world: &mut World) {
    for _ in 0..200 {
        world.tick();
        let wants = |object: &Object| object.i64_at("/spec/replicas").unwrap_or(1);
        let satisfied = |(_, owner): (&Key, &Arc<Object>)| {
            owner.i64_at("/status/readyReplicas") == Some(wants(owner))
                && owner.i64_at("/status/replicas") == Some(wants(owner))
        };
        let pods = world.within(Kind::Pod, NAMESPACE);
        let steady = pods
            .filter(|(_, pod)| pod.controller().is_some_and(|by| by.kind != "Job"))
            .all(|(_, pod)| is_ready(pod) && !pod.is_terminating());
        if steady
            && world.within(Kind::StatefulSet, NAMESPACE).all(satisfied)
            && world.within(Kind::Deployment, NAMESPACE).all(satisfied)
            && world.of(Kind::PersistentVolumeClaim).all(|(_, claim)| !claim.is_terminating())
        {
            return;
        }
    }
    panic!("the application does not come up\n{}", crate::drive::sketch(world));
}

/// A value at a pointer that a healthy world has.
pub fn at<'a>(object: &'a Object, pointer: &str) -> &'a Value {
    object.at(pointer).unwrap_or_else(|| panic!("{} has no {pointer}", object.name()))
}
