//! A Schedule as it is against the one that would be written: what is ours is put over it, everything else is kept.

use serde_json::{Map, Value};

/// What only the server writes.
const OF_SERVER: [&str; 6] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
/// What `kubectl apply` keeps to itself.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object without what the server and kubectl note down on it: what can be compared.
pub fn bare(object: &Value) -> Value {
    let mut bare = object.clone();
    if let Some(object) = bare.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in OF_SERVER {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    bare
}

/// `ours` put over `live`: a field that we do not name is kept, a list is replaced. Of hooks, which are told apart by
/// their names, those of others are kept too.
pub fn overlay(live: &Value, ours: &Value) -> Value {
    match (live, ours) {
        (Value::Object(live), Value::Object(ours)) => {
            let mut merged = live.clone();
            for (key, value) in ours {
                let value = live.get(key).map_or_else(|| value.clone(), |live| overlay(live, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(ours)) if is_named(live) && is_named(ours) => by_name(live, ours),
        (_, ours) => ours.clone(),
    }
}

fn is_named(list: &[Value]) -> bool {
    list.iter().all(|item| name(item).is_some())
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// One of ours takes the place of its namesake as a whole; order matters to Velero, so places are kept.
fn by_name(live: &[Value], ours: &[Value]) -> Value {
    let namesake = |item: &Value| ours.iter().find(|own| name(own) == name(item));
    let mut merged: Vec<Value> = live.iter().map(|item| namesake(item).unwrap_or(item).clone()).collect();
    let new = ours.iter().filter(|own| live.iter().all(|item| name(item) != name(own)));
    merged.extend(new.cloned());
    Value::Array(merged)
}

/// The JSON merge patch (RFC 7386) that makes `to` of `from`; none where they are equal.
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to {
        match from.get(key) {
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(before) => {
                if let Some(change) = merge_patch(before, value) {
                    patch.insert(key.clone(), change);
                }
            }
        }
    }
    Some(Value::Object(patch))
}

/// The fields in which two objects differ, as `kubectl explain` spells them, with the value before and after.
pub fn fields(from: &Value, to: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
    let mut found = Vec::new();
    differ(from, to, String::new(), &mut found);
    found
}

fn differ(from: &Value, to: &Value, at: String, found: &mut Vec<(String, Option<Value>, Option<Value>)>) {
    if from == to {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        found.push((at, Some(from.clone()), Some(to.clone())));
        return;
    };
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => differ(before, after, at, found),
            (before, after) => found.push((at, before.cloned(), after.cloned())),
        }
    }
}

/// The Schedule without the commands of the hooks that stay as they are: they are others', and may hold what no pattern
/// knows for a secret.
pub fn without_kept_commands(schedule: &Value, other: &Value) -> Value {
    const HOOKS: &str = "/spec/template/hooks/resources";
    let mut shown = schedule.clone();
    let kept = other.pointer(HOOKS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let hooks = shown.pointer_mut(HOOKS).and_then(Value::as_array_mut).into_iter().flatten();
    for hook in hooks.filter(|hook| kept.contains(hook)) {
        for phase in ["pre", "post"] {
            for step in hook.get_mut(phase).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(command) = step.pointer_mut("/exec/command") {
                    let words = command.as_array().map_or(1, Vec::len);
                    *command = Value::from(format!("({words} words, kept)"));
                }
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_we_do_not_name_is_kept_and_what_we_name_is_ours() {
        let live = json!({ "spec": { "paused": true, "template": { "ttl": "240h0m0s", "snapshotVolumes": false } } });
        let ours = json!({ "spec": { "template": { "snapshotVolumes": true, "includedNamespaces": ["shop"] } } });
        assert_eq!(
            overlay(&live, &ours),
            json!({ "spec": { "paused": true, "template": {
                "ttl": "240h0m0s", "snapshotVolumes": true, "includedNamespaces": ["shop"] } } })
        );
        let listed = overlay(&json!({ "includedNamespaces": ["a", "b"] }), &json!({ "includedNamespaces": ["shop"] }));
        assert_eq!(listed, json!({ "includedNamespaces": ["shop"] }));
    }

    #[test]
    fn hooks_of_others_keep_their_places_and_ours_take_their_namesakes() {
        let live = json!([{ "name": "theirs" }, { "name": "ours", "pre": ["old"], "post": ["old"] }]);
        let ours = json!([{ "name": "ours", "pre": ["new"] }, { "name": "more" }]);
        let merged = json!([{ "name": "theirs" }, { "name": "ours", "pre": ["new"] }, { "name": "more" }]);
        assert_eq!(overlay(&live, &ours), merged);
    }

    #[test]
    fn what_the_server_notes_down_is_no_difference() {
        let live = json!({ "metadata": { "name": "s", "uid": "1", "resourceVersion": "7", "managedFields": [],
            "annotations": { APPLIED: "{}" } }, "spec": {}, "status": { "phase": "Enabled" } });
        assert_eq!(bare(&live), json!({ "metadata": { "name": "s" }, "spec": {} }));
    }

    #[test]
    fn differences_are_told_by_field() {
        let before = json!({ "spec": { "schedule": "0 1 * * *", "template": { "ttl": "1h" } } });
        let after = json!({ "spec": { "schedule": "0 2 * * *", "template": { "hooks": {} } } });
        assert_eq!(
            fields(&before, &after),
            [
                ("spec.schedule".to_owned(), Some(json!("0 1 * * *")), Some(json!("0 2 * * *"))),
                ("spec.template.hooks".to_owned(), None, Some(json!({}))),
                ("spec.template.ttl".to_owned(), Some(json!("1h")), None),
            ]
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), "[a-c]".prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_one_of_the_other_and_its_undo_the_other_of_the_one(
            from in prop::collection::btree_map("[a-c]", values(), 0..4),
            to in prop::collection::btree_map("[a-c]", values(), 0..4),
        ) {
            let object = |map: std::collections::BTreeMap<String, Value>| Value::Object(map.into_iter().collect());
            let (from, to) = (object(from), object(to));
            let mut patched = from.clone();
            if let Some(patch) = merge_patch(&from, &to) {
                json_patch::merge(&mut patched, &patch);
            }
            prop_assert_eq!(&patched, &to);
            if let Some(undo) = merge_patch(&to, &from) {
                json_patch::merge(&mut patched, &undo);
            }
            prop_assert_eq!(patched, from);
        }

        #[test]
        fn what_is_aligned_stays_as_it_is(live in values(), ours in values()) {
            let once = overlay(&live, &ours);
            prop_assert_eq!(overlay(&once, &ours), once);
        }
    }
}
