//! A real API server without nodes, with as many objects as large namespaces have.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cmd;
use crate::diff::api::Api;
use crate::diff::bench::VELERO;

const DRIVER: &str = "csi.example.com";
const AT_ONCE: usize = 8;

/// What there is of one namespace.
pub(super) struct Namespace {
    pub(super) name: String,
    /// Each with its volume and a pod that mounts it.
    pub(super) claims: usize,
    /// Beside those.
    pub(super) others: usize,
}

pub(super) fn core(namespace: &str, plural: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{plural}")
}

pub(super) fn velero(plural: &str) -> String {
    format!("/apis/velero.io/v1/namespaces/{VELERO}/{plural}")
}

/// What a cluster has by which volumes are captured: a class, a driver, and Velero's own Deployment to read.
pub(super) fn storage(api: &Api) -> Result<()> {
    let class = json!({ "metadata": { "name": "csi" }, "provisioner": DRIVER });
    api.ensure("/apis/storage.k8s.io/v1/storageclasses", &class)?;
    api.ensure("/apis/storage.k8s.io/v1/csidrivers", &json!({ "metadata": { "name": DRIVER }, "spec": {} }))?;
    let class = json!({ "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": { "name": "snap", "labels": { "velero.io/csi-volumesnapshot-class": "true" } },
        "driver": DRIVER, "deletionPolicy": "Delete" });
    api.ensure("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", &class)?;
    let server = json!({ "metadata": { "name": "velero" }, "spec": {
        "selector": { "matchLabels": { "component": "velero" } },
        "template": { "metadata": { "labels": { "component": "velero" } }, "spec": { "containers": [
            { "name": "velero", "image": "velero/velero:v1.18.3", "command": ["/velero"], "args": ["server", "--features=EnableCSI"] },
        ] } },
    } });
    api.ensure(&format!("/apis/apps/v1/namespaces/{VELERO}/deployments"), &server)
}

/// What is there already stays.
pub(super) fn fill(api: &Api, namespaces: &[Namespace]) -> Result<()> {
    for Namespace { name, .. } in namespaces {
        api.ensure("/api/v1/namespaces", &json!({ "metadata": { "name": name } }))?;
    }
    let numbered = |space: &Namespace| (0..space.claims.max(space.others)).collect::<Vec<_>>();
    let all: Vec<(&Namespace, usize)> =
        namespaces.iter().flat_map(|space| numbered(space).into_iter().map(move |number| (space, number))).collect();
    thread::scope(|scope| {
        let part = |part: &[(&Namespace, usize)]| part.iter().try_for_each(|(space, number)| one(api, space, *number));
        let parts = all.chunks(all.len().div_ceil(AT_ONCE).max(1));
        let workers: Vec<_> = parts.map(|objects| scope.spawn(move || part(objects))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker ended"))?)
    })?;
    for Namespace { name, .. } in namespaces {
        let bound = || -> Result<Option<()>> {
            let claims = api.get(&core(name, "persistentvolumeclaims"))?;
            let claims = claims.get("items").and_then(Value::as_array).context("no claims")?;
            let open =
                claims.iter().filter(|claim| claim.pointer("/status/phase").and_then(Value::as_str) != Some("Bound"));
            Ok((open.count() == 0).then_some(()))
        };
        cmd::wait(&format!("the claims of {name} are bound"), Duration::from_secs(300), bound)?;
    }
    Ok(())
}

fn one(api: &Api, space: &Namespace, number: usize) -> Result<()> {
    let namespace = &space.name;
    let name = claim(number);
    if number < space.claims {
        let of = format!("{namespace}-{name}");
        let volume = json!({ "metadata": { "name": of }, "spec": {
            "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "csi",
            "persistentVolumeReclaimPolicy": "Retain", "csi": { "driver": DRIVER, "volumeHandle": of },
            "claimRef": { "namespace": namespace, "name": name },
        } });
        api.ensure("/api/v1/persistentvolumes", &volume)?;
        let claim = json!({ "metadata": { "name": name }, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "csi", "volumeName": of,
            "resources": { "requests": { "storage": "1Gi" } },
        } });
        api.ensure(&core(namespace, "persistentvolumeclaims"), &claim)?;
        let pod = json!({ "metadata": { "name": name, "labels": { "app": name } }, "spec": {
            "containers": [{ "name": "main", "image": "example.com/app:1",
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": name } }],
        } });
        api.ensure(&core(namespace, "pods"), &pod)?;
    }
    if number < space.others {
        let other = json!({ "metadata": { "name": name }, "data": { "key": "value ".repeat(50) } });
        api.ensure(&core(namespace, "configmaps"), &other)?;
    }
    Ok(())
}

/// The name of a claim, and of its pod.
pub(super) fn claim(number: usize) -> String {
    format!("n-{number}")
}

/// As Velero notes it of a volume of which it took a CSI snapshot.
pub(super) fn snapshot_info(namespace: &str, number: usize, taken: &str) -> Value {
    let name = claim(number);
    json!({
        "pvcName": name, "pvcNamespace": namespace, "pvName": format!("{namespace}-{name}"), "result": "succeeded",
        "backupMethod": "CSISnapshot", "snapshotDataMoved": false, "skipped": false, "startTimestamp": taken,
        "csiSnapshotInfo": { "driver": DRIVER, "snapshotHandle": format!("snap-{namespace}-{name}"),
            "size": 1 << 30, "vscName": format!("content-{namespace}-{name}"), "ReadyToUse": true },
    })
}
