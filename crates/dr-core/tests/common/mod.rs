//! A cluster at noon with Velero and nothing else, for every test of this crate.

use std::collections::BTreeMap;

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use serde_json::{Value, json};

pub fn empty() -> Facts {
    Facts {
        format: 1,
        taken: "2026-01-02T12:00:00Z".parse().unwrap(),
        context: "test".into(),
        server: "https://127.0.0.1:6443".into(),
        server_version: "v1.34.2".into(),
        cluster_uid: "cluster".into(),
        namespace: "shop".into(),
        velero_namespace: "velero".into(),
        objects: Kind::ALL.iter().map(|kind| (*kind, Listed::Objects(Vec::new()))).collect(),
        documents: BTreeMap::new(),
    }
}

/// Adds an object; without a namespace of its own a namespaced one is in `shop`.
pub fn push(facts: &mut Facts, kind: Kind, mut value: Value) {
    if kind.info().namespaced && value["metadata"]["namespace"].is_null() {
        value["metadata"]["namespace"] = json!("shop");
    }
    if let Some(Listed::Objects(list)) = facts.objects.get_mut(&kind) {
        list.push(Object(value));
    }
}
