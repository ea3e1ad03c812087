//! A Restore brings claims back without their volumes.

use dr_core::kind::Kind;
use serde_json::Value;

use crate::finding::{Draft, on};
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
        if !takes_snapshots(context, &spec) {
            continue;
        }
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
            if spec.get(field).and_then(Value::as_bool) == Some(false) {
                out.push(on(spec.object, spec.at(field), message));
            }
        }
    }
}

/// Whether the backup is among the files, or the Schedule that makes it, and leaves its data in snapshots.
fn takes_snapshots(context: &Context<'_>, restore: &Spec<'_>) -> bool {
    let named = |field: &str| restore.get(field).and_then(Value::as_str).filter(|name| !name.is_empty());
    let (kind, name, pointer) = match (named("backupName"), named("scheduleName")) {
        (Some(name), _) => (Kind::Backup, name, "/spec"),
        (None, Some(name)) => (Kind::Schedule, name, "/spec/template"),
        (None, None) => return false,
    };
    let mut meant = context
        .seen(kind)
        .filter(|object| object.name() == name && object.raw.namespace() == restore.object.raw.namespace());
    meant.any(|object| {
        let flag = |field: &str| object.raw.at(&format!("{pointer}/{field}")).and_then(Value::as_bool);
        flag("snapshotMoveData") != Some(true)
            && flag("snapshotVolumes") != Some(false)
            && flag("defaultVolumesToFsBackup") != Some(true)
    })
}
