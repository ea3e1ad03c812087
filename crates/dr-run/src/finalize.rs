//! Closing a run: what it kept for the undo is given back or listed, and nothing but the record stays.

use std::fmt;

use dr_core::kind::Kind;
use dr_core::object::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, Move, Phase, Step, StepName, Target, Undo};
use crate::condition::{Condition, Field};
use crate::journal::Direction;
use crate::plan::{OPERATION, VolumePlan};
use crate::run::{Next, Outcome, Run};
use crate::slot::{Bindings, Spot, Text, slot};

/// A volume that no claim uses any more and that stays until somebody deletes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptVolume {
    pub volume: String,
    pub claim: String,
    /// `before the restore`, or `restored and taken back`.
    pub holds: String,
    pub discarded: bool,
}

impl fmt::Display for KeptVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { volume, claim, holds, discarded } = self;
        let fate = if *discarded { "is discarded" } else { "stays, Released and Retain" };
        write!(f, "persistentvolume {volume} ({claim}, {holds}) {fate}")
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
}

/// The steps that close a run, on its bindings.
///
/// A reclaim policy is given back only to a volume that is Bound to this run's claim by uid: on a Released volume
/// `Delete` would destroy the disk at once. That is what `discard_old` asks for, for the volumes it names.
pub fn closing(run: &Run, discard_old: bool) -> Result<Closing, NotYet> {
    if run.is_finalized() {
        return Err(NotYet::Already);
    }
    match run.next() {
        Next::Finished(Outcome::Stuck { step, .. }) => return Err(NotYet::Stuck(step)),
        Next::Finished(Outcome::Restored | Outcome::Untidy { .. } | Outcome::RolledBack { .. } | Outcome::Undone) => {}
        Next::Settle(_) | Next::Perform { .. } | Next::Turn { .. } => return Err(NotYet::StillOpen),
    }
    let plan = run.plan();
    let mut steps = Vec::new();
    let mut kept = Vec::new();
    let restored_is_live = run.direction() == Direction::Forward || plan.namespace_gone;
    if run.switch_touched() {
        for volume in &plan.volumes {
            let name = &volume.claim;
            let staged = Volume::staged(run, name);
            let old = Volume::old(volume);
            let (live, left, holds) = if restored_is_live {
                (staged, old, "before the restore")
            } else {
                (None, staged, "restored and taken back")
            };
            if let Some(live) = live {
                steps.push(give_back(name, &live, &volume.reclaim_policy));
            }
            if let Some(left) = left {
                if discard_old {
                    steps.push(discard(name, &left));
                }
                let volume = left.shown(run.bindings());
                kept.push(KeptVolume { volume, claim: name.clone(), holds: holds.to_owned(), discarded: discard_old });
            }
        }
    }
    steps.extend(plan.steps().filter_map(|step| forget(run, step)));
    Ok(Closing { steps, kept })
}

struct Volume {
    object: Spot,
    uid: Text,
}

impl Volume {
    fn staged(run: &Run, claim: &str) -> Option<Self> {
        let (name, uid) = (format!("staged-volume/{claim}"), format!("staged-volume-uid/{claim}"));
        let known = run.bindings().contains_key(name.as_str()) && run.bindings().contains_key(uid.as_str());
        known.then(|| Self { object: Spot::cluster(Kind::PersistentVolume, Text::slot(name)), uid: Text::slot(uid) })
    }

    /// The live volume of before.
    fn old(volume: &VolumePlan) -> Option<Self> {
        let name = volume.old_volume.as_deref()?;
        let object = Key::cluster(Kind::PersistentVolume, name).into();
        Some(Self { object, uid: Text::from(volume.old_volume_uid.as_deref()?) })
    }

    fn shown(&self, bindings: &Bindings) -> String {
        self.object.name.resolve(bindings).map_or_else(|unbound| unbound.0.0, str::to_owned)
    }

    fn target(&self) -> Target {
        Target { object: self.object.clone(), uid: self.uid.clone() }
    }

    fn is(&self, fields: Vec<Field>) -> Condition {
        Condition::Is { object: self.object.clone(), uid: Some(self.uid.clone()), fields }
    }
}

fn give_back(claim: &str, volume: &Volume, policy: &str) -> Step {
    let bound = volume.is(vec![
        Field::equals("/status/phase", "Bound"),
        Field::equals("/spec/claimRef/uid", slot(format!("new-claim-uid/{claim}"))),
    ]);
    let patch = json!({
        "metadata": { "labels": { OPERATION: Value::Null } },
        "spec": { "persistentVolumeReclaimPolicy": policy },
    });
    let action = Action::Patch { target: volume.target(), patch: patch.into() };
    let title = format!("give the volume of {claim} its reclaim policy {policy}");
    step(format!("finalize/{claim}/policy"), title, Move::new(action, 60).expect(bound))
}

fn discard(claim: &str, volume: &Volume) -> Step {
    let unbound = volume.is(vec![
        Field::one_of("/status/phase", ["Released", "Available"]),
        Field::equals("/spec/persistentVolumeReclaimPolicy", "Retain"),
    ]);
    let patch = json!({ "spec": { "persistentVolumeReclaimPolicy": "Delete" } });
    let action = Action::Patch { target: volume.target(), patch: patch.into() };
    let title = format!("discard the old volume of {claim}");
    step(format!("finalize/{claim}/discard"), title, Move::new(action, 60).expect(unbound))
}

/// The Restore objects that were kept as evidence.
fn forget(run: &Run, made: &Step) -> Option<Step> {
    let restores = made.forward.binds.iter().filter(|bind| bind.object.kind == Kind::Restore);
    let bind = restores.into_iter().find(|bind| run.bindings().contains_key(&bind.slot))?;
    let target = Target { object: bind.object.clone(), uid: Text::Slot { slot: bind.slot.clone() } };
    let forward = Move::new(Action::Delete { target, grace_seconds: None }, 60);
    let name = &bind.object.name;
    Some(step(format!("finalize/{name}"), format!("remove the Restore object {name}"), forward))
}

fn step(name: String, title: String, forward: Move) -> Step {
    let undo = Undo::Impossible { because: "finalize is the end of the undo".to_owned() };
    Step { name: StepName(name), phase: Phase::Keep, title, forward, undo }
}
