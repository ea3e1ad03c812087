//! The server's raw JSON, read through its metadata.
//!
//! Typed structs drop the fields they do not know; what is written back must be what was read.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::Kind;

/// Where an object is: kind, namespace (none for cluster-scoped kinds) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
}

impl Key {
    pub fn namespaced(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }

    pub fn cluster(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = self.kind.info().plural;
        match &self.namespace {
            Some(namespace) => write!(f, "{plural}/{namespace}/{}", self.name),
            None => write!(f, "{plural}/{}", self.name),
        }
    }
}

/// One object as the API server or a backup's archive gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(pub Value);

impl Object {
    /// The value at a JSON pointer (`/spec/replicas`).
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        // Asked of every object by every rule: serde_json would copy each of the words.
        let words = pointer.strip_prefix('/').filter(|words| !words.contains('~'));
        let Some(words) = words else { return self.0.pointer(pointer) };
        words.split('/').try_fold(&self.0, |value, word| match value {
            Value::Object(map) => map.get(word),
            Value::Array(_) => value.pointer(&format!("/{word}")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    pub fn str_at(&self, pointer: &str) -> Option<&str> {
        self.at(pointer).and_then(Value::as_str)
    }

    pub fn i64_at(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    pub fn bool_at(&self, pointer: &str) -> Option<bool> {
        self.at(pointer).and_then(Value::as_bool)
    }

    /// The elements of a list, none when it is absent.
    pub fn list_at(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Asked of every object for every claim of a large plan: a JSON pointer would copy its words each time.
    fn metadata(&self, field: &str) -> Option<&str> {
        self.0.get("metadata")?.get(field)?.as_str()
    }

    /// Empty only for an object that no server would have answered with.
    pub fn name(&self) -> &str {
        self.metadata("name").unwrap_or("")
    }

    pub fn namespace(&self) -> Option<&str> {
        self.metadata("namespace")
    }

    pub fn uid(&self) -> Option<&str> {
        self.metadata("uid")
    }

    pub fn resource_version(&self) -> Option<&str> {
        self.str_at("/metadata/resourceVersion")
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.at("/metadata/labels")?.get(key)?.as_str()
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.get(key)?.as_str()
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        string_map(self.at("/metadata/labels"))
    }

    /// Being deleted: it has a deletion timestamp.
    pub fn is_terminating(&self) -> bool {
        self.at("/metadata/deletionTimestamp").is_some_and(|value| !value.is_null())
    }

    /// The controlling owner's `apiVersion`, `kind`, `name` and `uid`.
    pub fn controller(&self) -> Option<Owner> {
        self.list_at("/metadata/ownerReferences")
            .iter()
            .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
            .and_then(|owner| serde_json::from_value(owner.clone()).ok())
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// A string-to-string map such as labels or `matchLabels`; values that are no strings are left out.
pub fn string_map(value: Option<&Value>) -> BTreeMap<String, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_where_serde_json_says() {
        let object = Object(serde_json::json!({ "a": { "b": [1, { "c": "d" }], "": 2, "e~f/g": 3 }, "h": null }));
        for pointer in [
            "",
            "/",
            "/a",
            "/a/b",
            "/a/b/0",
            "/a/b/1/c",
            "/a/b/01",
            "/a/b/+1",
            "/a/b/2",
            "/a/",
            "/a//",
            "/a/e~0f~1g",
            "/h",
            "/h/i",
            "a",
            "/a/b/1/c/d",
        ] {
            assert_eq!(object.at(pointer), object.0.pointer(pointer), "{pointer:?}");
        }
    }
}
