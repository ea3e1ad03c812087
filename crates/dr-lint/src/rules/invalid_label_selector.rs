//! A label selector is none that Kubernetes can read.

use dr_core::select::LabelSelector;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "invalid-label-selector",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A label selector is none that Kubernetes can read.",
    costs: "As labelSelector every listing fails and the backup is next to empty; in orLabelSelectors Velero's server panics on it and the Backup stays InProgress; in a hook the whole backup is Failed.",
    proven: "Velero 1.18.3: FormatLabelSelector renders it as <error>, which no API server takes; the panic was met and is held by a case of the differential runs (docs/evidence/velero-diff.md).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/invalid-label-selector.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups().iter().chain(context.restores()) {
        let mut found: Vec<(Path, &Value)> = Vec::new();
        found.extend(spec.get("labelSelector").map(|selector| (spec.at("labelSelector"), selector)));
        let either = spec.get("orLabelSelectors").and_then(Value::as_array).into_iter().flatten().enumerate();
        found.extend(either.map(|(at, selector)| (spec.at("orLabelSelectors").index(at), selector)));
        let entries = spec.value.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten();
        found.extend(entries.enumerate().filter_map(|(at, entry)| {
            let path = spec.at("hooks").key("resources").index(at).key("labelSelector");
            Some((path, entry.get("labelSelector").filter(|selector| !selector.is_null())?))
        }));
        for (path, selector) in found {
            // What is of another shape is told by the schema.
            let Ok(selector) = serde_json::from_value::<LabelSelector>(selector.loose()) else { continue };
            if let Err(error) = selector.valid() {
                out.push(on(spec.object, path, format!("Kubernetes cannot read this selector: {error}")));
            }
        }
    }
}
