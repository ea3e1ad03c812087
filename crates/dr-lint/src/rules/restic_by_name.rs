//! A field of the time of restic is used.

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "restic-by-name",
    family: Family::Volumes,
    severity: Severity::Info,
    appetite: Appetite::Pedantic,
    summary: "A field of the time of restic is used.",
    costs: "Velero still reads it, and a later one will not; then the volumes are snapshotted or left out.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest maps defaultVolumesToRestic, deprecated, to defaultVolumesToFsBackup.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/restic-by-name.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        if spec.get("defaultVolumesToRestic").is_some() {
            let message = "deprecated: defaultVolumesToFsBackup is its name now";
            out.push(on_key(spec.object, spec.at("defaultVolumesToRestic"), message));
        }
    }
}
