//! A namespace is mapped onto itself.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "namespace-mapping-without-effect",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A namespace is mapped onto itself.",
    costs: "What was to be a copy beside the original goes into the original.",
    proven: "Velero 1.18.1 pkg/restore/restore.go: a namespace is restored under the name that it is mapped to.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/namespace-mapping-without-effect.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        let mapping = spec.get("namespaceMapping").and_then(Value::as_object);
        for (from, to) in mapping.into_iter().flatten() {
            let path = spec.at("namespaceMapping").key(from);
            if to.as_str() == Some(from) {
                out.push(on(spec.object, path, format!("{from} is mapped onto itself: it is restored in place")));
            }
        }
    }
}
