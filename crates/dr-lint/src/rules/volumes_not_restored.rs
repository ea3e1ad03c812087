//! A Restore brings claims back without their volumes.

use dr_core::kind::Kind;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Spec;

pub(super) const RULE: Rule = Rule {
    id: "volumes-not-restored",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A Restore brings claims back without their volumes.",
    costs: "Snapshots are not restored: a claim comes back empty, or waits for a volume that is not there.",
    proven: "Velero 1.18.1 pkg/restore: with restorePVs false the claim of a CSI snapshot is made empty; with includeClusterResources false neither volumes nor VolumeSnapshotContents are restored.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/volumes-not-restored.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        let Some(moved) = snapshots_are_moved(context, spec) else { continue };
        // Who leaves claims out wants none.
        let claims = |name: &str| {
            matches!(name.split('.').next(), Some("persistentvolumeclaims" | "persistentvolumeclaim" | "pvc" | "*"))
        };
        let included = spec.strings("includedResources");
        let wanted = included.is_empty() || included.iter().any(|(_, name)| claims(name));
        let without = spec.strings("excludedResources").iter().any(|(_, name)| claims(name));
        if !wanted || without {
            continue;
        }
        for (field, message) in [
            ("restorePVs", "claims are restored without what their snapshots hold"),
            (
                "includeClusterResources",
                "claims are restored without their volumes and snapshots, which are cluster-scoped",
            ),
        ] {
            // Moved data needs no object of the cluster's.
            let needed = !moved || field == "restorePVs";
            if needed && spec.get(field).and_then(Value::as_bool) == Some(false) {
                out.push(on(spec.object, spec.at(field), message));
            }
        }
    }
}

/// Of a backup that is among the files, or the Schedule that makes it, and takes snapshots: whether their data is moved.
fn snapshots_are_moved(context: &Context<'_>, restore: &Spec<'_>) -> Option<bool> {
    let named = |field: &str| restore.get(field).and_then(Value::as_str).filter(|name| !name.is_empty());
    let (kind, name, pointer) = match (named("backupName"), named("scheduleName")) {
        (Some(name), _) => (Kind::Backup, name, "/spec"),
        (None, name) => (Kind::Schedule, name?, "/spec/template"),
    };
    let mut meant = context
        .seen(kind)
        .filter(|object| object.name() == name && object.raw.namespace() == restore.object.raw.namespace());
    meant.find_map(|object| {
        let flag = |field: &str| object.raw.at(&format!("{pointer}/{field}")).and_then(Value::as_bool);
        let takes = flag("snapshotVolumes") != Some(false) && flag("defaultVolumesToFsBackup") != Some(true);
        takes.then(|| flag("snapshotMoveData") == Some(true))
    })
}
