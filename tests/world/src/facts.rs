//! What a capture would read of a world, and the plan that the real planner makes from it.

use std::collections::BTreeMap;

use dr_core::choose::{self, Choice, Chosen};
use dr_core::facts::{Archive, Document, Documents, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_run::compute::{self, compute};
use dr_run::plan::{DataPath, Plan};
use serde_json::{Value, json};

use crate::app::{App, BACKUP, ID, NAMESPACE};
use crate::controllers::storage::DRIVER;
use crate::controllers::velero::{Backup, VELERO};
use crate::world::World;

pub fn facts(world: &World) -> Facts {
    let mut objects = BTreeMap::new();
    for kind in Kind::ALL.iter().copied() {
        let shown = |key: &Key| !kind.info().namespaced || matches!(key.namespace.as_deref(), Some(NAMESPACE | VELERO));
        let found = world.of(kind).filter(|(key, _)| shown(key)).map(|(_, object)| Object::clone(object));
        let listed = match kind {
            Kind::ScaledObject | Kind::ScaledJob | Kind::Application | Kind::Kustomization | Kind::HelmRelease => {
                Listed::NotServed
            }
            _ => Listed::Objects(found.collect()),
        };
        objects.insert(kind, listed);
    }
    let documents = world.backups.iter().map(|(name, backup)| {
        let documents =
            Documents { volume_infos: Document::Read(volume_infos(backup)), archive: Document::Read(archive(backup)) };
        (name.clone(), documents)
    });
    let kube_system = world.get(&Key::cluster(Kind::Namespace, "kube-system")).and_then(|object| object.uid());
    Facts {
        format: dr_core::facts::FORMAT,
        taken: world.timestamp(),
        context: "world".to_owned(),
        server: "https://world".to_owned(),
        server_version: "v1.34.2".to_owned(),
        cluster_uid: kube_system.unwrap_or_default().to_owned(),
        namespace: NAMESPACE.to_owned(),
        velero_namespace: VELERO.to_owned(),
        documents: documents.collect(),
        objects,
    }
}

/// The pod and the volume in it through which a claim's files were copied.
pub fn copied_through<'a>(backup: &'a Backup, claim: &str) -> Option<(&'a Object, &'a str)> {
    let pods = backup.objects.iter().filter(|object| object.str_at("/kind") == Some("Pod"));
    pods.map(AsRef::as_ref).find_map(|pod| {
        let volumes = pod.list_at("/spec/volumes").iter();
        let mut named =
            volumes.filter(|volume| volume.pointer("/persistentVolumeClaim/claimName") == Some(&json!(claim)));
        named.next().and_then(|volume| volume.get("name").and_then(Value::as_str)).map(|name| (pod, name))
    })
}

fn volume_infos(backup: &Backup) -> Vec<Value> {
    let info = |(claim, saved): (&String, &crate::controllers::velero::Saved)| {
        let mut info = json!({
            "pvcName": claim, "pvcNamespace": backup.namespace, "result": "succeeded",
            "startTimestamp": backup.started,
        });
        match saved.path {
            DataPath::FileSystem => {
                let (pod, volume) = copied_through(backup, claim).expect("it was backed up through a pod");
                info["backupMethod"] = json!("PodVolumeBackup");
                info["pvbInfo"] =
                    json!({ "podName": pod.name(), "podNamespace": backup.namespace, "volumeName": volume });
            }
            DataPath::CsiSnapshot => {
                info["backupMethod"] = json!("CSISnapshot");
                info["csiSnapshotInfo"] = json!({
                    "driver": DRIVER, "snapshotHandle": format!("{BACKUP}/{claim}"), "size": 1 << 20, "ReadyToUse": true,
                });
            }
        }
        info
    };
    backup.data.iter().map(info).collect()
}

pub fn archive(backup: &Backup) -> Archive {
    let objects: Vec<Object> = backup.objects.iter().map(|object| Object::clone(object)).collect();
    let item = |object: &Object| {
        let kind = Kind::of(object.str_at("/apiVersion")?, object.str_at("/kind")?)?;
        let namespace = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        Some(format!("{}/{namespace}{}", kind.info().resource(), object.name()))
    };
    let mut items: Vec<String> = objects.iter().filter_map(item).collect();
    items.sort();
    Archive { items, objects }
}

/// What the real selection chooses.
pub fn choose(facts: &Facts) -> Result<Chosen, Refusal> {
    match choose::choose(facts, &choose::Request::default())? {
        Choice::Take(chosen) => Ok(*chosen),
        Choice::Fetch { backup, what } => panic!("{what:?} of {backup} is there already"),
    }
}

/// What the real planner plans.
pub fn plan(app: &App) -> Result<Plan, Refusal> {
    plan_as(&app.world, ID, false)
}

/// The same under another id: a restore on top of another.
pub fn plan_as(world: &World, id: &str, objects_missing: bool) -> Result<Plan, Refusal> {
    let facts = facts(world);
    let chosen = choose(&facts)?;
    let request = compute::Request { id: id.to_owned(), objects_missing, accept_unproven: false, stage_seconds: 3600 };
    compute(&facts, &chosen, &request)
}
