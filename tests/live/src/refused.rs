//! Commands that are refused, and what stands in their way for the length of one case.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::{Value, json};

use crate::{Node, Shop, state, until};

/// The command ends with 3, says all of this, and neither the namespace nor Velero has seen anything of it.
pub fn refused(shop: &Shop<'_>, args: &[&str], says: &[&str]) {
    let (before, recorded) = (state(shop.node, &shop.namespace), shop.recorded());
    let ended = shop.node.dr(args).exits(3);
    let ended = says.iter().fold(ended, |ended, text| ended.says(text));
    assert_eq!(state(shop.node, &shop.namespace), before, "{args:?}");
    assert_eq!(shop.recorded(), recorded, "{args:?}\n{}", ended.told());
    assert!(shop.staging().is_empty(), "{args:?}");
}

pub fn refuses(shop: &Shop<'_>, says: &[&str]) {
    refused(shop, &["restore", "--ns", &shop.namespace, "--yes"], says);
}

pub fn refuses_from(shop: &Shop<'_>, backup: &str, says: &[&str]) {
    refused(shop, &["restore", "--ns", &shop.namespace, "--yes", "--from", backup], says);
}

/// Puts an object back as it was, whatever happens meanwhile.
pub struct PutBack<'n> {
    node: &'n Node,
    object: Value,
}

impl<'n> PutBack<'n> {
    pub fn keep(node: &'n Node, what: &[&str]) -> Self {
        let mut object = node.get(what);
        assert!(object.is_object(), "there is no {what:?}");
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            metadata.remove(field);
        }
        Self { node, object }
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        let file = self.node.home().join("put-back.json");
        fs::write(&file, self.object.to_string()).expect("write an object");
        self.node.try_kubectl(&["replace", "--force", "-f", &file.to_string_lossy()]);
    }
}

/// Objects that are there for the length of one case.
pub struct There<'n> {
    node: &'n Node,
    objects: Vec<Vec<String>>,
}

impl<'n> There<'n> {
    pub fn new(node: &'n Node) -> Self {
        Self { node, objects: Vec::new() }
    }

    pub fn add(&mut self, object: &Value) -> &mut Self {
        self.node.apply(&object.to_string());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group =
            text(&object["apiVersion"]).split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
        let kind = text(&object["kind"]).to_lowercase();
        let mut named = vec![format!("{kind}{group}"), text(&object["metadata"]["name"])];
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            named.extend(["-n".to_owned(), namespace.to_owned()]);
        }
        self.objects.insert(0, named);
        self
    }

    /// A kind of somebody else's, as a CRD that takes anything. It stays: Velero knows a kind for up to five minutes
    /// after it is gone, and every backup meanwhile is `PartiallyFailed`, whoever made it.
    pub fn kind(&mut self, group: &str, version: &str, kind: &str, plural: &str) -> &mut Self {
        let name = format!("{plural}.{group}");
        let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": name },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
            },
        });
        self.node.apply(&definition.to_string());
        self.node.kubectl(&["wait", "--for=condition=established", &format!("crd/{name}"), "--timeout=60s"]);
        until("the kind is served", 60, || self.node.try_kubectl(&["get", &name, "-A"]).status.success().then_some(()));
        self
    }
}

impl Drop for There<'_> {
    fn drop(&mut self) {
        for named in &self.objects {
            let args: Vec<&str> = ["delete", "--ignore-not-found", "--timeout=60s"]
                .into_iter()
                .chain(named.iter().map(String::as_str))
                .collect();
            self.node.try_kubectl(&args);
        }
    }
}

pub fn object(api_version: &str, kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    })
}

/// A change of an object of Velero's that is there only for the length of one case.
pub fn with_status(shop: &Shop<'_>, what: &str, name: &str, status: &Value, case: impl FnOnce()) {
    let patch = |status: &Value| {
        let patch = json!({ "status": status }).to_string();
        shop.node.kubectl(&["patch", what, name, "-n", "velero", "--type=merge", "-p", &patch]);
    };
    let now = shop.node.get(&[what, name, "-n", "velero"]);
    let mut before = json!({});
    for (field, _) in status.as_object().expect("fields") {
        before[field] = now["status"][field].clone();
    }
    patch(status);
    let ended = catch_unwind(AssertUnwindSafe(case));
    patch(&before);
    if let Err(reason) = ended {
        resume_unwind(reason);
    }
}

pub fn scale_to(node: &Node, namespace: &str, deployment: &str, replicas: u32) {
    node.kubectl(&["scale", "-n", namespace, deployment, &format!("--replicas={replicas}")]);
}
