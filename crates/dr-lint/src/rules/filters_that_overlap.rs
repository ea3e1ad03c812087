//! The same name is included and excluded, or * stands where it cannot.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "filters-that-overlap",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "The same name is included and excluded, or * stands where it cannot.",
    costs: "Velero refuses the backup: FailedValidation, and of a Schedule one such backup per run while it stays Enabled.",
    proven: "Velero 1.18.1 util/collections:ValidateIncludesExcludes.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/filters-that-overlap.md"),
    check,
};

const PAIRS: [(&str, &str); 2] =
    [("includedNamespaces", "excludedNamespaces"), ("includedResources", "excludedResources")];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for (included, excluded) in PAIRS {
            let (inside, outside) = (spec.strings(included), spec.strings(excluded));
            for (path, name) in &outside {
                if *name == "*" {
                    out.push(on(spec.object, path.clone(), format!("Velero refuses * in {excluded}")));
                } else if let Some((other, _)) = inside.iter().find(|(_, inside)| inside == name) {
                    let draft = on(spec.object, path.clone(), format!("{name} is in {included} as well"));
                    out.push(draft.related(spec.object, other.clone(), "included here"));
                }
            }
            if let Some((path, _)) = inside.iter().find(|(_, name)| *name == "*")
                && inside.len() > 1
            {
                out.push(on(spec.object, path.clone(), format!("Velero refuses * beside other names in {included}")));
            }
        }
    }
}
