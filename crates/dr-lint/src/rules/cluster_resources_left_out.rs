//! A backup of all namespaces does not say whether cluster-scoped resources belong to it.

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Version;

pub(super) const RULE: Rule = Rule {
    id: "cluster-resources-left-out",
    family: Family::Selection,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "A backup of all namespaces does not say whether cluster-scoped resources belong to it.",
    costs: "Since Velero 1.17 such a backup holds no StorageClass, IngressClass, PriorityClass or webhook: a cluster that is lost does not come back from it.",
    proven: "Velero 1.18.3 on a real cluster: a backup without any filter collected none of them; with --include-cluster-resources=true it did.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/cluster-resources-left-out.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    if context.velero < Version::V1_17 {
        return;
    }
    for spec in context.backups() {
        let namespaces = spec.strings("includedNamespaces");
        let everything = namespaces.is_empty() || namespaces.iter().any(|(_, name)| *name == "*");
        let said = [
            "includeClusterResources",
            "includedClusterScopedResources",
            "includedResources",
            "includedNamespaceScopedResources",
        ];
        // With the old filters they are taken with all namespaces, and were never taken where one is excluded.
        let old = !spec.strings("excludedResources").is_empty();
        let but = !spec.strings("excludedNamespaces").is_empty();
        let said = (old && !but) || said.iter().any(|field| spec.get(field).is_some());
        if everything && spec.get("resourcePolicy").is_none() && !said {
            let message = if but {
                "all namespaces but some, and no word on cluster-scoped resources: they are left out"
            } else {
                "all namespaces, and no word on cluster-scoped resources: since 1.17 they are left out"
            };
            out.push(on_key(spec.object, spec.path.clone(), message));
        }
    }
}
