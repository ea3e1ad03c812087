//! Everything of a namespace that a restore could leave changed, for comparing before and after.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Node, eventually};

/// By `kind/name`: labels, annotations and spec, without what the server writes by itself.
pub fn state(node: &Node, namespace: &str) -> BTreeMap<String, Value> {
    const KINDS: &str = "statefulsets,deployments,daemonsets,cronjobs,jobs,services,configmaps,secrets,serviceaccounts,\
                         networkpolicies,persistentvolumeclaims,poddisruptionbudgets,horizontalpodautoscalers,\
                         resourcequotas,limitranges,roles,rolebindings";
    let mut state = BTreeMap::new();
    let list = node.get(&[KINDS, "-n", namespace]);
    for item in list["items"].as_array().into_iter().flatten() {
        let key =
            format!("{}/{}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"].as_str().unwrap_or("?"));
        let mut kept = Map::new();
        kept.insert("labels".into(), item["metadata"]["labels"].clone());
        kept.insert("annotations".into(), item["metadata"]["annotations"].clone());
        for field in ["spec", "data"] {
            kept.insert(field.into(), item[field].clone());
        }
        if item["kind"] == "PersistentVolumeClaim" {
            kept.insert("owners".into(), item["metadata"]["ownerReferences"].clone());
            let volume = node.get(&["pv", item["spec"]["volumeName"].as_str().unwrap_or("-")]);
            kept.insert("volume labels".into(), volume["metadata"]["labels"].clone());
            kept.insert("reclaim policy".into(), volume["spec"]["persistentVolumeReclaimPolicy"].clone());
        }
        state.insert(key, kept.into());
    }
    let namespace_object = node.get(&["namespace", namespace]);
    let mut kept = Map::new();
    kept.insert("labels".into(), namespace_object["metadata"]["labels"].clone());
    kept.insert("annotations".into(), namespace_object["metadata"]["annotations"].clone());
    state.insert(format!("Namespace/{namespace}"), kept.into());
    state
}

/// Panics unless the namespace is as it was, as soon as its controllers have come to rest.
pub fn expect_state(node: &Node, namespace: &str, before: &BTreeMap<String, Value>) {
    eventually("the state of before", 60, || {
        let now = state(node, namespace);
        let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let changed: Vec<String> = names
            .into_iter()
            .filter(|name| before.get(*name) != now.get(*name))
            .map(|name| format!("{name}\n  was {}\n  is  {}", told(before.get(name)), told(now.get(name))))
            .collect();
        if changed.is_empty() { Ok(()) } else { Err(changed.join("\n")) }
    });
}

fn told(object: Option<&Value>) -> String {
    object.map_or_else(|| "not there".to_owned(), Value::to_string)
}
