//! A cron expression is not one that Velero accepts.

use dr_core::cron::Cron;
use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "cron-invalid",
    family: Family::Schedule,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A cron expression is not one that Velero accepts.",
    costs: "The Schedule becomes FailedValidation and makes no backup, ever.",
    proven: "robfig/cron v3.0.1 parser.go:ParseStandard, asked about 175 expressions (crates/dr-core/tests/go.jsonl).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/cron-invalid.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::Schedule) {
        let Some(text) = object.raw.str_at("/spec/schedule") else { continue };
        if let Err(error) = Cron::parse(text) {
            out.push(on(object, Path::keys("spec.schedule"), format!("Velero does not accept {text:?}: {error}")));
        }
    }
}
