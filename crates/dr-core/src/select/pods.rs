//! File-system backup: which volumes of a pod are chosen (`internal/volumehelper/volume_policy_helper.go`), and which
//! of them node-agent then copies (`pkg/podvolume/backupper.go:BackupPodVolumes`), at v1.18.3.

use serde_json::Value;

use super::blocks::{Run, Tracked, volume_ref};
use super::cluster::{Item, ItemRef, claim_name, volume_name};
use super::policy::{Action, Described};
use super::reason::{Place, Reason, Rule};
use super::relations::{self, CLAIMS, PODS, VOLUMES};
use super::version::Feature;
use super::{Capture, Shown};

const IN: &str = "backup.velero.io/backup-volumes";
const OUT: &str = "backup.velero.io/backup-volumes-excludes";
/// Sources whose data is the cluster's own, or that node-agent does not see.
const NEVER: &[&str] = &["hostPath", "secret", "configMap", "projected", "downwardAPI"];

/// `ShouldPerformFSBackup` for each volume; problems make the pod's backup fail.
pub(crate) fn choose(run: &mut Run<'_>, pod: &Item, problems: &mut Vec<Reason>) -> Vec<(String, Vec<Reason>)> {
    let mut chosen = Vec::new();
    for volume in pod.object.list_at("/spec/volumes") {
        let Some(name) = volume_name(volume) else {
            continue;
        };
        let reference = volume_ref(pod, volume);
        match decide(run, pod, volume) {
            Err(problem) => {
                run.track(&reference, Tracked::PassedOver);
                run.skip(&reference, problem.clone(), Shown::Error);
                problems.push(problem);
            }
            Ok(Err(reason)) => {
                run.track(&reference, Tracked::PassedOver);
                run.skip(&reference, reason, Shown::Silent);
            }
            Ok(Ok(reason)) => {
                run.track(&reference, Tracked::Chosen);
                if run.taken(&reference) {
                    let place = Place::object(&pod.reference, "spec.volumes");
                    let says = format!("volume {name} of {} was already copied from another pod", pod.reference);
                    run.skip(&reference, Reason::new(Rule::CopiedFromOtherPod, place, says), Shown::Silent);
                } else {
                    chosen.push((name.to_owned(), vec![reason]));
                }
            }
        }
    }
    chosen
}

/// Whether the volume would be chosen, whatever becomes of the pod.
pub(crate) fn wants_copy(run: &Run<'_>, pod: &Item, volume: &Value) -> bool {
    matches!(decide(run, pod, volume), Ok(Ok(_)))
}

fn decide(run: &Run<'_>, pod: &Item, volume: &Value) -> Result<Result<Reason, Reason>, Reason> {
    let name = volume_name(volume).unwrap_or_default();
    let at = |field: &str| Place::object(&pod.reference, format!("spec.volumes[{name}]{field}"));
    if let Some(source) = NEVER.iter().find(|source| volume.get(**source).is_some_and(|value| !value.is_null())) {
        let says = format!("volume {name} of {} is of kind {source}, which is never copied", pod.reference);
        return Ok(Err(Reason::new(Rule::NeverCopied, at(&format!(".{source}")), says)));
    }
    if name.starts_with("default-token") {
        let says = format!("volume {name} holds a token, which is never copied");
        return Ok(Err(Reason::new(Rule::NeverCopied, at(".name"), says)));
    }
    let claim = claim_name(volume);
    if claim.is_some()
        && let Some(resource) = run.cluster.resources.named(CLAIMS).and_then(|of| run.cluster.resources.0.get(of))
        && let Err(cause) = run.request.types.collects(resource, &run.request.namespaces)
    {
        let says = format!("volumes of claims are not copied, because {cause}");
        return Ok(Err(Reason::new(Rule::ClaimTypeExcluded, cause.place, says)));
    }
    if let Some(policies) = &run.request.policies {
        let mut described = Described::default();
        let mut unbound = None;
        match claim {
            None => described.pod_volume(volume),
            Some(claim) => {
                let namespace = pod.reference.namespace.as_deref();
                let Some(found) = run.cluster.get(CLAIMS, namespace, claim) else {
                    let says = format!("claim {claim} of {} does not exist, so no policy can be asked", pod.reference);
                    return Err(Reason::new(Rule::ClaimMissing, at(".persistentVolumeClaim.claimName"), says));
                };
                let bound = relations::bound_to(found).and_then(|volume| run.cluster.get(VOLUMES, None, volume));
                if let Some(bound) = bound {
                    described.volume(&bound.object);
                } else {
                    let says = format!("{} has no volume, and no policy matches it", found.reference);
                    let reason = Reason::new(Rule::ClaimUnbound, Place::object(&found.reference, "status.phase"), says);
                    if !run.request.version().has(Feature::UnboundClaimsMatched) {
                        return Err(reason);
                    }
                    unbound = Some(reason);
                    described.pod_volume(volume);
                }
                described.claim(&found.object);
            }
        }
        if let Some((action, field)) = policies.action(&described) {
            let says = format!("{field} says {} for volume {name} of {}", action.name(), pod.reference);
            let reason = Reason::new(Rule::PolicyMatched, Place::Policy { field }, says);
            return Ok(if action == Action::FsBackup { Ok(reason) } else { Err(reason) });
        }
        if let Some(unbound) = unbound {
            return Err(unbound);
        }
    }
    Ok(legacy(run, pod, name))
}

/// `shouldPerformFSBackupLegacy`: names are split at commas and not trimmed.
pub(crate) fn legacy(run: &Run<'_>, pod: &Item, name: &str) -> Result<Reason, Reason> {
    let named = |annotation: &str| {
        let value = pod.object.annotation(annotation).unwrap_or_default();
        value.split(',').any(|named| named == name)
    };
    let place = |annotation: &str| Place::object(&pod.reference, format!("metadata.annotations[{annotation}]"));
    let (by_default, default_place) = &run.request.copies_by_default;
    if *by_default {
        if named(OUT) {
            let says = format!("{} opts volume {name} out of file-system backup", pod.reference);
            return Err(Reason::new(Rule::OptedOut, place(OUT), says));
        }
        let says = format!("file-system backup is the default, and {} does not opt volume {name} out", pod.reference);
        return Ok(Reason::new(Rule::CopiedByDefault, default_place.clone(), says));
    }
    if named(IN) {
        let says = format!("{} opts volume {name} in for file-system backup", pod.reference);
        return Ok(Reason::new(Rule::OptedIn, place(IN), says));
    }
    let says =
        format!("file-system backup is not the default, and {} does not name volume {name} for it", pod.reference);
    Err(Reason::new(Rule::NotOptedIn, place(IN), says))
}

/// `BackupPodVolumes`
pub(crate) fn copy(run: &mut Run<'_>, pod: &Item, chosen: &[(String, Vec<Reason>)], problems: &mut Vec<Reason>) {
    if chosen.is_empty() {
        return;
    }
    let namespace = pod.reference.namespace.as_deref();
    let volumes = pod.object.list_at("/spec/volumes");
    let skip_all = |run: &mut Run<'_>, reason: &Reason, shown| {
        for (name, _) in chosen {
            if let Some(volume) = volumes.iter().find(|volume| volume_name(volume) == Some(name)) {
                run.skip(&volume_ref(pod, volume), reason.clone(), shown);
            }
        }
    };
    if let Some((field, says)) = relations::not_running(pod) {
        let reason = Reason::new(Rule::PodNotRunning, Place::object(&pod.reference, field), says);
        skip_all(run, &reason, Shown::Warning);
        return;
    }
    if let Err(reason) = node_agent(run, pod) {
        skip_all(run, &reason, Shown::Error);
        problems.push(reason);
        return;
    }
    // An error of the pod whether or not that claim is to be copied; where no volume is looked at it is lost.
    for volume in volumes {
        if let Some(claim) = claim_name(volume).filter(|claim| run.cluster.get(CLAIMS, namespace, claim).is_none()) {
            let place = Place::object(&pod.reference, "spec.volumes");
            let says = format!("claim {claim} of {} does not exist", pod.reference);
            problems.push(Reason::new(Rule::ClaimMissing, place, says));
        }
    }
    for (name, why) in chosen {
        let Some(volume) = volumes.iter().find(|volume| volume_name(volume) == Some(name)) else {
            continue;
        };
        let reference = volume_ref(pod, volume);
        match one(run, pod, volume, name) {
            Err(problem) => {
                run.skip(&reference, problem.clone(), Shown::Error);
                problems.push(problem);
            }
            Ok(Some(reason)) => run.skip(&reference, reason, Shown::Warning),
            Ok(None) => {
                let mut chain = why.clone();
                let says = format!("node-agent copies volume {name} of {}", pod.reference);
                chain.push(Reason::new(Rule::Copied, Place::object(&pod.reference, "spec.volumes"), says));
                let capture = Capture::FileSystem { pod: pod.reference.name.clone(), volume: name.clone() };
                run.capture(&reference, capture, chain);
                run.track(&reference, Tracked::Taken);
            }
        }
    }
}

/// Why a chosen volume is passed over after all.
fn one(run: &Run<'_>, pod: &Item, volume: &Value, name: &str) -> Result<Option<Reason>, Reason> {
    let at = Place::object(&pod.reference, format!("spec.volumes[{name}]"));
    if let Some(claim) = claim_name(volume) {
        let Some(found) = run.cluster.get(CLAIMS, pod.reference.namespace.as_deref(), claim) else {
            // Its error is already recorded.
            return Ok(Some(Reason::new(Rule::ClaimMissing, at, format!("claim {claim} does not exist"))));
        };
        if let Some(bound) = found.object.str_at("/spec/volumeName").filter(|bound| !bound.is_empty()) {
            match run.cluster.get(VOLUMES, None, bound) {
                None if run.cluster.unread(VOLUMES).is_none() => {
                    let says = format!("volume {bound} of {} does not exist", found.reference);
                    return Err(Reason::new(
                        Rule::VolumeMissing,
                        Place::object(&found.reference, "spec.volumeName"),
                        says,
                    ));
                }
                Some(bound) if bound.object.at("/spec/hostPath").is_some_and(|value| !value.is_null()) => {
                    let says = format!("{} is a host path, which node-agent does not see", bound.reference);
                    let place = Place::object(&bound.reference, "spec.hostPath");
                    return Ok(Some(Reason::new(Rule::HostPathVolume, place, says)));
                }
                Some(_) | None => {}
            }
        }
    }
    let uses = |what: &str| {
        let containers = pod.object.list_at("/spec/containers").iter();
        let used = containers.filter_map(|container| container.get(what)?.as_array()).flatten();
        used.filter_map(|used| used.get("name")?.as_str()).any(|used| used == name)
    };
    if uses("volumeDevices") {
        let says = format!("volume {name} of {} is a block device", pod.reference);
        let place = Place::object(&pod.reference, "spec.containers.volumeDevices");
        return Ok(Some(Reason::new(Rule::BlockVolume, place, says)));
    }
    if !uses("volumeMounts") {
        let says = format!("no container of {} mounts volume {name}", pod.reference);
        let place = Place::object(&pod.reference, "spec.containers.volumeMounts");
        return Ok(Some(Reason::new(Rule::NotMounted, place, says)));
    }
    Ok(None)
}

/// `nodeagent.IsRunningInNode`
fn node_agent(run: &mut Run<'_>, pod: &Item) -> Result<(), Reason> {
    let velero = run.request.server.namespace.as_str();
    let node = pod.object.str_at("/spec/nodeName").unwrap_or_default();
    if run.cluster.unread(PODS).is_some() {
        let says = format!("node-agent is taken to run on node {node}");
        if !run.assumed.contains(&says) {
            run.assumed.push(says);
        }
        return Ok(());
    }
    let agents = run.cluster.of_namespace(PODS, velero).map(|(_, agent)| agent);
    let mut agents = agents.filter(|agent| agent.object.label("role") == Some("node-agent"));
    let runs =
        |agent: &Item| relations::not_running(agent).is_none() && agent.object.str_at("/spec/nodeName") == Some(node);
    if agents.any(runs) {
        return Ok(());
    }
    let says = format!("no node-agent runs on node {node}, where {} is", pod.reference);
    let place = Place::object(&ItemRef::new("daemonsets.apps", Some(velero), "node-agent"), "status");
    Err(Reason::new(Rule::NodeAgentMissing, place, says))
}
