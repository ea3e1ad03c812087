//! What stands in the way of a backup, and how each volume's data will be taken.

use dr_core::engine::{self, Found};
use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use serde_json::Value;

use crate::backup::result::Method;

/// The label that tells Velero which snapshot class of a driver to use.
const SNAPSHOT_CLASS: &str = "velero.io/csi-volumesnapshot-class";

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
    /// Why its data cannot be taken this way.
    pub(crate) objection: Option<String>,
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
    volumes.sort_by(|a, b| a.claim.cmp(&b.claim));
    Ok(volumes)
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
    let method = match wish {
        Wish::Csi => Method::CsiSnapshot,
        Wish::Best if snapshots => Method::CsiSnapshot,
        Wish::Best | Wish::FileSystem => Method::FileSystem,
    };
    let mounted = mounting(facts, claim.name())?;
    let reader = mounted.as_ref().and_then(|(pod, volume)| {
        let found = engine::find(pod, volume)?;
        Some(Reader { pod: (*pod).clone(), found })
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
        Method::FileSystem => match mounted {
            None => Some("no running pod mounts it, and node-agent copies only what is mounted".to_owned()),
            Some((pod, _)) => node_agent(facts, pod)?,
        },
    };
    Ok(Volume { claim: claim.name().to_owned(), method, driver, reader, objection })
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
