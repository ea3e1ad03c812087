//! A list names a cluster-scoped resource, and cluster-scoped resources are switched off.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "cluster-resource-switched-off",
    family: Family::Selection,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A list names a cluster-scoped resource, and cluster-scoped resources are switched off.",
    costs: "None of what is named is taken; without its PersistentVolume a volume gets no native snapshot, and does not come back as the one it was.",
    proven: "Velero 1.18.3 util/collections/includes_excludes.go:GlobalIncludesExcludes.ShouldInclude and ShouldExclude, restore/restore.go:restoreItem: with includeClusterResources false nothing without a namespace is included, whatever the lists say.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/cluster-resource-switched-off.md"),
    check,
};

/// By every name that Velero finds them under. Namespaces are left out: Velero takes those of what it takes anyway.
const CLUSTER: [&str; 22] = [
    "persistentvolumes",
    "persistentvolume",
    "pv",
    "storageclasses",
    "storageclass",
    "sc",
    "customresourcedefinitions",
    "customresourcedefinition",
    "crds",
    "crd",
    "clusterroles",
    "clusterrole",
    "clusterrolebindings",
    "clusterrolebinding",
    "priorityclasses",
    "priorityclass",
    "ingressclasses",
    "ingressclass",
    "volumesnapshotclasses",
    "volumesnapshotclass",
    "volumesnapshotcontents",
    "volumesnapshotcontent",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups().iter().chain(context.restores()) {
        if spec.get("includeClusterResources").and_then(Value::as_bool) != Some(false) {
            continue;
        }
        for (path, name) in spec.strings("includedResources") {
            let plain = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
            if CLUSTER.contains(&plain.as_str()) {
                let message = format!("{name} are cluster-scoped, and none is taken: includeClusterResources is false");
                let draft = on(spec.object, path, message);
                out.push(draft.related(spec.object, spec.at("includeClusterResources"), "switched off here"));
            }
        }
    }
}
