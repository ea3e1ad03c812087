//! A backup takes no snapshots, and files only of volumes that ask for it.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::server_of;

pub(super) const RULE: Rule = Rule {
    id: "snapshots-off",
    family: Family::Volumes,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "A backup takes no snapshots, and files only of volumes that ask for it.",
    costs: "Volumes whose pods have no annotation are Completed without their data.",
    proven: "Velero 1.18.1 internal/volumehelper/volume_policy_helper.go: with snapshotVolumes false and without defaultVolumesToFsBackup a volume is copied by annotation alone; the skipped ones are an Info line.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/snapshots-off.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let servers = context.servers();
    for spec in context.backups() {
        let is = |field: &str, value: bool| spec.get(field).and_then(Value::as_bool) == Some(value);
        let files = is("defaultVolumesToFsBackup", true) || is("defaultVolumesToRestic", true);
        let server = server_of(&servers, spec.object);
        let by_default =
            server.is_some_and(|server| server.default_volumes_to_fs_backup) && !is("defaultVolumesToFsBackup", false);
        if is("snapshotVolumes", false) && !files && !by_default && spec.get("resourcePolicy").is_none() {
            let message =
                "no snapshots, and files only of volumes that are annotated, unless the server copies all by default";
            out.push(on(spec.object, spec.at("snapshotVolumes"), message));
        }
    }
}
