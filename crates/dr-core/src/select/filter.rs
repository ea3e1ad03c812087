//! The filters of namespaces and of types, each answer with the entry that gave it.

use std::collections::BTreeSet;

use super::glob::Glob;
use super::reason::{Place, Reason, Rule};
use super::resources::Resource;

/// One entry of an include or exclude list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) pattern: String,
    pub(crate) place: Place,
    /// Not what stood in the list, but what Velero put there.
    pub(crate) rule: Option<Rule>,
    glob: Option<Glob>,
}

impl Entry {
    pub(crate) fn new(pattern: &str, place: Place) -> Self {
        Self { pattern: pattern.to_owned(), place, rule: None, glob: Glob::new(pattern).ok() }
    }

    pub(crate) fn by(mut self, rule: Rule) -> Self {
        self.rule = Some(rule);
        self
    }

    pub(crate) fn named(mut self, pattern: &str) -> Self {
        self.glob = Glob::new(pattern).ok();
        pattern.clone_into(&mut self.pattern);
        self
    }
}

/// A list as a sorted set (`globStringSet`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Vec<Entry>);

impl Patterns {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by(|a, b| a.pattern.cmp(&b.pattern));
        entries.dedup_by(|a, b| a.pattern == b.pattern);
        Self(entries)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    pub(crate) fn has(&self, pattern: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.pattern == pattern)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        let at = self.0.partition_point(|known| known.pattern < entry.pattern);
        self.0.insert(at, entry);
    }

    /// The first that matches; one that is no pattern ends the search (`globStringSet.match`).
    pub(crate) fn hit(&self, text: &str) -> Option<&Entry> {
        for entry in &self.0 {
            if entry.glob.as_ref()?.matches(text) {
                return Some(entry);
            }
        }
        None
    }

    fn is_everything(&self) -> bool {
        self.0.is_empty() || (self.0.len() == 1 && self.has("*").is_some())
    }

    fn first(&self) -> Option<&Place> {
        self.0.first().map(|entry| &entry.place)
    }
}

/// `NamespaceIncludesExcludes`, after the preparation of the request.
#[derive(Debug, Clone)]
pub(crate) struct Namespaces {
    pub(crate) includes: Patterns,
    pub(crate) excludes: Patterns,
    /// Patterns were replaced by the names they match.
    pub(crate) expanded: bool,
    /// Every name of an existing namespace is on the list, and that counts as everything.
    pub(crate) all_by_name: bool,
    /// `spec.includedNamespaces`
    pub(crate) field: String,
}

/// Which namespaces a list request names.
pub(crate) enum ToList {
    /// One request over all of them.
    All,
    Named(BTreeSet<String>),
}

impl Namespaces {
    fn included(&self, name: &str) -> bool {
        if self.expanded && self.includes.is_empty() {
            return false;
        }
        self.excludes.hit(name).is_none()
            && (self.includes.is_empty() || self.includes.has("*").is_some() || self.includes.hit(name).is_some())
    }

    /// `ShouldInclude`
    pub(crate) fn decide(&self, name: &str) -> Result<Reason, Reason> {
        if self.expanded && self.includes.is_empty() {
            let says = format!("no namespace matches a pattern of {}, so the backup takes none", self.field);
            let place = Place::Backup { field: self.field.clone() };
            return Err(Reason::new(Rule::NamespaceGlobMatchesNothing, place, says));
        }
        if let Some(entry) = self.excludes.hit(name) {
            return Err(match entry.rule {
                Some(rule) => Reason::new(
                    rule,
                    entry.place.clone(),
                    format!("namespace {name} carries the label velero.io/exclude-from-backup=true"),
                ),
                None => Reason::new(
                    Rule::NamespaceExcluded,
                    entry.place.clone(),
                    format!("namespace {name} is excluded by {:?}", entry.pattern),
                ),
            });
        }
        let included = if self.includes.is_empty() {
            Some(Place::Backup { field: self.field.clone() })
        } else {
            self.includes.has("*").or_else(|| self.includes.hit(name)).map(|entry| entry.place.clone())
        };
        let Some(place) = included else {
            let says = format!("namespace {name} is not in {}", self.field);
            return Err(Reason::new(Rule::NamespaceNotIncluded, Place::Backup { field: self.field.clone() }, says));
        };
        Ok(Reason::new(Rule::NamespaceIncluded, place, format!("namespace {name} is included")))
    }

    /// `IncludeEverything`
    pub(crate) fn everything(&self) -> bool {
        self.excludes.is_empty() && (self.includes.is_everything() || self.all_by_name)
    }

    /// `getNamespacesToList`
    pub(crate) fn to_list(&self) -> ToList {
        if self.included("*") {
            return ToList::All;
        }
        let named = self.includes.iter().map(|entry| entry.pattern.clone());
        ToList::Named(named.filter(|name| self.included(name)).collect())
    }
}

/// The two families of filters for types.
#[derive(Debug, Clone)]
pub(crate) enum Types {
    /// includedResources, excludedResources, includeClusterResources
    Old { includes: Patterns, excludes: Patterns, cluster: Option<bool>, at: String },
    /// The four lists by scope.
    New { namespaced: (Patterns, Patterns), cluster: (Patterns, Patterns), at: String },
}

impl Types {
    /// Whether the collector lists the type (`ShouldInclude`).
    pub(crate) fn collects(&self, resource: &Resource, namespaces: &Namespaces) -> Result<Reason, Reason> {
        let name = resource.name();
        match self {
            Self::Old { includes, excludes, cluster, at } => {
                if !resource.namespaced {
                    if *cluster == Some(false) {
                        return Err(off(at, &name));
                    }
                    if name != "namespaces" && cluster.is_none() && !namespaces.everything() {
                        let field = format!("{at}.includeClusterResources");
                        let says = format!(
                            "{name} is cluster-scoped, includeClusterResources is unset, and the backup does not take \
                             every namespace"
                        );
                        return Err(Reason::new(Rule::ClusterScopeAuto, Place::Backup { field }, says));
                    }
                }
                listed(includes, excludes, &name, &format!("{at}.includedResources"))
            }
            Self::New { namespaced, cluster, at } => {
                if resource.namespaced {
                    return listed(
                        &namespaced.0,
                        &namespaced.1,
                        &name,
                        &format!("{at}.includedNamespaceScopedResources"),
                    );
                }
                let field = format!("{at}.includedClusterScopedResources");
                if let Some(entry) = cluster.1.has("*").or_else(|| cluster.1.hit(&name)) {
                    return Err(excluded(entry, &name));
                }
                let full = cluster.0.is_empty()
                    && cluster.1.is_empty()
                    && namespaces.everything()
                    && namespaced.0.is_everything()
                    && namespaced.1.is_empty();
                if full {
                    let says = format!("everything is backed up, {name} as well");
                    return Ok(Reason::new(Rule::TypeIncluded, Place::Backup { field }, says));
                }
                match cluster.0.has("*").or_else(|| cluster.0.hit(&name)) {
                    Some(entry) => Ok(included(entry.place.clone(), &name)),
                    None if name == "namespaces" => Ok(included(Place::Velero, &name)),
                    None => {
                        let says = format!("{name} is cluster-scoped, and {field} does not name it");
                        Err(Reason::new(Rule::ClusterScopeNotListed, Place::Backup { field }, says))
                    }
                }
            }
        }
    }

    /// Whether what something else brings along is kept (`itemInclusionChecks`): softer for cluster-scoped types,
    /// where only an exclusion counts (`ShouldExclude`).
    pub(crate) fn keeps(&self, resource: &Resource, namespaces: &Namespaces) -> Result<(), Reason> {
        if resource.namespaced {
            return self.collects(resource, namespaces).map(|_| ());
        }
        let name = resource.name();
        match self {
            Self::Old { includes, excludes, cluster, at } => {
                if let Some(entry) = excludes.hit(&name) {
                    return Err(excluded(entry, &name));
                }
                match cluster {
                    Some(false) => Err(off(at, &name)),
                    None => listed(includes, excludes, &name, &format!("{at}.includedResources")).map(|_| ()),
                    Some(true) => Ok(()),
                }
            }
            Self::New { cluster, .. } => match cluster.1.hit(&name) {
                Some(entry) => Err(excluded(entry, &name)),
                None => Ok(()),
            },
        }
    }
}

fn off(at: &str, name: &str) -> Reason {
    let place = Place::Backup { field: format!("{at}.includeClusterResources") };
    Reason::new(Rule::ClusterScopeOff, place, format!("{name} is cluster-scoped, and includeClusterResources is false"))
}

fn listed(includes: &Patterns, excludes: &Patterns, name: &str, field: &str) -> Result<Reason, Reason> {
    if let Some(entry) = excludes.has("*").or_else(|| excludes.hit(name)) {
        return Err(excluded(entry, name));
    }
    if includes.is_empty() {
        return Ok(included(Place::Backup { field: field.to_owned() }, name));
    }
    if let Some(entry) = includes.has("*").or_else(|| includes.hit(name)) {
        return Ok(included(entry.place.clone(), name));
    }
    let place = match includes.first() {
        Some(Place::Policy { field }) => Place::Policy { field: field.clone() },
        Some(_) | None => Place::Backup { field: field.to_owned() },
    };
    Err(Reason::new(Rule::TypeNotIncluded, place, format!("{name} is not in {field}")))
}

fn included(place: Place, name: &str) -> Reason {
    Reason::new(Rule::TypeIncluded, place, format!("{name} is among the types the backup takes"))
}

fn excluded(entry: &Entry, name: &str) -> Reason {
    let rule = entry.rule.unwrap_or(Rule::TypeExcluded);
    let says = if entry.rule.is_some() {
        format!("Velero itself keeps {name} out of every backup, except for those it makes for it")
    } else {
        format!("{name} is excluded by {:?}", entry.pattern)
    };
    Reason::new(rule, entry.place.clone(), says)
}
