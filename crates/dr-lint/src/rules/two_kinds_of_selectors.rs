//! labelSelector and orLabelSelectors stand side by side.

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "two-kinds-of-selectors",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "labelSelector and orLabelSelectors stand side by side.",
    costs: "Velero refuses the backup: FailedValidation, and of a Schedule one such backup per run while it stays Enabled.",
    proven: "Velero 1.18.1 backup_controller.go:prepareBackupRequest; an empty list of orLabelSelectors counts as well.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/two-kinds-of-selectors.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups().iter().chain(context.restores()) {
        if spec.get("labelSelector").is_some() && spec.get("orLabelSelectors").is_some() {
            let draft = on_key(spec.object, spec.at("orLabelSelectors"), "Velero refuses this beside labelSelector");
            out.push(draft.related(spec.object, spec.at("labelSelector"), "the other one"));
        }
    }
}
