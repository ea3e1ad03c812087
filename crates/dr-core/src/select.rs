//! Is this item in that backup, how is its volume's data captured, and why.
//!
//! [`select`] follows Velero's own order: the request is prepared and checked, items are collected by type and
//! namespace, each is put into a block with what it is related to, and each block is backed up item by item. What
//! Velero decides on the way is kept as a chain of [`Reason`]s, each naming the object and the field that decided.
//!
//! It tells what a backup made now *would* hold. What a finished backup *does* hold is in [`crate::cover`] and
//! [`crate::choose`]: those trust the object store and nothing else. The two meet at the claim: one explains why
//! the other found nothing.
//!
//! Held by examples, and by `cargo xtask diff velero` against a real server (docs/evidence/velero-diff.md).

mod blocks;
mod cluster;
mod collect;
mod filter;
mod fix;
pub mod glob;
mod hooks;
mod kept;
mod listing;
mod namespaces;
mod native;
mod outcome;
mod pods;
mod policy;
mod prepare;
mod reason;
mod relations;
mod resources;
mod selector;
mod server;
mod snapshot;
mod spec;
mod version;

use serde::{Deserialize, Serialize};

pub use cluster::{Cluster, ItemRef};
pub use hooks::{Before, Exec, Hook, HookTrouble, Hooks, Step, before, hooks};
pub use policy::Policies;
pub use reason::{Place, Reason, Rule};
pub use resources::{Resource, Resources};
pub use selector::{LabelSelector, Requirement};
pub use server::{Server, UnknownServer, runs_velero};
pub use spec::{Backup, BadBackup, Spec};
pub use version::{Feature, Version};

/// What a backup made now would hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// How Velero would end it, as far as the facts decide.
    pub phase: Phase,
    /// What makes Velero refuse it (`status.validationErrors`): then nothing is in it.
    pub refused: Vec<Reason>,
    /// Errors of the whole backup that belong to no single item.
    pub errors: Vec<Reason>,
    /// What was not read or not decided, and what was taken for granted in its place.
    pub assumed: Vec<String>,
    /// Every item of the cluster, in the cluster's order.
    pub items: Vec<ItemVerdict>,
    /// Every claim, and every volume of a pod that holds data of its own.
    pub volumes: Vec<VolumeVerdict>,
}

/// `status.phase` in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Completed,
    PartiallyFailed,
    FailedValidation,
    /// For good: Velero's server panics on it, and marks it Failed when it starts anew. Nothing is in it.
    InProgress,
}

/// One item's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemVerdict {
    pub item: ItemRef,
    pub verdict: Verdict,
    /// No filter of the backup selects it: it is there because something else that is selected brings it along.
    pub by_accident: bool,
    /// From the first cause to the last.
    pub chain: Vec<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Included,
    Excluded,
}

/// Whose data a volume holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeRef {
    pub namespace: String,
    /// Of a claim, its name; otherwise the volume lives with its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The pod and the name of its volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<(String, String)>,
}

/// One volume's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeVerdict {
    pub volume: VolumeRef,
    pub capture: Capture,
    /// Pods and their volumes that the same claim is copied from once more. Velero does that where a pod that comes
    /// first passes the claim over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied_again: Vec<(String, String)>,
    /// From the first cause to the last. Of a volume that is not captured: why, for each way there is.
    pub chain: Vec<Reason>,
    /// Why the backup's list of volumes has no entry for it although its data is captured. Velero's own restore of the
    /// claim finds the snapshot all the same; what goes by the list does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<Reason>,
    /// What Velero shows of a volume it does not capture.
    pub shown: Shown,
    /// The one line to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a volume's data is captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// node-agent copies the files of this pod's volume.
    FileSystem { pod: String, volume: String },
    /// A CSI snapshot that stays with the driver.
    CsiSnapshot { class: String },
    /// A CSI snapshot whose data is moved to the object store.
    CsiMoved { class: String },
    /// A snapshot by a volume snapshotter plugin. Whether the plugin knows the volume it alone can tell.
    NativeSnapshot { location: String },
    /// Its data is not in the backup.
    None,
    /// What decides it was not read.
    Unknown,
}

impl ItemVerdict {
    /// The one line to change for an item that is left out.
    pub fn fix(&self) -> Option<String> {
        let left_out = self.verdict == Verdict::Excluded;
        self.chain.iter().rev().find_map(fix::fix).filter(|_| left_out)
    }
}

impl Capture {
    pub fn is_captured(&self) -> bool {
        match self {
            Self::FileSystem { .. }
            | Self::CsiSnapshot { .. }
            | Self::CsiMoved { .. }
            | Self::NativeSnapshot { .. } => true,
            Self::None | Self::Unknown => false,
        }
    }
}

impl VolumeVerdict {
    /// The step of the chain that decides; of data that is not captured, the one that `fix` is about.
    pub fn deciding(&self) -> Option<&Reason> {
        let fixable = self.chain.iter().rev().find(|reason| fix::fix(reason).is_some());
        fixable.filter(|_| !self.capture.is_captured()).or(self.chain.last())
    }
}

/// How loud Velero is about data it does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// The phase is Completed and no warning is counted.
    Silent,
    /// Completed, with a warning.
    Warning,
    /// The phase is not Completed.
    Error,
}

/// Judges everything in the cluster against a backup.
pub fn select(cluster: &Cluster, backup: &Backup, server: &Server) -> Selection {
    match prepare::prepare(cluster, backup, server) {
        Err(refused) => {
            let nothing = nothing(cluster, Phase::FailedValidation, &refused);
            Selection { refused, ..nothing }
        }
        Ok(request) => {
            if let Some(panic) = kept::panics(cluster, &request) {
                let errors = vec![panic];
                let nothing = nothing(cluster, Phase::InProgress, &errors);
                return Selection { errors, ..nothing };
            }
            let collected = collect::collect(cluster, &request);
            blocks::run(cluster, &request, collected)
        }
    }
}

/// A backup that holds nothing at all, for these reasons.
fn nothing(cluster: &Cluster, phase: Phase, why: &[Reason]) -> Selection {
    let items = cluster.items().map(|item| ItemVerdict {
        item: item.reference.clone(),
        verdict: Verdict::Excluded,
        by_accident: false,
        chain: why.to_vec(),
    });
    let volumes = cluster.volumes().into_iter().map(|volume| VolumeVerdict {
        volume,
        capture: Capture::None,
        copied_again: Vec::new(),
        unlisted: None,
        chain: why.to_vec(),
        shown: Shown::Error,
        fix: why.first().and_then(fix::fix),
    });
    Selection {
        phase,
        items: items.collect(),
        volumes: volumes.collect(),
        errors: Vec::new(),
        assumed: cluster.assumptions(),
        refused: Vec::new(),
    }
}
