//! A ConfigMap of resource policies is not one that Velero can read.

use dr_yaml::Path;

use dr_core::kind::Kind;

use crate::finding::{Draft, on, on_key};
use crate::input::Object;
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "policy-unreadable",
    family: Family::Policies,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A ConfigMap of resource policies is not one that Velero can read.",
    costs: "Every backup that refers to it is FailedValidation.",
    proven: "Velero 1.18.1 internal/resourcepolicies: exactly one key, strict YAML, version v1, an action that is known, a capacity with a comma.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/policy-unreadable.md"),
    check,
};

const ACTIONS: [&str; 4] = ["skip", "snapshot", "fs-backup", "custom"];
const CONDITIONS: [&str; 7] = ["capacity", "storageClass", "nfs", "csi", "volumeTypes", "pvcLabels", "pvcPhase"];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::ConfigMap).filter(|object| is_meant(context, object)) {
        let Some(data) = object.raw.at("/data").and_then(Value::as_object) else { continue };
        if data.len() != 1 {
            let message = format!("Velero wants exactly one key here; there are {}", data.len());
            out.push(on_key(object, Path::keys("data"), message));
        }
        for (key, text) in data {
            let path = Path::keys("data").key(key);
            for message in text.as_str().map(wrong).unwrap_or_default() {
                out.push(on(object, path.clone(), message));
            }
        }
    }
}

/// Whether a Backup or Schedule that was seen refers to it.
fn is_meant(context: &Context<'_>, config: &Object) -> bool {
    context.backups().iter().any(|spec| {
        let name = spec.value.pointer("/resourcePolicy/name").and_then(Value::as_str);
        name == Some(config.name()) && spec.object.raw.namespace() == config.raw.namespace()
    })
}

fn wrong(text: &str) -> Vec<String> {
    let mut documents = dr_yaml::read(&dr_yaml::Text::from(text)).documents.into_iter();
    let value = match documents.next().map(|document| document.tree.and_then(|tree| tree.value())) {
        None => return vec!["there are no policies in it".to_owned()],
        Some(Err(problem)) => return vec![format!("this is not YAML: {problem}")],
        Some(Ok(value)) => Value::from(value),
    };
    let mut found = Vec::new();
    unknown(&value, "", &["version", "volumePolicies", "includeExcludePolicy"], &mut found);
    match value.get("version").and_then(Value::as_str) {
        Some("v1") => {}
        Some(version) => found.push(format!("version is {version:?}, Velero knows v1")),
        None => found.push("version: v1 is missing".to_owned()),
    }
    let policies = value.get("volumePolicies").and_then(Value::as_array).into_iter().flatten();
    for (at, policy) in policies.enumerate() {
        let place = format!("volumePolicies[{at}]");
        unknown(policy, &place, &["conditions", "action"], &mut found);
        if let Some(conditions) = policy.get("conditions") {
            unknown(conditions, &format!("{place}.conditions"), &CONDITIONS, &mut found);
            if let Some(capacity) = conditions.get("capacity") {
                let commas = capacity.as_str().map_or(0, |text| text.matches(',').count());
                if commas != 1 {
                    found.push(format!("{place}.conditions.capacity is {capacity}: two sizes and a comma are wanted, such as \"0,10Gi\""));
                }
            }
            let attributes = conditions.pointer("/csi/volumeAttributes").is_some_and(|value| !value.is_null());
            if attributes && conditions.pointer("/csi/driver").and_then(Value::as_str).is_none_or(str::is_empty) {
                found.push(format!("{place}.conditions.csi has volumeAttributes and no driver"));
            }
        }
        let action = policy.pointer("/action/type").and_then(Value::as_str);
        match action {
            Some(action) if ACTIONS.contains(&action) => {}
            Some(action) => found.push(format!("{place}.action.type is {action:?}; known: {}", ACTIONS.join(", "))),
            None => found.push(format!("{place}.action.type is missing")),
        }
    }
    found
}

fn unknown(value: &Value, place: &str, known: &[&str], found: &mut Vec<String>) {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
    for key in keys.filter(|key| !known.contains(key)) {
        let within = if place.is_empty() { String::new() } else { format!(" in {place}") };
        found.push(format!("{key:?} is not known{within}; known: {}", known.join(", ")));
    }
}
