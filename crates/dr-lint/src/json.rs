//! What objects are made of here: JSON that is read and never changed, in a fifth of the memory of `serde_json::Value`,
//! whose maps have room for eleven fields each. What is judged beside each other is kept whole, thousands of files of it.

use std::fmt;

use dr_core::object::{Json, at};
use dr_yaml::{Path, Step};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Number;

mod name;

pub use name::Key;

/// A value; its questions are those of `serde_json::Value`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Box<[Value]>),
    Object(Map),
}

/// Fields by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Box<[Entry]>);

type Entry = (Key, Value);

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => Self::Number(value),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => Self::Object(map.into_iter().collect()),
        }
    }
}

impl FromIterator<(String, serde_json::Value)> for Map {
    fn from_iter<T: IntoIterator<Item = (String, serde_json::Value)>>(fields: T) -> Self {
        let mut fields: Vec<Entry> = fields.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        fields.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Self(fields.into())
    }
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m str, &'m Value);
    type IntoIter = std::iter::Map<std::slice::Iter<'m, Entry>, fn(&'m Entry) -> (&'m str, &'m Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl Value {
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        at(self, pointer)
    }

    /// What a path leads to.
    pub fn within(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        })
    }

    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(value) = self { value.as_i64() } else { None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    pub fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// A whole number that fits 64 bits.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Number(value) if value.is_i64() || value.is_u64())
    }

    /// The same for whom JSON is `serde_json`'s.
    pub fn loose(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => serde_json::Value::Bool(*value),
            Self::Number(value) => serde_json::Value::Number(value.clone()),
            Self::String(text) => serde_json::Value::String(text.to_string()),
            Self::Array(items) => serde_json::Value::Array(items.iter().map(Self::loose).collect()),
            Self::Object(map) => {
                serde_json::Value::Object(map.iter().map(|(key, value)| (key.to_owned(), value.loose())).collect())
            }
        }
    }
}

impl Json for Value {
    fn field(&self, name: &str) -> Option<&Self> {
        self.get(name)
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.as_object().into_iter().flat_map(Map::iter)
    }

    fn items(&self) -> Option<&[Self]> {
        self.as_array()
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

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items.iter()),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_no_larger_than_its_text_and_a_word() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Entry>(), 40);
    }

    fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            any::<u64>().prop_map(|value| json!(value)),
            any::<f64>().prop_map(|value| json!(value)),
            "\\PC{0,4}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(4, 48, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
                prop::collection::btree_map("[a-e/~0]{0,2}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_says_what_serde_json_says(value in values(), pointer in "(/[a-e~01]{0,2}){0,3}") {
            let ours = Value::from(value.clone());
            prop_assert_eq!(ours.loose(), value.clone());
            prop_assert_eq!(ours.to_string(), value.to_string());
            prop_assert_eq!(ours.pointer(&pointer).map(Value::loose), value.pointer(&pointer).cloned());
        }
    }
}
