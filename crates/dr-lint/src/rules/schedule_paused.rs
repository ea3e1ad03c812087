//! A Schedule is paused.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "schedule-paused",
    family: Family::Schedule,
    severity: Severity::Info,
    appetite: Appetite::Pedantic,
    summary: "A Schedule is paused.",
    costs: "It makes no backups while its phase reads Enabled.",
    proven: "Velero 1.18.1 schedule_controller.go: a paused schedule is skipped and its phase is left.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/schedule-paused.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::Schedule) {
        if object.raw.bool_at("/spec/paused") == Some(true) {
            out.push(on(object, Path::keys("spec.paused"), "it makes no backups while it is paused, and says Enabled"));
        }
    }
}
