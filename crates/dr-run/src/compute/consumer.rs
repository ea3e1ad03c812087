//! The pods that use the restored claims: who mounts them, with which image, and by which engine they are read.

use std::collections::BTreeMap;

use dr_core::choose::Chosen;
use dr_core::engine::{self, Found};
use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_core::{claims, facts::Archive};
use serde_json::{Value, json};

use super::claim::ClaimFacts;
use crate::withheld::Origin;

/// One pod of a workload with its claims, as it would run today.
pub(super) struct Consumer {
    /// `postgres-0`, or the workload's name where pods have none of their own.
    pub name: String,
    /// `metadata` and `spec` of the pod, its volumes named as the claims they stand for.
    pub pod: Object,
    /// The pod that runs now.
    pub live_pod: Option<String>,
    /// By claim: the pod's volume name and what was found on it.
    pub uses: BTreeMap<String, (String, Found)>,
    pub grace_seconds: u32,
    /// The workload behind it; none for an archived pod whose owner is gone.
    pub workload: Option<Key>,
    /// Where its pod was read.
    pub source: (Origin, Key),
    /// What has changed since the backup.
    pub drift: Vec<String>,
}

impl Consumer {
    pub(super) fn engine_of(&self, claim: &str) -> Option<&'static str> {
        self.uses.get(claim).map(|(_, found)| found.profile)
    }
}

/// Groups the claims by the pod that mounts them: the live workload's template first, then a live pod, then the archive.
pub(super) fn all(
    facts: &Facts,
    chosen: &Chosen,
    restored: &[ClaimFacts],
    refusal: &mut Refusal,
) -> Result<Vec<Consumer>, Unread> {
    let mut consumers: BTreeMap<String, Consumer> = BTreeMap::new();
    for claim in restored {
        let found = match from_workloads(facts, &claim.name)? {
            Some(found) => Some(found),
            None => from_archive(&chosen.archive, &facts.namespace, &claim.name),
        };
        let Some(Template { name, pod, workload, source }) = found else {
            refusal.add(
                format!("claim {}", claim.name),
                "no pod or workload mounts it, live or in the backup, so nothing can open and verify it",
                "leave it out with --leave",
            );
            continue;
        };
        let consumer = match consumers.entry(name.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let live_pod = live_pod(facts, &claim.name)?;
                let drift = drift(&chosen.archive, facts, &claim.name, &pod);
                let grace = pod.i64_at("/spec/terminationGracePeriodSeconds").unwrap_or(30);
                entry.insert(Consumer {
                    name,
                    pod,
                    live_pod,
                    uses: BTreeMap::new(),
                    grace_seconds: u32::try_from(grace).unwrap_or(30),
                    workload,
                    source,
                    drift,
                })
            }
        };
        match use_of(&consumer.pod, &claim.name) {
            Some((_, found)) if started_by_a_shell(&consumer.pod, &found) => refusal.add(
                format!("claim {}", claim.name),
                format!(
                    "container {} starts {} through a shell, so the staged copy could not be kept from archiving",
                    found.container, found.profile
                ),
                "start the engine by the image's own entry point, or leave the claim out with --leave",
            ),
            Some(used) => {
                consumer.uses.insert(claim.name.clone(), used);
            }
            None => refusal.add(
                format!("claim {}", claim.name),
                format!("no container of {} mounts it, so nothing can open and verify it", consumer.name),
                "leave it out with --leave",
            ),
        }
    }
    Ok(consumers.into_values().collect())
}

/// Arguments appended to `sh -c …` are the shell's, not the engine's.
fn started_by_a_shell(pod: &Object, found: &Found) -> bool {
    const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "busybox"];
    let serves = engine::named(found.profile).is_some_and(|profile| profile.server.is_some());
    let containers = pod.list_at("/spec/containers").iter();
    let mut named = containers.filter(|c| c.get("name").and_then(Value::as_str) == Some(found.container.as_str()));
    let first = named.next().and_then(|container| {
        let words = |field: &str| container.get(field).and_then(Value::as_array).and_then(|list| list.first());
        words("command").or_else(|| words("args")).and_then(Value::as_str)
    });
    serves && first.and_then(|word| word.rsplit('/').next()).is_some_and(|name| SHELLS.contains(&name))
}

fn use_of(pod: &Object, claim: &str) -> Option<(String, Found)> {
    let volumes = pod.list_at("/spec/volumes");
    let volume = volumes
        .iter()
        .find(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(claim))?;
    let name = volume.get("name").and_then(Value::as_str)?;
    engine::find(pod, name).map(|found| (name.to_owned(), found))
}

struct Template {
    name: String,
    pod: Object,
    workload: Option<Key>,
    source: (Origin, Key),
}

impl Template {
    fn of(name: String, pod: Object, workload: Key, from: Origin) -> Self {
        Self { name, pod, workload: Some(workload.clone()), source: (from, workload) }
    }
}

fn from_workloads(facts: &Facts, claim: &str) -> Result<Option<Template>, Unread> {
    for set in facts.of(Kind::StatefulSet, &facts.namespace)? {
        if let Some((name, pod)) = of_set(set, claim) {
            let key = Key::namespaced(Kind::StatefulSet, &facts.namespace, set.name());
            return Ok(Some(Template::of(name, pod, key, Origin::Live)));
        }
    }
    for (kind, template) in claims::WORKLOADS {
        for workload in facts.of(*kind, &facts.namespace)? {
            if workload.controller().is_some() {
                continue;
            }
            if claims::named_in(workload, &format!("{template}/spec/volumes")).iter().any(|named| named == claim) {
                let pod = workload.at(template).cloned().map(Object);
                let key = Key::namespaced(*kind, &facts.namespace, workload.name());
                return Ok(pod.map(|pod| Template::of(workload.name().to_owned(), pod, key, Origin::Live)));
            }
        }
    }
    Ok(None)
}

/// A StatefulSet's pod for a claim of its templates: the template with the claims as volumes.
fn of_set(set: &Object, claim: &str) -> Option<(String, Object)> {
    let templates: Vec<&str> = set
        .list_at("/spec/volumeClaimTemplates")
        .iter()
        .filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
        .collect();
    // Replicas may stand at 0 or below the ordinal whose claim is restored: the name tells.
    let ordinal = templates.iter().find_map(|template| {
        let ordinal = claim.strip_prefix(template)?.strip_prefix('-')?.strip_prefix(set.name())?.strip_prefix('-')?;
        ordinal.parse::<u32>().ok()
    })?;
    let mut pod = set.at("/spec/template")?.clone();
    let volumes = pod.pointer_mut("/spec")?.as_object_mut()?.entry("volumes").or_insert_with(|| json!([]));
    let list = volumes.as_array_mut()?;
    list.retain(|volume| volume.get("name").and_then(Value::as_str).is_none_or(|name| !templates.contains(&name)));
    for template in &templates {
        let name = format!("{template}-{}-{ordinal}", set.name());
        list.push(json!({ "name": template, "persistentVolumeClaim": { "claimName": name } }));
    }
    Some((format!("{}-{ordinal}", set.name()), Object(pod)))
}

fn from_archive(archive: &Archive, namespace: &str, claim: &str) -> Option<Template> {
    for set in archive.of(Kind::StatefulSet) {
        if let Some((name, pod)) = of_set(set, claim) {
            let key = Key::namespaced(Kind::StatefulSet, namespace, set.name());
            return Some(Template::of(name, pod, key, Origin::Archive));
        }
    }
    let mounting = |pod: &&Object| claims::named_in(pod, "/spec/volumes").iter().any(|named| named == claim);
    let pod = archive.of(Kind::Pod).find(mounting)?;
    let source = (Origin::Archive, Key::namespaced(Kind::Pod, namespace, pod.name()));
    Some(Template { name: pod.name().to_owned(), pod: pod.clone(), workload: None, source })
}

fn live_pod(facts: &Facts, claim: &str) -> Result<Option<String>, Unread> {
    let mut pods = facts.of(Kind::Pod, &facts.namespace)?.filter(|pod| {
        claims::named_in(pod, "/spec/volumes").iter().any(|named| named == claim)
            && pod.str_at("/status/phase") == Some("Running")
            && !pod.is_terminating()
    });
    Ok(pods.next().map(|pod| pod.name().to_owned()))
}

fn drift(archive: &Archive, facts: &Facts, claim: &str, pod: &Object) -> Vec<String> {
    let Some(Template { pod: archived, .. }) = from_archive(archive, &facts.namespace, claim) else {
        return Vec::new();
    };
    let images = |pod: &Object| -> BTreeMap<String, String> {
        let containers = pod.list_at("/spec/containers").iter();
        let pairs = containers.filter_map(|container| {
            let name = container.get("name").and_then(Value::as_str)?;
            Some((name.to_owned(), container.get("image").and_then(Value::as_str)?.to_owned()))
        });
        pairs.collect()
    };
    let now = images(pod);
    images(&archived)
        .into_iter()
        .filter_map(|(container, then)| {
            let now = now.get(&container)?;
            (*now != then).then(|| format!("container {container} ran {then} when it was backed up and runs {now} now"))
        })
        .collect()
}
