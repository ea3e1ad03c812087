//! The pods that Velero restores into the staging namespace so that node-agent has something to write through.
//!
//! Nothing of the application may start in them. Velero goes on when a resource modifier does not apply, and then the
//! real application would run: so the modifier is applied here to the archived pod first, and what does not fit is refused.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::object::Object;
use serde_json::{Value, json};

use super::examiner::cut_off;

/// The only container of a carrier, by which a pod is known to be neutral.
pub(super) const CONTAINER: &str = "dr-carrier";

/// The init container Velero puts first (`pkg/restore/actions/pod_volume_restore_action.go:Execute` at v1.18.3).
const RESTORE_WAIT: &str = "restore-wait";

/// The rules of a resource modifier that neutralise one archived pod.
pub(super) fn rules(namespace: &str, pod: &Object, restored: &BTreeSet<&str>) -> Result<Vec<Value>, String> {
    let conditions = json!({
        "groupResource": "pods",
        "resourceNameRegex": format!("^{}$", pod.name().replace('.', "\\.")),
        "namespaces": [namespace],
    });
    let own_init = pod
        .list_at("/spec/initContainers")
        .iter()
        .filter(|container| {
            let name = container.get("name").and_then(Value::as_str);
            !matches!(name, Some(RESTORE_WAIT | "restic-wait"))
        })
        .count();
    let removals: Vec<Value> =
        (0..own_init).map(|_| json!({ "operation": "remove", "path": "/spec/initContainers/1" })).collect();
    let merge = merge_patch(pod, restored);
    tried(pod, &removals, &merge)?;
    let merge = serde_json::to_string(&merge).map_err(|error| error.to_string())?;
    let mut rules = Vec::new();
    if !removals.is_empty() {
        rules.push(json!({ "conditions": conditions, "patches": removals }));
    }
    rules.push(json!({ "conditions": conditions, "mergePatches": [{ "patchData": merge }] }));
    Ok(rules)
}

fn merge_patch(pod: &Object, restored: &BTreeSet<&str>) -> Value {
    let containers = pod.list_at("/spec/containers");
    let first = containers.first();
    let volumes: Vec<&Value> = pod
        .list_at("/spec/volumes")
        .iter()
        .filter(|volume| volume.pointer("/persistentVolumeClaim/claimName").is_some())
        .filter(|volume| volume.get("name").and_then(Value::as_str).is_some_and(|name| restored.contains(name)))
        .collect();
    let mut container = json!({
        "name": CONTAINER,
        "image": first.and_then(|container| container.get("image")),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
    });
    for field in ["securityContext", "resources"] {
        if let (Some(value), Some(map)) = (first.and_then(|first| first.get(field)), container.as_object_mut()) {
            map.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = cut_off();
    let affinity = pod.at("/spec/affinity/nodeAffinity").map_or(Value::Null, |node| json!({ "nodeAffinity": node }));
    json_patch::merge(
        &mut spec,
        &json!({
            "containers": [container],
            "volumes": volumes,
            "serviceAccount": Value::Null,
            "terminationGracePeriodSeconds": 0,
        }),
    );
    // A merge patch removes by null; `merge` above would have dropped the nulls themselves.
    if let Some(map) = spec.as_object_mut() {
        for field in [
            "serviceAccount",
            "topologySpreadConstraints",
            "priorityClassName",
            "readinessGates",
            "hostNetwork",
            "hostPID",
        ] {
            map.insert(field.to_owned(), Value::Null);
        }
        map.insert("affinity".to_owned(), affinity);
    }
    json!({
        "metadata": {
            "labels": { "velero.io/exclude-from-backup": "true" },
            "annotations": hook_annotations(pod),
        },
        "spec": spec,
    })
}

/// Restore hooks of the pod itself would run in the carrier; their annotations are taken off.
fn hook_annotations(pod: &Object) -> Value {
    let annotations = pod.at("/metadata/annotations").and_then(Value::as_object);
    let hooks =
        annotations.into_iter().flatten().map(|(key, _)| key).filter(|key| key.contains("hook.restore.velero.io"));
    hooks.map(|key| (key.clone(), Value::Null)).collect::<serde_json::Map<_, _>>().into()
}

/// Applies the rules to the pod as Velero will see it.
fn tried(pod: &Object, removals: &[Value], merge: &Value) -> Result<(), String> {
    let mut seen = pod.0.clone();
    let inits = seen.pointer_mut("/spec").and_then(Value::as_object_mut).ok_or("the archived pod has no spec")?;
    let list = inits.entry("initContainers").or_insert_with(|| json!([]));
    let list = list.as_array_mut().ok_or("its initContainers are no list")?;
    list.retain(|container| container.get("name").and_then(Value::as_str) != Some(RESTORE_WAIT));
    list.insert(0, json!({ "name": RESTORE_WAIT }));
    let operations = removals.iter().map(|removal| json!({ "op": "remove", "path": removal.get("path") }));
    let patch: json_patch::Patch =
        serde_json::from_value(operations.collect::<Vec<_>>().into()).map_err(|error| error.to_string())?;
    json_patch::patch(&mut seen, &patch).map_err(|error| error.to_string())?;
    json_patch::merge(&mut seen, merge);
    let seen = Object(seen);
    let names = |pointer: &str| -> Vec<String> {
        let list = seen.list_at(pointer).iter();
        list.filter_map(|container| container.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
    };
    if names("/spec/initContainers") != [RESTORE_WAIT] || names("/spec/containers") != [CONTAINER] {
        return Err("a container of the application would be left in it".to_owned());
    }
    Ok(())
}

/// Label sets, each of which an `orLabelSelectors` entry must match, so that the wanted pods come and the claims too.
///
/// None when something has no labels to be selected by; then everything comes, and every pod must be neutral.
pub(super) fn selectors(wanted: &[&Object]) -> Option<Vec<BTreeMap<String, String>>> {
    let mut selectors: Vec<BTreeMap<String, String>> = Vec::new();
    for object in wanted {
        let labels = object.labels();
        if labels.is_empty() {
            return None;
        }
        if !selectors.contains(&labels) {
            selectors.push(labels);
        }
    }
    Some(selectors)
}

/// Whether one of the selectors matches the object.
pub(super) fn selected(object: &Object, selectors: Option<&[BTreeMap<String, String>]>) -> bool {
    let labels = object.labels();
    selectors.is_none_or(|selectors| {
        selectors.iter().any(|selector| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
    })
}
