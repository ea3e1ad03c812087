//! What `dr-lint.yaml` says, with the place of each mistake in it. `docs/schema/dr-lint.json` says the same to editors.

use std::collections::BTreeMap;

use dr_yaml::{Style, Text};

use crate::closed::{self, Field, Mistake, Written};
use crate::rule::{Appetite, Severity};
use crate::rules::RULES;
use crate::velero::Version;

/// The whole file, checked but for its patterns and paths: those are for who looks at files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub appetite: Option<Appetite>,
    pub velero: Option<Version>,
    /// Left out of folders, as `.gitignore` writes it.
    pub exclude: Vec<Written>,
    /// Looked at and not judged.
    pub context: Vec<Written>,
    /// The file of findings that are told no more.
    pub baseline: Option<Written>,
    pub severities: BTreeMap<String, Option<Severity>>,
    /// In their order: of two that are about a file the later one wins.
    pub overrides: Vec<Override>,
}

/// What is chosen otherwise for some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// As `.gitignore` writes it.
    pub paths: Vec<Written>,
    pub appetite: Option<Appetite>,
    pub severities: BTreeMap<String, Option<Severity>>,
}

const KEYS: &[&str] = &["appetite", "veleroVersion", "exclude", "context", "baseline", "rules", "overrides"];
const OVERRIDE: &[&str] = &["paths", "appetite", "rules"];
const APPETITES: [Appetite; 3] = [Appetite::Default, Appetite::Pedantic, Appetite::Audit];

pub fn read(text: &Text) -> Result<Config, Mistake> {
    let mut config = Config::default();
    let Some(tree) = closed::document(text)? else { return Ok(config) };
    for field in closed::root(&tree, KEYS)? {
        match field.key {
            "appetite" => config.appetite = Some(appetite(&field)?),
            "veleroVersion" => {
                let version = field.text()?;
                config.velero = Some(version.text.parse().map_err(|message: String| field.wrong(message))?);
            }
            "exclude" => config.exclude = field.texts()?,
            "context" => config.context = field.texts()?,
            "baseline" => config.baseline = Some(field.text()?),
            "rules" => config.severities = severities(&field)?,
            _ => config.overrides = field.items()?.iter().map(overridden).collect::<Result<_, _>>()?,
        }
    }
    Ok(config)
}

fn overridden(item: &Field<'_>) -> Result<Override, Mistake> {
    let mut over = Override { paths: Vec::new(), appetite: None, severities: BTreeMap::new() };
    let mut changes = false;
    for field in item.fields(OVERRIDE)? {
        changes |= field.key != "paths";
        match field.key {
            "paths" => over.paths = field.texts()?,
            "appetite" => over.appetite = Some(appetite(&field)?),
            _ => over.severities = severities(&field)?,
        }
    }
    if over.paths.is_empty() {
        return Err(item.wrong(format!("{} has no paths: it would be about no file", item.path)));
    }
    if !changes {
        return Err(item.wrong(format!("{} changes nothing: say rules or appetite", item.path)));
    }
    Ok(over)
}

fn appetite(field: &Field<'_>) -> Result<Appetite, Mistake> {
    let said = field.text()?.text;
    APPETITES.into_iter().find(|appetite| appetite.name() == said).ok_or_else(|| {
        let known = APPETITES.map(Appetite::name);
        field.wrong(format!("{} is {said:?}; known: {}", field.path, known.join(", ")))
    })
}

fn severities(field: &Field<'_>) -> Result<BTreeMap<String, Option<Severity>>, Mistake> {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let mut severities = BTreeMap::new();
    for entry in field.entries()? {
        if !ids.contains(&entry.key) {
            let near = closed::nearest(entry.key, &ids);
            let near = if near.starts_with("known") { "kubectl dr lint rules lists them" } else { near.as_str() };
            return Err(Mistake::new(entry.key_span(), format!("there is no rule {:?}; {near}", entry.key)));
        }
        let severity = match entry.plain() {
            Some(("error", _)) => Some(Severity::Error),
            Some(("warning", _)) => Some(Severity::Warning),
            Some(("info", _)) => Some(Severity::Info),
            // Some readers of YAML make a boolean of `off`, and so do people.
            Some(("off", _) | ("false", Style::Plain | Style::Json)) => None,
            Some((said, _)) if !said.is_empty() => {
                return Err(entry.wrong(format!("{} is {said:?}; known: error, warning, info, off", entry.path)));
            }
            Some(_) | None => return Err(entry.wrong(format!("{} must be error, warning, info or off", entry.path))),
        };
        severities.insert(entry.key.to_owned(), severity);
    }
    Ok(severities)
}
