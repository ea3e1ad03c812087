//! Brings a generated world about on the API server, and takes it away again.

mod volumes;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::api::Api;
use super::generate::{NAMESPACES, Thing, World};
use crate::cmd;

/// Lists and objects of the types that worlds are made of.
const NAMESPACED: &[(&str, &str)] = &[
    ("pods", "/api/v1"),
    ("persistentvolumeclaims", "/api/v1"),
    ("configmaps", "/api/v1"),
    ("secrets", "/api/v1"),
    ("services", "/api/v1"),
    ("serviceaccounts", "/api/v1"),
    ("deployments", "/apis/apps/v1"),
    ("statefulsets", "/apis/apps/v1"),
    ("replicasets", "/apis/apps/v1"),
    ("controllerrevisions", "/apis/apps/v1"),
    ("jobs", "/apis/batch/v1"),
    ("widgets", "/apis/example.com/v1"),
    ("volumesnapshots", "/apis/snapshot.storage.k8s.io/v1"),
];
const CLUSTER: &[(&str, &str)] = &[
    ("namespaces", "/api/v1"),
    ("persistentvolumes", "/api/v1"),
    ("clusterroles", "/apis/rbac.authorization.k8s.io/v1"),
    ("clusterrolebindings", "/apis/rbac.authorization.k8s.io/v1"),
    ("storageclasses", "/apis/storage.k8s.io/v1"),
    ("gizmos", "/apis/example.com/v1"),
    ("volumesnapshotclasses", "/apis/snapshot.storage.k8s.io/v1"),
    ("volumesnapshotcontents", "/apis/snapshot.storage.k8s.io/v1"),
];
/// On every object of a world.
const OURS: (&str, &str) = ("kubectl-dr-diff", "world");
/// A finalizer: what is deleted with it stays, and is being deleted.
const HELD: &str = "example.com/held";

fn base(of: &str) -> Result<(&'static str, &'static str)> {
    let plural = of.split('.').next().unwrap_or(of);
    let all = NAMESPACED.iter().chain(CLUSTER);
    all.copied().find(|(name, _)| *name == plural).with_context(|| format!("no path for {of}"))
}

fn path(of: &str, namespace: Option<&str>) -> Result<String> {
    let (plural, base) = base(of)?;
    Ok(match namespace {
        Some(namespace) => format!("{base}/namespaces/{namespace}/{plural}"),
        None => format!("{base}/{plural}"),
    })
}

/// What every world stands on: the kinds of our own, classes of storage, a priority.
pub(crate) fn ground(api: &Api, apply: impl Fn(&str) -> Result<()>) -> Result<()> {
    let definition = |kind: &str, plural: &str, short: &str, scope: &str| {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": scope,
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "shortNames": [short]},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
    };
    let items = vec![
        definition("Widget", "widgets", "wg", "Namespaced"),
        definition("Gizmo", "gizmos", "gz", "Cluster"),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
            "provisioner": "csi.example.com"}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "other"},
            "provisioner": "other.example.com"}),
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "urgent"}, "value": 7}),
    ];
    apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    for name in NAMESPACES {
        api.ensure("/api/v1/namespaces", &json!({"metadata": {"name": name}}))?;
    }
    cmd::wait("service accounts of the namespaces", Duration::from_secs(30), || {
        for name in NAMESPACES {
            api.get(&format!("/api/v1/namespaces/{name}/serviceaccounts/default"))?;
        }
        Ok(Some(()))
    })
}

fn ours(labels: &Value) -> Value {
    let mut labels = labels.clone();
    if let Value::Object(labels) = &mut labels {
        labels.insert(OURS.0.to_owned(), json!(OURS.1));
    }
    labels
}

/// `groups`: claims may carry the label of a volume group.
pub(crate) fn make(api: &Api, world: &World, groups: bool) -> Result<()> {
    for class in &world.classes {
        volumes::class(api, class)?;
    }
    volumes::claims(api, world, groups)?;
    for (name, (labels, things)) in NAMESPACES.iter().zip(&world.namespaces) {
        let keep = |key: &str| labels.get(key).cloned().unwrap_or(Value::Null);
        let labels = json!({"app": keep("app"), "tier": keep("tier"),
            "velero.io/exclude-from-backup": keep("velero.io/exclude-from-backup")});
        api.patch(&format!("/api/v1/namespaces/{name}"), &json!({"metadata": {"labels": labels}}))?;
        let blocks = volumes::blocks(things);
        for (index, thing) in things.iter().enumerate() {
            match thing {
                Thing::Plain(of, labels, dying) => plain(api, name, index, of, labels, *dying)?,
                Thing::Account(labels, bound) => account(api, name, index, labels, *bound)?,
                Thing::Pod(pod) => volumes::pod(api, name, index, pod, &blocks)?,
                Thing::Claim(_) | Thing::Cluster(..) => {}
            }
        }
    }
    if let Some(labels) = &world.going {
        let spaces = path("namespaces", None)?;
        api.create(&spaces, &json!({"metadata": {"name": "going", "labels": ours(labels), "finalizers": [HELD]}}))?;
        plain(api, "going", 0, "configmaps", labels, true)?;
        api.delete(&format!("{spaces}/going"))?;
    }
    for (index, thing) in world.cluster.iter().enumerate() {
        if let Thing::Cluster(of, labels) = thing {
            cluster(api, index, of, labels)?;
        }
    }
    Ok(())
}

fn plain(api: &Api, namespace: &str, index: usize, of: &str, labels: &Value, dying: bool) -> Result<()> {
    let template = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "c", "image": "none"}],
        "restartPolicy": if of == "jobs.batch" { "Never" } else { "Always" }}});
    let workload = json!({"replicas": 0, "selector": {"matchLabels": {"x": "y"}}, "template": template});
    let (kind, version, spec) = match of {
        "configmaps" => ("ConfigMap", "v1", Value::Null),
        "secrets" => ("Secret", "v1", Value::Null),
        "services" => ("Service", "v1", json!({"ports": [{"port": 80}]})),
        "deployments.apps" => ("Deployment", "apps/v1", workload),
        "statefulsets.apps" => ("StatefulSet", "apps/v1", workload),
        "jobs.batch" => ("Job", "batch/v1", json!({"suspend": true, "template": template})),
        "widgets.example.com" => ("Widget", "example.com/v1", Value::Null),
        "volumesnapshots.snapshot.storage.k8s.io" => {
            ("VolumeSnapshot", "snapshot.storage.k8s.io/v1", json!({"source": {"volumeSnapshotContentName": "none"}}))
        }
        other => bail!("no object of type {other}"),
    };
    let prefix = of.get(..1).unwrap_or("x");
    let name = format!("{prefix}-{index}");
    let mut object = json!({"apiVersion": version, "kind": kind,
        "metadata": {"name": name, "labels": ours(labels), "finalizers": if dying { json!([HELD]) } else { json!([]) }}});
    if let (Value::Object(object), false) = (&mut object, spec.is_null()) {
        object.insert("spec".to_owned(), spec);
    }
    let path = path(of, Some(namespace))?;
    api.create(&path, &object)?;
    if dying { api.delete(&format!("{path}/{name}")) } else { Ok(()) }
}

fn account(api: &Api, namespace: &str, index: usize, labels: &Value, bound: bool) -> Result<()> {
    let name = format!("sa-{index}");
    let path = path("serviceaccounts", Some(namespace))?;
    api.create(&path, &json!({"metadata": {"name": name, "labels": ours(labels)}}))?;
    if !bound {
        return Ok(());
    }
    let role = format!("role-{namespace}-{index}");
    let (roles, bindings) = (self::path("clusterroles", None)?, self::path("clusterrolebindings", None)?);
    api.create(&roles, &json!({"metadata": {"name": role, "labels": ours(&json!({}))}, "rules": []}))?;
    api.create(
        &bindings,
        &json!({"metadata": {"name": format!("binds-{namespace}-{index}"), "labels": ours(&json!({}))},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}),
    )?;
    Ok(())
}

fn cluster(api: &Api, index: usize, of: &str, labels: &Value) -> Result<()> {
    let metadata = json!({"name": format!("{}-{index}", of.get(..1).unwrap_or("x")), "labels": ours(labels)});
    let object = match of {
        "gizmos.example.com" => json!({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": metadata}),
        "persistentvolumes" => json!({"metadata": metadata, "spec": {"capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"], "nfs": {"server": "files", "path": "/free"}, "storageClassName": "unused"}}),
        "clusterroles.rbac.authorization.k8s.io" => json!({"metadata": metadata, "rules": []}),
        "storageclasses.storage.k8s.io" => json!({"metadata": metadata, "provisioner": "none.example.com"}),
        other => bail!("no object of type {other}"),
    };
    api.create(&path(of, None)?, &object)?;
    Ok(())
}

/// Takes away everything of the world that was, and waits until it is gone.
pub(crate) fn clear(api: &Api) -> Result<()> {
    let selector = format!("?labelSelector={}%3D{}", OURS.0, OURS.1);
    cmd::wait("the world to be gone", Duration::from_secs(60), || {
        let mut left = 0;
        for (plural, base) in NAMESPACED.iter().chain(CLUSTER) {
            // Snapshots and what controllers made carry no label of ours.
            let all = matches!(*plural, "volumesnapshots" | "volumesnapshotcontents" | "replicasets");
            let found = api.get(&format!("{base}/{plural}{}", if all { "" } else { &selector }))?;
            for item in found.get("items").and_then(Value::as_array).into_iter().flatten() {
                left += 1;
                remove(api, plural, base, item)?;
            }
        }
        Ok((left == 0).then_some(()))
    })
}

fn remove(api: &Api, plural: &str, base: &str, item: &Value) -> Result<()> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    let path = match text("/metadata/namespace") {
        Some(namespace) => format!("{base}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{base}/{plural}/{name}"),
    };
    if text("/metadata/deletionTimestamp").is_none() {
        api.delete(&path)?;
    }
    let held = item.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    if held {
        // Gone in between is as good.
        let _ = api.patch(&path, &json!({"metadata": {"finalizers": null}}));
    }
    Ok(())
}
