//! A Restore brings claims back without their volumes.

use serde_json::Value;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

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
