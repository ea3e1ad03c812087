//! A namespace is mapped that is not restored, or onto itself.

use serde_json::Value;

use crate::finding::{Draft, on, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "namespace-mapping-without-effect",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A namespace is mapped that is not restored, or onto itself.",
    costs: "What was to be a copy beside the original goes into the original, or nothing is restored where it is looked for.",
    proven: "Velero 1.18.1 pkg/restore/restore.go: the mapping is looked up for namespaces that are included; others are not looked at.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/namespace-mapping-without-effect.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        let included = spec.strings("includedNamespaces");
        let pattern = included.is_empty() || included.iter().any(|(_, name)| name.contains(['*', '?', '[']));
        let mapping = spec.get("namespaceMapping").and_then(Value::as_object);
        for (from, to) in mapping.into_iter().flatten() {
            let path = spec.at("namespaceMapping").key(from.as_str());
            if to.as_str() == Some(from) {
                out.push(on(spec.object, path, format!("{from} is mapped onto itself: it is restored in place")));
            } else if !pattern && !included.iter().any(|(_, name)| name == from) {
                let message = format!("{from} is not among the namespaces that are restored");
                out.push(on_key(spec.object, path, message).related(
                    spec.object,
                    spec.at("includedNamespaces"),
                    "these are",
                ));
            }
        }
    }
}
