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

/// JSON that an object is made of: `serde_json`'s own, or another that takes less memory.
pub trait Json: Sized {
    /// The value of a field, where it is a map.
    fn field(&self, name: &str) -> Option<&Self>;
    /// The fields in their order, where it is a map.
    fn fields(&self) -> impl Iterator<Item = (&str, &Self)>;
    /// The elements, where it is a list.
    fn items(&self) -> Option<&[Self]>;
    fn text(&self) -> Option<&str>;
    fn int(&self) -> Option<i64>;
    fn truth(&self) -> Option<bool>;
    fn is_nothing(&self) -> bool;
}

impl Json for Value {
    fn field(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    fn items(&self) -> Option<&[Self]> {
        self.as_array().map(Vec::as_slice)
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn int(&self) -> Option<i64> {
        self.as_i64()
    }

    fn truth(&self) -> Option<bool> {
        self.as_bool()
    }

    fn is_nothing(&self) -> bool {
        self.is_null()
    }
}

/// What a JSON pointer (`/spec/replicas`) leads to. Asked of every object by every rule: it copies no word.
pub fn at<'j, J: Json>(value: &'j J, pointer: &str) -> Option<&'j J> {
    if pointer.is_empty() {
        return Some(value);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(value, |value, word| match value.items() {
        Some(items) => items.get(index(word)?),
        None if word.contains('~') => value.field(&word.replace("~1", "/").replace("~0", "~")),
        None => value.field(word),
    })
}

/// As RFC 6901 writes one.
fn index(word: &str) -> Option<usize> {
    let other = word.starts_with('+') || word.starts_with('0') && word.len() > 1;
    word.parse().ok().filter(|_| !other)
}

/// One object as the API server or a backup's archive gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object<J = Value>(pub J);

impl<J: Json> Object<J> {
    /// The value at a JSON pointer (`/spec/replicas`).
    pub fn at(&self, pointer: &str) -> Option<&J> {
        at(&self.0, pointer)
    }

    pub fn str_at(&self, pointer: &str) -> Option<&str> {
        self.at(pointer).and_then(J::text)
    }

    pub fn i64_at(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(J::int)
    }

    pub fn bool_at(&self, pointer: &str) -> Option<bool> {
        self.at(pointer).and_then(J::truth)
    }

    /// The elements of a list, none when it is absent.
    pub fn list_at(&self, pointer: &str) -> &[J] {
        self.at(pointer).and_then(J::items).unwrap_or_default()
    }

    fn metadata(&self, field: &str) -> Option<&str> {
        self.0.field("metadata")?.field(field)?.text()
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
        self.at("/metadata/labels")?.field(key)?.text()
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("/metadata/annotations")?.field(key)?.text()
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        string_map(self.at("/metadata/labels"))
    }

    /// Being deleted: it has a deletion timestamp.
    pub fn is_terminating(&self) -> bool {
        self.at("/metadata/deletionTimestamp").is_some_and(|value| !value.is_nothing())
    }

    /// The controlling owner's `apiVersion`, `kind`, `name` and `uid`.
    pub fn controller(&self) -> Option<Owner> {
        let mut owners = self.list_at("/metadata/ownerReferences").iter();
        let owner = owners.find(|owner| owner.field("controller").and_then(J::truth) == Some(true))?;
        let text = |field: &str| owner.field(field).and_then(J::text).map(str::to_owned);
        Some(Owner { api_version: text("apiVersion")?, kind: text("kind")?, name: text("name")?, uid: text("uid")? })
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
pub fn string_map<J: Json>(value: Option<&J>) -> BTreeMap<String, String> {
    let fields = value.into_iter().flat_map(J::fields);
    fields.filter_map(|(key, value)| Some((key.to_owned(), value.text()?.to_owned()))).collect()
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
