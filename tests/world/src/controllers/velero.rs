//! Velero's restore controller and the node agent: what they create, in which order, and what they shrug off.

use std::collections::BTreeMap;
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::plan::DataPath;
use serde_json::{Value, json};

use super::kubelet::claims_of;
use super::storage::DRIVER;
use crate::volume::{Content, Origin};
use crate::world::World;

pub const VELERO: &str = "velero";

/// What the object store holds of one backup.
#[derive(Debug, Clone)]
pub struct Backup {
    pub namespace: String,
    pub started: String,
    /// The archive's objects of the namespace, and the persistent volumes.
    pub objects: Vec<Arc<Object>>,
    /// By claim.
    pub data: BTreeMap<String, Saved>,
}

/// One claim's data in a backup.
#[derive(Debug, Clone)]
pub struct Saved {
    pub path: DataPath,
    pub content: Content,
    /// The archive is damaged: the transfer fails.
    pub broken: bool,
}

/// Velero's own objects, as an installation with node-agent and CSI has them.
pub(crate) fn install(world: &mut World) {
    let server = json!({
        "spec": { "template": { "spec": { "containers": [{
            "name": "velero", "image": "velero/velero:v1.18.3", "args": ["server", "--features=EnableCSI"],
        }] } } },
    });
    let objects = [
        (Key::namespaced(Kind::Deployment, VELERO, "velero"), server, json!({ "availableReplicas": 1 })),
        (Key::namespaced(Kind::DaemonSet, VELERO, "node-agent"), json!({}), json!({ "numberReady": 1 })),
        (Key::namespaced(Kind::BackupStorageLocation, VELERO, "default"), json!({}), json!({ "phase": "Available" })),
        (Key::cluster(Kind::CSIDriver, DRIVER), json!({}), Value::Null),
        (Key::cluster(Kind::VolumeSnapshotClass, "snap"), json!({ "driver": DRIVER }), Value::Null),
    ];
    for (key, object, status) in objects {
        world.create(&key, &object).expect("a new world has none");
        if !status.is_null() {
            world.edit(&key, |object| object["status"] = status);
        }
    }
}

pub(super) fn restores(world: &mut World) {
    for key in world.keys_of(Kind::Restore) {
        let Some(restore) = world.get(&key).cloned() else { continue };
        // The one worker is busy with a restore that is in progress; its deletion has to wait.
        let busy = matches!(restore.str_at("/status/phase"), Some("InProgress"));
        if restore.is_terminating() && !busy {
            world.edit(&key, |object| object["metadata"]["finalizers"] = json!([]));
            continue;
        }
        match restore.str_at("/status/phase") {
            None | Some("New") => validate(world, &key, &restore),
            Some("InProgress") => work(world, &key, &restore),
            Some("Finalizing") => finish(world, &key, &restore, "Completed"),
            Some("FinalizingPartiallyFailed") => finish(world, &key, &restore, "PartiallyFailed"),
            Some(_) => {}
        }
    }
}

fn validate(world: &mut World, key: &Key, restore: &Object) {
    let mut errors = Vec::new();
    let backup = restore.str_at("/spec/backupName").unwrap_or_default();
    if !world.backups.contains_key(backup) {
        errors.push(format!("Error retrieving backup: backup.velero.io \"{backup}\" not found"));
    }
    if let Some(name) = restore.str_at("/spec/resourceModifier/name")
        && world.find(Kind::ConfigMap, VELERO, name).is_none()
    {
        errors.push(format!("failed to get resource modifiers configmap {VELERO}/{name}"));
    }
    // They are read once, here; what becomes of the ConfigMap later does not matter.
    if let Some(map) =
        restore.str_at("/spec/resourceModifier/name").and_then(|name| world.find(Kind::ConfigMap, VELERO, name))
    {
        let rules =
            map.at("/data").and_then(Value::as_object).and_then(|data| data.values().next()).and_then(Value::as_str);
        let rules = rules.and_then(|rules| serde_yaml::from_str::<Value>(rules).ok());
        match (rules, restore.uid()) {
            (Some(rules), Some(uid)) => {
                world.modifiers.insert(uid.to_owned(), Arc::new(rules));
            }
            (None, _) | (_, None) => errors.push("Error in parsing resource modifier rules".to_owned()),
        }
    }
    let phase = if errors.is_empty() { "InProgress" } else { "FailedValidation" };
    world.edit(key, |object| {
        object["status"] = json!({ "phase": phase });
        if !errors.is_empty() {
            object["status"]["validationErrors"] = json!(errors);
        }
        object["metadata"]["finalizers"] = json!(["restores.velero.io/external-resources-finalizer"]);
        object["spec"]["itemOperationTimeout"] = json!("4h0m0s");
    });
}

fn finish(world: &mut World, key: &Key, restore: &Object, phase: &str) {
    let items = restore.i64_at("/status/progress/totalItems").unwrap_or(0);
    world.edit(key, |object| {
        object["status"]["phase"] = json!(phase);
        object["status"]["progress"]["itemsRestored"] = json!(items);
    });
}

/// The item that comes next, or the end once every transfer has ended.
fn work(world: &mut World, key: &Key, restore: &Arc<Object>) {
    let name = restore.str_at("/spec/backupName").unwrap_or_default();
    let Some(backup) = world.backups.get(name).cloned() else { return };
    let items = selected(restore, &backup);
    let done =
        restore.i64_at("/status/progress/itemsRestored").and_then(|done| usize::try_from(done).ok()).unwrap_or(0);
    if done < items.len() {
        if done == 0 && !namespaces_ready(world, restore, &items) {
            return;
        }
        let result = create_item(world, restore, &backup, &items[done]);
        world.edit(key, |object| {
            object["status"]["progress"] = json!({ "totalItems": items.len(), "itemsRestored": done + 1 });
            let count = match result {
                Ok(()) => return,
                Err(Trouble::Warning) => "warnings",
                Err(Trouble::Error) => "errors",
            };
            let before = object["status"][count].as_i64().unwrap_or(0);
            object["status"][count] = json!(before + 1);
        });
        return;
    }
    let mine = |object: &Object| object.label("velero.io/restore-name") == Some(restore.name());
    let phases: Vec<&str> = world
        .within(Kind::PodVolumeRestore, VELERO)
        .filter(|(_, transfer)| mine(transfer))
        .map(|(_, transfer)| transfer.str_at("/status/phase").unwrap_or("New"))
        .collect();
    if phases.iter().any(|phase| !matches!(*phase, "Completed" | "Failed" | "Canceled")) {
        return;
    }
    let errors = restore.i64_at("/status/errors").unwrap_or(0);
    let failed = i64::try_from(phases.iter().filter(|phase| **phase != "Completed").count()).expect("a small number");
    world.edit(key, |object| {
        object["status"]["errors"] = json!(errors + failed);
        let phase = if errors + failed > 0 { "FinalizingPartiallyFailed" } else { "Finalizing" };
        object["status"]["phase"] = json!(phase);
    });
}

enum Trouble {
    Warning,
    Error,
}

/// Claims before pods, as Velero's order of resources has it.
fn selected(restore: &Object, backup: &Backup) -> Vec<Arc<Object>> {
    let included = restore.list_at("/spec/includedResources");
    let mut selectors: Vec<BTreeMap<String, String>> = restore
        .list_at("/spec/orLabelSelectors")
        .iter()
        .map(|selector| dr_core::object::string_map(selector.get("matchLabels")))
        .collect();
    if selectors.is_empty() {
        selectors.push(dr_core::object::string_map(restore.at("/spec/labelSelector/matchLabels")));
    }
    let fits = |object: &Object, kind: Kind| {
        let info = kind.info();
        let named = |name: &Value| {
            name.as_str().is_some_and(|name| name == "*" || name == info.plural || name == info.resource())
        };
        (included.is_empty() || included.iter().any(named))
            && selectors.iter().any(|selector| selector.iter().all(|(key, value)| object.label(key) == Some(value)))
    };
    let mut items: Vec<Arc<Object>> = Vec::new();
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::ServiceAccount, Kind::PersistentVolumeClaim, Kind::Pod] {
        for object in backup.objects.iter().filter(|object| object.str_at("/kind") == Some(kind.info().kind)) {
            // What has ended is not restored.
            let ended = matches!(object.str_at("/status/phase"), Some("Succeeded" | "Failed"));
            if ended || !fits(object, kind) {
                continue;
            }
            // A pod that is selected pulls its claims, labelled or not.
            for claim in claims_of(object) {
                let claim = backup
                    .objects
                    .iter()
                    .find(|object| object.str_at("/kind") == Some("PersistentVolumeClaim") && object.name() == claim);
                items.extend(claim.filter(|claim| !items.contains(claim)).cloned());
            }
            if !items.contains(object) {
                items.push(Arc::clone(object));
            }
        }
    }
    items
}

fn target<'a>(restore: &'a Object, item: &'a Object) -> &'a str {
    let source = item.namespace().unwrap_or_default();
    restore.str_at(&format!("/spec/namespaceMapping/{source}")).unwrap_or(source)
}

/// Once, before the first item: a namespace that is missing is made, one that is being deleted is waited for.
fn namespaces_ready(world: &mut World, restore: &Object, items: &[Arc<Object>]) -> bool {
    for item in items {
        let namespace = Key::cluster(Kind::Namespace, target(restore, item));
        match world.get(&namespace).map(|found| found.is_terminating()) {
            Some(false) => {}
            Some(true) => return false,
            None => {
                world.create(&namespace, &json!({})).expect("it is not there");
            }
        }
    }
    true
}

fn create_item(world: &mut World, restore: &Object, backup: &Backup, item: &Object) -> Result<(), Trouble> {
    let target = target(restore, item).to_owned();
    let kind = Kind::of(item.str_at("/apiVersion").unwrap_or_default(), item.str_at("/kind").unwrap_or_default())
        .ok_or(Trouble::Error)?;
    let mut object = item.0.clone();
    let metadata = object["metadata"].as_object_mut().ok_or(Trouble::Error)?;
    for dropped in ["uid", "resourceVersion", "creationTimestamp", "generation", "finalizers", "ownerReferences"] {
        metadata.remove(dropped);
    }
    metadata.remove("namespace");
    object.as_object_mut().ok_or(Trouble::Error)?.remove("status");
    object["metadata"]["labels"]["velero.io/restore-name"] = json!(restore.name());
    object["metadata"]["labels"]["velero.io/backup-name"] = restore.at("/spec/backupName").cloned().unwrap_or_default();
    let key = Key::namespaced(kind, &target, item.name());
    let mut moved = Vec::new();
    match kind {
        Kind::PersistentVolumeClaim => claim(world, restore, backup, &target, item.name(), &mut object)?,
        Kind::Pod => {
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.remove("nodeName");
            }
            moved = file_system_volumes(backup, item);
            if !moved.is_empty() {
                let mut inits = object["spec"]["initContainers"].as_array().cloned().unwrap_or_default();
                inits.insert(0, json!({ "name": "restore-wait", "image": "velero/velero:v1.18.3" }));
                object["spec"]["initContainers"] = json!(inits);
            }
        }
        _ => {}
    }
    let modified = modify(world, restore, kind, item.name(), &mut object);
    // Velero goes on with the unmodified object when a modifier does not fit.
    match world.create(&key, &object) {
        Ok(pod) => {
            for (volume, saved) in moved {
                transfer(world, restore, &pod, &volume, &saved);
            }
        }
        Err(refusal) if refusal.reason == "AlreadyExists" => return Err(Trouble::Warning),
        Err(_) => return Err(Trouble::Error),
    }
    modified
}

fn claim(
    world: &mut World,
    restore: &Object,
    backup: &Backup,
    namespace: &str,
    name: &str,
    object: &mut Value,
) -> Result<(), Trouble> {
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| !key.starts_with("pv.kubernetes.io/") && !key.starts_with("volume."));
    }
    let spec = object["spec"].as_object_mut().ok_or(Trouble::Error)?;
    spec.remove("volumeName");
    if backup.data.get(name).is_some_and(|saved| saved.path == DataPath::CsiSnapshot) {
        let snapshot = format!("velero-{name}-{}", restore.name());
        spec.insert(
            "dataSource".to_owned(),
            json!({ "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot }),
        );
        let labels = json!({ "velero.io/restore-name": restore.name() });
        let handle = format!("{}/{name}", restore.str_at("/spec/backupName").unwrap_or_default());
        let content = json!({
            "metadata": {
                "labels": labels,
                "finalizers": ["snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"],
            },
            "spec": { "deletionPolicy": "Retain", "driver": DRIVER, "source": { "snapshotHandle": handle } },
        });
        let _known = world.create(&Key::cluster(Kind::VolumeSnapshotContent, &snapshot), &content);
        let key = Key::namespaced(Kind::VolumeSnapshot, namespace, &snapshot);
        let _known = world.create(&key, &json!({ "metadata": { "labels": labels } }));
        world.edit(&key, |object| {
            object["status"] = json!({ "readyToUse": true, "boundVolumeSnapshotContentName": snapshot });
        });
    }
    Ok(())
}

fn file_system_volumes(backup: &Backup, pod: &Object) -> Vec<(String, String)> {
    let claimed = pod.list_at("/spec/volumes").iter().filter_map(|volume| {
        let claim = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()?;
        Some((volume.get("name")?.as_str()?.to_owned(), claim.to_owned()))
    });
    claimed
        .filter(|(_, claim)| backup.data.get(claim).is_some_and(|saved| saved.path == DataPath::FileSystem))
        .collect()
}

fn transfer(world: &mut World, restore: &Object, pod: &Object, volume: &str, claim: &str) {
    let name = format!("{}-{}-{volume}", restore.name(), pod.name());
    let object = json!({
        "metadata": {
            "labels": {
                "velero.io/restore-name": restore.name(), "velero.io/restore-uid": restore.uid(),
                "velero.io/pod-uid": pod.uid(),
            },
            "ownerReferences": [{
                "apiVersion": "velero.io/v1", "kind": "Restore", "name": restore.name(), "uid": restore.uid(),
                "controller": true,
            }],
        },
        "spec": {
            "pod": { "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid() },
            "volume": volume,
            "snapshotID": format!("{}/{claim}", restore.str_at("/spec/backupName").unwrap_or_default()),
        },
        "status": { "phase": "New" },
    });
    let _known = world.create(&Key::namespaced(Kind::PodVolumeRestore, VELERO, name), &object);
}

/// Applies the Restore's resource modifiers.
fn modify(world: &World, restore: &Object, kind: Kind, name: &str, object: &mut Value) -> Result<(), Trouble> {
    let Some(rules) = restore.uid().and_then(|uid| world.modifiers.get(uid)) else { return Ok(()) };
    for rule in rules["resourceModifierRules"].as_array().into_iter().flatten() {
        let conditions = &rule["conditions"];
        if conditions["groupResource"] != json!(kind.info().resource()) {
            continue;
        }
        if let Some(pattern) = conditions["resourceNameRegex"].as_str()
            && !plain_regex(pattern, name)
        {
            continue;
        }
        if let Some(patches) = rule["patches"].as_array() {
            let patches: Vec<Value> = patches.iter().map(json_patch_of).collect::<Option<_>>().ok_or(Trouble::Error)?;
            let patch: json_patch::Patch = serde_json::from_value(json!(patches)).map_err(|_| Trouble::Error)?;
            let mut patched = object.clone();
            json_patch::patch(&mut patched, &patch).map_err(|_| Trouble::Error)?;
            *object = patched;
        }
        for merge in rule["mergePatches"].as_array().into_iter().flatten() {
            let text = merge["patchData"].as_str().ok_or(Trouble::Error)?;
            let patch: Value = serde_yaml::from_str(text).map_err(|_| Trouble::Error)?;
            json_patch::merge(object, &patch);
        }
    }
    Ok(())
}

/// Velero's `{operation, path, value}`, the value being text that holds JSON or plain text.
fn json_patch_of(patch: &Value) -> Option<Value> {
    let value = match patch.get("value") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(value) => value.clone(),
        None => Value::Null,
    };
    Some(json!({ "op": patch.get("operation")?, "path": patch.get("path")?, "value": value }))
}

/// `^name$`, `^(a|b)$`, `.*` and escaped dots: what a plan would write.
fn plain_regex(pattern: &str, name: &str) -> bool {
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(inner);
    inner.split('|').any(|one| one == ".*" || one.replace('\\', "") == name)
}

/// The node agent copies a pod's volume in: a part, the rest, done.
pub(super) fn node_agent(world: &mut World) {
    for key in world.keys_of(Kind::PodVolumeRestore) {
        let Some(restore) = world.get(&key).cloned() else { continue };
        let phase = restore.str_at("/status/phase").unwrap_or("New").to_owned();
        if matches!(phase.as_str(), "Completed" | "Failed" | "Canceled") {
            continue;
        }
        let uid = restore.str_at("/spec/pod/uid").unwrap_or_default();
        let (namespace, pod) = (restore.str_at("/spec/pod/namespace"), restore.str_at("/spec/pod/name"));
        let pod = world.find(Kind::Pod, namespace.unwrap_or_default(), pod.unwrap_or_default());
        let Some(pod) = pod.filter(|pod| pod.uid() == Some(uid)) else {
            world.edit(&key, |object| object["status"]["phase"] = json!("Failed"));
            continue;
        };
        let volume = restore.str_at("/spec/volume").unwrap_or_default();
        let claim = pod.list_at("/spec/volumes").iter().find(|one| one["name"] == volume);
        let claim = claim.and_then(|one| one.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str));
        let Some(mount) = world
            .mounts
            .get(uid)
            .and_then(|mounts| mounts.iter().find(|mount| Some(mount.claim.as_str()) == claim))
            .cloned()
        else {
            continue;
        };
        let Some((backup, saved)) = restore.str_at("/spec/snapshotID").and_then(|id| id.split_once('/')) else {
            continue;
        };
        let Some(saved) = world.backups.get(backup).and_then(|backup| backup.data.get(saved)).cloned() else {
            world.edit(&key, |object| object["status"]["phase"] = json!("Failed"));
            continue;
        };
        let total = saved.content.facts * 1000;
        let Some(disk) = world.volumes.get_mut(&mount.handle) else { continue };
        let (next, bytes) = match phase.as_str() {
            "New" => {
                disk.origin = Origin::Arriving;
                disk.content = Content::new(saved.content.identity, saved.content.facts / 2);
                ("InProgress", total / 2)
            }
            _ if saved.broken => ("Failed", total / 2),
            _ => {
                disk.origin = Origin::Restored;
                disk.content = saved.content;
                ("Completed", total)
            }
        };
        world.edit(&key, |object| {
            object["status"] = json!({ "phase": next, "progress": { "totalBytes": total, "bytesDone": bytes } });
        });
    }
}
