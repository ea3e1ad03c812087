//! A resource stands in the list of the other scope.

use dr_core::kind::Kind;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "resource-in-wrong-scope",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A resource stands in the list of the other scope.",
    costs: "Velero drops the name in silence; if it was the only one, the list is empty, and an empty list of namespaced resources means all of them.",
    proven: "Velero 1.18.1 util/collections: scopeResourceMapFunc returns nothing for a resource of the other scope.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/resource-in-wrong-scope.md"),
    check,
};

/// Further built-in resources without a namespace; those that have one and are known are in [`Kind`].
const CLUSTER: [&str; 9] = [
    "customresourcedefinitions",
    "clusterroles",
    "clusterrolebindings",
    "priorityclasses",
    "ingressclasses",
    "runtimeclasses",
    "apiservices",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for (field, wanted) in [
            ("includedNamespaceScopedResources", true),
            ("excludedNamespaceScopedResources", true),
            ("includedClusterScopedResources", false),
            ("excludedClusterScopedResources", false),
        ] {
            for (path, name) in spec.strings(field) {
                let scope = if wanted { "has no namespace" } else { "has a namespace" };
                if namespaced(name).is_some_and(|namespaced| namespaced != wanted) {
                    let message = format!("{name} {scope}: Velero drops it from this list in silence");
                    out.push(on(spec.object, path, message));
                }
            }
        }
    }
}

/// Whether a resource has a namespace, where that is known without a cluster.
fn namespaced(name: &str) -> Option<bool> {
    let (plural, group) = name.split_once('.').map_or((name, None), |(plural, group)| (plural, Some(group)));
    let known = Kind::ALL
        .iter()
        .map(|kind| kind.info())
        .find(|info| info.plural == plural && group.is_none_or(|group| group == info.group));
    match known {
        Some(info) => Some(info.namespaced),
        None => CLUSTER.contains(&plural).then_some(false),
    }
}
