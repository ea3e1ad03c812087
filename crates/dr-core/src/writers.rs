//! Who writes to a namespace's volumes, and how each is stopped so that it can be started again exactly as it was.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::claims;
use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object, string_map};
use crate::refusal::Refusal;

/// A workload that must rest while the volumes are exchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct Writer {
    pub key: Key,
    pub uid: String,
    pub tier: Tier,
    pub stop: Stop,
    /// `spec.selector.matchLabels` of its pods; empty where it names none.
    pub pod_labels: std::collections::BTreeMap<String, String>,
    pub because: String,
}

/// Writers stop before the database and start after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Mounts a volume that is exchanged.
    Database,
    Client,
}

/// How a workload is stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// `spec.replicas` to 0.
    Scale { replicas: i64 },
    /// `spec.suspend` to true.
    Suspend { suspended: Value },
    /// A DaemonSet: a node selector that no node has.
    Nowhere { selector: Value },
}

/// The label no node has.
pub const NOWHERE: &str = "kubectl-dr/nowhere";

/// Everything that writes, or every reason why stopping it would not hold.
pub fn find(facts: &Facts, exchanged: &BTreeSet<String>) -> Result<Vec<Writer>, Refusal> {
    let mut writers = Vec::new();
    let mut refusal = Refusal::default();
    for (kind, template) in claims::WORKLOADS {
        for workload in facts.of(*kind, &facts.namespace)? {
            if *kind == Kind::Job && finished(workload) {
                continue;
            }
            let owner = workload.controller().map(|owner| owner.kind);
            if *kind == Kind::ReplicaSet && owner.as_deref() == Some("Deployment") {
                continue;
            }
            if let Some(writer) = writer(facts, *kind, template, workload, exchanged, &mut refusal) {
                writers.push(writer);
            }
        }
    }
    bare_pods(facts, exchanged, &mut refusal)?;
    keda(facts, &writers, &mut refusal)?;
    refusal.into_result()?;
    writers.sort_by(|a, b| a.tier.cmp(&b.tier).then_with(|| a.key.cmp(&b.key)));
    Ok(writers)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "WORKLOADS lists the kinds that have a pod template")]
fn writer(
    facts: &Facts,
    kind: Kind,
    template: &str,
    workload: &Object,
    exchanged: &BTreeSet<String>,
    refusal: &mut Refusal,
) -> Option<Writer> {
    let subject = format!("{} {}", kind.info().kind.to_lowercase(), workload.name());
    let mounted = claims::named_in(workload, &format!("{template}/spec/volumes"));
    let made = if kind == Kind::StatefulSet { claims::of_stateful_set(workload) } else { Vec::new() };
    let touches = mounted.iter().chain(&made).find(|claim| exchanged.contains(*claim));
    if let Some(owner) = workload.controller().filter(|owner| owner.kind != "CronJob") {
        refusal.add(
            &subject,
            format!("it belongs to {} {}, whose operator would scale it back", owner.kind, owner.name),
            "stop it the way its operator offers, or leave its claims out with --leave; then try again",
        );
        return None;
    }
    if workload.is_terminating() {
        refusal.add(&subject, "it is being deleted", "wait until it is gone, then try again");
        return None;
    }
    let stop = match kind {
        Kind::StatefulSet | Kind::Deployment | Kind::ReplicaSet => {
            Stop::Scale { replicas: workload.i64_at("/spec/replicas").unwrap_or(1) }
        }
        Kind::CronJob | Kind::Job => {
            Stop::Suspend { suspended: workload.at("/spec/suspend").cloned().unwrap_or(Value::Null) }
        }
        Kind::DaemonSet => {
            Stop::Nowhere { selector: workload.at("/spec/template/spec/nodeSelector").cloned().unwrap_or(Value::Null) }
        }
        _ => return None,
    };
    let uid = workload.uid()?.to_owned();
    let (tier, because) = match touches {
        Some(claim) => (Tier::Database, format!("mounts {claim}")),
        None => (Tier::Client, format!("runs in {} and may write through its services", facts.namespace)),
    };
    Some(Writer {
        key: Key::namespaced(kind, &facts.namespace, workload.name()),
        uid,
        tier,
        stop,
        pod_labels: string_map(workload.at("/spec/selector/matchLabels")),
        because,
    })
}

fn finished(job: &Object) -> bool {
    job.list_at("/status/conditions").iter().any(|condition| {
        matches!(condition.get("type").and_then(Value::as_str), Some("Complete" | "Failed"))
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn bare_pods(facts: &Facts, exchanged: &BTreeSet<String>, refusal: &mut Refusal) -> Result<(), Unread> {
    for pod in facts.of(Kind::Pod, &facts.namespace)? {
        let mounted = claims::named_in(pod, "/spec/volumes");
        let Some(claim) = mounted.iter().find(|claim| exchanged.contains(*claim)) else { continue };
        if let Some(phase @ ("Succeeded" | "Failed")) = pod.str_at("/status/phase") {
            refusal.add(
                format!("pod {}", pod.name()),
                format!(
                    "it has {} and still holds {claim}: a finished pod keeps its claim from being deleted",
                    phase.to_lowercase()
                ),
                format!("delete it: kubectl -n {} delete pod {}", facts.namespace, pod.name()),
            );
            continue;
        }
        match pod.controller() {
            None => refusal.add(
                format!("pod {}", pod.name()),
                format!("it mounts {claim} and nothing would start it again"),
                format!(
                    "delete it yourself (kubectl -n {} delete pod {}), then try again",
                    facts.namespace,
                    pod.name()
                ),
            ),
            Some(owner) if Kind::of(&owner.api_version, &owner.kind).is_none() => refusal.add(
                format!("pod {}", pod.name()),
                format!(
                    "it mounts {claim} and belongs to {} {}, whose operator would start it again",
                    owner.kind, owner.name
                ),
                "stop it the way its operator offers, or leave the claim out with --leave",
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

fn keda(facts: &Facts, writers: &[Writer], refusal: &mut Refusal) -> Result<(), Unread> {
    for scaled in facts.of(Kind::ScaledObject, &facts.namespace)? {
        let target = scaled.str_at("/spec/scaleTargetRef/name").unwrap_or("");
        let kind = scaled.str_at("/spec/scaleTargetRef/kind").unwrap_or("Deployment");
        let ours = writers.iter().any(|writer| writer.key.name == target && writer.key.kind.info().kind == kind);
        let paused = scaled.annotation("autoscaling.keda.sh/paused-replicas") == Some("0");
        if ours && !paused {
            refusal.add(
                format!("scaledobject {}", scaled.name()),
                format!("KEDA would scale {target} back up while its volume is exchanged"),
                format!(
                    "pause it: kubectl -n {} annotate scaledobject {} autoscaling.keda.sh/paused-replicas=0",
                    facts.namespace,
                    scaled.name()
                ),
            );
        }
    }
    for scaled in facts.of(Kind::ScaledJob, &facts.namespace)? {
        if scaled.annotation("autoscaling.keda.sh/paused") != Some("true") {
            refusal.add(
                format!("scaledjob {}", scaled.name()),
                "KEDA would start jobs while the volumes are exchanged",
                format!(
                    "pause it: kubectl -n {} annotate scaledjob {} autoscaling.keda.sh/paused=true",
                    facts.namespace,
                    scaled.name()
                ),
            );
        }
    }
    Ok(())
}

/// The patch that stops a workload.
pub fn stopping(writer: &Writer) -> Value {
    match &writer.stop {
        Stop::Scale { .. } => json!({ "spec": { "replicas": 0 } }),
        Stop::Suspend { .. } => json!({ "spec": { "suspend": true } }),
        Stop::Nowhere { .. } => json!({ "spec": { "template": { "spec": { "nodeSelector": { NOWHERE: "true" } } } } }),
    }
}

/// The patch that puts back exactly what was there.
pub fn starting(writer: &Writer) -> Value {
    match &writer.stop {
        Stop::Scale { replicas } => json!({ "spec": { "replicas": replicas } }),
        Stop::Suspend { suspended } => json!({ "spec": { "suspend": suspended } }),
        Stop::Nowhere { selector } => {
            let mut back = match selector {
                Value::Object(map) => map.clone(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    serde_json::Map::new()
                }
            };
            back.insert(NOWHERE.to_owned(), Value::Null);
            json!({ "spec": { "template": { "spec": { "nodeSelector": back } } } })
        }
    }
}
