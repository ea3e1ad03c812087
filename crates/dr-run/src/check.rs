//! The checker of plans: runs on every plan made and before every `apply`, and trusts nobody who made one.

use std::collections::BTreeSet;
use std::fmt;

use dr_core::kind::Kind;
use serde_json::Value;

use crate::action::{Action, Move, Phase, StepName, Undo};
use crate::plan::{self, Plan, Section};
use crate::slot::{Slot, Spot};

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    NewerFormat {
        found: u32,
    },
    /// Two steps of one name: the journal could not tell them apart.
    SameName {
        step: StepName,
    },
    /// A slot that no earlier wave binds.
    Unbound {
        step: StepName,
        slot: Slot,
    },
    /// An undo that reads what neither its own step nor an earlier one binds.
    UndoUnbound {
        step: StepName,
        slot: Slot,
    },
    /// Two steps of one wave change one object.
    Collision {
        wave: usize,
        object: String,
    },
    /// A claim is deleted without its volume having been set to Retain in an earlier wave.
    DeletedUnprotected {
        step: StepName,
    },
    /// A change to the namespace before anything was verified and confirmed.
    TooEarly {
        step: StepName,
    },
    /// A step that may be noticed and cannot be taken back by a move.
    NoWayBack {
        step: StepName,
    },
    /// Something that must never be in a plan: a persistent volume deleted.
    DeletesVolume {
        step: StepName,
    },
    SectionsOutOfOrder,
    NoDeadline {
        step: StepName,
    },
    Empty,
}

/// Every fault of a plan; empty for a sound one.
pub fn check(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    if plan.format > plan::FORMAT {
        faults.push(Fault::NewerFormat { found: plan.format });
    }
    if plan.steps().next().is_none() {
        faults.push(Fault::Empty);
    }
    let sections: Vec<Section> = plan.waves.iter().map(|wave| wave.section).collect();
    if !sections.is_sorted() {
        faults.push(Fault::SectionsOutOfOrder);
    }
    names(plan, &mut faults);
    slots(plan, &mut faults);
    collisions(plan, &mut faults);
    protection(plan, &mut faults);
    ways_back(plan, &mut faults);
    faults
}

fn names(plan: &Plan, faults: &mut Vec<Fault>) {
    let mut seen = BTreeSet::new();
    for step in plan.steps() {
        if !seen.insert(&step.name) {
            faults.push(Fault::SameName { step: step.name.clone() });
        }
        let back = match &step.undo {
            Undo::Move(back) => Some(&**back),
            Undo::Nothing { .. } | Undo::Impossible { .. } => None,
        };
        if step.forward.within == 0 || back.is_some_and(|back| back.within == 0) {
            faults.push(Fault::NoDeadline { step: step.name.clone() });
        }
    }
}

fn slots(plan: &Plan, faults: &mut Vec<Fault>) {
    let withheld = plan.withheld.iter().map(|withheld| &withheld.slot);
    let mut bound: BTreeSet<Slot> = plan.bindings.keys().chain(withheld).cloned().collect();
    for wave in &plan.waves {
        for step in &wave.steps {
            for slot in step.forward.reads() {
                if !bound.contains(&slot) {
                    faults.push(Fault::Unbound { step: step.name.clone(), slot });
                }
            }
        }
        bound.extend(wave.steps.iter().flat_map(|step| step.forward.bound()));
        for step in &wave.steps {
            if let Undo::Move(back) = &step.undo {
                for slot in back.reads() {
                    if !bound.contains(&slot) {
                        faults.push(Fault::UndoUnbound { step: step.name.clone(), slot });
                    }
                }
            }
        }
    }
}

fn collisions(plan: &Plan, faults: &mut Vec<Fault>) {
    for (index, wave) in plan.waves.iter().enumerate() {
        let mut changed: BTreeSet<Spot> = BTreeSet::new();
        for object in wave.steps.iter().filter_map(|step| step.forward.changes()) {
            let shown = object.to_string();
            if !changed.insert(object) {
                faults.push(Fault::Collision { wave: index, object: shown });
            }
        }
    }
}

/// Both volumes of a claim are on Retain before a claim of the namespace is deleted, and no volume is ever deleted.
fn protection(plan: &Plan, faults: &mut Vec<Fault>) {
    let mut retained: BTreeSet<Spot> = BTreeSet::new();
    for wave in &plan.waves {
        for step in &wave.steps {
            let directions = std::iter::once(&step.forward).chain(match &step.undo {
                Undo::Move(back) => Some(&**back),
                Undo::Nothing { .. } | Undo::Impossible { .. } => None,
            });
            if directions.clone().any(|direction| deletes(direction, Kind::PersistentVolume)) {
                faults.push(Fault::DeletesVolume { step: step.name.clone() });
            }
            let ours = deletes(&step.forward, Kind::PersistentVolumeClaim)
                && step.forward.changes().is_some_and(|spot| spot.namespace.as_deref() == Some(&plan.place.namespace));
            if ours && !expects_retain(&step.forward, &retained) {
                faults.push(Fault::DeletedUnprotected { step: step.name.clone() });
            }
        }
        retained.extend(wave.steps.iter().filter_map(|step| sets_retain(&step.forward)));
    }
}

fn deletes(direction: &Move, kind: Kind) -> bool {
    match &direction.action {
        Action::Delete { target, .. } => target.object.kind == kind,
        Action::Clear { of } => of.kind == kind,
        Action::PatchEach { .. }
        | Action::Observe
        | Action::Confirm
        | Action::Create { .. }
        | Action::Copy { .. }
        | Action::Patch { .. }
        | Action::Examine(_) => false,
    }
}

fn sets_retain(direction: &Move) -> Option<Spot> {
    match &direction.action {
        Action::Patch { target, patch } => {
            let policy = patch.0.pointer("/spec/persistentVolumeReclaimPolicy").and_then(Value::as_str);
            (policy == Some("Retain")).then(|| target.object.clone())
        }
        Action::Observe
        | Action::Confirm
        | Action::Create { .. }
        | Action::Copy { .. }
        | Action::Delete { .. }
        | Action::Clear { .. }
        | Action::PatchEach { .. }
        | Action::Examine(_) => None,
    }
}

fn expects_retain(direction: &Move, retained: &BTreeSet<Spot>) -> bool {
    use crate::condition::{Condition, Test};
    direction.expect.iter().any(|condition| match condition {
        Condition::Is { object, fields, .. } => {
            retained.contains(object)
                && fields.iter().any(|field| {
                    field.pointer == "/spec/persistentVolumeReclaimPolicy"
                        && matches!(&field.test, Test::Equals(value) if value.0 == "Retain")
                })
        }
        Condition::Absent { .. }
        | Condition::Gone { .. }
        | Condition::Each { .. }
        | Condition::Any { .. }
        | Condition::NotAny { .. }
        | Condition::Unused { .. }
        | Condition::Only { .. }
        | Condition::All { .. }
        | Condition::OneOf { .. } => false,
    })
}

/// Before the confirmation nothing of the namespace changes; after it, what changes in it has a move that takes it back.
fn ways_back(plan: &Plan, faults: &mut Vec<Fault>) {
    let mut confirmed = false;
    for wave in &plan.waves {
        for step in &wave.steps {
            confirmed = confirmed || step.phase == Phase::Confirm;
            let Some(spot) = step.forward.changes() else { continue };
            let live = spot.namespace.as_deref() == Some(&plan.place.namespace);
            if live && !confirmed {
                faults.push(Fault::TooEarly { step: step.name.clone() });
            }
            let returns = match &step.undo {
                Undo::Move(_) | Undo::Impossible { .. } => true,
                Undo::Nothing { .. } => plan.namespace_gone,
            };
            if live && wave.section == Section::Switch && !returns {
                faults.push(Fault::NoWayBack { step: step.name.clone() });
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerFormat { found } => {
                write!(f, "the plan has format {found}, this version knows up to {}", plan::FORMAT)
            }
            Self::SameName { step } => write!(f, "two steps are named {step}"),
            Self::Unbound { step, slot } => write!(f, "{step} reads {slot}, which no earlier step binds"),
            Self::UndoUnbound { step, slot } => {
                write!(f, "the undo of {step} reads {slot}, which nothing has bound then")
            }
            Self::Collision { wave, object } => write!(f, "two steps of wave {wave} change {object}"),
            Self::DeletedUnprotected { step } => {
                write!(f, "{step} deletes a claim whose volume no earlier step has set to Retain")
            }
            Self::TooEarly { step } => write!(f, "{step} changes the namespace before anything was confirmed"),
            Self::NoWayBack { step } => write!(f, "{step} changes the namespace and has no undo"),
            Self::DeletesVolume { step } => write!(f, "{step} deletes a persistent volume"),
            Self::SectionsOutOfOrder => f.write_str("its sections are out of order"),
            Self::NoDeadline { step } => write!(f, "{step} has no deadline"),
            Self::Empty => f.write_str("it has no steps"),
        }
    }
}
