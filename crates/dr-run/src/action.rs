//! What a step does: at most one mutating request, between two conditions, with its undo beside it.

use std::fmt;

use dr_core::object::Key;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Field, Listing};
use crate::slot::{Slot, Spot, Template, Text};

/// A step's stable name, such as `swap/data-postgres-0/delete-claim`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepName(pub String);

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object whose uid must be the one named, or the server refuses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub object: Spot,
    pub uid: Text,
}

/// At most one mutating request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Waits, changes nothing.
    Observe,
    /// Asks the user, who has now seen what was found; changes nothing.
    Confirm,
    /// Creates the object. One of the same name that already carries everything the template says is adopted.
    Create {
        object: Spot,
        template: Template,
    },
    /// Creates a copy of a Secret or ConfigMap in another namespace; its content passes through no plan and no journal.
    Copy {
        from: Key,
        to: Key,
        labels: Template,
    },
    /// A JSON merge patch.
    Patch {
        target: Target,
        patch: Template,
    },
    Delete {
        target: Target,
        grace_seconds: Option<u32>,
    },
    /// Deletes what is listed, one object after the other: what somebody else makes on our behalf, under names of its own.
    Clear {
        of: Listing,
    },
    /// A JSON merge patch of what is listed and fits, one object after the other.
    PatchEach {
        of: Listing,
        fields: Vec<Field>,
        patch: Template,
    },
    /// Runs a command in a pod that only reads, and has its answer judged.
    Examine(Examination),
}

/// A reading taken inside a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    pub pod: Spot,
    pub container: String,
    /// Run without a shell of ours; credentials come from the container's own environment.
    pub command: Vec<String>,
    /// The most that the command may take, in seconds.
    pub seconds: u64,
    /// How the answer is read and what it is held against.
    pub reading: Reading,
    /// Where the judged answer is bound, as JSON.
    pub into: Slot,
}

/// How the answer of an [`Examination`] is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// A fingerprint (`dr_core::fingerprint`), held against the ones the backup recorded.
    Fingerprint { expected: Box<dr_core::fingerprint::Expected> },
    /// A fingerprint that is only reported: what the live volume holds now. An answer that cannot be had is no failure.
    Report,
    /// One line that must equal what a slot holds, such as a system identifier.
    SameAs { slot: Slot, pointer: String },
}

/// One direction of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    pub action: Action,
    /// Waited for before the request is sent: what an undo finds half done, such as a claim that is still being deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Condition>,
    /// Evaluated right before the request; any that does not hold refuses it, without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Condition>,
    /// While all of these hold the request is not sent any more: what it would bring about is somebody else's by now, or
    /// there already in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overtaken: Vec<Condition>,
    /// What must be true for the step to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<Condition>,
    /// What makes waiting any longer pointless, with what to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fails: Vec<Hopeless>,
    /// Deadline in seconds.
    pub within: u64,
    #[serde(default)]
    pub late: Late,
    /// Bound when the step is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// Whose `status.progress` tells how far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Listing>,
    /// Touched while the step waits: its resourceVersion changes, it itself does not.
    ///
    /// The volume binder drops a claim whose volume it raced with over the phase, and only looks again at its next
    /// resync, up to 15 s later (`pkg/controller/volume/persistentvolume/pv_controller.go:bind` at v1.34.2: a conflict
    /// is not requeued). Any change of the claim makes it look at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nudge: Option<Spot>,
    /// The object of a patch may have gone by itself, which is as good: a Job that ended and was cleared away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub or_gone: bool,
    /// When what was created is deleted and created once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anew: Option<Anew>,
    /// Seconds to let pass once all of it has come true, before the next step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rest: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The annotation of a touch; removed again at once.
pub const NUDGE: &str = "kubectl-dr/nudge";

impl Move {
    pub fn new(action: Action, within: u64) -> Self {
        Self {
            action,
            after: Vec::new(),
            expect: Vec::new(),
            overtaken: Vec::new(),
            until: Vec::new(),
            fails: Vec::new(),
            within,
            late: Late::Fail,
            binds: Vec::new(),
            progress: None,
            nudge: None,
            or_gone: false,
            anew: None,
            rest: 0,
        }
    }

    pub fn after(mut self, condition: Condition) -> Self {
        self.after.push(condition);
        self
    }

    pub fn expect(mut self, condition: Condition) -> Self {
        self.expect.push(condition);
        self
    }

    pub fn overtaken(mut self, condition: Condition) -> Self {
        self.overtaken.push(condition);
        self
    }

    pub fn until(mut self, condition: Condition) -> Self {
        self.until.push(condition);
        self
    }

    pub fn fails(mut self, when: Condition, tell: impl Into<String>) -> Self {
        self.fails.push(Hopeless { when, tell: tell.into(), detail: None });
        self
    }

    /// As [`Move::fails`], telling also what a field of an object says.
    pub fn fails_with(mut self, when: Condition, tell: impl Into<String>, object: Spot, pointer: &str) -> Self {
        let detail = Some(Detail { object, pointer: pointer.to_owned() });
        self.fails.push(Hopeless { when, tell: tell.into(), detail });
        self
    }

    pub fn bind(mut self, slot: impl Into<String>, object: impl Into<Spot>, pointer: &str) -> Self {
        let (slot, object, pointer) = (Slot::new(slot), object.into(), pointer.to_owned());
        self.binds.push(Bind { slot, object, pointer, if_there: false });
        self
    }

    /// As [`Move::bind`], but a field that is not there is not waited for: the slot keeps what it holds.
    pub fn bind_if_there(mut self, slot: impl Into<String>, object: impl Into<Spot>, pointer: &str) -> Self {
        let (slot, object, pointer) = (Slot::new(slot), object.into(), pointer.to_owned());
        self.binds.push(Bind { slot, object, pointer, if_there: true });
        self
    }

    /// Touches the object while waiting, and is done only once the touch has left no trace.
    pub fn or_gone(mut self) -> Self {
        self.or_gone = true;
        self
    }

    pub fn anew(mut self, when: Condition, seconds: u64, tell: impl Into<String>) -> Self {
        self.anew = Some(Anew { when, seconds, tell: tell.into() });
        self
    }

    pub fn nudge(mut self, object: Spot) -> Self {
        let trace = Field::missing(&format!("/metadata/annotations/{}", NUDGE.replace('/', "~1")));
        self.until.push(Condition::Is { object: object.clone(), uid: None, fields: vec![trace] });
        self.nudge = Some(object);
        self
    }

    pub fn rest(mut self, seconds: u64) -> Self {
        self.rest = seconds;
        self
    }

    pub fn detach_when_late(mut self) -> Self {
        self.late = Late::Detach;
        self
    }

    pub fn progress(mut self, listing: Listing) -> Self {
        self.progress = Some(listing);
        self
    }

    /// Everything that is judged on the way.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let hopeless = self.fails.iter().map(|hopeless| &hopeless.when);
        let anew = self.anew.iter().map(|anew| &anew.when);
        let before = self.after.iter().chain(&self.expect).chain(&self.overtaken);
        before.chain(&self.until).chain(hopeless).chain(anew)
    }

    /// Every slot this direction reads.
    pub fn reads(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.conditions().flat_map(Condition::reads).collect();
        slots.extend(self.binds.iter().filter_map(|bind| bind.object.name.reads().cloned()));
        match &self.action {
            Action::Observe | Action::Confirm | Action::Clear { .. } => {}
            Action::PatchEach { fields, patch, .. } => {
                slots.extend(fields.iter().flat_map(Field::reads).chain(patch.reads()));
            }
            Action::Copy { labels, .. } => slots.extend(labels.reads()),
            Action::Create { object, template } => {
                slots.extend(object.name.reads().cloned());
                slots.extend(template.reads());
            }
            Action::Patch { target, patch } => {
                slots.extend(target.object.name.reads().into_iter().chain(target.uid.reads()).cloned());
                slots.extend(patch.reads());
            }
            Action::Delete { target, .. } => {
                slots.extend(target.object.name.reads().into_iter().chain(target.uid.reads()).cloned());
            }
            Action::Examine(examination) => {
                slots.extend(examination.pod.name.reads().cloned());
                if let Reading::SameAs { slot, .. } = &examination.reading {
                    slots.push(slot.clone());
                }
            }
        }
        slots
    }

    /// Every slot this direction binds.
    pub fn bound(&self) -> Vec<Slot> {
        let examined = match &self.action {
            Action::Examine(examination) => Some(examination.into.clone()),
            Action::Observe
            | Action::Confirm
            | Action::Create { .. }
            | Action::Copy { .. }
            | Action::Patch { .. }
            | Action::Delete { .. }
            | Action::Clear { .. }
            | Action::PatchEach { .. } => None,
        };
        self.binds.iter().map(|bind| bind.slot.clone()).chain(examined).collect()
    }

    /// The object the request changes, if it changes one.
    pub fn changes(&self) -> Option<Spot> {
        match &self.action {
            Action::Observe
            | Action::Confirm
            | Action::Clear { .. }
            | Action::PatchEach { .. }
            | Action::Examine(_) => None,
            Action::Create { object, .. } => Some(object.clone()),
            Action::Copy { to, .. } => Some(to.clone().into()),
            Action::Patch { target, .. } | Action::Delete { target, .. } => Some(target.object.clone()),
        }
    }
}

/// A condition that passes when the same is asked once more, by this many seconds after the first time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anew {
    pub when: Condition,
    pub seconds: u64,
    pub tell: String,
}

/// A condition that will not pass by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hopeless {
    pub when: Condition,
    pub tell: String,
    /// Where the cluster says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// A field of an object that explains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub object: Spot,
    pub pointer: String,
}

/// What a missed deadline means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Late {
    /// The step has failed.
    #[default]
    Fail,
    /// It goes on in the cluster; the tool lets go and says how to come back.
    Detach,
}

/// A slot and the field of an object that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bind {
    pub slot: Slot,
    pub object: Spot,
    pub pointer: String,
    /// The step is done without it, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub if_there: bool,
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Undo {
    Move(Box<Move>),
    /// The step changed nothing, or nothing that stays.
    Nothing {
        because: String,
    },
    /// There is no way back; the plan says so and asks.
    Impossible {
        because: String,
    },
}

impl Undo {
    pub fn by(back: Move) -> Self {
        Self::Move(Box::new(back))
    }

    pub fn nothing(because: impl Into<String>) -> Self {
        Self::Nothing { because: because.into() }
    }
}

/// A part of the restore, as progress and reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Stage,
    Verify,
    Confirm,
    Release,
    Protect,
    Quiesce,
    Swap,
    Back,
    Keep,
}

impl Phase {
    pub const ALL: [Self; 9] = [
        Self::Stage,
        Self::Verify,
        Self::Confirm,
        Self::Release,
        Self::Protect,
        Self::Quiesce,
        Self::Swap,
        Self::Back,
        Self::Keep,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Verify => "verify",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Protect => "protect",
            Self::Quiesce => "quiesce",
            Self::Swap => "swap",
            Self::Back => "back",
            Self::Keep => "keep",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A step of a plan: one thing done, and how it is taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: StepName,
    pub phase: Phase,
    /// A sentence without full stop: `scale statefulset postgres from 1 to 0`.
    pub title: String,
    pub forward: Move,
    pub undo: Undo,
}
