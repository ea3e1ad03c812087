//! `dr-lint.yaml`, optional, in the working directory: its patterns and paths begin in its own folder.
//!
//! ```yaml
//! appetite: pedantic
//! veleroVersion: "1.17"
//! exclude: [charts/, "*.enc.yaml"]
//! context: [apps/]
//! baseline: dr-lint-baseline.yaml
//! rules:
//!   schedule-paused: off
//! overrides:
//! - paths: [staging/]
//!   rules:
//!     location-without-tls: off
//! ```

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dr_lint::config::{self, Override};
use dr_lint::{Appetite, Choice, Input, Mistake, Settings, Severity, Version, Written};
use dr_yaml::{Lines, Span, Text};

use super::walk::Excluded;
use crate::exit::Exit;
use crate::report::Failure;

const FILE: &str = "dr-lint.yaml";
/// The same for editors.
pub(super) const SCHEMA: &str = include_str!("../../../../docs/schema/dr-lint.json");

/// What it says, ready to be used.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Itself, where there is one: no manifest.
    pub(super) file: Option<PathBuf>,
    appetite: Option<Appetite>,
    velero: Option<Version>,
    pub(super) excluded: Option<Excluded>,
    /// Looked at and not judged.
    pub(super) context: Vec<PathBuf>,
    pub(super) baseline: Option<PathBuf>,
    severities: BTreeMap<String, Option<Severity>>,
    overrides: Vec<(Excluded, Override)>,
}

impl Config {
    /// The version that somebody has said; the command line wins.
    pub(super) fn version(&self, velero: Option<Version>) -> Option<Version> {
        velero.or(self.velero)
    }

    /// The command line wins.
    pub(super) fn settings(&self, appetite: Option<Appetite>, velero: Option<Version>) -> Settings {
        Settings {
            appetite: appetite.or(self.appetite).unwrap_or(Appetite::Default),
            velero: self.version(velero).unwrap_or_default(),
            severities: self.severities.clone(),
            files: BTreeMap::new(),
        }
    }

    /// What the overrides choose for each of these files; the appetite only where the command line says none.
    pub(super) fn choose(&self, input: &Input, appetite: Option<Appetite>, settings: &mut Settings) {
        if self.overrides.is_empty() {
            return;
        }
        // Files for which the same is chosen share it.
        let mut made: HashMap<Vec<usize>, Arc<Choice>> = HashMap::new();
        // Standard input has no path, and what is in a cluster has none.
        for file in input.files.iter().filter(|file| !file.context && !file.live && file.name != "-") {
            let about = |over: &(Excluded, Override)| over.0.holds(Path::new(&file.name));
            let about: Vec<usize> =
                (0..).zip(&self.overrides).filter(|(_, over)| about(over)).map(|(at, _)| at).collect();
            if about.is_empty() {
                continue;
            }
            let choice = made.entry(about).or_insert_with_key(|about| {
                let mut choice = Choice { appetite: settings.appetite, severities: settings.severities.clone() };
                for (_, over) in about.iter().filter_map(|at| self.overrides.get(*at)) {
                    choice.severities.extend(over.severities.clone());
                    choice.appetite = appetite.or(over.appetite).unwrap_or(choice.appetite);
                }
                Arc::new(choice)
            });
            settings.files.insert(file.name.clone(), Arc::clone(choice));
        }
    }
}

pub(super) fn find(named: Option<&Path>) -> Result<Config, Failure> {
    let path = named.unwrap_or(Path::new(FILE));
    match std::fs::read(path) {
        Ok(bytes) => read(path, &bytes),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(Failure::failed(format!("cannot read {}", path.display()), error).with_exit(Exit::Usage)),
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<Config, Failure> {
    let text = Text::decode(bytes).map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?;
    let wrong = |mistake: Mistake| mistaken(path, &text.text, &mistake);
    let config::Config { appetite, velero, exclude, context, baseline, severities, overrides } =
        config::read(&text).map_err(wrong)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let patterns = |globs: &[Written]| {
        let all: Vec<String> = globs.iter().map(|glob| glob.text.clone()).collect();
        Excluded::new(folder, &all).map_err(|failure| {
            // The one that is wrong by itself.
            let alone = |glob: &&Written| Excluded::new(folder, std::slice::from_ref(&glob.text)).is_err();
            let span = globs.iter().find(alone).or(globs.first()).map_or(0..0, |glob| glob.span.clone());
            wrong(Mistake { span, message: failure.error.to_string() })
        })
    };
    let excluded = if exclude.is_empty() { None } else { Some(patterns(&exclude)?) };
    let overrides =
        overrides.into_iter().map(|over| Ok((patterns(&over.paths)?, over))).collect::<Result<_, Failure>>()?;
    let context = context.iter().map(|path| folder.join(&path.text)).collect();
    let baseline = baseline.map(|path| folder.join(path.text));
    Ok(Config { file: Some(path.to_path_buf()), appetite, velero, excluded, context, baseline, severities, overrides })
}

/// The mistake in a file of ours, as exit 2.
pub(super) fn mistaken(path: &Path, text: &str, Mistake { span, message }: &Mistake) -> Failure {
    let Span { start, .. } = span;
    let at = Lines::of(text).place(text, *start);
    Failure::usage(format!("{}:{}:{}: {message}", path.display(), at.line, at.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        read(Path::new(FILE), text.as_bytes()).unwrap()
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let config = config(
            "appetite: audit\nveleroVersion: \"1.16\"\nrules:\n  schedule-paused: off\n  cron-invalid: warning\n",
        );
        let settings = config.settings(None, None);
        assert_eq!((settings.appetite, settings.velero), (Appetite::Audit, Version::V1_16));
        assert_eq!(settings.severities["schedule-paused"], None);
        assert_eq!(settings.severities["cron-invalid"], Some(Severity::Warning));
        let settings = config.settings(Some(Appetite::Default), Some(Version::V1_18));
        assert_eq!((settings.appetite, settings.velero), (Appetite::Default, Version::V1_18));
    }

    #[test]
    fn of_overrides_about_a_file_each_adds_to_those_before_and_the_last_one_wins() {
        let config = config(
            "rules: {schedule-paused: off}
overrides:
- paths: [staging/, '*.test.yaml']
  appetite: pedantic
  rules: {cron-invalid: off, hook-cut-off: info}
- paths: [/staging/shop, '!*.keep.yaml']
  rules: {cron-invalid: warning}
",
        );
        let mut input = Input::default();
        for name in
            ["a.yaml", "a.test.yaml", "./staging/b.yaml", "staging/shop/../shop/c.yaml", "../staging/d.yaml", "-"]
        {
            input.add(name, b"a: b\n", false);
        }
        let mut settings = config.settings(None, None);
        config.choose(&input, None, &mut settings);
        let told: Vec<String> = settings
            .files
            .iter()
            .map(|(name, choice)| {
                let severity = |severity: &Option<Severity>| severity.map_or("off", Severity::name);
                let rules: Vec<String> =
                    choice.severities.iter().map(|(id, said)| format!("{id} {}", severity(said))).collect();
                format!("{name}: {}, {}", choice.appetite.name(), rules.join(", "))
            })
            .collect();
        assert_eq!(
            told,
            [
                "./staging/b.yaml: pedantic, cron-invalid off, hook-cut-off info, schedule-paused off",
                "a.test.yaml: pedantic, cron-invalid off, hook-cut-off info, schedule-paused off",
                "staging/shop/../shop/c.yaml: pedantic, cron-invalid warning, hook-cut-off info, schedule-paused off",
            ]
        );
        let mut settings = config.settings(Some(Appetite::Audit), None);
        config.choose(&input, Some(Appetite::Audit), &mut settings);
        assert!(settings.files.values().all(|choice| choice.appetite == Appetite::Audit));
    }

    #[test]
    fn paths_begin_in_the_folder_of_the_file() {
        let text = "context: [apps, ../charts/*.yaml]\n";
        let config = read(Path::new("ops/own.yaml"), text.as_bytes()).unwrap();
        assert_eq!(config.context, [Path::new("ops/apps"), Path::new("ops/../charts/*.yaml")]);
        assert_eq!(self::config(text).context, [Path::new("apps"), Path::new("../charts/*.yaml")]);
    }
}
