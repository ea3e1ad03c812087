//! Scheduler and kubelet: pods are placed, mount their claims, run, write and end.

use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde_json::{Value, json};

use super::{storage, workload::is_ready};
use crate::volume::Origin;
use crate::world::{Mount, TICK, World};

/// The argument that makes a container of the model an application: it opens its volume and writes.
pub const SERVE: &str = "serve";

/// Whether a pod's containers are the application's own: they write to whatever is mounted.
///
/// A pod of a restore's own making says so by the label that keeps it out of backups; an engine in it only reads.
pub fn writes(pod: &Object) -> bool {
    pod.label("velero.io/exclude-from-backup").is_none()
        && pod.list_at("/spec/containers").iter().any(|container| {
            let args = container.get("args").and_then(Value::as_array);
            container.get("command").is_none() && args.is_some_and(|args| args.iter().any(|arg| arg == SERVE))
        })
}

/// The claims a pod names.
pub fn claims_of(pod: &Object) -> impl Iterator<Item = &str> {
    pod.list_at("/spec/volumes")
        .iter()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str))
}

pub(super) fn step(world: &mut World) {
    for key in world.keys_of(Kind::Pod) {
        let Some(pod) = world.get(&key).cloned() else { continue };
        if pod.is_terminating() {
            end(world, &key, &pod);
        } else if pod.str_at("/spec/nodeName").is_none() {
            schedule(world, &key, &pod);
        } else {
            match pod.str_at("/status/phase") {
                Some("Pending") => start(world, &key, &pod),
                Some("Running") => run(world, &key, &pod),
                Some(_) | None => {}
            }
        }
    }
}

/// A graceful end writes until its last tick.
fn end(world: &mut World, key: &Key, pod: &Arc<Object>) {
    write(world, pod);
    if world.rng.once_in(2) {
        world.edit(key, |object| object["metadata"]["deletionGracePeriodSeconds"] = json!(0));
    }
}

fn schedule(world: &mut World, key: &Key, pod: &Object) {
    let namespace = key.namespace.clone().unwrap_or_default();
    let mut ready = true;
    for name in claims_of(pod) {
        let claim_key = Key::namespaced(Kind::PersistentVolumeClaim, &namespace, name);
        let Some(claim) = world.get(&claim_key).cloned() else { return };
        if claim.is_terminating() {
            return;
        }
        match claim.str_at("/status/phase") {
            Some("Bound") => {}
            Some("Lost") => return,
            Some(_) | None => {
                ready = false;
                if claim.str_at("/spec/volumeName").is_none() {
                    let class = claim.str_at("/spec/storageClassName").unwrap_or_default();
                    let class = world.get(&Key::cluster(Kind::StorageClass, class));
                    if class.and_then(|class| class.str_at("/volumeBindingMode")) == Some("WaitForFirstConsumer") {
                        storage::select_node(world, &claim_key);
                    }
                }
            }
        }
    }
    if ready {
        world.edit(key, |object| object["spec"]["nodeName"] = json!("node1"));
    }
}

fn start(world: &mut World, key: &Key, pod: &Object) {
    let namespace = key.namespace.clone().unwrap_or_default();
    let uid = pod.uid().unwrap_or_default().to_owned();
    if !world.mounts.contains_key(&uid) {
        let mut mounts = Vec::new();
        for name in claims_of(pod) {
            let Some(claim) = world.find(Kind::PersistentVolumeClaim, &namespace, name) else { return };
            let Some(volume) = claim.str_at("/spec/volumeName") else { return };
            let bound = claim.str_at("/status/phase") == Some("Bound");
            let Some(object) = world.get(&Key::cluster(Kind::PersistentVolume, volume)) else { return };
            let Some(handle) = object.str_at("/spec/csi/volumeHandle") else { return };
            if !bound || !world.volumes.contains_key(handle) {
                return;
            }
            mounts.push(Mount {
                claim: name.to_owned(),
                claim_uid: claim.uid().unwrap_or_default().to_owned(),
                persistent_volume: volume.to_owned(),
                handle: handle.to_owned(),
            });
        }
        world.mounts.insert(uid.clone(), mounts);
        world.revision += 1;
    }
    let waits = pod.list_at("/spec/initContainers").iter().any(|container| container["name"] == "restore-wait");
    let arrived = |restore: &Object| restore.str_at("/status/phase") == Some("Completed");
    let all_arrived = world
        .of(Kind::PodVolumeRestore)
        .filter(|(_, restore)| restore.label("velero.io/pod-uid") == Some(&uid))
        .all(|(_, restore)| arrived(restore));
    if waits && !all_arrived {
        return;
    }
    world.edit(key, |object| {
        object["status"]["phase"] = json!("Running");
    });
}

fn run(world: &mut World, key: &Key, pod: &Arc<Object>) {
    if pod.str_at("/spec/restartPolicy") == Some("Never") && pod.controller().is_some_and(|by| by.kind == "Job") {
        write(world, pod);
        if world.rng.once_in(2) {
            world.edit(key, |object| object["status"]["phase"] = json!("Succeeded"));
            world.mounts.remove(pod.uid().unwrap_or_default());
        }
        return;
    }
    if !is_ready(pod) {
        let names: Vec<Value> = pod.list_at("/spec/containers").iter().map(|one| one["name"].clone()).collect();
        world.edit(key, |object| {
            object["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
            object["status"]["containerStatuses"] =
                names.iter().map(|name| json!({ "name": name, "ready": true, "restartCount": 0 })).collect();
        });
    }
    write(world, pod);
}

fn write(world: &mut World, pod: &Object) {
    if !writes(pod) {
        return;
    }
    let Some(mounts) = world.mounts.get(pod.uid().unwrap_or_default()).cloned() else { return };
    // Once a second, whatever the tick.
    if !world.now.is_multiple_of(2 * TICK) {
        return;
    }
    for mount in mounts {
        if let Some(volume) = world.volumes.get_mut(&mount.handle) {
            if volume.origin == Origin::Fresh && volume.content.facts == 0 {
                volume.content.identity = 77;
            }
            volume.content.write();
        }
    }
}
