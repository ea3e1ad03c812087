//! Label selectors, and what the API server makes of the text Velero turns them into.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spec::nullable;

/// `metav1.LabelSelector`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    pub key: String,
    pub operator: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Why a selector selects nothing at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// `{}` is rendered `<none>`, which the API server cannot parse.
    Empty,
    /// An expression is invalid: rendered `<error>`.
    Invalid(String),
}

impl LabelSelector {
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// As a list request: `metav1.FormatLabelSelector` renders it, the API server parses that again.
    pub(crate) fn usable(&self) -> Result<(), Unusable> {
        if self.is_empty() {
            return Err(Unusable::Empty);
        }
        self.valid().map_err(Unusable::Invalid)
    }

    /// `metav1.LabelSelectorAsSelector`
    ///
    /// # Errors
    /// What Kubernetes says against it: a key or value that no label has, an operator with values that are not its own.
    pub fn valid(&self) -> Result<(), String> {
        for (key, value) in &self.match_labels {
            check_key(key)?;
            check_value(value)?;
        }
        for Requirement { key, operator, values } in &self.match_expressions {
            check_key(key)?;
            match (operator.as_str(), values.is_empty()) {
                ("In" | "NotIn", false) => values.iter().try_for_each(|value| check_value(value))?,
                ("In" | "NotIn", true) => return Err(format!("{operator} of {key} names no value")),
                ("Exists" | "DoesNotExist", true) => {}
                ("Exists" | "DoesNotExist", false) => return Err(format!("{operator} of {key} must not name values")),
                (other, _) => return Err(format!("{other:?} is no operator")),
            }
        }
        Ok(())
    }

    /// An empty selector matches everything here.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.missed(labels).is_none()
    }

    /// The field of the selector that does not fit, and what stands against it.
    pub(crate) fn missed(&self, labels: &BTreeMap<String, String>) -> Option<(String, String)> {
        let has = |key: &str| match labels.get(key) {
            Some(value) => format!("its label {key} is {value:?}"),
            None => format!("it has no label {key}"),
        };
        for (key, value) in &self.match_labels {
            if labels.get(key) != Some(value) {
                return Some((format!("matchLabels[{key}]"), format!("{}, not {value:?}", has(key))));
            }
        }
        for (index, Requirement { key, operator, values }) in self.match_expressions.iter().enumerate() {
            let value = labels.get(key);
            let fits = match operator.as_str() {
                "In" => value.is_some_and(|value| values.contains(value)),
                "NotIn" => value.is_none_or(|value| !values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            };
            if !fits {
                return Some((format!("matchExpressions[{index}]"), has(key)));
            }
        }
        None
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= 253
            && prefix.split('.').all(|part| !part.is_empty() && is_label(part, |char| char.is_ascii_lowercase()))
    });
    if !name.is_empty() && name.len() <= 63 && is_name(name) && prefix_fits {
        Ok(())
    } else {
        Err(format!("{key:?} is no label key"))
    }
}

fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() || (value.len() <= 63 && is_name(value)) {
        Ok(())
    } else {
        Err(format!("{value:?} is no label value"))
    }
}

fn is_name(text: &str) -> bool {
    let edge = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
}

/// A DNS-1123 label, with letters as told.
pub(crate) fn is_label(text: &str, letter: impl Fn(char) -> bool) -> bool {
    let fits = |char: char| letter(char) || char.is_ascii_digit();
    let edge = |char: Option<char>| char.is_some_and(fits);
    edge(text.chars().next()) && edge(text.chars().last()) && text.chars().all(|char| fits(char) || char == '-')
}
