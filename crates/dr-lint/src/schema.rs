//! Schemas that are built in, Velero's per version, and what an object has that does not fit.
//!
//! Taken from the CRDs of Velero and of snapshots and from what Kubernetes publishes by `cargo xtask golden schemas`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use dr_core::claims::WORKLOADS;
use dr_core::kind::Kind;
use dr_yaml::{Path, Step};
use serde::Deserialize;

use crate::finding::{Draft, on, on_key};
use crate::fix::{Change, Fix};
use crate::input::Object;
use crate::json::Value;
use crate::judge::Context;
use crate::velero::Version;

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    UnknownField,
    OtherType,
    MissingField,
    UnknownValue,
}

/// As many of one document as a person reads; a file of another format would have thousands.
const MOST: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Schema {
    r#type: String,
    properties: BTreeMap<String, Schema>,
    items: Option<Box<Schema>>,
    required: Vec<String>,
    r#enum: Vec<serde_json::Value>,
    nullable: bool,
    additional_properties: Option<Box<Schema>>,
    min_items: Option<usize>,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    preserve: bool,
    #[serde(rename = "x-kubernetes-int-or-string")]
    int_or_string: bool,
    #[serde(rename = "$ref")]
    reference: Option<String>,
}

type Kinds = BTreeMap<String, Schema>;

/// Kubernetes' own kinds share most of what they are made of.
#[derive(Debug, Default, Deserialize)]
struct Published {
    /// By `apps/v1 StatefulSet`, the name of what defines it.
    kinds: BTreeMap<String, String>,
    definitions: Kinds,
}

/// Kinds of `snapshot.storage.k8s.io/v1`; none only if what is built in cannot be read, which a test rules out.
fn snapshots() -> Option<&'static Kinds> {
    static READ: OnceLock<Option<Kinds>> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(include_str!("schema/snapshot.json")).ok()).as_ref()
}

fn published() -> Option<&'static Published> {
    static READ: OnceLock<Option<Published>> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(include_str!("schema/kubernetes.json")).ok()).as_ref()
}

/// The schemas of a version; none only if what is built in cannot be read, which a test rules out.
fn kinds(version: Version) -> Option<&'static Kinds> {
    static READ: [OnceLock<Option<Kinds>>; 4] = [const { OnceLock::new() }; 4];
    let (at, text) = match version {
        Version::V1_15 => (0, include_str!("schema/velero-1.15.json")),
        Version::V1_16 => (1, include_str!("schema/velero-1.16.json")),
        Version::V1_17 => (2, include_str!("schema/velero-1.17.json")),
        Version::V1_18 => (3, include_str!("schema/velero-1.18.json")),
    };
    READ.get(at)?.get_or_init(|| serde_json::from_str(text).ok()).as_ref()
}

/// What does not fit in this way.
pub(crate) fn of(context: &Context<'_>, misfit: Misfit) -> impl Iterator<Item = Draft> {
    let all = context.misfits.get_or_init(|| walk(context)).iter();
    all.filter(move |(of, _)| *of == misfit).map(|(_, draft)| draft.clone())
}

/// Everything of Velero's own kinds, and of those of snapshots, that does not fit their schemas.
fn walk(context: &Context<'_>) -> Vec<(Misfit, Draft)> {
    static NONE: Kinds = Kinds::new();
    let mut found = Vec::new();
    let Some(velero) = kinds(context.velero) else { return found };
    for object in written(context) {
        let Some(kind) = object.raw.str_at("/kind") else { continue };
        let (owner, schema) = if object.is_velero() {
            ("Velero", velero.get(kind))
        } else if object.raw.str_at("/apiVersion") == Some("snapshot.storage.k8s.io/v1") {
            ("Kubernetes", snapshots().and_then(|kinds| kinds.get(kind)))
        } else {
            continue;
        };
        let Some(schema) = schema else { continue };
        let mut walk = Walk { object, owner, definitions: &NONE, found: Vec::new() };
        walk.object(schema, &object.raw.0, &Path::root(), true);
        // It may be a patch: of what one lacks nothing is said.
        if !object.is_velero() {
            walk.found.retain(|(misfit, _)| *misfit != Misfit::MissingField);
        }
        found.extend(walk.found);
    }
    found
}

/// Everything of Kubernetes' own kinds that does not fit their schemas.
pub(crate) fn of_kubernetes(context: &Context<'_>) -> Vec<Draft> {
    let mut found = Vec::new();
    for object in written(context) {
        // Of what a chart makes only a part is made here.
        let Some(kind) = object.kind.filter(|_| !object.is_velero() && object.chart.is_none()) else { continue };
        let Some(Published { kinds, definitions }) = published() else { return found };
        let info = kind.info();
        if object.raw.str_at("/apiVersion") != Some(info.api_version().as_str()) {
            continue;
        }
        let schema = kinds.get(&format!("{} {}", info.api_version(), info.kind)).and_then(|name| definitions.get(name));
        let Some(schema) = schema else { continue };
        let mut walk = Walk { object, owner: "Kubernetes", definitions, found: Vec::new() };
        walk.object(schema, &object.raw.0, &Path::root(), true);
        if !is_whole(kind, object) {
            walk.found.retain(|(misfit, _)| *misfit != Misfit::MissingField);
        }
        found.extend(walk.found.into_iter().map(|(_, draft)| draft));
    }
    found
}

/// Whether it can be no patch that is laid over another object: of what one lacks nothing is said.
fn is_whole(kind: Kind, object: &Object) -> bool {
    let template = WORKLOADS.iter().find(|(workload, _)| *workload == kind).map(|(_, template)| *template);
    let Some(template) = template.or((kind == Kind::Pod).then_some("")) else { return false };
    let containers = object.raw.list_at(&format!("{template}/spec/containers"));
    let has_image = |container: &Value| container.get("image").is_some();
    let selects =
        kind == Kind::Pod || matches!(kind, Kind::Job | Kind::CronJob) || object.raw.at("/spec/selector").is_some();
    !containers.is_empty() && containers.iter().all(has_image) && selects
}

/// What is in a cluster has passed its own schemas, which may be newer ones.
fn written<'i>(context: &Context<'i>) -> impl Iterator<Item = &'i Object> {
    context.judged().filter(|object| !object.live)
}

struct Walk<'i> {
    object: &'i Object,
    /// Who knows the fields.
    owner: &'static str,
    definitions: &'static Kinds,
    found: Vec<(Misfit, Draft)>,
}

impl Walk<'_> {
    fn resolved<'s>(&self, schema: &'s Schema) -> &'s Schema
    where
        'static: 's,
    {
        schema.reference.as_ref().and_then(|name| self.definitions.get(name)).unwrap_or(schema)
    }

    fn add(&mut self, misfit: Misfit, draft: Draft) {
        if self.found.len() < MOST {
            self.found.push((misfit, draft));
        }
    }

    fn object(&mut self, schema: &Schema, value: &Value, path: &Path, root: bool) {
        let Some(map) = value.as_object() else { return };
        // What is not there, by the field that was meant.
        let mut meant: BTreeMap<&str, usize> = BTreeMap::new();
        let known = |key: &str| schema.properties.contains_key(key);
        if !schema.preserve && schema.additional_properties.is_none() {
            for (name, _) in map.keys().filter(|key| !known(key)).take(MOST).filter_map(|key| nearest(key, schema)) {
                *meant.entry(name).or_default() += 1;
            }
        }
        for (key, value) in map {
            // The API server's own, whatever the schema says of them; a status is written by nobody but a controller.
            let of_controllers = key == "status" && self.owner != "Velero";
            if root && (of_controllers || matches!(key, "apiVersion" | "kind")) {
                continue;
            }
            if root && key == "metadata" && self.definitions.is_empty() {
                continue;
            }
            // For whoever patches, and for whoever encrypts: neither comes to the API server.
            if self.owner != "Velero" && (key.starts_with('$') || root && key == "sops") {
                continue;
            }
            let path = path.clone().key(key);
            if let Some(schema) = schema.properties.get(key).or(schema.additional_properties.as_deref()) {
                self.value(schema, value, &path);
            } else if !schema.preserve {
                if self.found.len() >= MOST {
                    continue;
                }
                let near = nearest(key, schema);
                let says = near.map(|(name, _)| format!("; the nearest is {name:?}")).unwrap_or_default();
                let owner = self.owner;
                let draft = on_key(self.object, path.clone(), format!("{owner} has no field {key:?} here{says}"));
                let only = |name: &str| !map.contains_key(name) && meant.get(name) == Some(&1);
                // Further away begins the opposite: `minSurge` and `maxSurge`, `unprivileged` and `privileged`.
                let typo = |name: &str| distance(key, name) <= 1;
                let fix = near.filter(|(name, of)| typo(name) && only(name) && self.fits(of, value));
                let fix = fix.map(|(name, _)| Fix {
                    title: format!("write {name}"),
                    safe: false,
                    change: Change::Rename { path, to: name.to_owned() },
                });
                self.add(Misfit::UnknownField, Draft { fix, ..draft });
            }
        }
        for name in schema.required.iter().filter(|name| map.get(name).is_none_or(Value::is_null)) {
            let nullable = schema.properties.get(name).is_some_and(|of| of.nullable);
            if !map.contains_key(name) || !nullable {
                let draft = on_key(self.object, path.clone(), format!("the field {name:?} is required here"));
                self.add(Misfit::MissingField, draft);
            }
        }
    }

    /// Whether nothing would be found in it under another name.
    fn fits(&self, schema: &Schema, value: &Value) -> bool {
        let mut walk = Walk { found: Vec::new(), ..*self };
        walk.value(schema, value, &Path::root());
        walk.found.is_empty() && !value.is_null()
    }

    fn value(&mut self, schema: &Schema, value: &Value, path: &Path) {
        // The API server drops a null that is not allowed and has no default.
        if value.is_null() {
            return;
        }
        let schema = self.resolved(schema);
        let fits = match schema.r#type.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_whole(),
            "number" => value.is_number(),
            _ => !schema.int_or_string || value.is_string() || value.as_i64().is_some(),
        };
        // What is filled in later: by Flux, by kubectl in a container's own words, by a template.
        let filled_in = value.as_str().is_some_and(|text| ["${", "$(", "{{"].iter().any(|open| text.contains(open)));
        if !fits && !filled_in {
            let secret = path.0.iter().any(|step| matches!(step, Step::Key(key) if key == "env"));
            let message = format!("{} is wanted here, and this is {}", name(&schema.r#type), shown(value, secret));
            self.add(Misfit::OtherType, on(self.object, path.clone(), message));
            return;
        }
        if !schema.r#enum.is_empty() && !schema.r#enum.contains(&value.loose()) {
            let known: Vec<&str> = schema.r#enum.iter().filter_map(serde_json::Value::as_str).collect();
            let message = format!("{} is not known here; known: {}", value, known.join(", "));
            self.add(Misfit::UnknownValue, on(self.object, path.clone(), message));
        }
        if let Some(items) = value.as_array() {
            if schema.min_items.is_some_and(|least| items.len() < least) {
                let least = schema.min_items.unwrap_or(0);
                let message = format!("at least {least} is wanted in this list");
                self.add(Misfit::MissingField, on_key(self.object, path.clone(), message));
            }
            if let Some(schema) = &schema.items {
                for (at, item) in items.iter().enumerate() {
                    self.value(schema, item, &path.clone().index(at));
                }
            }
        }
        // A map whose schema says nothing of its fields takes any.
        if !schema.properties.is_empty() || schema.additional_properties.is_some() {
            self.object(schema, value, path, false);
        }
    }
}

/// The field whose name is nearest, if one is near.
fn nearest<'s>(key: &str, schema: &'s Schema) -> Option<(&'s str, &'s Schema)> {
    // The one is never meant by the other, however near they are.
    let opposite = |name: &str| {
        [("include", "exclude"), ("exclude", "include")].iter().any(|(a, b)| key.starts_with(a) && name.starts_with(b))
    };
    let all = schema.properties.iter().filter(|(name, _)| !opposite(name));
    let all = all.map(|(name, of)| (distance(key, name), name.as_str(), of));
    let (distance, name, of) = all.min_by_key(|(distance, name, _)| (*distance, *name))?;
    (distance <= 3 && distance * 2 < key.len()).then_some((name, of))
}

fn distance(key: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&key.to_lowercase(), &name.to_lowercase())
}

fn name(of: &str) -> &str {
    match of {
        "object" => "a map",
        "array" => "a list",
        "string" => "a string",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "a number or a string",
    }
}

/// `secret`: it may be a password.
fn shown(value: &Value, secret: bool) -> String {
    match value {
        Value::Number(_) if secret => "a number".to_owned(),
        Value::Bool(_) if secret => "a boolean".to_owned(),
        Value::String(_) if secret => "a string".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the string {value:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_the_kinds_that_are_written_by_hand() {
        for version in Version::ALL {
            let kinds = kinds(version).unwrap();
            for kind in ["Backup", "Schedule", "Restore", "BackupStorageLocation", "VolumeSnapshotLocation"] {
                assert!(kinds.contains_key(kind), "{version} lacks {kind}");
            }
        }
    }

    fn named<'s>(schema: &'s Schema, to: &mut Vec<&'s str>) {
        to.extend(schema.reference.as_deref());
        let inside = schema.items.iter().chain(&schema.additional_properties).map(AsRef::as_ref);
        for of in schema.properties.values().chain(inside) {
            named(of, to);
        }
    }

    #[test]
    fn snapshots_and_every_kind_of_kubernetes_are_there_with_all_that_they_come_to() {
        assert!(snapshots().unwrap().contains_key("VolumeSnapshotClass"));
        let Published { kinds, definitions } = published().unwrap();
        assert!(kinds.contains_key("apps/v1 StatefulSet") && kinds.contains_key("v1 Pod"));
        let mut all: Vec<&str> = kinds.values().map(String::as_str).collect();
        for of in definitions.values() {
            named(of, &mut all);
        }
        assert!(all.iter().all(|name| definitions.contains_key(*name)));
    }
}
