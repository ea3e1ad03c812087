//! Facts that arise later: named slots, bound by the steps that succeed, read by the steps after them.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use dr_core::kind::Kind;
use dr_core::object::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of a fact that a step binds, such as `claim-uid/data-postgres-0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub String);

impl Slot {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl Borrow<str> for Slot {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the slots hold. A slot may be bound again: a claim that was recreated has another uid.
pub type Bindings = BTreeMap<Slot, String>;

/// A slot that was read before any step bound it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("slot {0} is read before anything has bound it")]
pub struct Unbound(pub Slot);

/// A text that is known now, or that a slot will hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Slot { slot: Slot },
    Is(String),
}

impl Text {
    pub fn slot(name: impl Into<String>) -> Self {
        Self::Slot { slot: Slot::new(name) }
    }

    pub fn resolve<'a>(&'a self, bindings: &'a Bindings) -> Result<&'a str, Unbound> {
        match self {
            Self::Is(text) => Ok(text),
            Self::Slot { slot } => bindings.get(slot).map(String::as_str).ok_or_else(|| Unbound(slot.clone())),
        }
    }

    pub fn reads(&self) -> Option<&Slot> {
        match self {
            Self::Is(_) => None,
            Self::Slot { slot } => Some(slot),
        }
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self::Is(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(text),
            Self::Slot { slot } => write!(f, "<{slot}>"),
        }
    }
}

/// Where an object is, its name perhaps in a slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: Text,
}

impl Spot {
    pub fn namespaced(kind: Kind, namespace: impl Into<String>, name: impl Into<Text>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }

    pub fn cluster(kind: Kind, name: impl Into<Text>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    pub fn resolve(&self, bindings: &Bindings) -> Result<Key, Unbound> {
        let name = self.name.resolve(bindings)?.to_owned();
        Ok(Key { kind: self.kind, namespace: self.namespace.clone(), name })
    }
}

impl From<Key> for Spot {
    fn from(key: Key) -> Self {
        Self { kind: key.kind, namespace: key.namespace, name: Text::Is(key.name) }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = self.kind.info().plural;
        match &self.namespace {
            Some(namespace) => write!(f, "{plural}/{namespace}/{}", self.name),
            None => write!(f, "{plural}/{}", self.name),
        }
    }
}

/// JSON in which `{"$slot": "name"}` stands for what the slot will hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub Value);

/// The place holder for a slot inside a [`Template`].
pub fn slot(name: impl Into<String>) -> Value {
    serde_json::json!({ "$slot": name.into() })
}

fn slot_of(value: &Value) -> Option<Slot> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    Some(Slot::new(map.get("$slot")?.as_str()?))
}

impl Template {
    pub fn resolve(&self, bindings: &Bindings) -> Result<Value, Unbound> {
        fn walk(value: &Value, bindings: &Bindings) -> Result<Value, Unbound> {
            if let Some(slot) = slot_of(value) {
                return bindings.get(&slot).cloned().map(Value::String).ok_or(Unbound(slot));
            }
            match value {
                Value::Object(map) => map
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), walk(value, bindings)?)))
                    .collect::<Result<_, _>>()
                    .map(Value::Object),
                Value::Array(list) => {
                    list.iter().map(|value| walk(value, bindings)).collect::<Result<_, _>>().map(Value::Array)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
            }
        }
        walk(&self.0, bindings)
    }

    pub fn reads(&self) -> Vec<Slot> {
        fn walk(value: &Value, found: &mut Vec<Slot>) {
            if let Some(slot) = slot_of(value) {
                found.push(slot);
                return;
            }
            match value {
                Value::Object(map) => map.values().for_each(|value| walk(value, found)),
                Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &mut found);
        found
    }
}

impl From<Value> for Template {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
