//! A namespace pattern holds characters that Velero refuses.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "bad-namespace-pattern",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A namespace pattern holds characters that Velero refuses.",
    costs: "The backup is FailedValidation, and of a Schedule there is one such backup per run while it stays Enabled.",
    proven: "Velero 1.18.1 util/wildcard:ValidateNamespaceName.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/bad-namespace-pattern.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for field in ["includedNamespaces", "excludedNamespaces"] {
            for (path, name) in spec.strings(field) {
                let why = if name.contains("**") {
                    "two asterisks in a row"
                } else if name.contains(['|', '(', ')', '!', '{', '}', ',']) {
                    "only *, ? and [abc] are known"
                } else if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?[]^".contains(c)) {
                    "names have lower-case letters, digits and hyphens; they are not trimmed"
                } else {
                    continue;
                };
                out.push(on(spec.object, path, format!("Velero refuses the namespace pattern {name:?}: {why}")));
            }
        }
    }
}
