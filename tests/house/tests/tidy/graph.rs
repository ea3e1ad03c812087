//! The packages as cargo resolves them, and the licences, sources and duplicates of `deny.toml` held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};
use dr_house::{checkout, read};
use serde::Deserialize;

pub(crate) struct Graph {
    metadata: Metadata,
    packages: BTreeMap<PackageId, Package>,
    nodes: BTreeMap<PackageId, Node>,
}

pub(crate) fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let metadata = MetadataCommand::new()
            .manifest_path(checkout().join("Cargo.toml"))
            .other_options(["--locked".to_owned(), "--filter-platform".into(), "x86_64-unknown-linux-gnu".into()])
            .exec()
            .unwrap_or_else(|error| panic!("cargo metadata: {error}"));
        let packages = metadata.packages.iter().map(|package| (package.id.clone(), package.clone())).collect();
        let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let nodes = nodes.map(|node| (node.id.clone(), node.clone())).collect();
        Graph { metadata, packages, nodes }
    })
}

impl Graph {
    /// Name and manifest of each package of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.metadata.workspace_packages().into_iter();
        members.map(|package| (package.name.as_str(), package.manifest_path.as_str()))
    }

    fn id(&self, name: &str) -> &PackageId {
        let mut members = self.metadata.workspace_packages().into_iter();
        &members.find(|package| package.name.as_str() == name).unwrap_or_else(|| panic!("no member {name}")).id
    }

    /// What the package is built with; what only its tests or its build script need is left out.
    fn normal<'a>(&'a self, id: &'a PackageId) -> impl Iterator<Item = &'a PackageId> {
        let deps = self.nodes[id].deps.iter();
        deps.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)).map(|dep| &dep.pkg)
    }

    fn name(&self, id: &PackageId) -> String {
        self.packages[id].name.to_string()
    }

    pub(crate) fn direct(&self, name: &str) -> BTreeSet<String> {
        self.normal(self.id(name)).map(|id| self.name(id)).collect()
    }

    /// The names of everything the package is built with, however far away.
    pub(crate) fn reached(&self, name: &str) -> BTreeSet<String> {
        self.behind(name).iter().map(|package| package.name.to_string()).collect()
    }

    fn behind(&self, name: &str) -> Vec<&Package> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.id(name)];
        while let Some(id) = open.pop() {
            for next in self.normal(id) {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen.iter().map(|id| &self.packages[id]).collect()
    }
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// A licence that one crate may have and others may not.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    krate: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    krate: String,
    reason: String,
}

#[derive(Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    allow_registry: Vec<String>,
}

fn deny() -> Deny {
    toml::from_str(&read("deny.toml")).expect("deny.toml")
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let Licenses { allow, exceptions } = deny().licenses;
    let mut wrong = Vec::new();
    for package in graph().packages.values() {
        let Some(licence) = &package.license else {
            wrong.push(format!("{} {} names no licence", package.name, package.version));
            continue;
        };
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
        let own = exceptions.iter().filter(|exception| exception.krate == package.name.as_str());
        let allowed: Vec<&String> = allow.iter().chain(own.flat_map(|exception| &exception.allow)).collect();
        let fits =
            expression.is_ok_and(|expression| expression.evaluate(|required| allowed.contains(&&required.to_string())));
        if !fits {
            wrong.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_comes_from_the_one_registry_or_this_checkout() {
    let allowed = deny().sources.allow_registry;
    let wrong: Vec<String> = graph()
        .packages
        .values()
        .filter_map(|package| {
            let source = package.source.as_ref()?.repr.clone();
            let known = allowed.iter().any(|registry| source == format!("registry+{registry}"));
            (!known).then(|| format!("{} from {source}", package.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crate_in_two_versions_is_argued_for_in_deny_toml() {
    let skips = deny().bans.skip;
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What only tests, build scripts and the node of the tests need is not shipped and not held.
    for package in graph().behind("kubectl-dr") {
        versions.entry(package.name.to_string()).or_default().insert(package.version.to_string());
    }
    let shipped: BTreeMap<_, _> = versions.into_iter().filter(|(_, versions)| versions.len() > 1).collect();
    let argued =
        |name: &str| skips.iter().any(|skip| skip.krate.split('@').next() == Some(name) && !skip.reason.is_empty());
    let wrong: Vec<String> = shipped
        .iter()
        .filter(|(name, _)| !argued(name))
        .map(|(name, versions)| format!("{name}: {}", versions.iter().cloned().collect::<Vec<_>>().join(", ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
