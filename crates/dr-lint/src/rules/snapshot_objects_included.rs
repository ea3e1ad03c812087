//! A backup is to include nothing but `VolumeSnapshots`, which Velero takes off the list.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Version;

pub(super) const RULE: Rule = Rule {
    id: "snapshot-objects-included",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A backup is to include nothing but VolumeSnapshots, which Velero takes off the list.",
    costs: "The list becomes empty, which means everything.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest: since 1.17 both kinds are removed from the included and added to the excluded resources.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/snapshot-objects-included.md"),
    check,
};

/// An empty list of cluster-scoped resources means those that the others need.
const FIELDS: [&str; 2] = ["includedResources", "includedNamespaceScopedResources"];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    if context.velero < Version::V1_17 {
        return;
    }
    for spec in context.backups() {
        for field in FIELDS {
            let names = spec.strings(field);
            let taken_away = |name: &str| {
                matches!(
                    name,
                    "volumesnapshots.snapshot.storage.k8s.io" | "volumesnapshotcontents.snapshot.storage.k8s.io"
                )
            };
            if names.iter().all(|(_, name)| taken_away(name)) {
                for (path, name) in names {
                    let message = format!("Velero takes {name} off this list, and an empty list means everything");
                    out.push(on(spec.object, path, message));
                }
            }
        }
    }
}
