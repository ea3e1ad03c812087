//! A document cannot be read by kubectl.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unreadable-document",
    family: Family::Manifest,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A document cannot be read by kubectl.",
    costs: "Nothing of it reaches the cluster, and kubectl stops there: the documents behind it are not applied either.",
    proven: "kubectl 1.34.2 on 2,249 cases (crates/dr-yaml/tests/golden.jsonl); where ours is stricter, the reading refuses rather than guesses.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/unreadable-document.md"),
    check,
};

/// Found while reading, see [`crate::judge`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
