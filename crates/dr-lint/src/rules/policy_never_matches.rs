//! A volume policy asks for what no volume is.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "policy-never-matches",
    family: Family::Policies,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A volume policy asks for what no volume is.",
    costs: "It decides nothing, and Velero says nothing: volumes go the way they would have gone without it.",
    proven: "Velero 1.18.1 internal/resourcepolicies: volumeTypes are compared with the names in volume_types_conditions.go and unknown ones are taken; what is of a volume (class, driver, type, capacity) is empty for a claim that has none.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/policy-never-matches.md"),
    check,
};

const TYPES: [&str; 30] = [
    "awsAzureDisk",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cinder",
    "cephfs",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flocker",
    "flexVolume",
    "gitRepo",
    "glusterfs",
    "gcePersistentDisk",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageOS",
    "vsphereVolume",
];

/// What only a volume has.
const OF_VOLUMES: [&str; 5] = ["storageClass", "csi", "nfs", "volumeTypes", "capacity"];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for (object, path, value) in context.policies() {
        let policies = value.get("volumePolicies").and_then(Value::as_array).unwrap_or_default();
        for (at, policy) in policies.iter().enumerate() {
            let Some(conditions) = policy.get("conditions") else { continue };
            let names = |field: &str| {
                let list = conditions.get(field).and_then(Value::as_array).into_iter().flatten();
                list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            };
            let types = names("volumeTypes");
            for name in types.iter().filter(|name| !TYPES.contains(&name.as_str())) {
                let near = TYPES.iter().find(|known| known.eq_ignore_ascii_case(name));
                let near = near.map(|known| format!("; {known} is written so")).unwrap_or_default();
                out.push(on(
                    object,
                    path.clone(),
                    format!("volumePolicies[{at}]: no volume is of the type {name:?}{near}"),
                ));
            }
            let phases = names("pvcPhase");
            for phase in phases.iter().filter(|phase| !matches!(phase.as_str(), "Pending" | "Bound" | "Lost")) {
                let message =
                    format!("volumePolicies[{at}]: no claim is ever {phase:?}; Pending, Bound and Lost are phases");
                out.push(on(object, path.clone(), message));
            }
            let unbound = !phases.is_empty() && phases.iter().all(|phase| matches!(phase.as_str(), "Pending" | "Lost"));
            let other = OF_VOLUMES.iter().find(|field| conditions.get(field).is_some_and(|value| asks(field, value)));
            if let (true, Some(field)) = (unbound, other) {
                let message = format!(
                    "volumePolicies[{at}]: a claim that is {} has no volume, so {field} never holds",
                    phases.join(" or ")
                );
                out.push(on(object, path.clone(), message));
            }
        }
    }
}

/// Whether a condition holds for less than everything: an empty one does not, nor does a capacity that begins with
/// nothing.
fn asks(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(range) if field == "capacity" => {
            let lower = range.split(',').next().unwrap_or("").trim();
            lower.starts_with(|c: char| matches!(c, '1'..='9'))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
