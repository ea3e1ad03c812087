//! An entry of the baseline hides nothing.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unused-baseline-entry",
    family: Family::Suppression,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "An entry of the baseline hides nothing.",
    costs: "It stays behind when what it was for is gone, and hides the same mistake when somebody makes it again.",
    proven: "By construction: each entry hides one finding, and is counted.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/unused-baseline-entry.md"),
    check,
};

/// Found where the baseline is applied, see [`crate::baseline`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
