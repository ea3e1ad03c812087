//! A suppression silences nothing.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unused-suppression",
    family: Family::Suppression,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A suppression silences nothing.",
    costs: "It stays behind when what it was for is gone, and silences the next finding that nobody has looked at.",
    proven: "By construction: each rule of each comment is counted.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/unused-suppression.md"),
    check,
};

/// Found where comments are applied, see [`crate::suppress`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
