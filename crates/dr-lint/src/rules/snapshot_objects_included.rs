//! A backup is to include `VolumeSnapshots`, which Velero takes off the list.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Version;

pub(super) const RULE: Rule = Rule {
    id: "snapshot-objects-included",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A backup is to include VolumeSnapshots, which Velero takes off the list.",
    costs: "Where nothing else is on the list it becomes empty, which means everything; where something is, the snapshots are not taken along.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest: since 1.17 both kinds are removed from the included and added to the excluded resources.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/snapshot-objects-included.md"),
    check,
};

const FIELDS: [&str; 3] = ["includedResources", "includedNamespaceScopedResources", "includedClusterScopedResources"];

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
            let alone = names.iter().all(|(_, name)| taken_away(name));
            for (path, name) in names.into_iter().filter(|(_, name)| taken_away(name)) {
                let so = if alone { ", and an empty list means everything" } else { "" };
                out.push(on(spec.object, path, format!("Velero takes {name} off this list{so}")));
            }
        }
    }
}
