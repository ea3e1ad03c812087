//! Claims with their volumes, pods that mount them, and classes of snapshots.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{HELD, ours, path};
use crate::cmd;
use crate::diff::api::Api;
use crate::diff::generate::{Claim, Class, Mode, Mount, NAMESPACES, Pod, Source, State, Thing, World};

pub(super) fn class(api: &Api, class: &Class) -> Result<()> {
    let mark = |key: &str, value: Option<&str>| match value {
        Some(value) => json!({key: value}),
        None => json!({}),
    };
    let object = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": class.name,
            "labels": ours(&mark("velero.io/csi-volumesnapshot-class", class.labelled)),
            "annotations": mark("snapshot.storage.kubernetes.io/is-default-class", class.default)},
        "driver": class.driver, "deletionPolicy": "Delete"});
    api.create(&path("volumesnapshotclasses", None)?, &object).map(|_| ())
}

/// A claim's namespace and its index among those of the namespace.
type Placed<'a> = (&'static str, usize, &'a Claim);

fn placed(world: &World) -> Vec<Placed<'_>> {
    let of = NAMESPACES.into_iter().zip(&world.namespaces).flat_map(|(name, (_, things))| {
        let claims = things.iter().filter_map(|thing| match thing {
            Thing::Claim(claim) => Some(claim),
            Thing::Plain(..) | Thing::Account(..) | Thing::Pod(_) | Thing::Cluster(..) => None,
        });
        claims.enumerate().map(move |(index, claim)| (name, index, claim))
    });
    of.collect()
}

pub(super) fn claims(api: &Api, world: &World, groups: bool) -> Result<()> {
    let claims = placed(world);
    let bound = || claims.iter().filter(|(_, _, claim)| claim.state != State::Pending);
    let volumes = path("persistentvolumes", None)?;
    for (namespace, index, claim) in bound() {
        api.create(&volumes, &volume(namespace, *index, claim))?;
    }
    // A claim that comes before its volume is Available waits for the controller's next round, 15 s later.
    for (namespace, index, _) in bound() {
        phase(api, &format!("{volumes}/pv-{namespace}-{index}"), "Available")?;
    }
    for (namespace, index, claim) in &claims {
        make(api, namespace, *index, claim, groups)?;
    }
    for (namespace, index, claim) in bound() {
        let claim_path = format!("{}/c{index}", path("persistentvolumeclaims", Some(namespace))?);
        phase(api, &claim_path, "Bound")?;
        if claim.state == State::Lost {
            let volume = format!("{volumes}/pv-{namespace}-{index}");
            api.delete(&volume)?;
            api.patch(&volume, &json!({"metadata": {"finalizers": null}}))?;
            phase(api, &claim_path, "Lost")?;
        }
        if claim.dying {
            api.delete(&claim_path)?;
        }
    }
    Ok(())
}

fn phase(api: &Api, path: &str, wanted: &str) -> Result<()> {
    cmd::wait(&format!("{path} to be {wanted}"), Duration::from_secs(40), || {
        let found = api.get(path)?;
        Ok((found.pointer("/status/phase").and_then(Value::as_str) == Some(wanted)).then_some(()))
    })
}

fn source(source: Source, handle: &str) -> Value {
    match source {
        Source::Csi => json!({"csi": {"driver": "csi.example.com", "volumeHandle": handle,
            "volumeAttributes": {"zone": "x", "other": "y"}}}),
        Source::OtherCsi => json!({"csi": {"driver": "other.example.com", "volumeHandle": handle}}),
        Source::Nfs => json!({"nfs": {"server": "files", "path": "/"}}),
        Source::HostPath => json!({"hostPath": {"path": "/srv"}}),
        Source::Local => json!({"local": {"path": "/srv"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "agent", "operator": "Exists"}]}]}}}),
        Source::Ebs => json!({"awsElasticBlockStore": {"volumeID": handle, "fsType": "ext4"}}),
        Source::Iscsi => {
            json!({"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0}})
        }
    }
}

fn shape(index: usize, claim: &Claim) -> (&'static str, Value, &'static str) {
    let size = if index.is_multiple_of(2) { "1Gi" } else { "3Gi" };
    let modes = if claim.shared { json!(["ReadWriteOnce", "ReadWriteMany"]) } else { json!(["ReadWriteOnce"]) };
    // A host path or a file share is no device.
    let device = claim.mode == Mode::Block && matches!(claim.source, Source::Csi | Source::OtherCsi | Source::Iscsi);
    (size, modes, if device { "Block" } else { "Filesystem" })
}

fn volume(namespace: &str, index: usize, claim: &Claim) -> Value {
    let name = format!("pv-{namespace}-{index}");
    let mut spec = source(claim.source, &name);
    let (size, modes, mode) = shape(index, claim);
    if let Value::Object(spec) = &mut spec {
        spec.insert("capacity".to_owned(), json!({"storage": size}));
        spec.insert("accessModes".to_owned(), modes);
        spec.insert("volumeMode".to_owned(), json!(mode));
        spec.insert("persistentVolumeReclaimPolicy".to_owned(), json!("Retain"));
        spec.insert("claimRef".to_owned(), json!({"namespace": namespace, "name": format!("c{index}")}));
        spec.insert("storageClassName".to_owned(), json!(claim.class.unwrap_or("")));
    }
    json!({"metadata": {"name": name, "labels": ours(&claim.volume_labels)}, "spec": spec})
}

fn make(api: &Api, namespace: &str, index: usize, claim: &Claim, groups: bool) -> Result<()> {
    let annotations = claim.annotation.map(|class| json!({"velero.io/csi-volumesnapshot-class": class}));
    let (size, modes, mode) = shape(index, claim);
    let mut spec = json!({"accessModes": modes, "volumeMode": mode, "resources": {"requests": {"storage": size}}});
    if let Value::Object(spec) = &mut spec {
        if let Some(class) = claim.class {
            spec.insert("storageClassName".to_owned(), json!(class));
        }
        if claim.state != State::Pending {
            spec.insert("volumeName".to_owned(), json!(format!("pv-{namespace}-{index}")));
        }
    }
    let mut labels = ours(&claim.labels);
    if let (Value::Object(labels), true) = (&mut labels, groups && claim.grouped) {
        labels.insert("velero.io/volume-group".to_owned(), json!("g"));
    }
    let finalizers = if claim.dying { json!([HELD]) } else { json!([]) };
    let metadata =
        json!({"name": format!("c{index}"), "labels": labels, "annotations": annotations, "finalizers": finalizers});
    let claims = path("persistentvolumeclaims", Some(namespace))?;
    api.create(&claims, &json!({"metadata": metadata, "spec": spec})).map(|_| ())
}

/// The volumes of a pod that are not of claims.
fn other(name: &str) -> Value {
    let source = match name {
        "cache" | "default-token-x" => json!({"emptyDir": {}}),
        "host" => json!({"hostPath": {"path": "/srv"}}),
        "conf" => json!({"configMap": {"name": "none", "optional": true}}),
        "proj" => json!({"projected": {"sources": [{"downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]}}),
        "down" => json!({"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
        "inline" => json!({"csi": {"driver": "csi.example.com"}}),
        "share" => json!({"nfs": {"server": "files", "path": "/"}}),
        "eph" => json!({"ephemeral": {"volumeClaimTemplate": {
            "metadata": {"labels": ours(&json!({}))},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "resources": {"requests": {"storage": "1Gi"}}}}}}),
        _ => json!({"secret": {"secretName": "none", "optional": true}}),
    };
    let mut volume = source;
    if let Value::Object(volume) = &mut volume {
        volume.insert("name".to_owned(), json!(name));
    }
    volume
}

pub(super) fn pod(api: &Api, namespace: &str, index: usize, pod: &Pod, blocks: &[bool]) -> Result<()> {
    let name = format!("p-{index}");
    let of_claim = |claim: &usize| json!({"name": format!("c{claim}"), "persistentVolumeClaim": {"claimName": format!("c{claim}")}});
    let mut volumes: Vec<Value> = pod.claims.iter().map(of_claim).collect();
    volumes.extend(pod.others.iter().map(|name| other(name)));
    let (mut mounts, mut devices) = (Vec::new(), Vec::new());
    for name in volumes.iter().filter_map(|volume| volume.get("name")?.as_str()) {
        let claim = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        if claim.and_then(|claim| blocks.get(claim)).copied().unwrap_or(false) {
            devices.push(json!({"name": name, "devicePath": format!("/dev/{name}")}));
        } else {
            mounts.push(json!({"name": name, "mountPath": format!("/{name}")}));
        }
    }
    let user = json!({"image": "none", "volumeMounts": mounts, "volumeDevices": devices});
    let container = |name: &str, mounts: bool, always: bool| {
        let mut container = if mounts { user.clone() } else { json!({"image": "none"}) };
        if let Value::Object(container) = &mut container {
            container.insert("name".to_owned(), json!(name));
            if always {
                container.insert("restartPolicy".to_owned(), json!("Always"));
            }
        }
        container
    };
    let init = match pod.mount {
        Mount::Main | Mount::Nobody => json!([]),
        Mount::Init => json!([container("before", true, false)]),
        Mount::Sidecar => json!([container("beside", true, true)]),
    };
    let annotations = json!({"backup.velero.io/backup-volumes": pod.opt_in,
        "backup.velero.io/backup-volumes-excludes": pod.opt_out});
    let mut annotations = annotations.as_object().cloned().unwrap_or_default();
    annotations.retain(|_, value| !value.is_null());
    let mut spec = json!({"automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
        "initContainers": init, "containers": [container("main", pod.mount == Mount::Main, false)],
        "volumes": volumes});
    if let Value::Object(spec) = &mut spec {
        if let Some(node) = pod.node {
            spec.insert("nodeName".to_owned(), json!(node));
        }
        if let Some(priority) = pod.priority {
            spec.insert("priorityClassName".to_owned(), json!(priority));
        }
    }
    let pods = path("pods", Some(namespace))?;
    let finalizers = if pod.dying { json!([HELD]) } else { json!([]) };
    let metadata =
        json!({"name": name, "labels": ours(&pod.labels), "annotations": annotations, "finalizers": finalizers});
    api.create(&pods, &json!({"metadata": metadata, "spec": spec}))?;
    if pod.phase != "Pending" {
        api.patch(&format!("{pods}/{name}/status"), &json!({"status": {"phase": pod.phase}}))?;
    }
    if pod.dying {
        api.delete(&format!("{pods}/{name}"))?;
    }
    Ok(())
}

/// For each claim of a namespace, whether it is a device.
pub(super) fn blocks(things: &[Thing]) -> Vec<bool> {
    let claims = things.iter().filter_map(|thing| match thing {
        Thing::Claim(claim) => Some(claim),
        Thing::Plain(..) | Thing::Account(..) | Thing::Pod(_) | Thing::Cluster(..) => None,
    });
    claims.enumerate().map(|(index, claim)| shape(index, claim).2 == "Block").collect()
}
