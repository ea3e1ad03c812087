//! A restore, decided: every step, every name, every undo, and what it was decided from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{Phase, Step};
use crate::condition::Condition;
use crate::slot::Bindings;
use crate::withheld::Withheld;

/// The newest plan format written; older ones are read, newer ones refused.
///
/// 2: conditions `Only`, `All` and `OneOf`, the field test `AtLeastThat`, `overtaken` of a move, `withheld` of a plan.
pub const FORMAT: u32 = 2;

/// The label every object of a run carries, with the run's id as its value.
pub const OPERATION: &str = "kubectl-dr/operation";

/// The annotation of a volume that a run has set to Retain: the policy that `finalize` gives back. A restore on top of
/// another finds there what the volume had before either.
pub const RECLAIM_POLICY: &str = "kubectl-dr/reclaim-policy";

/// The label that tells the pieces of a run at rest apart: `plan`, `journal`, `record`.
pub const PART: &str = "kubectl-dr/part";

/// Steps that depend on nothing within the wave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    pub section: Section,
    pub steps: Vec<Step>,
}

/// How far back an undo reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Stage and verify: the application notices nothing. Taken back only while the switch has not begun.
    Prepare,
    /// From the first change the application could notice to writers back. `undo` and `redo` walk this.
    Switch,
    /// What is tidied up once the application runs.
    Keep,
}

/// The cluster and the namespace a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub context: String,
    pub server: String,
    pub namespace: String,
    /// Of `kube-system`: the same cluster behind another name is the same, another behind the same name is not.
    pub cluster_uid: String,
    pub velero_namespace: String,
    pub staging_namespace: String,
}

/// A backup that was looked at and not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    pub backup: String,
    pub because: String,
}

/// The backup a plan restores from, and why this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub backup: String,
    pub uid: String,
    pub started: Timestamp,
    pub because: String,
    pub passed_over: Vec<PassedOver>,
}

/// How a volume's bytes come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPath {
    /// node-agent and Kopia: PodVolumeBackup, PodVolumeRestore.
    FileSystem,
    CsiSnapshot,
}

/// One claim that is restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumePlan {
    pub claim: String,
    pub path: DataPath,
    /// When the backup took its data.
    pub taken: Timestamp,
    /// Of the data in the backup.
    pub bytes: Option<u64>,
    pub engine: String,
    /// The live persistent volume that is kept; none when the claim is gone.
    pub old_volume: Option<String>,
    pub old_volume_uid: Option<String>,
    /// The run that is open beneath this one and has marked the live volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_run: Option<String>,
    /// What the claim's volume gets when the run is finalized: the live one's policy from before any run set it to
    /// Retain, else its storage class's.
    pub reclaim_policy: String,
    pub storage_class: String,
    /// The claim's request: the larger of backup and live.
    pub request: String,
    pub because: String,
}

/// One claim that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub claim: String,
    pub because: String,
}

/// What a person is told to expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// From the first writer stopped to the last one back.
    pub outage_seconds: u64,
    pub outage_because: String,
    /// From the oldest volume's data to the time of the plan.
    pub data_loss_seconds: u64,
    pub stage_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub format: u32,
    pub id: String,
    pub made: Timestamp,
    pub place: Place,
    pub source: Source,
    /// The namespace does not exist and comes back whole.
    pub namespace_gone: bool,
    pub volumes: Vec<VolumePlan>,
    pub left_out: Vec<LeftOut>,
    /// `kind/name` of objects that the backup holds and the cluster lacks.
    pub objects_missing: Vec<String>,
    pub objects_restored: bool,
    pub warnings: Vec<String>,
    pub expectation: Expectation,
    /// Known from the start: uids and names of what is live.
    pub bindings: Bindings,
    /// What may be secret in the pods of the plan: where it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
    /// What the plan was made from; `apply` reads it again and refuses when it no longer holds.
    pub premises: Vec<Condition>,
    pub waves: Vec<Wave>,
}

impl Plan {
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.waves.iter().flat_map(|wave| &wave.steps)
    }

    pub fn phases(&self) -> Vec<Phase> {
        let mut phases: Vec<Phase> = self.steps().map(|step| step.phase).collect();
        phases.dedup();
        phases
    }
}
