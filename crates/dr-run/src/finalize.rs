//! Closing a run: what it kept for the undo is given back or listed, and nothing but the record stays.

use std::collections::BTreeSet;
use std::fmt;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, Move, Phase, Step, StepName, Target, Undo};
use crate::condition::{Condition, Field, Listing, NotRead, Observation, Query};
use crate::plan::{OPERATION, PART, RECLAIM_POLICY, VolumePlan};
use crate::run::{Next, Outcome, Run};
use crate::slot::Text;

/// A volume that the run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptVolume {
    pub volume: String,
    pub claim: String,
    /// `before the restore`, `restored`, or `restored and taken back`.
    pub holds: String,
    pub fate: Fate,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// No claim uses it; it stays until somebody deletes it.
    Stays,
    Discarded,
    /// Somebody has bound another claim to it, `namespace/name`.
    HeldBy(String),
}

impl fmt::Display for KeptVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { volume, claim, holds, fate } = self;
        write!(f, "persistentvolume {volume} ({claim}, {holds}) ")?;
        match fate {
            Fate::Stays => f.write_str("stays, unused and Retain"),
            Fate::Discarded => f.write_str("is discarded"),
            Fate::HeldBy(claim) => write!(f, "is held by claim {claim} and stays Retain"),
        }
    }
}

/// What `finalize` does, in order; no step of it is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    pub steps: Vec<Step>,
    pub kept: Vec<KeptVolume>,
}

/// Why a run cannot be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    #[error("it is finalized already")]
    Already,
    #[error("it has not ended: resume it or undo it first")]
    StillOpen,
    #[error("it is stuck at {0}: resume it first")]
    Stuck(StepName),
    #[error(transparent)]
    NotRead(#[from] NotRead),
}

/// Everything that must be read before [`closing`] can answer.
pub fn queries(run: &Run) -> BTreeSet<Query> {
    let mut queries: BTreeSet<Query> = litter(run).into_iter().map(Query::List).collect();
    queries.insert(Query::Get(staging(run)));
    for volume in &run.plan().volumes {
        queries.insert(Query::Get(claim_key(run, volume)));
        queries.extend(volumes(run, volume).into_iter().map(|one| Query::Get(one.key)));
    }
    queries
}

/// The steps that close a run, on what is in the cluster.
///
/// A reclaim policy is given back only to a volume that is Bound to the live claim by uid: on a Released volume `Delete`
/// would destroy the disk at once. That is what `discard_old` asks for, for the volumes it names. A volume that a newer
/// run has marked as its own is left to that one.
pub fn closing(run: &Run, seen: &Observation, discard_old: bool) -> Result<Closing, NotYet> {
    if run.is_finalized() {
        return Err(NotYet::Already);
    }
    match run.next() {
        Next::Finished(Outcome::Stuck { step, .. }) => return Err(NotYet::Stuck(step)),
        Next::Finished(Outcome::Restored | Outcome::Untidy { .. } | Outcome::RolledBack { .. } | Outcome::Undone) => {}
        Next::Settle(_) | Next::Perform { .. } | Next::Turn { .. } => return Err(NotYet::StillOpen),
    }
    let mut closing = Closing { steps: Vec::new(), kept: Vec::new() };
    if run.switch_touched() {
        for volume in &run.plan().volumes {
            let claim = seen.get(&claim_key(run, volume))?;
            for one in volumes(run, volume) {
                if let Some(found) = seen.get(&one.key)?.filter(|found| found.uid() == Some(one.uid.as_str())) {
                    close(run, volume, &one, found, claim, discard_old, &mut closing);
                }
            }
        }
    }
    for listing in litter(run) {
        closing.steps.extend(seen.list(&listing)?.iter().filter_map(|found| forget(listing.kind, found)));
    }
    let ours = |found: &&Object| found.label(OPERATION) == Some(run.plan().id.as_str());
    closing.steps.extend(seen.get(&staging(run))?.filter(ours).and_then(|found| forget(Kind::Namespace, found)));
    Ok(closing)
}

fn staging(run: &Run) -> Key {
    Key::cluster(Kind::Namespace, &run.plan().place.staging_namespace)
}

fn claim_key(run: &Run, volume: &VolumePlan) -> Key {
    Key::namespaced(Kind::PersistentVolumeClaim, &run.plan().place.namespace, &volume.claim)
}

/// One of the two volumes of a claim.
struct Volume {
    key: Key,
    uid: String,
    /// Of a claim that held it once and does not exist any more.
    former_claim: Option<String>,
    holds: &'static str,
}

fn volumes(run: &Run, volume: &VolumePlan) -> Vec<Volume> {
    use crate::journal::Direction;
    let bound = |slot: &str| run.bindings().get(format!("{slot}/{}", volume.claim).as_str()).cloned();
    let restored = match run.direction() {
        Direction::Forward => "restored",
        Direction::Back if run.plan().namespace_gone => "restored",
        Direction::Back => "restored and taken back",
    };
    let of = |name: Option<String>, uid: Option<String>, former_claim, holds| {
        let key = Key::cluster(Kind::PersistentVolume, name?);
        Some(Volume { key, uid: uid?, former_claim, holds })
    };
    let live_claim = run.plan().bindings.get(format!("live-claim-uid/{}", volume.claim).as_str()).cloned();
    let old = of(volume.old_volume.clone(), volume.old_volume_uid.clone(), live_claim, "before the restore");
    let (name, uid) = (bound("staged-volume"), bound("staged-volume-uid"));
    let staged = of(name, uid, bound("staged-claim-uid"), restored);
    staged.into_iter().chain(old).collect()
}

fn close(
    run: &Run,
    plan: &VolumePlan,
    one: &Volume,
    found: &Object,
    claim: Option<&Object>,
    discard_old: bool,
    closing: &mut Closing,
) {
    let marked = found.label(OPERATION);
    let others = marked.is_some_and(|id| id != run.plan().id && Some(id) != plan.older_run.as_deref());
    if others {
        return;
    }
    let bound = found.str_at("/status/phase") == Some("Bound");
    let holder = found.str_at("/spec/claimRef/uid");
    if let Some(live) = claim.and_then(Object::uid).filter(|uid| bound && holder == Some(*uid)) {
        closing.steps.push(give_back(plan, one, live));
        return;
    }
    let fate = if bound {
        let of = |field: &str| found.str_at(&format!("/spec/claimRef/{field}")).unwrap_or("unknown");
        Fate::HeldBy(format!("{}/{}", of("namespace"), of("name")))
    } else {
        match discard(run, plan, one, found).filter(|_| discard_old) {
            Some(step) => {
                closing.steps.push(step);
                Fate::Discarded
            }
            None => Fate::Stays,
        }
    };
    let (volume, claim) = (one.key.name.clone(), plan.claim.clone());
    closing.kept.push(KeptVolume { volume, claim, holds: one.holds.to_owned(), fate });
}

impl Volume {
    fn target(&self) -> Target {
        Target { object: self.key.clone().into(), uid: self.uid.as_str().into() }
    }

    fn is(&self, fields: Vec<Field>) -> Condition {
        Condition::is(self.key.clone(), self.uid.as_str(), fields)
    }
}

fn give_back(plan: &VolumePlan, volume: &Volume, live_claim: &str) -> Step {
    let VolumePlan { claim, reclaim_policy: policy, .. } = plan;
    let bound = volume
        .is(vec![Field::equals("/status/phase", "Bound"), Field::equals("/spec/claimRef/uid", live_claim.to_owned())]);
    let patch = json!({
        "metadata": { "labels": { OPERATION: Value::Null }, "annotations": { RECLAIM_POLICY: Value::Null } },
        "spec": { "persistentVolumeReclaimPolicy": policy },
    });
    let action = Action::Patch { target: volume.target(), patch: patch.into() };
    let title = format!("give the volume of {claim} its reclaim policy {policy}");
    step(format!("finalize/{claim}/policy"), title, Move::new(action, 60).expect(bound))
}

/// None for a volume that somebody has reserved for a claim of his own.
///
/// Only a Released volume is reclaimed. One that an undo left Available, reserved by name, is made Released by the uid of
/// the claim that held it and is gone.
fn discard(run: &Run, plan: &VolumePlan, volume: &Volume, found: &Object) -> Option<Step> {
    let place = &run.plan().place;
    let phase = found.str_at("/status/phase")?;
    let mut spec = json!({ "persistentVolumeReclaimPolicy": "Delete" });
    if phase == "Available" {
        let namespace = found.str_at("/spec/claimRef/namespace")?;
        let ours = namespace == place.staging_namespace || namespace == place.namespace;
        if !ours || found.str_at("/spec/claimRef/name") != Some(&plan.claim) {
            return None;
        }
        json_patch::merge(&mut spec, &json!({ "claimRef": { "uid": volume.former_claim.as_deref()? } }));
    } else if phase != "Released" {
        return None;
    }
    let unbound = volume.is(vec![
        Field::equals("/status/phase", phase),
        Field::equals("/spec/persistentVolumeReclaimPolicy", "Retain"),
    ]);
    let action = Action::Patch { target: volume.target(), patch: json!({ "spec": spec }).into() };
    let gone = Condition::Gone { object: volume.key.clone().into(), uid: volume.uid.as_str().into() };
    let forward = Move::new(action, 300).expect(unbound).until(gone).or_gone();
    let title = format!("discard the volume of {} {}", plan.claim, volume.holds);
    Some(step(format!("finalize/{}/discard", volume.key.name), title, forward))
}

/// Where an object with the run's label may be that is neither journal nor volume, beside the staging namespace: Restore objects that were kept as
/// evidence, and what a process created that slept through the end of its run.
fn litter(run: &Run) -> Vec<Listing> {
    let place = &run.plan().place;
    let of = |kind: Kind, namespace: &str| Listing {
        kind,
        namespace: Some(namespace.to_owned()),
        labels: [(OPERATION.to_owned(), run.plan().id.clone())].into(),
    };
    vec![
        of(Kind::Restore, &place.velero_namespace),
        of(Kind::ConfigMap, &place.velero_namespace),
        of(Kind::PersistentVolumeClaim, &place.namespace),
    ]
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`litter` lists the few kinds there are")]
fn forget(kind: Kind, found: &Object) -> Option<Step> {
    // A claim that is in use and the pieces of the journal are never litter.
    let fields = match kind {
        Kind::ConfigMap if found.label(PART).is_some() => return None,
        Kind::PersistentVolumeClaim if found.str_at("/status/phase") == Some("Bound") => return None,
        Kind::PersistentVolumeClaim => vec![Field::differs("/status/phase", "Bound")],
        _ => Vec::new(),
    };
    let key = Key { kind, namespace: found.namespace().map(str::to_owned), name: found.name().to_owned() };
    let uid = Text::from(found.uid()?);
    let target = Target { object: key.clone().into(), uid: uid.clone() };
    let mut forward = Move::new(Action::Delete { target, grace_seconds: None }, 300)
        .until(Condition::Gone { object: key.clone().into(), uid: uid.clone() });
    if !fields.is_empty() {
        forward = forward.expect(Condition::is(key.clone(), uid, fields));
    }
    let what = kind.info().kind.to_lowercase();
    Some(step(format!("finalize/{what}/{}", key.name), format!("remove the {what} {}", key.name), forward))
}

fn step(name: String, title: String, forward: Move) -> Step {
    let undo = Undo::Impossible { because: "finalize is the end of the undo".to_owned() };
    Step { name: StepName(name), phase: Phase::Keep, title, forward, undo }
}
