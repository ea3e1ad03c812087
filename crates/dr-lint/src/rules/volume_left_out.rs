//! A workload is in the backup and the data of its volume is not.

use std::collections::HashMap;

use dr_core::kind::Kind;
use dr_core::select::{Capture, Place, Reason, Rule as Why, Verdict, VolumeVerdict};
use dr_yaml::Path;

use crate::derived::{self, Claim, Derived};
use crate::finding::{Draft, on, on_key};
use crate::input::Object;
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::server_of;

pub(super) const RULE: Rule = Rule {
    id: "volume-left-out",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A workload is in the backup and the data of its volume is not.",
    costs: "The phase says Completed; after a restore the application starts with an empty volume.",
    proven: "Computed by dr_core::select, a port of the decisions of Velero 1.18.3 in their order, on the pods and claims that the controllers would make; that a StatefulSet's claims carry its matchLabels was seen on a real cluster.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/volume-left-out.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let backups: Vec<&Object> = context.backups().iter().map(|spec| spec.object).collect();
    if backups.is_empty() {
        return;
    }
    let derived = Derived::of(context);
    if derived.claims.is_empty() {
        return;
    }
    let mut claims = Claims::new();
    for (at, claim) in derived.claims.iter().enumerate() {
        claims.entry((&claim.namespace, &claim.name)).or_default().push((at, claim));
    }
    let outcomes = context.runner.each(backups.len(), |at| {
        backups.get(at).map_or_else(Outcome::default, |backup| outcome(context, &derived, &claims, backup))
    });
    let judged: Vec<_> = backups.iter().copied().zip(outcomes).collect();
    // Where another backup of these manifests has the data, this one may well be about the rest. A Schedule that is paused
    // has none, and a Backup that the cluster is making is no promise of the next one.
    let idle = |backup: &Object| {
        backup.raw.bool_at("/spec/paused") == Some(true) || backup.live && backup.kind == Some(Kind::Backup)
    };
    let mut takers: HashMap<usize, Vec<&Object>> = HashMap::new();
    for (backup, outcome) in judged.iter().filter(|(backup, _)| !idle(backup)) {
        outcome.taken.iter().for_each(|at| takers.entry(*at).or_default().push(backup));
    }
    for (backup, outcome) in &judged {
        // Replicas of one set lose their claims for one reason: it is told once.
        let mut told: Vec<(&Claim<'_>, &Reason, usize)> = Vec::new();
        let is_taken = |at: &usize| takers.get(at).is_some_and(|all| all.iter().any(|other| other.meets(backup)));
        for (at, reason) in outcome.lost.iter().filter(|(at, _)| !is_taken(at)) {
            let Some(claim) = derived.claims.get(*at) else { continue };
            let alike = |(first, why, _): &&mut (&Claim<'_>, &Reason, usize)| {
                let same = first.template.is_some() && first.template == claim.template;
                claim.live && same && first.workload.id == claim.workload.id && why.rule == reason.rule
            };
            match told.iter_mut().find(alike) {
                Some((.., more)) => *more += 1,
                None => told.push((claim, reason, 0)),
            }
        }
        out.extend(told.into_iter().map(|(claim, reason, more)| draft(backup, claim, reason, more)));
    }
}

/// What somebody has decided on, and what is so for a moment: no reasons to speak.
const MEANT: [Why; 8] = [
    Why::ExcludeLabel,
    Why::OptedOut,
    Why::BeingDeleted,
    Why::ClaimUnbound,
    Why::ClaimMissing,
    Why::VolumeMissing,
    Why::PodNotRunning,
    Why::NotRead,
];

/// Of a claim that is there, why its data is not taken.
fn of_live(volume: &VolumeVerdict) -> Option<&Reason> {
    let quiet = volume.capture != Capture::None
        || volume.chain.iter().any(|reason| MEANT.contains(&reason.rule))
        || volume.chain.last().is_none_or(|reason| reason.rule == Why::PolicyMatched);
    volume.deciding().filter(|reason| !quiet && reason.rule != Why::PolicyMatched)
}

/// What becomes of the claims in one backup, by their places among the derived ones.
#[derive(Default)]
struct Outcome {
    /// Their workload is in it and their data is not.
    lost: Vec<(usize, Reason)>,
    taken: Vec<usize>,
}

/// Claims by namespace and name, with their places among the derived ones; two sets of one name make the same claim.
type Claims<'d> = HashMap<(&'d str, &'d str), Vec<(usize, &'d Claim<'d>)>>;

fn outcome(context: &Context<'_>, derived: &Derived<'_>, claims: &Claims<'_>, backup: &Object) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(selection) = derived.select(context, backup) else { return outcome };
    // With snapshots off the server's own default decides whether files are copied.
    let spec = if backup.kind == Some(Kind::Schedule) { "/spec/template" } else { "/spec" };
    let says = |field: &str| backup.raw.at(&format!("{spec}/{field}")).is_some_and(Value::is_boolean);
    let settled = says("defaultVolumesToFsBackup")
        || says("defaultVolumesToRestic")
        || server_of(&derived.servers, backup).is_some();
    let items = selection
        .items
        .iter()
        .map(|item| ((item.item.resource.as_str(), item.item.namespace.as_deref(), item.item.name.as_str()), item));
    let items: HashMap<_, _> = items.collect();
    let volumes = selection
        .volumes
        .iter()
        .filter_map(|volume| Some(((volume.volume.namespace.as_str(), volume.volume.claim.as_deref()?), volume)));
    let volumes: HashMap<_, _> = volumes.collect();
    let verdict = |resource: &str, namespace: &str, name: &str| items.get(&(resource, Some(namespace), name)).copied();
    let included = |resource: &str, namespace: &str, name: &str| {
        verdict(resource, namespace, name).is_some_and(|item| item.verdict == Verdict::Included)
    };
    // What can be in this backup, and not all claims there are: a thousand schedules may be for a namespace each.
    let reached = items.iter().filter_map(|((resource, namespace, name), item)| {
        let claims = claims.get(&((*namespace)?, *name)).filter(|_| *resource == "persistentvolumeclaims")?;
        Some(claims.iter().map(move |(at, claim)| (*at, *claim, *item)))
    });
    let mut reached: Vec<_> = reached.flatten().collect();
    reached.sort_by_key(|(at, ..)| *at);
    for (at, claim, item) in reached {
        let Claim { workload, namespace, name, pods, .. } = claim;
        let reason = match item.verdict {
            Verdict::Excluded if item.chain.iter().any(|reason| MEANT.contains(&reason.rule)) => None,
            Verdict::Excluded => item.chain.last(),
            Verdict::Included if claim.live => {
                volumes.get(&(namespace.as_str(), name.as_str())).and_then(|volume| of_live(volume))
            }
            // What hangs on facts that manifests do not tell is not judged.
            Verdict::Included => volumes
                .get(&(namespace.as_str(), name.as_str()))
                .filter(|volume| !volume.capture.is_captured())
                .and_then(|volume| volume.chain.iter().find(|reason| reason.rule == Why::SnapshotsOff && settled)),
        };
        let controller = workload.kind.map(|kind| kind.info().resource()).unwrap_or_default();
        match reason {
            Some(reason)
                if included(&controller, namespace, workload.name())
                    || pods.iter().any(|pod| included("pods", namespace, pod)) =>
            {
                outcome.lost.push((at, reason.clone()));
            }
            None if item.verdict == Verdict::Included => outcome.taken.push(at),
            Some(_) | None => {}
        }
    }
    outcome
}

fn draft(backup: &Object, claim: &Claim<'_>, reason: &Reason, more: usize) -> Draft {
    let Claim { workload, namespace, name, template, volumes, .. } = claim;
    let more = match more {
        0 => String::new(),
        more => format!(" and of {more} more like it"),
    };
    let message = format!(
        "the data of claim {namespace}/{name}{more} is not in this backup, while {} is: {}",
        workload.label(),
        reason.says
    );
    let draft = match &reason.place {
        Place::Backup { field } => on(backup, derived::path(field), message),
        Place::Policy { .. } | Place::Object { .. } | Place::Server { .. } | Place::Velero => {
            on_key(backup, Path::keys("spec"), message)
        }
    };
    let draft = draft.about(format!("{namespace}/{name}"));
    draft.related(workload, template.clone().unwrap_or_else(|| volumes.clone()), "the volume")
}
