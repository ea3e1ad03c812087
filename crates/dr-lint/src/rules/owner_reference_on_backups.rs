//! Backups are owned by their Schedule.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "owner-reference-on-backups",
    family: Family::Schedule,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "Backups are owned by their Schedule.",
    costs: "Deleting the Schedule deletes its Backups from the cluster while their data stays in the bucket, until the next sync brings them back without their schedule.",
    proven: "Velero 1.18.1 schedule_controller.go and backup_sync_controller.go; no DeleteBackupRequest is made for what the garbage collector takes.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/owner-reference-on-backups.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::Schedule) {
        if object.raw.bool_at("/spec/useOwnerReferencesInBackup") == Some(true) {
            let message = "deleting this schedule takes its Backups along, and leaves their data in the bucket";
            out.push(on(object, Path::keys("spec.useOwnerReferencesInBackup"), message));
        }
    }
}
