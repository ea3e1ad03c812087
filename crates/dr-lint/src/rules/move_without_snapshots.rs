//! Snapshots are to be moved and not to be taken.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "move-without-snapshots",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "Snapshots are to be moved and not to be taken.",
    costs: "There is nothing to move: the backup is Completed and holds no data of the volumes.",
    proven: "Velero 1.18.1 internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot: snapshotVolumes false leaves out CSI snapshots as well, and data movement begins with one.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/move-without-snapshots.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let is = |field: &str, value: bool| spec.get(field).and_then(Value::as_bool) == Some(value);
        // A policy or files may still take the data.
        let other = spec.get("resourcePolicy").is_some() || is("defaultVolumesToFsBackup", true);
        if is("snapshotMoveData", true) && is("snapshotVolumes", false) && !other {
            let message = "no snapshot is taken, so none is moved";
            let draft = on(spec.object, spec.at("snapshotMoveData"), message);
            out.push(draft.related(spec.object, spec.at("snapshotVolumes"), "none is taken by this"));
        }
    }
}
