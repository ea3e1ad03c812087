//! A Restore updates what exists, which is never the data.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "update-keeps-the-data",
    family: Family::Restore,
    severity: Severity::Info,
    appetite: Appetite::Pedantic,
    summary: "A Restore updates what exists, which is never the data.",
    costs: "Claims that exist keep the data they have: the restore is Completed, and nothing has come back.",
    proven: "Velero 1.18.3 on a real cluster: with the claim in place nothing was restored; existingResourcePolicy compares and patches objects, never volumes.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/update-keeps-the-data.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        if spec.get("existingResourcePolicy").and_then(Value::as_str) == Some("update") {
            let message = "objects that exist are patched; the data of claims that exist stays as it is";
            out.push(on(spec.object, spec.at("existingResourcePolicy"), message));
        }
    }
}
