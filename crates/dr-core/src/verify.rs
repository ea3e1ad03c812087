//! What can really be restored from one backup, now: a verdict per volume and per thing a restore needs, each with its
//! reason and the way on.
//!
//! Three verdicts and no fourth: whatever could not be looked at, and whatever looks odd, is unknown, and unknown is
//! never green.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::Facts;
use crate::object::Object;

mod aspect;
mod earlier;
mod handle;
mod size;
mod volume;

pub use aspect::{failed_hooks, running, wants_results};
pub use earlier::{Earlier, OfNamespace};
pub use handle::{Answer, Asked, PROBE, Snapshot, answer, probe};
pub use size::{COMPARED, LEAST_PERCENT};

/// From the worst to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    NotRestorable,
    /// Nobody could look, or what was seen proves nothing.
    Unknown,
    Restorable,
}

/// A verdict with its reason, and what to do about it; nothing where all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub because: String,
    pub hint: String,
}

impl Finding {
    fn restorable(because: impl Into<String>) -> Self {
        Self { verdict: Verdict::Restorable, because: because.into(), hint: String::new() }
    }

    fn unknown(because: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, because: because.into(), hint: hint.into() }
    }

    fn not(because: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotRestorable, because: because.into(), hint: hint.into() }
    }
}

/// A document of the backup in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched<T> {
    Read(T),
    /// It is not there, or what is there is damaged: asking again changes nothing.
    Worthless(String),
    /// Nobody could look at it.
    Unread(String),
}

/// What was read of the backup in the object store.
#[derive(Debug, Clone)]
pub struct Held {
    /// One entry per volume.
    pub infos: Fetched<Vec<Value>>,
    pub archive: Fetched<Contents>,
    /// Velero's errors and warnings; none where [`wants_results`] asks for none.
    pub results: Option<Fetched<Value>>,
}

/// What the archive holds, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Every item once, by `resource.group`.
    pub resources: BTreeMap<String, u64>,
    /// By namespace; cluster-scoped items are in none.
    pub namespaces: BTreeMap<String, u64>,
    /// Unpacked.
    pub bytes: u64,
    pub claims: Vec<ArchivedClaim>,
    /// Claims that pods in it mount.
    pub mounted: Vec<Mounted>,
    /// Pods in it that a restore makes, each as [`Contents::pod`] says.
    pub pods: BTreeSet<u64>,
    /// The `velero.io/async-operation-id` of each DataUpload in it.
    pub moved: Vec<String>,
    /// What Velero's own list of items names and the archive has not.
    pub missing: Fetched<Missing>,
}

impl Contents {
    pub fn items(&self) -> u64 {
        self.resources.values().sum()
    }

    /// What stands for a pod: a cluster may have too many of them to keep their names.
    pub fn pod(namespace: &str, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (namespace, name).hash(&mut hasher);
        hasher.finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedClaim {
    pub namespace: String,
    pub name: String,
    /// As it was when it was backed up.
    pub phase: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mounted {
    pub namespace: String,
    pub claim: String,
    pub pod: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    pub count: u64,
    /// The first of them, as `apps/v1/Deployment shop/web`.
    pub named: Vec<String>,
}

/// Something that a restore needs whatever the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    Phase,
    Kept,
    Location,
    Archive,
    Items,
    VolumeList,
    Errors,
    Hooks,
}

impl Aspect {
    pub fn name(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Kept => "kept",
            Self::Location => "location",
            Self::Archive => "archive",
            Self::Items => "items",
            Self::VolumeList => "list of volumes",
            Self::Errors => "errors",
            Self::Hooks => "hooks",
        }
    }

    /// Without it nothing at all comes back.
    fn carries_all(self) -> bool {
        match self {
            Self::Phase | Self::Kept | Self::Location | Self::Archive => true,
            Self::Items | Self::VolumeList | Self::Errors | Self::Hooks => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub aspect: Aspect,
    pub finding: Finding,
}

/// Which volume; its order is that of the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    Claim {
        namespace: String,
        name: String,
    },
    /// One that lives with a pod.
    OfPod {
        namespace: String,
        pod: String,
        volume: String,
    },
    /// One without a claim.
    Persistent {
        name: String,
    },
}

impl Volume {
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Claim { namespace, .. } | Self::OfPod { namespace, .. } => Some(namespace),
            Self::Persistent { .. } => None,
        }
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::OfPod { namespace, pod, volume } => write!(f, "{namespace}/{pod}:{volume}"),
            Self::Persistent { name } => f.write_str(name),
        }
    }
}

/// How the backup took a volume's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    FileSystem,
    CsiSnapshot,
    /// A CSI snapshot whose data a DataUpload moved to the object store.
    Moved,
    NativeSnapshot,
}

/// A volume with what the backup can give back of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub volume: Volume,
    /// None where the backup took no data, or by what is not known here.
    pub method: Option<Method>,
    pub taken: Option<Timestamp>,
    /// Of the data; of a snapshot, of the volume. None where nobody tells.
    pub bytes: Option<u64>,
    pub finding: Finding,
}

/// The whole answer; volumes are sorted worst first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub backup: String,
    pub checks: Vec<Check>,
    pub volumes: Vec<Judged>,
}

impl Verified {
    /// The worst of all.
    pub fn verdict(&self) -> Verdict {
        let findings = self.checks.iter().map(|check| &check.finding);
        let findings = findings.chain(self.volumes.iter().map(|volume| &volume.finding));
        findings.map(|finding| finding.verdict).min().unwrap_or(Verdict::Unknown)
    }

    /// The same as far as one namespace goes; none when the backup holds nothing of it, as far as it was read.
    pub fn of_namespace(mut self, held: &Held, namespace: &str) -> Option<Self> {
        self.volumes.retain(|judged| judged.volume.namespace() == Some(namespace));
        let holds = match &held.archive {
            Fetched::Read(contents) => contents.namespaces.contains_key(namespace),
            Fetched::Worthless(_) | Fetched::Unread(_) => true,
        };
        (holds || !self.volumes.is_empty()).then_some(self)
    }
}

/// The snapshots that drivers have to be asked for, of one namespace or all: none where the backup as a whole is not
/// known to come back, and no snapshot helps.
pub fn questions(facts: &Facts, backup: &Object, held: &Held, namespace: Option<&str>) -> BTreeSet<Snapshot> {
    let checks = aspect::all(facts, backup, held);
    let mut carrying = checks.iter().filter(|check| check.aspect.carries_all());
    if carrying.any(|check| check.finding.verdict != Verdict::Restorable) {
        return BTreeSet::new();
    }
    handle::snapshots(held, namespace)
}

/// Judges the backup. `asked` is what drivers say of the snapshots that [`questions`] names.
pub fn judge(facts: &Facts, backup: &Object, held: &Held, asked: &BTreeMap<Snapshot, Asked>) -> Verified {
    let checks = aspect::all(facts, backup, held);
    let mut volumes = volume::all(facts, backup, held, asked);
    let carrying = checks.iter().filter(|check| check.aspect.carries_all());
    // What Velero cannot restore at all gives no volume back either, however sound its data lies there.
    if let Some(worst) = carrying.min_by_key(|check| check.finding.verdict) {
        let Finding { verdict, because, hint } = &worst.finding;
        for judged in volumes.iter_mut().filter(|judged| judged.finding.verdict > *verdict) {
            judged.finding =
                Finding { verdict: *verdict, because: format!("the backup: {because}"), hint: hint.clone() };
        }
    }
    volumes.sort_by(|a, b| (a.finding.verdict, &a.volume).cmp(&(b.finding.verdict, &b.volume)));
    Verified { backup: backup.name().to_owned(), checks, volumes }
}
