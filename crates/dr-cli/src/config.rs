//! `dr.yaml`, optional, in the working directory: what is true of a namespace every time.
//!
//! ```yaml
//! namespaces:
//!   bookstore:
//!     rpo: 1h
//!     leave: [cache-0]
//!     hooks:
//!     - name: dump
//!       labels: {app: mysql}
//!       container: mysql
//!       pre: [sh, -c, "mysqldump --all-databases > /dump/all.sql"]
//!       onError: Fail
//!       timeout: 10m
//!   review-7:
//!     deleted: 2026-01-31
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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
    /// The day it was deleted on purpose: what backups up to then hold of it is no reason for alarm.
    #[serde(default, deserialize_with = "day")]
    deleted: Option<Date>,
    /// Claims that a restore leaves as they are unless `--claim` names them.
    #[serde(default)]
    leave: Vec<String>,
    /// What Velero runs in pods when `kubectl dr backup` and its schedules back the namespace up.
    #[serde(default, deserialize_with = "hooks")]
    hooks: Vec<Hook>,
}

/// A hook of a Velero backup. What Velero would pass over without a word cannot be written here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HookFields")]
pub(crate) struct Hook {
    pub(crate) name: String,
    /// Of the pods it runs in; never none.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) container: String,
    /// Before the volumes are taken; this, the other or both.
    pub(crate) pre: Vec<String>,
    /// After all of them.
    pub(crate) post: Vec<String>,
    pub(crate) on_error: OnError,
    pub(crate) timeout: Duration,
}

/// What becomes of the backup of the pod when its hook fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum OnError {
    /// Nothing; the backup is `PartiallyFailed`.
    Continue,
    /// The pod and the copies of its volumes are not in the backup.
    Fail,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HookFields {
    name: String,
    labels: BTreeMap<String, String>,
    container: String,
    #[serde(default)]
    pre: Vec<String>,
    #[serde(default)]
    post: Vec<String>,
    on_error: OnError,
    #[serde(deserialize_with = "duration")]
    timeout: Option<Duration>,
}

impl TryFrom<HookFields> for Hook {
    type Error = String;

    fn try_from(fields: HookFields) -> Result<Self, String> {
        let HookFields { name, labels, container, pre, post, on_error, timeout } = fields;
        let timeout = timeout.filter(|timeout| timeout.as_secs() > 0).ok_or("timeout must be more than nothing")?;
        if labels.is_empty() {
            return Err(format!("hook {name} has no labels, and would run in every pod of the namespace"));
        }
        if pre.is_empty() && post.is_empty() {
            return Err(format!("hook {name} has neither pre nor post, and would run nothing"));
        }
        Ok(Self { name, labels, container, pre, post, on_error, timeout })
    }
}

impl Config {
    pub(crate) fn hooks(&self, namespace: &str) -> &[Hook] {
        self.namespaces.get(namespace).map_or(&[], |config| config.hooks.as_slice())
    }

    pub(crate) fn left(&self, namespace: &str) -> Vec<String> {
        self.namespaces.get(namespace).map(|config| config.leave.clone()).unwrap_or_default()
    }

    /// The end of the day on which it was deleted on purpose.
    pub(crate) fn deleted(&self, namespace: &str) -> Option<Timestamp> {
        let next = self.namespaces.get(namespace)?.deleted?.tomorrow().ok()?;
        Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    pub(crate) fn rpo(&self, namespace: &str) -> Option<Duration> {
        self.namespaces.get(namespace)?.rpo
    }
}

/// Hooks are told apart by their names.
fn hooks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hook>, D::Error> {
    let hooks = Vec::<Hook>::deserialize(from)?;
    let mut names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first());
    match twice {
        Some(name) => Err(serde::de::Error::custom(format!("two hooks are called {name}"))),
        None => Ok(hooks),
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    flags::duration(&text).map(Some).map_err(serde::de::Error::custom)
}

fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    let text = String::deserialize(from)?;
    let day = text.parse().map_err(|_| serde::de::Error::custom("expected a day such as 2026-01-31"))?;
    Ok(Some(day))
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
            .hint("known: rpo, deleted, leave and hooks of namespaces.<name>")
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
    fn a_namespace_is_deleted_until_the_end_of_its_day() {
        let config = read(Path::new(FILE), "namespaces:\n  shop:\n    deleted: 2026-01-31\n").unwrap();
        assert_eq!(config.deleted("shop"), Some("2026-02-01T00:00:00Z".parse().unwrap()));
        assert_eq!(config.deleted("other"), None);
        let failure = read(Path::new(FILE), "namespaces:\n  shop:\n    deleted: true\n").unwrap_err();
        assert!(failure.causes().join(": ").contains("expected"), "{:?}", failure.causes());
    }

    #[test]
    fn a_field_nobody_knows_is_an_error_with_its_place() {
        let failure = read(Path::new(FILE), "namespaces:\n  shop:\n    rto: 1h\n").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        insta::assert_snapshot!(failure.causes().join("\n"), @"namespaces.shop: unknown field `rto`, expected one of `rpo`, `deleted`, `leave`, `hooks` at line 3 column 5");
    }

    const HOOK: &str = "namespaces:
  shop:
    hooks:
    - name: dump
      labels: {app: db}
      container: main
      pre: [dump]
      onError: Fail
      timeout: 10m
";

    #[test]
    fn a_hook_says_everything_that_decides_or_is_refused() {
        let config = read(Path::new(FILE), HOOK).unwrap();
        let [hook] = config.hooks("shop") else { panic!("{config:?}") };
        assert_eq!((hook.on_error, hook.timeout), (OnError::Fail, Duration::from_secs(600)));
        let without = |line: &str| {
            let text = HOOK.replace(line, "");
            read(Path::new(FILE), &text).unwrap_err().causes().join(": ")
        };
        for (line, says) in [
            ("      onError: Fail\n", "missing field `onError`"),
            ("      timeout: 10m\n", "missing field `timeout`"),
            ("      container: main\n", "missing field `container`"),
            ("      pre: [dump]\n", "hook dump has neither pre nor post, and would run nothing"),
            ("app: db", "hook dump has no labels, and would run in every pod of the namespace"),
        ] {
            let told = without(line);
            assert!(told.contains(says), "{line}: {told}");
        }
        let (head, hook) = HOOK.split_at(HOOK.find("    - name").unwrap());
        let twice = read(Path::new(FILE), &format!("{head}{hook}{hook}")).unwrap_err().causes().join(": ");
        assert!(twice.contains("two hooks are called dump"), "{twice}");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read(Path::new(FILE), "\n").unwrap(), Config::default());
    }
}
