//! The namespaces of a backup: names, patterns, and the label that excludes.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::filter::{Entry, Namespaces, Patterns};
use super::prepare::{Checks, check_lists};
use super::reason::{Place, Rule};
use super::selector::is_label;
use super::version::{Feature, Version};

pub(crate) const EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

pub(crate) fn namespaces(checks: &mut Checks<'_>, cluster: &Cluster, version: Version) -> Namespaces {
    let spec = &checks.backup.spec;
    let field = format!("{}.includedNamespaces", checks.backup.at);
    let mut includes = checks.entries("includedNamespaces", &spec.included_namespaces);
    let mut excludes = checks.entries("excludedNamespaces", &spec.excluded_namespaces);
    for (_, item) in cluster.of("namespaces") {
        if item.object.label(EXCLUDE_LABEL) == Some("true") {
            let place = Place::object(&item.reference, format!("metadata.labels[{EXCLUDE_LABEL}]"));
            excludes.push(Entry::new(&item.reference.name, place).by(Rule::NamespaceExcludedByLabel));
        }
    }
    let texts = |entries: &[Entry]| entries.iter().map(|entry| entry.pattern.clone()).collect::<Vec<_>>();
    let mut problems = check_lists(&texts(&includes), &texts(&excludes), false);
    for entry in includes.iter().chain(&excludes) {
        problems.extend(check_namespace(&entry.pattern, version).err());
    }
    for problem in problems {
        checks.refuse("includedNamespaces", problem);
    }
    let existing = cluster.namespaces();
    if includes.is_empty() {
        includes.push(Entry::new("*", Place::Backup { field: field.clone() }));
    }
    let is_glob = |entry: &Entry| entry.pattern.contains(['*', '?', '[']);
    let expanded = version.has(Feature::NamespaceGlobsExpanded)
        && !includes.iter().any(|entry| entry.pattern == "*")
        && includes.iter().chain(&excludes).any(is_glob);
    if expanded {
        includes = expand(includes, &existing);
        excludes = expand(excludes, &existing);
    }
    let includes = Patterns::new(includes);
    let named: BTreeSet<&str> = includes.iter().map(|entry| entry.pattern.as_str()).collect();
    // Empty after expansion counts as everything too, for what the types ask (`IncludeEverything`).
    let all_by_name = version.has(Feature::AllNamesIsEverything) && named == existing;
    Namespaces { excludes: Patterns::new(excludes), expanded, all_by_name, field, includes }
}

fn expand(entries: Vec<Entry>, existing: &BTreeSet<&str>) -> Vec<Entry> {
    let mut expanded: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in entries {
        if entry.pattern.contains(['*', '?', '[']) {
            let patterns = Patterns::new([entry.clone()]);
            for name in existing.iter().filter(|name| patterns.hit(name).is_some()) {
                expanded.entry((*name).to_owned()).or_insert_with(|| entry.clone().named(name));
            }
        } else {
            expanded.insert(entry.pattern.clone(), entry);
        }
    }
    expanded.into_values().collect()
}

/// `validateNamespaceName`; an empty name is accepted.
fn check_namespace(name: &str, version: Version) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    let plain = if version.has(Feature::NamespaceGlobsExpanded) {
        check_wildcards(name)?;
        name.replace(['*', '?', '[', ']'], "x")
    } else {
        name.replace('*', "x")
    };
    if plain.len() <= 63 && is_label(&plain, |char| char.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err(format!("{name:?} is no name of a namespace and no pattern for one"))
    }
}

/// `pkg/util/wildcard/expand.go:ValidateNamespaceName`
pub(crate) fn check_wildcards(pattern: &str) -> Result<(), String> {
    if pattern.contains(['|', '(', ')', '!', '{', '}', ',']) {
        return Err(format!("{pattern:?} holds one of | ( ) ! {{ }} , which patterns for namespaces must not"));
    }
    if pattern.contains("**") {
        return Err(format!("{pattern:?} holds **"));
    }
    let mut rest = pattern;
    while let Some(at) = rest.find(['[', ']']) {
        let (_, from) = rest.split_at(at);
        let Some(inner) = from.strip_prefix('[') else {
            return Err(format!("{pattern:?} closes a bracket that is not open"));
        };
        match inner.split_once(']') {
            None => return Err(format!("{pattern:?} does not close a bracket")),
            Some(("", _)) => return Err(format!("{pattern:?} holds empty brackets")),
            Some((_, after)) => rest = after,
        }
    }
    Ok(())
}
