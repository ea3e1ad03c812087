//! A field that Velero requires is not there.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::schema::{self, Misfit};

pub(super) const RULE: Rule = Rule {
    id: "missing-field",
    family: Family::Schema,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A field that Velero requires is not there.",
    costs: "The API server refuses the object, so it is never applied.",
    proven: "Velero's CRDs at 1.15.2, 1.16.2, 1.17.2 and 1.18.1, those of snapshots at 8.4.0.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/missing-field.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    out.extend(schema::of(context, Misfit::MissingField));
}
