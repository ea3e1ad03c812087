//! A Restore asks for what Velero never restores.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "never-restored",
    family: Family::Restore,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A Restore asks for what Velero never restores.",
    costs: "Velero refuses the whole Restore: FailedValidation.",
    proven: "Velero 1.18.1 controller/restore_controller.go:nonRestorableResources.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/never-restored.md"),
    check,
};

const NEVER: [&str; 9] = [
    "nodes",
    "events",
    "events.events.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "resticrepositories.velero.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        for (path, name) in spec.strings("includedResources").into_iter().filter(|(_, name)| NEVER.contains(name)) {
            out.push(on(
                spec.object,
                path,
                format!("{name} is never restored, and a Restore that asks for it is refused"),
            ));
        }
    }
}
