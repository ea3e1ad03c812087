//! The request as Velero prepares and checks it (`pkg/controller/backup_controller.go:prepareBackupRequest` and
//! `pkg/backup/backup.go:BackupWithResolvers` at v1.18.3).

use std::collections::BTreeSet;

use super::cluster::Cluster;
use super::filter::{Entry, Namespaces, Patterns, Types};
use super::namespaces::namespaces;
use super::policy::{Checked, Policies};
use super::reason::{Place, Reason, Rule};
use super::resources::Resources;
use super::server::Server;
use super::spec::{Backup, Spec};
use super::version::{Feature, Version};

const ALWAYS_NAMESPACED: &str = "volumesnapshots.snapshot.storage.k8s.io";
const ALWAYS_CLUSTER: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";

/// A request that Velero would run.
pub(crate) struct Request<'a> {
    pub(crate) backup: &'a Backup,
    pub(crate) server: &'a Server,
    pub(crate) namespaces: Namespaces,
    pub(crate) types: Types,
    /// None when there are no policies at all.
    pub(crate) policies: Option<Checked>,
    /// Without those of the server: the CSI plugin reads the policies again, and only the backup's own.
    pub(crate) own_policies: Option<Checked>,
    pub(crate) copies_by_default: (bool, Place),
    pub(crate) moves_data: bool,
    /// Names of the snapshot locations that are used; none when they were not read.
    pub(crate) locations: Option<Vec<String>>,
    pub(crate) group_label: String,
    pub(crate) unread: Vec<String>,
}

impl Request<'_> {
    pub(crate) fn version(&self) -> Version {
        self.server.version
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.backup.spec
    }

    pub(crate) fn field(&self, name: &str) -> Place {
        Place::Backup { field: format!("{}.{name}", self.backup.at) }
    }
}

pub(crate) struct Checks<'a> {
    pub(crate) backup: &'a Backup,
    refused: Vec<Reason>,
}

impl Checks<'_> {
    pub(crate) fn refuse(&mut self, field: &str, says: impl Into<String>) {
        let place = Place::Backup { field: format!("{}.{field}", self.backup.at) };
        self.refused.push(Reason::new(Rule::Refused, place, says));
    }

    pub(crate) fn entries(&self, field: &str, list: &[String]) -> Vec<Entry> {
        let place = |index| Place::Backup { field: format!("{}.{field}[{index}]", self.backup.at) };
        list.iter().enumerate().map(|(index, pattern)| Entry::new(pattern, place(index))).collect()
    }
}

pub(crate) fn prepare<'a>(
    cluster: &Cluster,
    backup: &'a Backup,
    server: &'a Server,
) -> Result<Request<'a>, Vec<Reason>> {
    let spec = &backup.spec;
    let version = server.version;
    let mut checks = Checks { backup, refused: Vec::new() };
    let mut unread = Vec::new();
    location(&mut checks, cluster, server, spec);
    let locations = super::native::locations(cluster, server, spec).unwrap_or_else(|problems| {
        for problem in problems {
            checks.refuse("volumeSnapshotLocations", problem);
        }
        Some(Vec::new())
    });
    let old = uses_old(spec, version);
    if old && has_new(spec) {
        let says = "includedResources, excludedResources and includeClusterResources cannot be used together with the \
                    lists by scope";
        checks.refuse("includedResources", says);
    }
    let mut types = types(&mut checks, cluster, version, old);
    let namespaces = namespaces(&mut checks, cluster, version);
    if spec.label_selector.is_some() && spec.or_label_selectors.is_some() {
        checks.refuse("orLabelSelectors", "labelSelector and orLabelSelectors exclude each other, an empty list too");
    }
    let own_policies = match checked(&backup.policies, version) {
        Ok(found) => found,
        Err(says) => {
            checks.refuse("resourcePolicy", says);
            None
        }
    };
    let mut policies = own_policies.clone();
    if version.has(Feature::GlobalPolicies) {
        match checked(&server.global_policies, version) {
            Ok(None) => {}
            Ok(Some(global)) => policies.get_or_insert_default().extend(global),
            Err(says) => {
                let place = Place::server("--global-backup-volume-policies-configmap");
                checks.refused.push(Reason::new(Rule::Refused, place, says));
            }
        }
    }
    for (policies, of) in [(&backup.policies, "the backup"), (&server.global_policies, "the server")] {
        if matches!(policies, Policies::NotRead) {
            unread.push(format!("the resource policies of {of} were not read and count as none"));
        }
    }
    if let Some(policies) = &policies {
        if old && (policies.include_exclude.is_some() || policies.has_filters()) {
            let says = "includedResources, excludedResources and includeClusterResources cannot be used together with \
                        filters in the resource policies";
            checks.refuse("resourcePolicy", says);
        }
        combine(&mut types, policies, &cluster.resources);
    }
    if !checks.refused.is_empty() {
        return Err(checks.refused);
    }
    Ok(Request {
        backup,
        server,
        namespaces,
        types,
        policies,
        own_policies,
        copies_by_default: copies_by_default(backup, server),
        moves_data: spec.snapshot_move_data.unwrap_or(server.default_snapshot_move_data),
        locations,
        group_label: if spec.volume_group_snapshot_label_key.is_empty() {
            server.volume_group_label.clone()
        } else {
            spec.volume_group_snapshot_label_key.clone()
        },
        unread,
    })
}

/// `defaultVolumesToRestic: true` wins over everything, then the spec, then the server.
fn copies_by_default(backup: &Backup, server: &Server) -> (bool, Place) {
    let field = |name: &str| Place::Backup { field: format!("{}.{name}", backup.at) };
    match (backup.spec.default_volumes_to_restic, backup.spec.default_volumes_to_fs_backup) {
        (Some(true), _) => (true, field("defaultVolumesToRestic")),
        (_, Some(value)) => (value, field("defaultVolumesToFsBackup")),
        (_, None) if server.default_volumes_to_fs_backup => (true, Place::server("--default-volumes-to-fs-backup")),
        (_, None) => (false, field("defaultVolumesToFsBackup")),
    }
}

fn checked(policies: &Policies, version: Version) -> Result<Option<Checked>, String> {
    match policies {
        Policies::None | Policies::NotRead => Ok(None),
        Policies::Missing => Err("the ConfigMap with the resource policies does not exist".to_owned()),
        Policies::Unreadable(why) => Err(format!("the ConfigMap with the resource policies cannot be read: {why}")),
        Policies::Read(value) => match Checked::of(value, version) {
            Ok(checked) => Ok(Some(checked)),
            Err(why) => Err(format!("the resource policies are invalid: {why}")),
        },
    }
}

fn location(checks: &mut Checks<'_>, cluster: &Cluster, server: &Server, spec: &Spec) {
    if cluster.unread("backupstoragelocations.velero.io").is_some() {
        return;
    }
    let kind = "backupstoragelocations.velero.io";
    let of_velero = || cluster.of_namespace(kind, &server.namespace).map(|(_, item)| item);
    let name = if spec.storage_location.is_empty() {
        let marked = of_velero().find(|item| item.object.bool_at("/spec/default") == Some(true));
        marked.map_or(server.default_location.as_str(), |item| item.reference.name.as_str())
    } else {
        spec.storage_location.as_str()
    };
    match of_velero().find(|item| item.reference.name == name) {
        None => checks.refuse("storageLocation", format!("BackupStorageLocation {name} does not exist")),
        Some(location) => {
            if location.object.str_at("/spec/accessMode") == Some("ReadOnly") {
                checks.refuse("storageLocation", format!("BackupStorageLocation {name} is ReadOnly"));
            }
            let phase = location.object.str_at("/status/phase").unwrap_or("not yet known");
            if server.version.has(Feature::UnavailableLocationRefused) && phase != "Available" {
                checks.refuse("storageLocation", format!("BackupStorageLocation {name} is {phase}, not Available"));
            }
        }
    }
}

fn has_new(spec: &Spec) -> bool {
    !(spec.included_cluster_scoped_resources.is_empty()
        && spec.excluded_cluster_scoped_resources.is_empty()
        && spec.included_namespace_scoped_resources.is_empty()
        && spec.excluded_namespace_scoped_resources.is_empty())
}

fn has_old(spec: &Spec) -> bool {
    spec.include_cluster_resources.is_some()
        || !spec.included_resources.is_empty()
        || !spec.excluded_resources.is_empty()
}

/// `UseOldResourceFilters`
fn uses_old(spec: &Spec, version: Version) -> bool {
    has_old(spec) || (!version.has(Feature::NoFilterIsNewFamily) && !has_new(spec))
}

fn types(checks: &mut Checks<'_>, cluster: &Cluster, version: Version, old: bool) -> Types {
    let spec = &checks.backup.spec;
    let always = version.has(Feature::SnapshotsExcluded);
    let both = version.has(Feature::NoFilterIsNewFamily);
    let at = checks.backup.at.clone();
    // Before v1.17 both families are checked, used or not.
    if old || !both {
        for problem in check_lists(&spec.included_resources, &spec.excluded_resources, false) {
            checks.refuse("includedResources", problem);
        }
    }
    if !old || !both {
        let (cluster, namespaced) = (
            check_lists(&spec.included_cluster_scoped_resources, &spec.excluded_cluster_scoped_resources, true),
            check_lists(&spec.included_namespace_scoped_resources, &spec.excluded_namespace_scoped_resources, true),
        );
        for problem in cluster {
            checks.refuse("includedClusterScopedResources", problem);
        }
        for problem in namespaced {
            checks.refuse("includedNamespaceScopedResources", problem);
        }
    }
    let resources = &cluster.resources;
    let list = |field: &str, list: &[String], without: &[&str]| {
        let entries = checks.entries(field, list).into_iter();
        entries.filter(|entry| !(always && without.contains(&entry.pattern.as_str()))).collect::<Vec<_>>()
    };
    let added = |names: &[&str]| {
        let names = if always { names } else { &[] };
        names.iter().map(|name| Entry::new(name, Place::Velero).by(Rule::TypeAlwaysExcluded)).collect::<Vec<_>>()
    };
    let resolved = |entries: Vec<Entry>, scope: Option<bool>| Patterns::new(resolve(resources, entries, scope));
    if old {
        let names = [ALWAYS_NAMESPACED, ALWAYS_CLUSTER];
        let mut excludes = list("excludedResources", &spec.excluded_resources, &[]);
        excludes.retain(|entry| entry.pattern != "*");
        excludes.extend(added(&names));
        Types::Old {
            includes: resolved(list("includedResources", &spec.included_resources, &names), None),
            excludes: resolved(excludes, None),
            cluster: spec.include_cluster_resources,
            at,
        }
    } else {
        let pair = |fields: (&str, &str), lists: (&[String], &[String]), name: &str, scope: bool| {
            let mut excludes = list(fields.1, lists.1, &[]);
            excludes.extend(added(&[name]));
            (resolved(list(fields.0, lists.0, &[name]), Some(scope)), resolved(excludes, Some(scope)))
        };
        Types::New {
            namespaced: pair(
                ("includedNamespaceScopedResources", "excludedNamespaceScopedResources"),
                (&spec.included_namespace_scoped_resources, &spec.excluded_namespace_scoped_resources),
                ALWAYS_NAMESPACED,
                true,
            ),
            cluster: pair(
                ("includedClusterScopedResources", "excludedClusterScopedResources"),
                (&spec.included_cluster_scoped_resources, &spec.excluded_cluster_scoped_resources),
                ALWAYS_CLUSTER,
                false,
            ),
            at,
        }
    }
}

/// Names become `plural.group`; what cannot be resolved stays as it is; what is of the other scope falls out.
fn resolve(resources: &Resources, entries: Vec<Entry>, namespaced: Option<bool>) -> Vec<Entry> {
    let one = |entry: Entry| match resources.resolve(&entry.pattern) {
        _ if entry.pattern == "*" => Some(entry),
        None => Some(entry),
        Some(resource) if namespaced.is_none_or(|scope| resource.namespaced == scope) => {
            Some(entry.named(&resource.name()))
        }
        Some(_) => None,
    };
    entries.into_iter().filter_map(one).collect()
}

/// `CombineWithPolicy`: what the spec says counts more.
fn combine(types: &mut Types, policies: &Checked, resources: &Resources) {
    let (Types::New { namespaced, cluster, .. }, Some(policy)) = (types, &policies.include_exclude) else {
        return;
    };
    let add = |lists: &mut (Patterns, Patterns), names: &[String], field: &str, scope: bool, exclude: bool| {
        let place = |index| Place::Policy { field: format!("includeExcludePolicy.{field}[{index}]") };
        let entries = names.iter().enumerate().map(|(index, name)| Entry::new(name, place(index))).collect();
        for entry in resolve(resources, entries, Some(scope)) {
            if lists.0.hit(&entry.pattern).is_none() && lists.1.hit(&entry.pattern).is_none() {
                if exclude { lists.1.push(entry) } else { lists.0.push(entry) }
            }
        }
    };
    add(namespaced, &policy.excluded_namespace_scoped_resources, "excludedNamespaceScopedResources", true, true);
    add(namespaced, &policy.included_namespace_scoped_resources, "includedNamespaceScopedResources", true, false);
    add(cluster, &policy.excluded_cluster_scoped_resources, "excludedClusterScopedResources", false, true);
    add(cluster, &policy.included_cluster_scoped_resources, "includedClusterScopedResources", false, false);
}

/// `ValidateIncludesExcludes`, or for the lists by scope `ValidateScopedIncludesExcludes`.
pub(crate) fn check_lists(includes: &[String], excludes: &[String], scoped: bool) -> Vec<String> {
    let includes: BTreeSet<&String> = includes.iter().collect();
    let excludes: BTreeSet<&String> = excludes.iter().collect();
    let star = |list: &BTreeSet<&String>| list.iter().any(|name| *name == "*");
    let mut problems = Vec::new();
    if includes.len() > 1 && star(&includes) {
        problems.push("\"*\" must stand alone among the included".to_owned());
    }
    if scoped && excludes.len() > 1 && star(&excludes) {
        problems.push("\"*\" must stand alone among the excluded".to_owned());
    }
    if scoped && !includes.is_empty() && star(&excludes) {
        problems.push("with \"*\" excluded nothing can be included".to_owned());
    }
    if !scoped && star(&excludes) {
        problems.push("\"*\" cannot be excluded".to_owned());
    }
    problems.extend(includes.intersection(&excludes).map(|both| format!("{both} is both included and excluded")));
    problems
}
