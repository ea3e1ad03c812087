//! `dr.yaml`, optional, in the working directory: what is true of a namespace every time.
//!
//! ```yaml
//! namespaces:
//!   bookstore:
//!     rpo: 1h
//!     leave: [cache-0]
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::exit::Exit;
use crate::flags;
use crate::report::Failure;

const FILE: &str = "dr.yaml";

/// The whole file. A field it does not know is a mistake, not a hint for a later version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    namespaces: BTreeMap<String, NamespaceConfig>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceConfig {
    /// The oldest data that may come back without a warning.
    #[serde(default, deserialize_with = "duration")]
    rpo: Option<Duration>,
    /// Claims that a restore leaves as they are unless `--claim` names them.
    #[serde(default)]
    leave: Vec<String>,
}

impl Config {
    pub(crate) fn left(&self, namespace: &str) -> Vec<String> {
        self.namespaces.get(namespace).map(|config| config.leave.clone()).unwrap_or_default()
    }

    pub(crate) fn rpo(&self, namespace: &str) -> Option<Duration> {
        self.namespaces.get(namespace)?.rpo
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    flags::duration(&text).map(Some).map_err(serde::de::Error::custom)
}

pub(crate) fn find() -> Result<Config, Failure> {
    match std::fs::read_to_string(FILE) {
        Ok(text) => read(Path::new(FILE), &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(Failure::failed(format!("cannot read {FILE}"), error).with_exit(Exit::Usage)),
    }
}

fn read(path: &Path, text: &str) -> Result<Config, Failure> {
    if text.trim().is_empty() {
        return Ok(Config::default());
    }
    serde_yaml::from_str(text).map_err(|error| {
        Failure::failed(format!("{} is not a configuration", path.display()), error)
            .with_exit(Exit::Usage)
            .hint("known: namespaces.<name>.rpo, namespaces.<name>.leave")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_namespace_leaves_is_read() {
        let text = "namespaces:\n  shop:\n    rpo: 1h\n    leave: [cache]\n";
        let config = read(Path::new(FILE), text).unwrap();
        assert_eq!(config.left("shop"), ["cache"]);
        assert_eq!(config.rpo("shop"), Some(Duration::from_secs(3600)));
        assert_eq!(config.left("other"), Vec::<String>::new());
    }

    #[test]
    fn a_field_nobody_knows_is_an_error_with_its_place() {
        let failure = read(Path::new(FILE), "namespaces:\n  shop:\n    rto: 1h\n").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        insta::assert_snapshot!(failure.causes().join("\n"), @"namespaces.shop: unknown field `rto`, expected `rpo` or `leave` at line 3 column 5");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read(Path::new(FILE), "\n").unwrap(), Config::default());
    }
}
