//! The persistent volume controller, the provisioner and the two protection finalizers.

use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde_json::{Value, json};

use crate::api::DeleteOptions;
use crate::volume::{Content, Origin, Volume};
use crate::world::World;

/// `--pvclaimbinder-sync-period`: how long a claim waits whose first look came too early.
const RESYNC: u64 = 15_000;

const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
pub const DRIVER: &str = "dr.test.csi";

fn pv(name: &str) -> Key {
    Key::cluster(Kind::PersistentVolume, name)
}

/// Whether a volume's claimRef names this claim: by uid, or by name alone.
fn reserved_for(volume: &Object, claim: &Key, uid: &str) -> bool {
    volume.str_at("/spec/claimRef/name") == Some(&claim.name)
        && volume.str_at("/spec/claimRef/namespace") == claim.namespace.as_deref()
        && volume.str_at("/spec/claimRef/uid").is_none_or(|held| held.is_empty() || held == uid)
}

pub(super) fn claims(world: &mut World) {
    for key in world.keys_of(Kind::PersistentVolumeClaim) {
        let Some(claim) = world.get(&key).cloned() else { continue };
        if claim.annotation(BIND_COMPLETED).is_some() {
            bound_claim(world, &key, &claim);
        } else {
            unbound_claim(world, &key, &claim);
        }
    }
}

fn bound_claim(world: &mut World, key: &Key, claim: &Arc<Object>) {
    let uid = claim.uid().unwrap_or_default();
    let Some(name) = claim.str_at("/spec/volumeName") else { return phase(world, key, "Lost") };
    let Some(volume) = world.get(&pv(name)).cloned() else { return phase(world, key, "Lost") };
    match volume.str_at("/spec/claimRef/uid") {
        Some(held) if held == uid => phase(world, key, "Bound"),
        None if volume.at("/spec/claimRef").is_none() => bind(world, key, claim, &volume),
        Some(_) | None => phase(world, key, "Lost"),
    }
}

fn unbound_claim(world: &mut World, key: &Key, claim: &Arc<Object>) {
    let uid = claim.uid().unwrap_or_default().to_owned();
    if world.resync.get(&uid).is_some_and(|at| *at > world.now) {
        return;
    }
    if let Some(name) = claim.str_at("/spec/volumeName") {
        let Some(volume) = world.get(&pv(name)).cloned() else { return };
        let free = volume.at("/spec/claimRef").is_none();
        if volume.is_terminating() || !(free || reserved_for(&volume, key, &uid)) {
            return;
        }
        if volume.str_at("/status/phase") == Some("Available") || volume.str_at("/spec/claimRef/uid") == Some(&uid) {
            bind(world, key, claim, &volume);
        } else {
            let again = world.now + RESYNC;
            world.resync.insert(uid, again);
        }
        return;
    }
    let prebound = world.of(Kind::PersistentVolume).find(|(_, volume)| {
        !volume.is_terminating() && volume.at("/spec/claimRef").is_some() && reserved_for(volume, key, &uid)
    });
    let class = claim.str_at("/spec/storageClassName");
    let matching = || {
        world.of(Kind::PersistentVolume).find(|(_, volume)| {
            !volume.is_terminating()
                && volume.at("/spec/claimRef").is_none()
                && volume.str_at("/status/phase") == Some("Available")
                && volume.str_at("/spec/storageClassName") == class
        })
    };
    if let Some((_, volume)) = prebound.or_else(matching) {
        let volume = Arc::clone(volume);
        bind(world, key, claim, &volume);
    }
}

fn bind(world: &mut World, key: &Key, claim: &Arc<Object>, volume: &Arc<Object>) {
    let uid = claim.uid().unwrap_or_default();
    let reference = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name, "uid": uid,
    });
    let ours = volume.at("/spec/claimRef").is_none();
    world.edit(&pv(volume.name()), |object| {
        object["spec"]["claimRef"] = reference;
        if ours {
            object["metadata"]["annotations"][BOUND_BY_CONTROLLER] = json!("yes");
        }
        object["status"]["phase"] = json!("Bound");
    });
    let by_controller = claim.str_at("/spec/volumeName").is_none();
    world.edit(key, |object| {
        object["spec"]["volumeName"] = json!(volume.name());
        object["metadata"]["annotations"][BIND_COMPLETED] = json!("yes");
        if by_controller {
            object["metadata"]["annotations"][BOUND_BY_CONTROLLER] = json!("yes");
        }
        object["status"]["phase"] = json!("Bound");
        object["status"]["capacity"] = volume.at("/spec/capacity").cloned().unwrap_or_default();
        object["status"]["accessModes"] = volume.at("/spec/accessModes").cloned().unwrap_or_default();
    });
}

fn phase(world: &mut World, key: &Key, phase: &str) {
    world.edit(key, |object| object["status"]["phase"] = json!(phase));
}

pub(super) fn volumes(world: &mut World) {
    for key in world.keys_of(Kind::PersistentVolume) {
        let Some(volume) = world.get(&key).cloned() else { continue };
        let Some(uid) = volume.str_at("/spec/claimRef/uid").filter(|uid| !uid.is_empty()) else {
            phase(world, &key, "Available");
            continue;
        };
        let (namespace, name) = (volume.str_at("/spec/claimRef/namespace"), volume.str_at("/spec/claimRef/name"));
        let claim = match (namespace, name) {
            (Some(namespace), Some(name)) => world.find(Kind::PersistentVolumeClaim, namespace, name),
            (None | Some(_), _) => None,
        };
        match claim.filter(|claim| claim.uid() == Some(uid)) {
            None => released(world, &key, &volume),
            Some(claim) if claim.str_at("/spec/volumeName") == Some(volume.name()) => phase(world, &key, "Bound"),
            Some(claim) if claim.str_at("/spec/volumeName").is_none() => {}
            Some(_) if volume.annotation(PROVISIONED_BY).is_some() && delete_policy(&volume) => {
                released(world, &key, &volume);
            }
            Some(_) => world.edit(&key, |object| {
                if object["metadata"]["annotations"].get(BOUND_BY_CONTROLLER).is_some() {
                    object["spec"].as_object_mut().expect("it has a claimRef").remove("claimRef");
                } else {
                    object["spec"]["claimRef"].as_object_mut().expect("just read").remove("uid");
                }
            }),
        }
    }
}

fn delete_policy(volume: &Object) -> bool {
    volume.str_at("/spec/persistentVolumeReclaimPolicy") == Some("Delete")
}

/// The provisioner reclaims what is Released under the policy Delete: disk first, object after it.
fn released(world: &mut World, key: &Key, volume: &Object) {
    if volume.str_at("/status/phase") != Some("Released") {
        phase(world, key, "Released");
        return;
    }
    if delete_policy(volume) && volume.annotation(PROVISIONED_BY).is_some() {
        if let Some(handle) = volume.str_at("/spec/csi/volumeHandle") {
            world.destroy(handle);
        }
        let uid = volume.uid().map(str::to_owned);
        let _held_by_protection = world.delete(key, &DeleteOptions { uid, ..DeleteOptions::default() });
    }
}

/// The external provisioner: a new disk for a claim whose class wants one now.
pub(super) fn provision(world: &mut World) {
    for key in world.keys_of(Kind::PersistentVolumeClaim) {
        let Some(claim) = world.get(&key).cloned() else { continue };
        if claim.is_terminating() || claim.str_at("/spec/volumeName").is_some() {
            continue;
        }
        let Some(class) = claim
            .str_at("/spec/storageClassName")
            .and_then(|name| world.get(&Key::cluster(Kind::StorageClass, name)))
            .cloned()
        else {
            continue;
        };
        let waits = class.str_at("/volumeBindingMode") == Some("WaitForFirstConsumer");
        if waits && claim.annotation(SELECTED_NODE).is_none() {
            continue;
        }
        let uid = claim.uid().unwrap_or_default();
        let name = format!("pvc-{uid}");
        if world.get(&pv(&name)).is_some() {
            continue;
        }
        let namespace = key.namespace.clone().unwrap_or_default();
        if world.of(Kind::PersistentVolume).any(|(_, volume)| reserved_for(volume, &key, uid)) {
            continue;
        }
        let Some((origin, content)) = source(world, &namespace, &claim) else { continue };
        let made_for = format!("{namespace}/{}", key.name);
        world.volumes.insert(format!("disk-{uid}"), Volume { origin, content, made_for });
        let spec = json!({
            "capacity": { "storage": claim.at("/spec/resources/requests/storage").cloned().unwrap_or_default() },
            "accessModes": claim.at("/spec/accessModes").cloned().unwrap_or_default(),
            "storageClassName": class.name(),
            "persistentVolumeReclaimPolicy": class.str_at("/reclaimPolicy").unwrap_or("Delete"),
            "volumeMode": "Filesystem",
            "csi": { "driver": DRIVER, "volumeHandle": format!("disk-{uid}") },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace, "name": key.name, "uid": uid,
            },
        });
        let object = json!({ "metadata": { "annotations": { PROVISIONED_BY: DRIVER } }, "spec": spec });
        world.create(&pv(&name), &object).expect("no such volume, no namespace");
    }
}

/// What a new disk holds: nothing, or what the claim's data source names. None while that is not there.
fn source(world: &World, namespace: &str, claim: &Object) -> Option<(Origin, Content)> {
    let Some(name) = claim.str_at("/spec/dataSource/name") else {
        return Some((Origin::Fresh, Content::new(0, 0)));
    };
    let snapshot = world.find(Kind::VolumeSnapshot, namespace, name)?;
    let content = snapshot.str_at("/status/boundVolumeSnapshotContentName")?;
    let content = world.get(&Key::cluster(Kind::VolumeSnapshotContent, content))?;
    let (backup, of) = content.str_at("/spec/source/snapshotHandle")?.split_once('/')?;
    let data = world.backups.get(backup)?.data.get(of)?;
    Some((Origin::Restored, data.content.clone()))
}

/// `pvc-protection` holds a claim while any pod on a node names it, ended ones included; `pv-protection` a volume while it is bound.
pub(super) fn protection(world: &mut World) {
    let release = |world: &mut World, key: &Key, finalizer: &str| {
        world.edit(key, |object| {
            if let Some(list) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
                list.retain(|name| name != finalizer);
            }
        });
    };
    for key in world.keys_of(Kind::PersistentVolumeClaim) {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        if world.get(&key).is_some_and(|claim| claim.is_terminating())
            && !world
                .within(Kind::Pod, namespace)
                // A pod without a node will not start on a claim that is being deleted.
                .any(|(_, pod)| pod.at("/spec/nodeName").is_some() && dr_run::condition::mounts(pod, &key.name))
        {
            release(world, &key, "kubernetes.io/pvc-protection");
        }
    }
    for key in world.keys_of(Kind::PersistentVolume) {
        if world
            .get(&key)
            .is_some_and(|volume| volume.is_terminating() && volume.str_at("/status/phase") != Some("Bound"))
        {
            release(world, &key, "kubernetes.io/pv-protection");
        }
    }
}

/// The snapshot controller holds a content while the snapshot it is bound to exists; csi-snapshotter asks the driver for
/// the snapshot of one that we made to ask.
pub(super) fn snapshots(world: &mut World) {
    for key in world.keys_of(Kind::VolumeSnapshotContent) {
        answer(world, &key);
        let bound = |object: &Object| object.str_at("/status/boundVolumeSnapshotContentName") == Some(&key.name);
        if !world.of(Kind::VolumeSnapshot).any(|(_, snapshot)| bound(snapshot)) {
            world.edit(&key, |object| object["metadata"]["finalizers"] = json!([]));
        }
    }
}

fn answer(world: &mut World, key: &Key) {
    let Some(content) = world.get(key).filter(|content| content.at("/status").is_none()) else { return };
    if content.label(dr_core::verify::PROBE).is_none() {
        return;
    }
    let handle = content.str_at("/spec/source/snapshotHandle").unwrap_or_default().to_owned();
    let status = if !world.lists_snapshots {
        // Taken just now, whenever it was.
        let now = i64::try_from(world.timestamp().as_nanosecond()).expect("of this century");
        json!({ "readyToUse": true, "creationTime": now })
    } else if world.lost_snapshots.contains(&handle) {
        let message =
            format!("failed to list snapshot for content {}: can not find snapshot for snapshotID {handle}", key.name);
        json!({ "readyToUse": false, "error": { "message": message } })
    } else {
        json!({ "readyToUse": true, "creationTime": 1_767_315_600_000_000_000_i64, "restoreSize": 1 << 30 })
    };
    world.edit(key, |object| object["status"] = status);
}

/// The scheduler's part of `WaitForFirstConsumer`: it names the node, the provisioner follows.
pub(super) fn select_node(world: &mut World, claim: &Key) {
    world.edit(claim, |object| object["metadata"]["annotations"][SELECTED_NODE] = json!("node1"));
}
