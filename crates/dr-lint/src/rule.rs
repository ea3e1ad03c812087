//! What a rule is.

use serde::Serialize;

use crate::finding::Draft;
use crate::judge::Context;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Who wants to hear of it: each takes in those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Appetite {
    /// Everybody: there is hardly a false alarm among them.
    Default,
    /// Whoever wants their manifests to say what they mean.
    Pedantic,
    /// Whoever looks for what might be wrong.
    Audit,
}

impl Appetite {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Pedantic => "pedantic",
            Self::Audit => "audit",
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Manifest,
    Schema,
    Selection,
    Volumes,
    Hooks,
    Schedule,
    Storage,
    Restore,
    Policies,
    Commands,
    Suppression,
}

impl Family {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Schema => "schema",
            Self::Selection => "selection",
            Self::Volumes => "volumes",
            Self::Hooks => "hooks",
            Self::Schedule => "schedule",
            Self::Storage => "storage",
            Self::Restore => "restore",
            Self::Policies => "policies",
            Self::Commands => "commands",
            Self::Suppression => "suppression",
        }
    }
}

/// Whether `--fix` can do anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixable {
    No,
    /// What the file says stays what was meant: `--fix`.
    Safe,
    /// A choice that is not ours to make: `--fix=unsafe`.
    Unsafe,
}

impl Fixable {
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
        }
    }
}

/// One rule; its file, its page in `docs/rules` and its folder of cases have its id as name.
#[derive(Debug)]
pub struct Rule {
    pub id: &'static str,
    pub family: Family,
    pub severity: Severity,
    pub appetite: Appetite,
    /// What is wrong, in one sentence.
    pub summary: &'static str,
    /// What it costs, in one sentence.
    pub costs: &'static str,
    /// By what it is known: a run on a real cluster, or a place in Velero's source.
    pub proven: &'static str,
    pub fix: Fixable,
    /// Its page.
    pub page: &'static str,
    pub(crate) check: fn(&Context<'_>, &mut Vec<Draft>),
}
