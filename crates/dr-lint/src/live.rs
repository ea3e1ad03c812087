//! What is in a cluster, judged like manifests: each object becomes a document of its own, written as kubectl would show
//! it, and its label stands where a file has its name.
//!
//! A file takes the place of its namesake in the cluster. Workloads, claims and classes are looked at; judged is what
//! Velero reads and somebody has written: Schedules, locations, snapshot classes, the policies that backups name, and
//! Backups and Restores that are still to be made. What is over is for `backup verify`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::{Json, Object as Raw};
use dr_core::redact;
use dr_core::schedule;
use dr_core::select::{Backup, Version};
use dr_yaml::Path;
use serde_json::{Map, Value, json};

use crate::input::{Added, Input, Object, Reading};
use crate::rules;

/// What is known of the cluster beside its objects.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub velero_namespace: String,
    /// Of Velero's server, where that is known.
    pub version: Option<Version>,
    /// Whose workloads were read; none: those of all namespaces.
    pub namespace: Option<String>,
    /// Kinds that could not be read, with the reason: nothing is taken to be absent.
    pub unread: BTreeMap<Kind, String>,
    /// Backups and Restores that were looked at and not judged.
    pub over: usize,
    /// Objects of the cluster in whose place a file stands.
    pub replaced: BTreeSet<String>,
    /// Velero's objects of files that name no namespace.
    pub placed: usize,
    /// `Kind`, namespace and name of workloads in whose place a file stands.
    pub(crate) rewritten: BTreeSet<(Kind, String, String)>,
    /// The status of replaced locations.
    pub(crate) statuses: HashMap<String, Value>,
    /// Replaced claims as they are, by namespace and name.
    pub(crate) claims: HashMap<(String, String), Raw>,
}

/// Written by commands of ours, and gone when they are done.
const OURS: &str = "kubectl-dr/operation";
const OF_SCHEDULE: &str = "velero.io/schedule-name";
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Of Velero's and what decides beside them, those that somebody has written.
const JUDGED: [Kind; 5] = [
    Kind::Schedule,
    Kind::BackupStorageLocation,
    Kind::VolumeSnapshotLocation,
    Kind::VolumeSnapshotClass,
    Kind::ConfigMap,
];
const POINTED_AT: [Kind; 5] = [Kind::Namespace, Kind::StatefulSet, Kind::Deployment, Kind::DaemonSet, Kind::CronJob];
/// Made by people or by controllers.
const MADE: [Kind; 3] = [Kind::Pod, Kind::ReplicaSet, Kind::Job];
const CONTROLLERS: [Kind; 6] =
    [Kind::StatefulSet, Kind::Deployment, Kind::DaemonSet, Kind::ReplicaSet, Kind::Job, Kind::CronJob];
/// Phases in which it is still to be done; Velero has read nothing of it before.
const AHEAD: [&str; 4] = ["New", "Queued", "ReadyToStart", "InProgress"];

/// The ConfigMaps with resource policies that Schedules and Backups of a cluster name.
pub fn policies_named(facts: &Facts) -> BTreeSet<String> {
    let of = |kind: Kind| facts.all(kind).into_iter().flatten().map(move |found| shown(found, kind));
    let asked = of(Kind::Schedule).chain(of(Kind::Backup).filter(|raw| is_judged(Kind::Backup, raw)));
    asked.filter_map(|raw| Backup::of(&raw).ok()?.spec.policy_name().map(str::to_owned)).collect()
}

impl Input {
    /// The ConfigMaps with resource policies that Backups and Schedules of the files name.
    pub fn policies_named(&self) -> BTreeSet<String> {
        let named = self
            .objects
            .iter()
            .filter(|object| matches!(object.kind, Some(Kind::Backup | Kind::Schedule)))
            .filter_map(|object| Backup::of(&object.loose()).ok()?.spec.policy_name().map(str::to_owned));
        named.collect()
    }

    /// Adds what a cluster holds, behind all files.
    pub fn add_live(&mut self, facts: &Facts, version: Option<Version>) {
        let mut cluster = Cluster {
            velero_namespace: facts.velero_namespace.clone(),
            version,
            namespace: Some(facts.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            ..Cluster::default()
        };
        self.place(&mut cluster);
        let files: BTreeSet<(Kind, Option<String>, String)> = self.objects.iter().filter_map(key).collect();
        let mut silent = Vec::new();
        for (kind, listed) in &facts.objects {
            let objects = match listed {
                Listed::Objects(objects) => objects,
                Listed::NotServed => continue,
                Listed::Forbidden(because) => {
                    cluster.unread.insert(*kind, because.clone());
                    continue;
                }
            };
            for found in objects {
                let raw = shown(found, *kind);
                let namespace = raw.namespace().map(str::to_owned);
                // What their pods mount is told by those that are there, whatever a file says.
                let stays = CONTROLLERS.contains(kind) && !matches!(kind, Kind::StatefulSet | Kind::Deployment);
                if !stays && files.contains(&(*kind, namespace.clone(), raw.name().to_owned())) {
                    cluster.replaced.insert(label(*kind, &raw));
                    if let Some(status) = raw.at("/status").filter(|_| *kind == Kind::BackupStorageLocation) {
                        cluster.statuses.insert(raw.name().to_owned(), status.clone());
                    }
                    let (namespace, name) = (namespace.unwrap_or_default(), raw.name().to_owned());
                    if *kind == Kind::PersistentVolumeClaim {
                        cluster.claims.insert((namespace.clone(), name.clone()), raw);
                    }
                    cluster.rewritten.insert((*kind, namespace, name));
                    continue;
                }
                let judged = is_judged(*kind, &raw);
                cluster.over += usize::from(!judged && matches!(kind, Kind::Backup | Kind::Restore));
                if judged || is_pointed_at(*kind, &raw) {
                    self.push(document(*kind, raw, judged));
                } else {
                    silent.push(object(*kind, raw, false));
                }
            }
        }
        if !silent.is_empty() {
            let mut added = Added::read("the cluster (live)", b"", true, Reading::Manifests);
            added.file.live = true;
            added.objects = silent;
            self.push(added);
        }
        self.live = Some(cluster);
    }

    /// Velero's objects that name no namespace are for Velero's, and so are the policies that they name.
    fn place(&mut self, cluster: &mut Cluster) {
        let policies = self.policies_named();
        for object in &mut self.objects {
            let policy = object.kind == Some(Kind::ConfigMap) && policies.contains(object.raw.name());
            if object.raw.namespace().is_some() || !(object.is_velero() || policy) {
                continue;
            }
            let mut raw = object.loose();
            if let Some(metadata) = raw.0.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), json!(cluster.velero_namespace));
                object.raw = dr_core::object::Object(raw.0.into());
                object.placed = true;
                cluster.placed += 1;
            }
        }
    }
}

/// Values are a part of what a chart is made of: what it makes of them stands in nobody's place.
fn key(object: &Object) -> Option<(Kind, Option<String>, String)> {
    if object.chart.is_some() {
        return None;
    }
    Some((object.kind?, object.raw.namespace().map(str::to_owned), object.raw.name().to_owned()))
}

/// `schedule/nightly (velero, live)`.
fn label(kind: Kind, raw: &Raw) -> String {
    let kind = kind.info().kind.to_lowercase();
    match raw.namespace() {
        Some(namespace) => format!("{kind}/{} ({namespace}, live)", raw.name()),
        None => format!("{kind}/{} (live)", raw.name()),
    }
}

/// What lists leave out is said, and what no person wrote is not.
fn shown(found: &Raw, kind: Kind) -> Raw {
    let info = kind.info();
    let mut value = found.0.clone();
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!(info.api_version()));
        map.insert("kind".to_owned(), json!(info.kind));
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    Raw(value)
}

fn is_judged(kind: Kind, raw: &Raw) -> bool {
    if raw.label(OURS).is_some() {
        return false;
    }
    if [Kind::Backup, Kind::Restore].contains(&kind) {
        let ahead = AHEAD.contains(&raw.str_at("/status/phase").unwrap_or("New"));
        // One that Go cannot read keeps Velero from reading any, whoever made it and however long ago.
        let jams = schedule::unreadable(raw).is_some();
        return jams || ahead && raw.label(OF_SCHEDULE).is_none();
    }
    JUDGED.contains(&kind)
}

/// Whether findings about others show it. Of pods those that no controller we know has made.
fn is_pointed_at(kind: Kind, raw: &Raw) -> bool {
    POINTED_AT.contains(&kind) || MADE.contains(&kind) && !has_known_controller(raw)
}

/// Its pods and claims are told of by what made it.
pub(crate) fn has_known_controller<J: Json>(raw: &Raw<J>) -> bool {
    let owner = raw.controller().and_then(|owner| Kind::of(&owner.api_version, &owner.kind));
    owner.is_some_and(|kind| CONTROLLERS.contains(&kind))
}

fn object(kind: Kind, raw: Raw, judged: bool) -> Object {
    Object {
        id: 0,
        file: 0,
        document: 0,
        base: Path::root(),
        raw: dr_core::object::Object(raw.0.into()),
        kind: Some(kind),
        context: !judged,
        live: true,
        placed: false,
        source: None,
        command: None,
        chart: None,
    }
}

fn document(kind: Kind, raw: Raw, judged: bool) -> Added {
    let text = text(&raw);
    let mut added = Added::read(label(kind, &raw), text.as_bytes(), !judged, Reading::Manifests);
    added.file.live = true;
    // Braces in a command are no template here.
    added.file.template = false;
    added.objects = vec![object(kind, raw, judged)];
    added.unreadable.clear();
    added
}

/// As somebody would write it who had to write it again: without what the server adds, and without passwords.
fn text(raw: &Raw) -> String {
    const ADDED: [&str; 5] = ["uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"];
    let mut value = raw.0.clone();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| !ADDED.contains(&field.as_str()));
        }
    }
    if let Some(config) = value.pointer_mut("/spec/config").and_then(Value::as_object_mut) {
        hide(config);
    }
    keep_known(&mut value);
    let value = redact::value(&value);
    let text = dr_yaml::write(&value);
    let same = |text: &str| {
        let mut documents = dr_yaml::read(&dr_yaml::Text::from(text)).documents;
        let read =
            documents.pop().filter(|_| documents.is_empty()).and_then(|document| document.tree.ok()?.value().ok());
        read.as_ref() == Some(&value)
    };
    if same(&text) && !crate::input::is_template(&text) { text } else { format!("{value:#}\n") }
}

/// Passwords of locations: the cluster's own, and nobody's to print.
fn hide(config: &mut Map<String, Value>) {
    const SECRET: [&str; 4] = ["key", "secret", "token", "password"];
    for (key, value) in config {
        let name = key.to_ascii_lowercase();
        if rules::is_credential(key) || SECRET.iter().any(|word| name.contains(word)) {
            *value = json!(redact::REDACTED);
        } else if let Some(text) = value.as_str() {
            *value = json!(without_user(text));
        }
    }
}

/// Who asks at a URL: `https://user:password@host`, and `https://token@host`.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{}@{host}", redact::REDACTED),
        None => text.to_owned(),
    }
}

/// Of annotations those that rules look at: others may hold a whole object once more.
fn keep_known(value: &mut Value) {
    let known = |key: &str| {
        let domain = key.split('/').next().unwrap_or_default();
        domain == "ignore.kubectl-dr" || domain == "velero.io" || domain.ends_with(".velero.io")
    };
    match value {
        Value::Object(map) => {
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
                let none = annotations.is_some_and(|annotations| {
                    annotations.retain(|key, _| known(key));
                    annotations.is_empty()
                });
                if none {
                    metadata.remove("annotations");
                }
            }
            map.values_mut().for_each(keep_known);
        }
        Value::Array(list) => list.iter_mut().for_each(keep_known),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
