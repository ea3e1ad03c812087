//! A world without what may differ between two runs that end alike: uids, versions, times and random names.

use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::plan::OPERATION;
use serde_json::{Map, Value, json};

use crate::app::ID;
use crate::controllers::workload::autoscaled;
use crate::volume::Origin;
use crate::world::World;

/// Everything there is, a line each, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal(pub Vec<String>);

/// What is left out of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum But {
    Nothing,
    /// Velero's own objects about a restore, which stay as evidence.
    Evidence,
    /// The restored volumes besides.
    KeptVolumes,
    /// What a process that slept through a whole run may still create: everything with the run's label, and everything
    /// in its staging namespace. It harms nobody and `finalize` finds it by that label.
    Litter,
}

impl But {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Evidence, Self::KeptVolumes, Self::Litter];
}

pub fn normal(world: &World, but: But) -> Normal {
    let mut lines = Vec::new();
    for (key, object) in world.objects() {
        if skipped(world, key, object, but) {
            continue;
        }
        let mut line = json!({ "at": name(key, object), "is": stripped(key.kind, object) });
        if key.kind == Kind::PersistentVolume
            && let Some(disk) = world.disk(&key.name)
        {
            line["disk"] = json!(format!("{:?} made for {}", disk.origin, disk.made_for));
        }
        lines.push(world.without_uids(&line.to_string()));
    }
    lines.sort();
    Normal(lines)
}

/// The persistent volumes that hold a backup's data.
pub fn restored(world: &World) -> Vec<&Arc<Object>> {
    let is_restored = |key: &Key| world.disk(&key.name).is_some_and(|disk| disk.origin == Origin::Restored);
    world.of(Kind::PersistentVolume).filter(|(key, _)| is_restored(key)).map(|(_, object)| object).collect()
}

fn skipped(world: &World, key: &Key, object: &Object, but: But) -> bool {
    if key.kind == Kind::Job || is_journal(key) || is_of_autoscaled(world, key, object) {
        return true;
    }
    if key.kind == Kind::Pod && object.controller().is_some_and(|by| by.kind == "Job") {
        return true;
    }
    let staging = |name: &str| name.contains("-dr-");
    let litter = key.kind != Kind::PersistentVolume && object.label(OPERATION).is_some()
        || key.namespace.as_deref().is_some_and(staging)
        || (key.kind == Kind::Namespace && staging(&key.name));
    if but == But::Litter && litter {
        return true;
    }
    let original = || world.disk(&key.name).is_some_and(|disk| disk.origin == Origin::Original);
    but != But::Nothing
        && (matches!(key.kind, Kind::Restore | Kind::PodVolumeRestore | Kind::VolumeSnapshotContent)
            || (but != But::Evidence && key.kind == Kind::PersistentVolume && !original()))
}

/// A number that an autoscaler has chosen is neither the one of before nor another.
fn is_of_autoscaled(world: &World, key: &Key, object: &Object) -> bool {
    let scaled = |workload: &Key| {
        let mut scalers = world.of(Kind::HorizontalPodAutoscaler).filter_map(|(_, scaler)| autoscaled(scaler));
        scalers.any(|target| target == *workload)
    };
    match object.controller() {
        Some(by) if by.kind == "Deployment" || by.kind == "ReplicaSet" => {
            let workload = by.name.rsplit_once('-').map_or(by.name.as_str(), |(name, _)| name);
            let workload = if by.kind == "Deployment" { by.name.as_str() } else { workload };
            scaled(&Key { kind: Kind::Deployment, namespace: key.namespace.clone(), name: workload.to_owned() })
        }
        Some(_) | None => scaled(key),
    }
}

/// The plan, the journal and the record of a run: how it got here, not where it is.
fn is_journal(key: &Key) -> bool {
    let piece = |name: &str| name.contains("-plan-") || name.contains("-journal-") || name == format!("dr-{ID}");
    key.kind == Kind::ConfigMap && piece(&key.name)
}

fn name(key: &Key, object: &Object) -> String {
    match object.controller() {
        Some(by) if key.kind == Kind::Pod && by.kind == "ReplicaSet" => format!("a pod of {}", by.name),
        Some(_) | None => key.to_string(),
    }
}

fn stripped(kind: Kind, object: &Object) -> Value {
    let mut value = object.0.clone();
    if let Some(metadata) = value["metadata"].as_object_mut() {
        for gone in ["uid", "resourceVersion", "creationTimestamp", "generation", "name", "deletionTimestamp"] {
            metadata.remove(gone);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| {
                !["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"].contains(&key.as_str())
                    && key != "volume.kubernetes.io/selected-node"
            });
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if let Some(reference) = value.pointer_mut("/spec/claimRef").and_then(Value::as_object_mut) {
        reference.remove("resourceVersion");
    }
    let status: &[&str] = match kind {
        Kind::StatefulSet | Kind::Deployment | Kind::ReplicaSet => &["replicas", "readyReplicas"],
        Kind::CronJob => &[],
        _ => &["phase"],
    };
    let mut kept = Map::new();
    for field in status {
        if let Some(found) = object.at(&format!("/status/{field}")) {
            kept.insert((*field).to_owned(), found.clone());
        }
    }
    value["status"] = Value::Object(kept);
    value
}

/// What one has and the other has not, for a test that fails.
pub fn difference(wanted: &Normal, found: &Normal) -> String {
    let lacks = wanted.0.iter().filter(|line| !found.0.contains(line)).map(|line| format!("- {line}"));
    let adds = found.0.iter().filter(|line| !wanted.0.contains(line)).map(|line| format!("+ {line}"));
    lacks.chain(adds).collect::<Vec<_>>().join("\n")
}
