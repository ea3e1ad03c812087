//! `dr-lint.yaml`, optional, in the working directory.
//!
//! ```yaml
//! appetite: pedantic
//! veleroVersion: "1.17"
//! exclude: [charts/, "*.enc.yaml"]
//! rules:
//!   schedule-paused: off
//!   retention-shorter-than-interval: error
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dr_lint::{Appetite, RULES, Settings, Severity, Version};
use serde::Deserialize;
use serde_yaml::Value;

use super::walk::Excluded;
use crate::exit::Exit;
use crate::report::Failure;

const FILE: &str = "dr-lint.yaml";

/// The whole file. A field it does not know is a mistake.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    appetite: Option<Hunger>,
    velero_version: Option<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    rules: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Hunger {
    Default,
    Pedantic,
    Audit,
}

/// What it says, checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    appetite: Option<Appetite>,
    velero: Option<Version>,
    /// Begins in the folder of the file.
    pub(super) excluded: Option<Excluded>,
    severities: BTreeMap<String, Option<Severity>>,
}

impl Config {
    /// The command line wins.
    pub(super) fn settings(self, appetite: Option<Appetite>, velero: Option<Version>) -> Settings {
        Settings {
            appetite: appetite.or(self.appetite).unwrap_or(Appetite::Default),
            velero: velero.or(self.velero).unwrap_or_default(),
            severities: self.severities,
        }
    }
}

pub(super) fn find(named: Option<&Path>) -> Result<Config, Failure> {
    let path = named.unwrap_or(Path::new(FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => read(path, &text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(Failure::failed(format!("cannot read {}", path.display()), error).with_exit(Exit::Usage)),
    }
}

fn read(path: &Path, text: &str) -> Result<Config, Failure> {
    if text.trim().is_empty() {
        return Ok(Config::default());
    }
    let wrong = |message: String| Failure::usage(format!("{} is not a configuration: {message}", path.display()));
    let file: File = serde_yaml::from_str(text).map_err(|error| {
        wrong(error.to_string())
            .hint("known: appetite, veleroVersion, exclude, rules.<id>: error | warning | info | off")
    })?;
    let File { appetite, velero_version, exclude, rules } = file;
    let appetite = appetite.map(|appetite| match appetite {
        Hunger::Default => Appetite::Default,
        Hunger::Pedantic => Appetite::Pedantic,
        Hunger::Audit => Appetite::Audit,
    });
    let velero = velero_version.map(|version| version.parse()).transpose().map_err(wrong)?;
    let excluded = if exclude.is_empty() { None } else { Some(Excluded::new(&folder_of(path), &exclude)?) };
    let mut severities = BTreeMap::new();
    for (id, value) in rules {
        if !RULES.iter().any(|rule| rule.id == id) {
            return Err(wrong(format!("there is no rule {id:?}")).hint("kubectl dr lint rules lists them"));
        }
        // Other readers of YAML make a boolean of `off`.
        let level = value.as_str().or_else(|| (value.as_bool() == Some(false)).then_some("off"));
        let severity = match level {
            Some("error") => Some(Severity::Error),
            Some("warning") => Some(Severity::Warning),
            Some("info") => Some(Severity::Info),
            Some("off") => None,
            Some(_) | None => {
                let shown = serde_json::to_string(&value).unwrap_or_default();
                return Err(wrong(format!("rules.{id} is {shown}")).hint("known: error, warning, info, off"));
            }
        };
        severities.insert(id, severity);
    }
    Ok(Config { appetite, velero, excluded, severities })
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file() {
        let text =
            "appetite: audit\nveleroVersion: \"1.16\"\nrules:\n  schedule-paused: off\n  cron-invalid: warning\n";
        let config = read(Path::new(FILE), text).unwrap();
        let settings = config.clone().settings(None, None);
        assert_eq!((settings.appetite, settings.velero), (Appetite::Audit, Version::V1_16));
        assert_eq!(settings.severities["schedule-paused"], None);
        assert_eq!(settings.severities["cron-invalid"], Some(Severity::Warning));
        let settings = config.settings(Some(Appetite::Default), Some(Version::V1_18));
        assert_eq!((settings.appetite, settings.velero), (Appetite::Default, Version::V1_18));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (text, because) in [
            ("rule: {}\n", "unknown field `rule`"),
            ("rules: {cron-invalit: error}\n", "there is no rule \"cron-invalit\""),
            ("rules: {cron-invalid: fatal}\n", "rules.cron-invalid is \"fatal\""),
            ("exclude: [\"{a\"]\n", "\"{a\" is no pattern: "),
            ("veleroVersion: \"1.2\"\n", "known versions of Velero: 1.15, 1.16, 1.17, 1.18"),
        ] {
            let failure = read(Path::new(FILE), text).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.error.to_string().contains(because), "{}", failure.error);
        }
    }
}
