//! What has happened, as events; progress is folded from them and never stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::StepName;
use crate::slot::Bindings;

/// The newest journal format written.
pub const FORMAT: u32 = 1;

/// Which way a run walks its waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Forward,
    Back,
}

/// Why a run turned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// A step failed; what was done before it is taken back.
    StepFailed,
    /// The staged copy may not be used.
    NotVerified,
    /// The user said no.
    Declined,
    UndoRequested,
    RedoRequested,
}

/// Something that happened, with when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    /// Of the process that wrote it.
    pub epoch: u64,
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A process took the run; every later entry carries its epoch, and an older process stops at its next write.
    Taken {
        by: String,
    },
    /// Written before the first of these acts.
    Intent {
        steps: Vec<StepName>,
        direction: Direction,
    },
    Done {
        step: StepName,
        direction: Direction,
        bound: Bindings,
    },
    Failed {
        step: StepName,
        direction: Direction,
        because: String,
    },
    /// What a step that was started, and is to be taken back, turned out to have left; empty when nothing.
    Settled {
        step: StepName,
        bound: Bindings,
    },
    /// Somebody saw what was found and said yes; `how` names the way (`--yes`, typed).
    Confirmed {
        step: StepName,
        how: String,
    },
    Turned {
        to: Direction,
        why: Turn,
        because: String,
    },
    /// What the old volumes and the record are from now on is written down by `finalize`.
    Finalized,
}
