//! velero refuses to run this command.

use crate::finding::{Draft, on_span};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "command-refused",
    family: Family::Commands,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "velero refuses to run this command.",
    costs: "The line prints an error and makes nothing: in a script that goes on no backup is made, and at three in the morning nobody wants to look for the flag.",
    proven: "The flags of Velero 1.15.2 to 1.18.3 (pkg/cmd/cli/{backup,schedule,restore}/create.go) and what the real velero 1.18.3 says of 115 command lines (crates/dr-lint/tests/commands.jsonl).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/command-refused.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        for refused in object.command.iter().flat_map(|command| &command.refused) {
            out.push(on_span(object, refused.span.clone(), refused.message.as_str()));
        }
    }
}
