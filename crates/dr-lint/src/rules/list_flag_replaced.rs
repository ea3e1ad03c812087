//! A flag with a list stands twice, and only the last one counts.

use crate::finding::{Draft, on_span};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "list-flag-replaced",
    family: Family::Commands,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A flag with a list stands twice, and only the last one counts.",
    costs: "What the first one names is left out: the backup is Completed and holds half of what was asked for.",
    proven: "Velero pkg/cmd/util/flag/array.go:Set puts the new list in the place of the old one; the real velero 1.18.3 prints the object of the second flag alone (crates/dr-lint/tests/commands.jsonl).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/list-flag-replaced.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        for replaced in object.command.iter().flat_map(|command| &command.replaced) {
            out.push(on_span(object, replaced.span.clone(), replaced.message.as_str()));
        }
    }
}
