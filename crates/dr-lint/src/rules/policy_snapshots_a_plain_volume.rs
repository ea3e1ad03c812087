//! A volume policy wants a snapshot of what cannot have one.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "policy-snapshots-a-plain-volume",
    family: Family::Policies,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A volume policy wants a snapshot of what cannot have one.",
    costs: "Nothing is taken of these volumes, and nothing says so; without the policy file-system backup could have had them.",
    proven: "Velero 1.18.1 internal/volumehelper/volume_policy_helper.go: a snapshot is taken of claims alone, and a policy with that action leaves out file-system backup.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/policy-snapshots-a-plain-volume.md"),
    check,
};

/// Volumes that have no claim, or whose storage has no snapshots in any plugin.
const PLAIN: [&str; 8] = ["emptyDir", "nfs", "hostPath", "local", "configMap", "secret", "projected", "downwardAPI"];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for (object, path, value) in context.policies() {
        let policies = value.get("volumePolicies").and_then(Value::as_array).unwrap_or_default();
        for (at, policy) in policies.iter().enumerate() {
            if policy.pointer("/action/type").and_then(Value::as_str) != Some("snapshot") {
                continue;
            }
            let types = policy.pointer("/conditions/volumeTypes").and_then(Value::as_array);
            for name in types.into_iter().flatten().filter_map(Value::as_str).filter(|name| PLAIN.contains(name)) {
                out.push(on(object, path.clone(), format!("volumePolicies[{at}]: there are no snapshots of {name}")));
            }
        }
    }
}
