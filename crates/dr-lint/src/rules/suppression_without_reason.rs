//! A suppression does not say why.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "suppression-without-reason",
    family: Family::Suppression,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A suppression does not say why.",
    costs: "Nobody can tell later whether it still holds.",
    proven: "By construction.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/suppression-without-reason.md"),
    check,
};

/// Found where comments are applied, see [`crate::suppress`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
