//! StatefulSets, Deployments with their ReplicaSets, CronJobs and Jobs.

use std::collections::BTreeMap;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde_json::{Value, json};

use crate::api::DeleteOptions;
use crate::world::World;

fn controller(owner: &Object) -> Value {
    json!({
        "apiVersion": owner.str_at("/apiVersion"), "kind": owner.str_at("/kind"), "name": owner.name(),
        "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    })
}

fn owned_pods(world: &World, owner: &Object) -> BTreeMap<String, std::sync::Arc<Object>> {
    let namespace = owner.namespace().unwrap_or_default();
    let uid = owner.uid();
    world
        .within(Kind::Pod, namespace)
        .filter(|(_, pod)| pod.controller().is_some_and(|by| Some(by.uid.as_str()) == uid))
        .map(|(key, pod)| (key.name.clone(), pod.clone()))
        .collect()
}

pub(crate) fn is_ready(pod: &Object) -> bool {
    pod.list_at("/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn wanted(owner: &Object) -> usize {
    owner.i64_at("/spec/replicas").and_then(|replicas| usize::try_from(replicas).ok()).unwrap_or(1)
}

fn pod_from(template: Option<&Value>, owner: &Object) -> Value {
    let mut pod = template.cloned().unwrap_or_else(|| json!({}));
    pod["metadata"]["ownerReferences"] = json!([controller(owner)]);
    pod
}

fn delete(world: &mut World, key: &Key) {
    let uid = world.get(key).and_then(|object| object.uid().map(str::to_owned));
    let _gone_meanwhile = world.delete(key, &DeleteOptions { uid, ..DeleteOptions::default() });
}

pub(super) fn stateful_sets(world: &mut World) {
    for key in world.keys_of(Kind::StatefulSet) {
        let Some(set) = world.get(&key).cloned() else { continue };
        if set.is_terminating() {
            continue;
        }
        let namespace = key.namespace.clone().unwrap_or_default();
        let pods = owned_pods(world, &set);
        let replicas = wanted(&set);
        retention(world, &namespace, &set, replicas, &pods);
        let name = |ordinal: usize| format!("{}-{ordinal}", key.name);
        let mut ordered = true;
        for ordinal in 0..replicas {
            match pods.get(&name(ordinal)) {
                Some(pod) if !pod.is_terminating() && is_ready(pod) => {}
                Some(_) => {
                    ordered = false;
                    break;
                }
                None => {
                    start_ordinal(world, &namespace, &set, ordinal);
                    ordered = false;
                    break;
                }
            }
        }
        // Scaling down waits for healthy predecessors; one pod at a time, from the highest ordinal.
        if ordered {
            let ordinal_of = |pod: &str| pod.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<usize>().ok());
            let highest = pods.keys().filter_map(|pod| ordinal_of(pod)).filter(|ordinal| *ordinal >= replicas).max();
            if let Some(ordinal) = highest
                && pods.get(&name(ordinal)).is_some_and(|pod| !pod.is_terminating())
            {
                delete(world, &Key::namespaced(Kind::Pod, &namespace, name(ordinal)));
            }
        }
        report(world, &key, &set, &pods);
    }
}

fn report(world: &mut World, key: &Key, owner: &Object, pods: &BTreeMap<String, std::sync::Arc<Object>>) {
    let ready = pods.values().filter(|pod| is_ready(pod) && !pod.is_terminating()).count();
    let count = pods.len();
    let generation = owner.i64_at("/metadata/generation");
    world.edit(key, |object| {
        object["status"] = json!({
            "observedGeneration": generation, "replicas": count, "readyReplicas": ready,
            "availableReplicas": ready, "updatedReplicas": count, "currentReplicas": count,
        });
    });
}

fn templates(set: &Object, ordinal: usize) -> Vec<(String, Value)> {
    let name = |template: &Value| {
        let prefix = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        format!("{prefix}-{}-{ordinal}", set.name())
    };
    set.list_at("/spec/volumeClaimTemplates").iter().map(|template| (name(template), template.clone())).collect()
}

fn start_ordinal(world: &mut World, namespace: &str, set: &Object, ordinal: usize) {
    let mut pod = pod_from(set.at("/spec/template"), set);
    let name = format!("{}-{ordinal}", set.name());
    pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
    let mut volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for (claim, template) in templates(set, ordinal) {
        let key = Key::namespaced(Kind::PersistentVolumeClaim, namespace, &claim);
        match world.get(&key) {
            Some(found) if found.is_terminating() => return,
            Some(_) => {}
            None => {
                let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
                json_patch::merge(&mut labels, set.at("/spec/selector/matchLabels").unwrap_or(&json!({})));
                let object = json!({ "metadata": { "labels": labels }, "spec": template["spec"] });
                if world.create(&key, &object).is_err() {
                    return;
                }
                world.tell(format!("StatefulSet {} created the empty claim {claim}", set.name()));
            }
        }
        volumes.push(json!({
            "name": template.pointer("/metadata/name"), "persistentVolumeClaim": { "claimName": claim },
        }));
    }
    pod["spec"]["volumes"] = json!(volumes);
    let _refused_for_now = world.create(&Key::namespaced(Kind::Pod, namespace, &name), &pod);
}

/// `persistentVolumeClaimRetentionPolicy`: the owner references that let the garbage collector take a claim along.
fn retention(
    world: &mut World,
    namespace: &str,
    set: &Object,
    replicas: usize,
    pods: &BTreeMap<String, std::sync::Arc<Object>>,
) {
    let policy =
        |when: &str| set.str_at(&format!("/spec/persistentVolumeClaimRetentionPolicy/{when}")) == Some("Delete");
    let (when_scaled, when_deleted) = (policy("whenScaled"), policy("whenDeleted"));
    let condemned = |ordinal: usize| ordinal >= replicas;
    for ordinal in 0..=replicas.max(pods.len()) {
        let pod = pods.get(&format!("{}-{ordinal}", set.name()));
        let owner = match (condemned(ordinal), pod) {
            (true, Some(pod)) if when_scaled => Some((**pod).clone()),
            (false, _) if when_deleted => Some(set.clone()),
            (true, _) if when_deleted && !when_scaled => Some(set.clone()),
            (true, None) if when_scaled => continue,
            (true | false, _) => None,
        };
        let owner = owner.map(|owner| {
            let kind = if owner.uid() == set.uid() { ("apps/v1", "StatefulSet") } else { ("v1", "Pod") };
            json!({ "apiVersion": kind.0, "kind": kind.1, "name": owner.name(), "uid": owner.uid() })
        });
        for (claim, _) in templates(set, ordinal) {
            world.edit(&Key::namespaced(Kind::PersistentVolumeClaim, namespace, claim), |object| {
                let metadata = object["metadata"].as_object_mut().expect("stored with metadata");
                let mut owners: Vec<Value> =
                    metadata.get("ownerReferences").and_then(Value::as_array).cloned().unwrap_or_default();
                owners.retain(|by| by["kind"] != "StatefulSet" && by["kind"] != "Pod");
                owners.extend(owner.clone());
                if owners.is_empty() {
                    metadata.remove("ownerReferences");
                } else {
                    metadata.insert("ownerReferences".to_owned(), json!(owners));
                }
            });
        }
    }
}

pub(super) fn deployments(world: &mut World) {
    for key in world.keys_of(Kind::Deployment) {
        let Some(deployment) = world.get(&key).cloned() else { continue };
        // Velero's own server is there without pods of the model's.
        if deployment.is_terminating() || key.namespace.as_deref() == Some(super::velero::VELERO) {
            continue;
        }
        let namespace = key.namespace.clone().unwrap_or_default();
        let name = format!("{}-5d9c7b", key.name);
        let set = Key::namespaced(Kind::ReplicaSet, &namespace, &name);
        let replicas = wanted(&deployment);
        if world.get(&set).is_none() {
            let object = json!({
                "metadata": {
                    "labels": deployment.at("/spec/template/metadata/labels"),
                    "ownerReferences": [controller(&deployment)],
                },
                "spec": {
                    "replicas": replicas, "selector": deployment.at("/spec/selector"),
                    "template": deployment.at("/spec/template"),
                },
            });
            let _refused_for_now = world.create(&set, &object);
        }
        world.edit(&set, |object| object["spec"]["replicas"] = json!(replicas));
        let Some(replica_set) = world.get(&set).cloned() else { continue };
        let pods = owned_pods(world, &replica_set);
        replicate(world, &namespace, &replica_set, replicas, &pods);
        report(world, &set, &replica_set, &pods);
        report(world, &key, &deployment, &pods);
    }
}

fn replicate(
    world: &mut World,
    namespace: &str,
    set: &Object,
    replicas: usize,
    pods: &BTreeMap<String, std::sync::Arc<Object>>,
) {
    let active: Vec<&String> = pods.iter().filter(|(_, pod)| !pod.is_terminating()).map(|(name, _)| name).collect();
    for name in active.iter().skip(replicas) {
        delete(world, &Key::namespaced(Kind::Pod, namespace, *name));
    }
    for _ in active.len()..replicas {
        let suffix = world.revision;
        let key = Key::namespaced(Kind::Pod, namespace, format!("{}-{suffix:05x}", set.name()));
        let pod = pod_from(set.at("/spec/template"), set);
        let _refused_for_now = world.create(&key, &pod);
    }
}

/// The workload that a `HorizontalPodAutoscaler` scales.
pub fn autoscaled(scaler: &Object) -> Option<Key> {
    let kind =
        Kind::of(scaler.str_at("/spec/scaleTargetRef/apiVersion")?, scaler.str_at("/spec/scaleTargetRef/kind")?)?;
    Some(Key::namespaced(kind, scaler.namespace()?, scaler.str_at("/spec/scaleTargetRef/name")?))
}

/// It sleeps while its workload is at 0. Afterwards everybody who had to wait comes at once, and it wants all it may.
pub(super) fn autoscalers(world: &mut World) {
    for key in world.keys_of(Kind::HorizontalPodAutoscaler) {
        let Some(scaler) = world.get(&key).cloned() else { continue };
        let Some(target) = autoscaled(&scaler) else { continue };
        let Some(replicas) = world.get(&target).map(|target| wanted(target)) else { continue };
        if replicas == 0 {
            world.edit(&key, |object| object["status"] = json!({ "slept": true }));
            continue;
        }
        let bound = if scaler.bool_at("/status/slept") == Some(true) { "maxReplicas" } else { "minReplicas" };
        let wants = scaler.at("/spec").and_then(|spec| spec.get(bound)).cloned();
        world.edit(&target, |object| object["spec"]["replicas"] = json!(wants));
    }
}

/// How often every CronJob fires, whatever its schedule says.
const EVERY: u64 = 20_000;

pub(super) fn cron_jobs(world: &mut World) {
    for key in world.keys_of(Kind::CronJob) {
        let Some(cron) = world.get(&key).cloned() else { continue };
        let namespace = key.namespace.clone().unwrap_or_default();
        if cron.is_terminating() {
            continue;
        }
        let mine = |world: &World| -> Vec<(Key, bool)> {
            world
                .within(Kind::Job, &namespace)
                .filter(|(_, job)| job.controller().is_some_and(|by| Some(by.uid.as_str()) == cron.uid()))
                .map(|(key, job)| (key.clone(), job.i64_at("/status/succeeded").unwrap_or(0) > 0))
                .collect()
        };
        let jobs = mine(world);
        // successfulJobsHistoryLimit: 0, so that what is left over does not depend on how long a test took.
        for (job, _) in jobs.iter().filter(|(_, finished)| *finished) {
            delete(world, job);
        }
        let slot = world.now / EVERY;
        let name = Key::namespaced(Kind::Job, &namespace, format!("{}-{slot}", key.name));
        let due = world.now % EVERY < 2000 && cron.bool_at("/spec/suspend") != Some(true);
        let fired = cron.i64_at("/status/lastSlot").and_then(|last| u64::try_from(last).ok()) == Some(slot);
        if due && !fired && jobs.is_empty() {
            let object = json!({
                "metadata": { "ownerReferences": [controller(&cron)] },
                "spec": cron.at("/spec/jobTemplate/spec"),
            });
            let _refused_for_now = world.create(&name, &object);
            world.edit(&key, |object| object["status"]["lastSlot"] = json!(slot));
        }
    }
}

pub(super) fn jobs(world: &mut World) {
    for key in world.keys_of(Kind::Job) {
        let Some(job) = world.get(&key).cloned() else { continue };
        if job.is_terminating() || job.i64_at("/status/succeeded").unwrap_or(0) > 0 {
            continue;
        }
        let namespace = key.namespace.clone().unwrap_or_default();
        let pods = owned_pods(world, &job);
        if pods.values().any(|pod| pod.str_at("/status/phase") == Some("Succeeded")) {
            world.edit(&key, |object| object["status"] = json!({ "succeeded": 1, "active": 0 }));
        } else if pods.is_empty() && job.bool_at("/spec/suspend") != Some(true) {
            let mut pod = pod_from(job.at("/spec/template"), &job);
            pod["spec"]["restartPolicy"] = json!("Never");
            let _refused_for_now =
                world.create(&Key::namespaced(Kind::Pod, &namespace, format!("{}-x", key.name)), &pod);
            world.edit(&key, |object| object["status"] = json!({ "active": 1 }));
        }
    }
}
