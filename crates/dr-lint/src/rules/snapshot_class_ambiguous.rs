//! A driver has several `VolumeSnapshotClasses` and none is Velero's.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "snapshot-class-ambiguous",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A driver has several VolumeSnapshotClasses and none is Velero's.",
    costs: "Velero does not choose: no snapshot is taken, the claim and the pods that mount it are left out, PartiallyFailed.",
    proven: "Velero 1.18.1 util/csi/volume_snapshot.go:GetVolumeSnapshotClass: by annotation, by label, by the default annotation, or the only class of the driver.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/snapshot-class-ambiguous.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let mut drivers: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for class in context.seen(Kind::VolumeSnapshotClass) {
        if let Some(driver) = class.raw.str_at("/driver") {
            drivers.entry(driver).or_default().push(class);
        }
    }
    for (driver, classes) in drivers {
        let names: BTreeSet<&str> = classes.iter().map(|class| class.name()).collect();
        let has = |class: &&Object, within: &str, key: &str| class.raw.0.within(&Path::keys(within).key(key)).is_some();
        let chosen = |class: &&Object| {
            has(class, "metadata.labels", "velero.io/csi-volumesnapshot-class")
                || has(class, "metadata.annotations", "snapshot.storage.kubernetes.io/is-default-class")
        };
        if names.len() < 2 || classes.iter().any(chosen) || !context.velero_chooses_classes() {
            continue;
        }
        for class in classes.iter().filter(|class| !class.context) {
            let message =
                format!("{driver} has {} classes and none is labelled for Velero: it takes none", names.len());
            out.push(on(class, Path::keys("driver"), message));
        }
    }
}
