//! A Restore names no backup and no schedule, or both.

use crate::finding::{Draft, on, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "restore-from-nowhere",
    family: Family::Restore,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A Restore names no backup and no schedule, or both.",
    costs: "Velero refuses it: FailedValidation, and nothing is restored.",
    proven: "Velero 1.18.1 controller/restore_controller.go:backupXorScheduleProvided.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/restore-from-nowhere.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores().iter().filter(|spec| spec.object.command.is_none()) {
        let said = |field: &str| spec.get(field).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        match (said("backupName"), said("scheduleName")) {
            (true, true) => {
                let draft = on(spec.object, spec.at("scheduleName"), "from a backup or from a schedule, not both");
                out.push(draft.related(spec.object, spec.at("backupName"), "and from a backup"));
            }
            (false, false) => {
                out.push(on_key(
                    spec.object,
                    spec.path.clone(),
                    "this names no backup and no schedule to restore from",
                ));
            }
            (true, false) | (false, true) => {}
        }
    }
}
