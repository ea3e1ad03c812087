//! What stands in the way of a backup, and how each volume's data will be taken.

use dr_core::care::{self, Care};
use dr_core::engine::{self, Found};
use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use serde_json::Value;

use crate::backup::result::Method;

mod hooks;
mod server;

pub(crate) use hooks::{displaced, hooks};
pub(crate) use server::server;

/// The label that tells Velero which snapshot class of a driver to use.
const SNAPSHOT_CLASS: &str = "velero.io/csi-volumesnapshot-class";
/// The pod's annotations that name volumes to be copied, and not to be copied, as files.
const COPIED: &str = "backup.velero.io/backup-volumes";
const NOT_COPIED: &str = "backup.velero.io/backup-volumes-excludes";

/// What the user decided about the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A snapshot where the driver has a class for Velero, else a copy of the files.
    Best,
    FileSystem,
    Csi,
}

/// One claim, and how its data will be taken.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) claim: String,
    pub(crate) method: Method,
    /// The CSI driver of its volume.
    pub(crate) driver: Option<String>,
    /// The running pod that mounts it, with the engine in it.
    pub(crate) reader: Option<Reader>,
    /// The engine that keeps its data on it, as far as a backup has to know.
    pub(crate) engine: Option<Engine>,
    /// Its pod's annotation asks for a copy of its files, which Velero makes unless a policy says otherwise.
    pub(crate) opted_in: bool,
    /// Why its data cannot be taken this way.
    pub(crate) objection: Option<String>,
}

/// A running engine whose data is backed up.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) pod: Object,
    pub(crate) container: String,
    pub(crate) mount: String,
    pub(crate) care: &'static Care,
}

/// A running pod in which an engine profile can read the volume.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) pod: Object,
    pub(crate) found: Found,
}

/// Looks at the backup storage location.
pub(crate) fn location(facts: &Facts, wanted: Option<&str>) -> Result<String, Refusal> {
    let locations: Vec<&Object> = facts.of(Kind::BackupStorageLocation, &facts.velero_namespace)?.collect();
    let default = || {
        let marked = locations.iter().find(|location| location.bool_at("/spec/default") == Some(true));
        marked.or_else(|| locations.iter().find(|location| location.name() == "default"))
    };
    let found = match wanted {
        Some(name) => locations.iter().find(|location| location.name() == name),
        None => default(),
    };
    let known = || locations.iter().map(|location| location.name()).collect::<Vec<_>>().join(", ");
    let Some(location) = found else {
        let because = if locations.is_empty() {
            format!("Velero in {} has none", facts.velero_namespace)
        } else {
            format!("not found; there are: {}", known())
        };
        let subject = format!("backup storage location {}", wanted.unwrap_or("default"));
        return Err(Refusal::one(subject, because, "name one with --storage-location"));
    };
    let subject = format!("backup storage location {}", location.name());
    let look = format!("kubectl -n {} get bsl {} -o yaml", facts.velero_namespace, location.name());
    if location.str_at("/spec/accessMode") == Some("ReadOnly") {
        return Err(Refusal::one(subject, "it is read-only", "name another with --storage-location"));
    }
    match location.str_at("/status/phase") {
        Some("Available") => Ok(location.name().to_owned()),
        phase => {
            let message = location.str_at("/status/message").map(|text| format!(": {text}")).unwrap_or_default();
            let because = format!("it is {}{message}", phase.unwrap_or("of unknown state"));
            Err(Refusal::one(subject, because, look))
        }
    }
}

/// Every claim of the namespace, in order of name.
pub(crate) fn volumes(facts: &Facts, wish: Wish) -> Result<Vec<Volume>, Refusal> {
    let key = Key::cluster(Kind::Namespace, &facts.namespace);
    match facts.get(&key)? {
        None => {
            let subject = format!("namespace {}", facts.namespace);
            return Err(Refusal::one(subject, "it does not exist", "is this the right context?"));
        }
        Some(namespace) if namespace.is_terminating() => {
            let subject = format!("namespace {}", facts.namespace);
            return Err(Refusal::one(subject, "it is being deleted", "what is left of it is no application any more"));
        }
        Some(namespace) if namespace.label("velero.io/exclude-from-backup") == Some("true") => {
            let subject = format!("namespace {}", facts.namespace);
            let because = "its label velero.io/exclude-from-backup=true keeps it out of every backup";
            return Err(Refusal::one(subject, because, "remove the label first"));
        }
        Some(_) => {}
    }
    let mut volumes = Vec::new();
    for claim in facts.of(Kind::PersistentVolumeClaim, &facts.namespace)? {
        volumes.push(volume(facts, wish, claim)?);
    }
    follow_policy(&mut volumes);
    volumes.sort_by(|a, b| a.claim.cmp(&b.claim));
    Ok(volumes)
}

/// Where files are copied by default a policy names the drivers whose volumes are snapshotted, and it is stronger than a
/// pod's annotation (`internal/volumehelper/volume_policy_helper.go:ShouldPerformFSBackup` at v1.18.3).
fn follow_policy(volumes: &mut [Volume]) {
    let copied_by_default = volumes.iter().any(|volume| volume.method == Method::FileSystem && !volume.opted_in);
    if !copied_by_default {
        return;
    }
    let by_snapshot = volumes.iter().filter(|volume| volume.method == Method::CsiSnapshot);
    let drivers: Vec<Option<String>> = by_snapshot.map(|volume| volume.driver.clone()).collect();
    for volume in volumes.iter_mut().filter(|volume| volume.driver.is_some() && drivers.contains(&volume.driver)) {
        volume.method = Method::CsiSnapshot;
        volume.objection = None;
    }
}

fn volume(facts: &Facts, wish: Wish, claim: &Object) -> Result<Volume, Unread> {
    let bound = claim.str_at("/spec/volumeName");
    let volume = match bound {
        Some(name) => facts.get(&Key::cluster(Kind::PersistentVolume, name))?,
        None => None,
    };
    let driver = volume.and_then(|volume| volume.str_at("/spec/csi/driver")).map(str::to_owned);
    let snapshots = match &driver {
        Some(driver) => has_class(facts, driver)?,
        None => false,
    };
    let mounted = mounting(facts, claim.name())?;
    let annotated = |key| mounted.as_ref().is_some_and(|(pod, volume)| names(pod, key, volume));
    let opted_in = annotated(COPIED);
    let method = match wish {
        Wish::Csi => Method::CsiSnapshot,
        Wish::Best if snapshots && !opted_in => Method::CsiSnapshot,
        Wish::Best | Wish::FileSystem => Method::FileSystem,
    };
    let reader = mounted.as_ref().and_then(|(pod, volume)| {
        let found = engine::find(pod, volume)?;
        Some(Reader { pod: (*pod).clone(), found })
    });
    let engine = mounted.as_ref().and_then(|(pod, volume)| {
        let (care, container, mount) = care::find(pod, volume)?;
        Some(Engine { pod: (*pod).clone(), container: container.to_owned(), mount: mount.to_owned(), care })
    });
    let objection = match method {
        _ if volume.is_none() => Some("the claim has no volume yet".to_owned()),
        Method::CsiSnapshot => match &driver {
            None => Some("its volume is not of a CSI driver".to_owned()),
            Some(driver) if !snapshots => {
                Some(format!("driver {driver} has no VolumeSnapshotClass labelled {SNAPSHOT_CLASS}=true"))
            }
            Some(_) => None,
        },
        Method::FileSystem => match &mounted {
            None => Some("no running pod mounts it, and node-agent copies only what is mounted".to_owned()),
            Some((pod, _)) if !opted_in && annotated(NOT_COPIED) => {
                Some(format!("{NOT_COPIED} of pod {} names it", pod.name()))
            }
            Some((pod, _)) => node_agent(facts, pod)?,
        },
    };
    Ok(Volume { claim: claim.name().to_owned(), method, driver, reader, engine, opted_in, objection })
}

/// Whether the pod's annotation, a list with commas, names the volume.
fn names(pod: &Object, key: &str, volume: &str) -> bool {
    pod.annotation(key).is_some_and(|list| list.split(',').any(|name| name.trim() == volume))
}

fn has_class(facts: &Facts, driver: &str) -> Result<bool, Unread> {
    let mut classes = facts.all(Kind::VolumeSnapshotClass)?.iter();
    Ok(classes.any(|class| class.str_at("/driver") == Some(driver) && class.label(SNAPSHOT_CLASS) == Some("true")))
}

/// A running pod that mounts the claim, with the name of the pod's volume.
fn mounting<'a>(facts: &'a Facts, claim: &str) -> Result<Option<(&'a Object, String)>, Unread> {
    let running = facts
        .of(Kind::Pod, &facts.namespace)?
        .filter(|pod| pod.str_at("/status/phase") == Some("Running") && !pod.is_terminating());
    let named = |volume: &Value| {
        let by_claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(claim);
        by_claim.then(|| volume.get("name").and_then(Value::as_str).map(str::to_owned)).flatten()
    };
    let mut found = running.filter_map(|pod| Some((pod, pod.list_at("/spec/volumes").iter().find_map(named)?)));
    Ok(found.next())
}

/// Why node-agent cannot copy from the pod's node.
fn node_agent(facts: &Facts, pod: &Object) -> Result<Option<String>, Unread> {
    let node = pod.str_at("/spec/nodeName").unwrap_or_default();
    let ready = |agent: &&Object| {
        let is_agent = agent.label("name") == Some("node-agent") || agent.label("role") == Some("node-agent");
        is_agent && agent.str_at("/spec/nodeName") == Some(node) && is_ready(agent)
    };
    let there = facts.of(Kind::Pod, &facts.velero_namespace)?.any(|agent| ready(&agent));
    Ok((!there).then(|| format!("no ready node-agent runs on node {node}, where pod {} is", pod.name())))
}

fn is_ready(pod: &Object) -> bool {
    pod.list_at("/status/conditions").iter().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Ready")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// Refuses when nothing at all could be taken; what stays out otherwise is a warning and a truthful exit code.
pub(crate) fn objections(volumes: &[Volume]) -> Result<Vec<String>, Refusal> {
    let objecting = || volumes.iter().filter_map(|volume| Some((volume, volume.objection.as_ref()?)));
    if !volumes.is_empty() && objecting().count() == volumes.len() {
        let mut refusal = Refusal::default();
        for (volume, because) in objecting() {
            let hint = match volume.method {
                Method::FileSystem => "start a pod that mounts it, or take a snapshot with --csi",
                Method::CsiSnapshot => "label a VolumeSnapshotClass of its driver, or copy its files with --fs-backup",
            };
            refusal.add(format!("claim {}", volume.claim), because, hint);
        }
        return Err(refusal);
    }
    Ok(objecting().map(|(volume, because)| format!("claim {} stays out: {because}", volume.claim)).collect())
}

/// What is taken and may not open again as it was.
pub(crate) fn doubts(volumes: &[Volume]) -> Vec<String> {
    let doubt = |volume: &Volume| {
        let care = volume.engine.as_ref().filter(|_| volume.objection.is_none())?.care;
        let doubt = match volume.method {
            Method::FileSystem => care.files,
            Method::CsiSnapshot => care.snapshot,
        }?;
        Some(format!("claim {}: {}; {}", volume.claim, doubt.says, doubt.instead))
    };
    volumes.iter().filter_map(doubt).chain(displaced(volumes)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use dr_core::facts::Listed;
    use serde_json::json;

    use super::*;

    /// One CSI volume per claim, all of one driver with a class for Velero, mounted by one running pod.
    pub(in crate::backup::preflight) fn facts(claims: &[&str], annotations: &Value) -> Facts {
        let namespaced = |name: &str| json!({ "name": name, "namespace": "shop" });
        let claim = |name: &&str| {
            Object(json!({ "metadata": namespaced(name), "spec": { "volumeName": format!("pv-{name}") } }))
        };
        let volume = |name: &&str| {
            Object(json!({
                "metadata": { "name": format!("pv-{name}") }, "spec": { "csi": { "driver": "csi.test" } },
            }))
        };
        let mounts = claims.iter().map(|name| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
        let pod = json!({
            "metadata": { "name": "db-0", "namespace": "shop", "annotations": annotations },
            "spec": { "nodeName": "node1", "volumes": mounts.collect::<Vec<_>>() },
            "status": { "phase": "Running" },
        });
        let agent = json!({
            "metadata": { "name": "agent", "namespace": "velero", "labels": { "name": "node-agent" } },
            "spec": { "nodeName": "node1" },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        let class =
            json!({ "metadata": { "name": "csi", "labels": { SNAPSHOT_CLASS: "true" } }, "driver": "csi.test" });
        let objects = [
            (Kind::Namespace, vec![Object(json!({ "metadata": { "name": "shop" } }))]),
            (Kind::PersistentVolumeClaim, claims.iter().map(claim).collect()),
            (Kind::PersistentVolume, claims.iter().map(volume).collect()),
            (Kind::VolumeSnapshotClass, vec![Object(class)]),
            (Kind::Pod, vec![Object(pod), Object(agent)]),
        ];
        Facts {
            format: dr_core::facts::FORMAT,
            taken: jiff::Timestamp::UNIX_EPOCH,
            context: "test".into(),
            server: "https://test".into(),
            server_version: "v1.34.2".into(),
            cluster_uid: "uid".into(),
            namespace: "shop".into(),
            velero_namespace: "velero".into(),
            objects: objects.into_iter().map(|(kind, found)| (kind, Listed::Objects(found))).collect(),
            documents: std::collections::BTreeMap::new(),
        }
    }

    fn methods(facts: &Facts, wish: Wish) -> Vec<(String, Method, Option<String>)> {
        let found = volumes(facts, wish).unwrap();
        found.into_iter().map(|volume| (volume.claim, volume.method, volume.objection)).collect()
    }

    #[test]
    fn a_volume_that_its_pod_asks_to_be_copied_is_told_as_a_copy() {
        let facts = facts(&["data", "wal"], &json!({ COPIED: "data" }));
        let told = methods(&facts, Wish::Best);
        assert_eq!(told, [("data".into(), Method::FileSystem, None), ("wal".into(), Method::CsiSnapshot, None)]);
        let asked_for = methods(&facts, Wish::Csi);
        assert!(asked_for.iter().all(|(_, method, _)| *method == Method::CsiSnapshot), "{asked_for:?}");
    }

    #[test]
    fn a_volume_that_its_pod_keeps_out_of_file_copies_is_an_objection() {
        let facts = facts(&["data", "cache"], &json!({ NOT_COPIED: "tmp, cache" }));
        let because = format!("{NOT_COPIED} of pod db-0 names it");
        assert_eq!(
            methods(&facts, Wish::FileSystem),
            [("cache".into(), Method::FileSystem, Some(because)), ("data".into(), Method::FileSystem, None)]
        );
    }
}
