//! A key stands twice in one map.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "duplicate-key",
    family: Family::Manifest,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A key stands twice in one map.",
    costs: "kubectl takes the last one in silence: a filter that was added below wipes the one above.",
    proven: "kubectl 1.34.2, `annotate --local`: last one wins, no message.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/duplicate-key.md"),
    check,
};

/// Found while reading, see [`crate::judge`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
