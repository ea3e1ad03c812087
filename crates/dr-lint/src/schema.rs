//! Velero's schemas, built in per version, and what an object has that does not fit.
//!
//! Taken from Velero's CRDs by `cargo xtask golden schemas`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use dr_yaml::Path;
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
}

type Kinds = BTreeMap<String, Schema>;

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

/// Everything of Velero's own kinds that does not fit their schemas.
fn walk(context: &Context<'_>) -> Vec<(Misfit, Draft)> {
    let mut found = Vec::new();
    let Some(kinds) = kinds(context.velero) else { return found };
    // What is in a cluster has passed its own schemas, which may be newer ones.
    for object in context.judged().filter(|object| object.is_velero() && !object.live) {
        let Some(schema) = object.raw.str_at("/kind").and_then(|kind| kinds.get(kind)) else { continue };
        let mut walk = Walk { object, found: Vec::new() };
        walk.object(schema, &object.raw.0, &Path::root(), true);
        found.extend(walk.found);
    }
    found
}

struct Walk<'i> {
    object: &'i Object,
    found: Vec<(Misfit, Draft)>,
}

impl Walk<'_> {
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
            // The API server's own, whatever the schema says of them.
            if root && matches!(key, "apiVersion" | "kind" | "metadata") {
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
                let draft = on_key(self.object, path.clone(), format!("Velero has no field {key:?} here{says}"));
                let only = |name: &str| !map.contains_key(name) && meant.get(name) == Some(&1);
                let fix = near.filter(|(name, of)| only(name) && self.fits(of, value)).map(|(name, _)| Fix {
                    title: format!("write {name}"),
                    safe: false,
                    change: Change::Rename { path, to: name.to_owned() },
                });
                self.add(Misfit::UnknownField, Draft { fix, ..draft });
            }
        }
        for name in schema.required.iter().filter(|name| map.get(name).is_none_or(Value::is_null)) {
            // What is null and may not be is told once, as a value of the wrong type.
            if !map.contains_key(name) {
                let draft = on_key(self.object, path.clone(), format!("the field {name:?} is required here"));
                self.add(Misfit::MissingField, draft);
            }
        }
    }

    /// Whether nothing would be found in it under another name.
    fn fits(&self, schema: &Schema, value: &Value) -> bool {
        let mut walk = Walk { object: self.object, found: Vec::new() };
        walk.value(schema, value, &Path::root());
        walk.found.is_empty() && !value.is_null()
    }

    fn value(&mut self, schema: &Schema, value: &Value, path: &Path) {
        // The API server drops a null that is not allowed and has no default.
        if value.is_null() {
            return;
        }
        let fits = match schema.r#type.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_whole(),
            "number" => value.is_number(),
            _ => !schema.int_or_string || value.is_string() || value.as_i64().is_some(),
        };
        if !fits {
            let message = format!("{} is wanted here, and this is {}", name(&schema.r#type), shown(value));
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
    let distance = |name: &str| strsim::damerau_levenshtein(&key.to_lowercase(), &name.to_lowercase());
    // The one is never meant by the other, however near they are.
    let opposite = |name: &str| {
        [("include", "exclude"), ("exclude", "include")].iter().any(|(a, b)| key.starts_with(a) && name.starts_with(b))
    };
    let all = schema.properties.iter().filter(|(name, _)| !opposite(name));
    let all = all.map(|(name, of)| (distance(name), name.as_str(), of));
    let (distance, name, of) = all.min_by_key(|(distance, name, _)| (*distance, *name))?;
    (distance <= 3 && distance * 2 < key.len()).then_some((name, of))
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

fn shown(value: &Value) -> String {
    match value {
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
}
