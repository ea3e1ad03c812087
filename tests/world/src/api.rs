//! The API server's verbs over the world's objects, with its refusals.

use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde_json::{Map, Value, json};

use crate::world::World;

/// How the API server says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub fn not_found(key: &Key) -> Self {
        let resource = key.kind.info().resource();
        Self::new(404, "NotFound", format!("{resource} \"{}\" not found", key.name))
    }

    fn conflict(key: &Key, why: &str) -> Self {
        let resource = key.kind.info().resource();
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {resource} \"{}\": {why}", key.name))
    }

    fn invalid(key: &Key, why: &str) -> Self {
        let info = key.kind.info();
        let kind = if info.group.is_empty() { info.kind.to_owned() } else { format!("{}.{}", info.kind, info.group) };
        Self::new(422, "Invalid", format!("{kind} \"{}\" is invalid: {why}", key.name))
    }
}

/// The body of a delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub grace_seconds: Option<u32>,
    /// `propagationPolicy: Orphan`.
    pub orphan: bool,
}

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";

impl World {
    pub fn create(&mut self, key: &Key, object: &Value) -> Result<Arc<Object>, Refusal> {
        let mut object = object.clone();
        let Some(map) = object.as_object_mut() else {
            return Err(Refusal::new(400, "BadRequest", "the object is no map"));
        };
        let info = key.kind.info();
        map.entry("apiVersion").or_insert_with(|| json!(info.api_version()));
        map.entry("kind").or_insert_with(|| json!(info.kind));
        let metadata = map.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else {
            return Err(Refusal::new(400, "BadRequest", "metadata is no map"));
        };
        if metadata.get("name").and_then(Value::as_str).is_some_and(|name| name != key.name) {
            return Err(Refusal::new(400, "BadRequest", "the name of the object does not match the name on the URL"));
        }
        let given = metadata.get("namespace").and_then(Value::as_str).filter(|given| !given.is_empty());
        if given.is_some() && given != key.namespace.as_deref() {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Refusal::new(400, "BadRequest", why));
        }
        if let Some(namespace) = &key.namespace {
            match self.get(&Key::cluster(Kind::Namespace, namespace)) {
                None => return Err(Refusal::not_found(&Key::cluster(Kind::Namespace, namespace))),
                Some(found) if found.is_terminating() => {
                    if self.get(key).is_some() {
                        return Err(Self::exists(key));
                    }
                    let why = format!(
                        "{} \"{}\" is forbidden: unable to create new content in namespace {namespace} because it is \
                         being terminated",
                        info.resource(),
                        key.name
                    );
                    return Err(Refusal::new(403, "Forbidden", why));
                }
                Some(_) => {}
            }
        }
        let set = metadata.get("resourceVersion").and_then(Value::as_str);
        if set.is_some_and(|version| !version.is_empty() && version != "0") {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::new(500, "", why));
        }
        if self.get(key).is_some() {
            return Err(Self::exists(key));
        }
        metadata.insert("name".to_owned(), json!(key.name));
        if let Some(namespace) = &key.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        for unset in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
            metadata.remove(unset);
        }
        metadata.insert("uid".to_owned(), json!(self.new_uid(key)));
        metadata.insert("creationTimestamp".to_owned(), json!(self.timestamp()));
        metadata.insert("generation".to_owned(), json!(1));
        default(key.kind, map);
        let object = self.store(key.clone(), Object(object));
        Ok(object)
    }

    fn exists(key: &Key) -> Refusal {
        let resource = key.kind.info().resource();
        Refusal::new(409, "AlreadyExists", format!("{resource} \"{}\" already exists", key.name))
    }

    /// A JSON merge patch of the main resource; `metadata.uid` and `metadata.resourceVersion` in it are preconditions.
    pub fn patch(&mut self, key: &Key, patch: &Value) -> Result<Arc<Object>, Refusal> {
        let Some(found) = self.get(key).cloned() else { return Err(Refusal::not_found(key)) };
        let mut merged = found.0.clone();
        json_patch::merge(&mut merged, patch);
        self.replace(key, &found, merged)
    }

    /// A full update: the object's own `metadata.resourceVersion`, when set, is a precondition.
    pub fn update(&mut self, key: &Key, object: &Value) -> Result<Arc<Object>, Refusal> {
        let Some(found) = self.get(key).cloned() else { return Err(Refusal::not_found(key)) };
        let mut object = object.clone();
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return Err(Refusal::new(400, "BadRequest", "metadata is no map"));
        };
        for kept in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            if let (None, Some(value)) = (metadata.get(kept), found.at(&format!("/metadata/{kept}"))) {
                metadata.insert(kept.to_owned(), value.clone());
            }
        }
        if metadata.get("resourceVersion").is_none()
            && let Some(version) = found.resource_version()
        {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
        self.replace(key, &found, object)
    }

    fn replace(&mut self, key: &Key, found: &Arc<Object>, mut merged: Value) -> Result<Arc<Object>, Refusal> {
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if let Some(version) = text(&merged, "/metadata/resourceVersion")
            && Some(version.as_str()) != found.resource_version()
        {
            return Err(Refusal::conflict(key, MODIFIED));
        }
        if text(&merged, "/metadata/uid").as_deref() != found.uid() {
            let value = text(&merged, "/metadata/uid").unwrap_or_default();
            let why = format!("metadata.uid: Invalid value: \"{value}\": field is immutable");
            return Err(Refusal::invalid(key, &why));
        }
        if text(&merged, "/metadata/name").as_deref() != Some(&key.name) {
            return Err(Refusal::new(400, "BadRequest", "the name of the object does not match the name on the URL"));
        }
        if merged
            .pointer("/metadata/deletionTimestamp")
            .is_some_and(|set| Some(set) != found.at("/metadata/deletionTimestamp"))
        {
            return Err(Refusal::invalid(key, "metadata.deletionTimestamp: Invalid value: field is immutable"));
        }
        for fixed in ["creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            let metadata = merged.get_mut("metadata").and_then(Value::as_object_mut).expect("it has a name and a uid");
            match found.at(&format!("/metadata/{fixed}")) {
                Some(value) => metadata.insert(fixed.to_owned(), value.clone()),
                None => metadata.remove(fixed),
            };
        }
        if has_status_subresource(key.kind) {
            match found.at("/status") {
                Some(status) => merged["status"] = status.clone(),
                None => {
                    merged.as_object_mut().expect("an object").remove("status");
                }
            }
        }
        if let Some(why) = immutable(key.kind, found, &merged) {
            return Err(Refusal::invalid(key, &why));
        }
        if merged == found.0 {
            return Ok(Arc::clone(found));
        }
        Ok(self.store_changed(key, found, merged))
    }

    pub fn delete(&mut self, key: &Key, options: &DeleteOptions) -> Result<Arc<Object>, Refusal> {
        let Some(found) = self.get(key).cloned() else { return Err(Refusal::not_found(key)) };
        if let Some(uid) = &options.uid
            && found.uid() != Some(uid)
        {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                found.uid().unwrap_or_default()
            );
            return Err(Refusal::conflict(key, &why));
        }
        if let Some(version) = &options.resource_version
            && found.resource_version() != Some(version)
        {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                found.resource_version().unwrap_or_default()
            );
            return Err(Refusal::conflict(key, &why));
        }
        if options.orphan {
            self.orphan(&found);
        }
        let grace = if key.kind == Kind::Pod { pod_grace(&found, options.grace_seconds) } else { 0 };
        let held = !found.list_at("/metadata/finalizers").is_empty()
            || !found.list_at("/spec/finalizers").is_empty()
            || grace > 0;
        if !held {
            self.remove(key);
            return Ok(found);
        }
        let until = self.now + u64::from(grace) * 1000;
        let mut object = found.0.clone();
        let metadata = object["metadata"].as_object_mut().expect("stored with metadata");
        if found.is_terminating() {
            let left = found.i64_at("/metadata/deletionGracePeriodSeconds").unwrap_or(0);
            if key.kind != Kind::Pod || i64::from(grace) >= left {
                return Ok(found);
            }
        }
        metadata.insert("deletionTimestamp".to_owned(), json!(self.timestamp_at(until)));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
        if key.kind == Kind::Namespace {
            object["status"] = json!({ "phase": "Terminating" });
        }
        Ok(self.store(key.clone(), Object(object)))
    }

    fn orphan(&mut self, owner: &Object) {
        let uid = owner.uid().unwrap_or_default().to_owned();
        let owned: Vec<Key> =
            self.keys(|object| object.list_at("/metadata/ownerReferences").iter().any(|owner| owner["uid"] == uid));
        for key in owned {
            self.edit(&key, |object| {
                if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
                    owners.retain(|owner| owner["uid"] != uid);
                }
            });
        }
    }
}

fn pod_grace(pod: &Object, wanted: Option<u32>) -> u32 {
    let finished = matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"));
    if finished || pod.str_at("/spec/nodeName").is_none() {
        return 0;
    }
    let own = pod.i64_at("/spec/terminationGracePeriodSeconds").and_then(|seconds| u32::try_from(seconds).ok());
    wanted.or(own).unwrap_or(30)
}

/// What the API server adds to a new object.
fn default(kind: Kind, object: &mut Map<String, Value>) {
    let mut finalizer = |name: &str| {
        let metadata = object["metadata"].as_object_mut().expect("made before");
        let list = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut()
            && !list.iter().any(|known| known == name)
        {
            list.push(json!(name));
        }
    };
    match kind {
        Kind::PersistentVolumeClaim => {
            finalizer("kubernetes.io/pvc-protection");
            object.insert("status".to_owned(), json!({ "phase": "Pending" }));
            let spec = object.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                spec.entry("volumeMode").or_insert_with(|| json!("Filesystem"));
            }
        }
        Kind::PersistentVolume => {
            finalizer("kubernetes.io/pv-protection");
            object.insert("status".to_owned(), json!({ "phase": "Pending" }));
            let spec = object.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                spec.entry("persistentVolumeReclaimPolicy").or_insert_with(|| json!("Retain"));
            }
        }
        Kind::Namespace => {
            object.insert("spec".to_owned(), json!({ "finalizers": ["kubernetes"] }));
            object.insert("status".to_owned(), json!({ "phase": "Active" }));
            let metadata = object["metadata"].as_object_mut().expect("made before");
            let name = metadata["name"].clone();
            let labels = metadata.entry("labels").or_insert_with(|| json!({}));
            if let Some(labels) = labels.as_object_mut() {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name);
            }
        }
        Kind::Pod => {
            object.insert("status".to_owned(), json!({ "phase": "Pending" }));
            let spec = object.entry("spec").or_insert_with(|| json!({}));
            if let Some(spec) = spec.as_object_mut() {
                spec.entry("terminationGracePeriodSeconds").or_insert_with(|| json!(30));
                spec.entry("restartPolicy").or_insert_with(|| json!("Always"));
            }
        }
        _ if has_status_subresource(kind) => {
            object.remove("status");
        }
        _ => {}
    }
}

/// Kinds whose `status` a write to the main resource does not reach. Velero's custom resources have no such subresource.
fn has_status_subresource(kind: Kind) -> bool {
    !matches!(kind.info().group, "velero.io") && !matches!(kind, Kind::ConfigMap | Kind::Secret | Kind::Lease)
}

/// What validation says about a change that a kind does not allow.
fn immutable(kind: Kind, old: &Object, new: &Value) -> Option<String> {
    let differs = |pointer: &str| old.at(pointer) != new.pointer(pointer);
    match kind {
        Kind::PersistentVolumeClaim => {
            let strip = |spec: Option<&Value>| {
                let mut spec = spec.cloned().unwrap_or_default();
                if let Some(map) = spec.as_object_mut() {
                    map.remove("resources");
                    map.remove("volumeAttributesClassName");
                    if old.at("/spec/volumeName").is_none() {
                        map.remove("volumeName");
                    }
                }
                spec
            };
            (strip(old.at("/spec")) != strip(new.pointer("/spec"))).then(|| {
                "spec: Forbidden: spec is immutable after creation except resources.requests and \
                 volumeAttributesClassName for bound claims"
                    .to_owned()
            })
        }
        Kind::PersistentVolume => ["/spec/csi", "/spec/hostPath", "/spec/local"]
            .iter()
            .any(|source| differs(source))
            .then(|| "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation".to_owned()),
        Kind::StatefulSet => ["/spec/volumeClaimTemplates", "/spec/selector", "/spec/serviceName"]
            .iter()
            .any(|fixed| differs(fixed))
            .then(|| {
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                 'minReadySeconds' are forbidden"
                    .to_owned()
            }),
        Kind::ConfigMap | Kind::Secret => {
            let was = old.bool_at("/immutable") == Some(true);
            if was && (differs("/data") || differs("/binaryData")) {
                return Some("data: Forbidden: field is immutable when `immutable` is set".to_owned());
            }
            (was && new.pointer("/immutable") != Some(&json!(true)))
                .then(|| "immutable: Forbidden: field is immutable when `immutable` is set".to_owned())
        }
        Kind::Pod => differs("/spec/volumes").then(|| "spec: Forbidden: pod updates may not change fields".to_owned()),
        _ => None,
    }
}
