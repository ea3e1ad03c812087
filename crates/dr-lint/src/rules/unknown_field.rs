//! A field is not one that Velero has.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::schema::{self, Misfit};

pub(super) const RULE: Rule = Rule {
    id: "unknown-field",
    family: Family::Schema,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A field is not one that Velero has.",
    costs: "The API server drops it without a word when the manifest comes from a controller, so the filter or the time limit is not there.",
    proven: "Velero's CRDs at 1.15.2, 1.16.2, 1.17.2 and 1.18.1, those of snapshots at 8.4.0; structural schemas prune what they do not know.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/unknown-field.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    out.extend(schema::of(context, Misfit::UnknownField));
}
