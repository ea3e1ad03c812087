//! A Restore gives the name of a Schedule for that of a backup.

use std::collections::HashSet;

use dr_core::kind::Kind;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "restore-names-a-schedule",
    family: Family::Restore,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A Restore gives the name of a Schedule for that of a backup.",
    costs: "No backup has that name: the Restore is FailedValidation, and nothing is restored.",
    proven: "Velero 1.18.3 apis/velero/v1/schedule_types.go:TimestampedName: a backup of a Schedule has its name and the time; controller/restore_controller.go:validateAndComplete wants the very name.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/restore-names-a-schedule.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    if !context.knows_all(Kind::Backup) {
        return;
    }
    let names = |kind: Kind| -> HashSet<(&str, Option<&str>)> {
        context.seen(kind).map(|object| (object.name(), object.raw.namespace())).collect()
    };
    let (backups, schedules) = (names(Kind::Backup), names(Kind::Schedule));
    for spec in context.restores() {
        let Some(name) = spec.get("backupName").and_then(Value::as_str) else { continue };
        let whole = (name, spec.object.raw.namespace());
        if schedules.contains(&whole) && !backups.contains(&whole) {
            let message = format!(
                "{name} is a Schedule: its backups are {name}-<time>, and scheduleName takes the newest of them"
            );
            out.push(on(spec.object, spec.at("backupName"), message));
        }
    }
}
