//! Old and new resource filters stand side by side.

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "old-and-new-filters",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "Old and new resource filters stand side by side.",
    costs: "Velero refuses the backup: FailedValidation, and of a Schedule one such backup per run while it stays Enabled.",
    proven: "Velero 1.18.1 backup_controller.go:prepareBackupRequest and collections:UseOldResourceFilters.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/old-and-new-filters.md"),
    check,
};

const OLD: [&str; 3] = ["includedResources", "excludedResources", "includeClusterResources"];
const NEW: [&str; 4] = [
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let set =
            |field: &&str| spec.get(field).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()));
        if let (Some(old), Some(new)) = (OLD.iter().find(|field| set(field)), NEW.iter().find(|field| set(field))) {
            let message = format!("Velero refuses {new} beside {old}");
            out.push(on_key(spec.object, spec.at(new), message).related(spec.object, spec.at(old), "the old one"));
        }
    }
}
