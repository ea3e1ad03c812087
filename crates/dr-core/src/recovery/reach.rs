//! Whether a Schedule would take every claim of a namespace now, by the selection engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::claims;
use crate::facts::{Facts, Listed, Unread};
use crate::kind::Kind;
use crate::object::Object;
use crate::select::{
    Backup, Capture, Cluster, Policies, Resources, Rule, Server, UnknownServer, Version, VolumeVerdict, select,
};

/// What decides about every volume: without one of them nothing is known to be taken.
const DECIDING: [Kind; 5] =
    [Kind::PersistentVolumeClaim, Kind::Pod, Kind::Namespace, Kind::PersistentVolume, Kind::BackupStorageLocation];
/// What decides about some.
const OTHERS: [Kind; 4] =
    [Kind::StorageClass, Kind::VolumeSnapshotClass, Kind::VolumeSnapshotLocation, Kind::DaemonSet];

/// Velero as it is set up, and what its backups refer to.
#[derive(Debug, Clone)]
pub struct Velero {
    /// Else why that is not known.
    pub server: Result<Server, String>,
    /// By name, the ConfigMaps with resource policies that [`policies_named`] wants.
    pub policies: BTreeMap<String, Policies>,
}

/// The server of the one Deployment that runs it. `told` is its version where the image does not tell it.
///
/// # Errors
/// In words, why it is not known.
pub fn server(facts: &Facts, told: Option<Version>) -> Result<Server, String> {
    let velero = facts.velero_namespace.as_str();
    for deployment in facts.of(Kind::Deployment, velero).map_err(|unread| unread.to_string())? {
        match Server::of(deployment, told) {
            Ok(server) => return Ok(server),
            Err(UnknownServer::NoContainer(_)) => {}
            Err(error @ UnknownServer::NoVersion(_)) => return Err(format!("{error}; --velero-version names it")),
        }
    }
    Err(format!("no Deployment in namespace {velero} runs Velero's server"))
}

/// The ConfigMaps with resource policies that decide, in Velero's namespace.
pub fn policies_named(facts: &Facts, server: &Server) -> BTreeSet<String> {
    let schedules = facts.of(Kind::Schedule, &facts.velero_namespace).into_iter().flatten();
    let read = schedules.filter_map(|schedule| Backup::of(&of_kind(schedule, Kind::Schedule)).ok());
    let named = read.filter_map(|backup| backup.spec.policy_name().map(str::to_owned));
    named.chain(server.global_policies_name.clone()).collect()
}

/// Whether a Schedule would take every claim of the namespace now, those excepted that nobody misses; else which one it
/// does not take, or why that is not known.
pub fn takes(
    facts: &Facts,
    velero: &Velero,
    schedule: &Object,
    leave: &[String],
) -> Result<Result<(), String>, Unread> {
    let wanted = claims::wanted(facts)?.into_keys().filter(|claim| !leave.contains(claim)).collect();
    Ok(match Reach::new(facts, velero, &wanted).takes(schedule) {
        Takes::All => Ok(()),
        Takes::NotIncluded if wanted.is_empty() => Ok(()),
        Takes::NotIncluded => Err(format!("it does not take namespace {}", facts.namespace)),
        Takes::Not(why) => Err(format!("it does not take {why}")),
        Takes::Unknown(why) => Err(format!("whether it takes all data is not known: {why}")),
    })
}

/// What one Schedule would take now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// The data of every wanted claim.
    All,
    /// The namespace is not among those it is about.
    NotIncluded,
    /// Which claim it does not take, and why.
    Not(String),
    /// What decides was not read.
    Unknown(String),
}

/// The namespace of some facts, as the selection engine sees it.
pub(super) struct Reach<'a> {
    velero: &'a Velero,
    wanted: &'a BTreeSet<String>,
    cluster: Result<Cluster, String>,
    server: Result<Server, String>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(facts: &Facts, velero: &'a Velero, wanted: &'a BTreeSet<String>) -> Self {
        let policies = |name: &String| velero.policies.get(name).cloned().unwrap_or(Policies::NotRead);
        let server = velero.server.clone().map(|mut server| {
            if let Some(policies) = server.global_policies_name.as_ref().map(policies) {
                server.global_policies = policies;
            }
            server
        });
        Self { velero, wanted, cluster: cluster(facts), server }
    }

    pub(super) fn takes(&self, schedule: &Object) -> Takes {
        let (cluster, server) = match (&self.cluster, &self.server) {
            (Ok(cluster), Ok(server)) => (cluster, server),
            (Err(why), _) | (Ok(_), Err(why)) => return Takes::Unknown(why.clone()),
        };
        let mut backup = match Backup::of(&of_kind(schedule, Kind::Schedule)) {
            Ok(backup) => backup,
            Err(error) => return Takes::Not(format!("anything: {error}")),
        };
        if let Some(name) = backup.spec.policy_name() {
            backup.policies = self.velero.policies.get(name).cloned().unwrap_or(Policies::NotRead);
        }
        for (name, policies) in [
            (backup.spec.policy_name(), &backup.policies),
            (server.global_policies_name.as_deref(), &server.global_policies),
        ] {
            // The engine goes on as if there were none.
            if let (Some(name), Policies::NotRead) = (name, policies) {
                return Takes::Unknown(format!("the resource policies in ConfigMap {name} were not read"));
            }
        }
        let selection = select(cluster, &backup, server);
        let mut volumes: BTreeMap<&str, &VolumeVerdict> = BTreeMap::new();
        volumes.extend(selection.volumes.iter().filter_map(|one| Some((one.volume.claim.as_deref()?, one))));
        let mut lost = Vec::new();
        let mut unknown = None;
        let mut not_included = true;
        for claim in self.wanted {
            let Some(verdict) = volumes.get(claim.as_str()) else {
                not_included = false;
                lost.push(format!("claim {claim}: there is no such claim now"));
                continue;
            };
            let says = || verdict.deciding().map_or_else(String::new, |reason| reason.says.clone());
            match &verdict.capture {
                Capture::FileSystem { .. }
                | Capture::CsiSnapshot { .. }
                | Capture::CsiMoved { .. }
                | Capture::NativeSnapshot { .. } => not_included = false,
                Capture::Unknown => {
                    not_included = false;
                    unknown = Some(format!("claim {claim}: {}", says()));
                }
                Capture::None => {
                    not_included &= verdict.chain.iter().any(|reason| is_about_namespaces(reason.rule));
                    lost.push(format!("claim {claim}: {}", says()));
                }
            }
        }
        let more = lost.len().saturating_sub(1);
        match (lost.into_iter().next(), unknown) {
            _ if not_included => Takes::NotIncluded,
            (Some(first), _) if more > 0 => Takes::Not(format!("{first}, and {more} more claims")),
            (Some(first), _) => Takes::Not(first),
            (None, Some(why)) => Takes::Unknown(why),
            (None, None) => Takes::All,
        }
    }
}

/// The schedule is for other namespaces.
fn is_about_namespaces(rule: Rule) -> bool {
    [Rule::NamespaceNotIncluded, Rule::NamespaceExcluded, Rule::NamespaceGlobMatchesNothing].contains(&rule)
}

/// Of the namespace what decides about its volumes; of Velero's its locations and node-agents.
fn cluster(facts: &Facts) -> Result<Cluster, String> {
    let mut objects = Vec::new();
    let mut unread = BTreeMap::new();
    for kind in DECIDING.into_iter().chain(OTHERS) {
        let info = kind.info();
        let listed = match facts.objects.get(&kind) {
            Some(Listed::Objects(listed)) => listed.as_slice(),
            Some(Listed::NotServed) => &[],
            None | Some(Listed::Forbidden(_)) => {
                let Err(why) = facts.all(kind) else { continue };
                if DECIDING.contains(&kind) {
                    return Err(why.to_string());
                }
                unread.insert(info.resource(), why.to_string());
                continue;
            }
        };
        let here = |object: &&Object| match (kind, object.namespace()) {
            (Kind::PersistentVolume, _) => {
                object.str_at("/spec/claimRef/namespace").is_none_or(|namespace| namespace == facts.namespace)
            }
            (_, None) => true,
            (_, Some(namespace)) => namespace == facts.namespace || namespace == facts.velero_namespace,
        };
        objects.extend(listed.iter().filter(here).map(|object| of_kind(object, kind)));
    }
    Ok(Cluster::new(Resources::built_in(), objects, unread))
}

/// Lists may leave both out of their items.
fn of_kind(object: &Object, kind: Kind) -> Object {
    let mut object = object.clone();
    if let Some(map) = object.0.as_object_mut() {
        map.insert("apiVersion".to_owned(), json!(kind.info().api_version()));
        map.insert("kind".to_owned(), json!(kind.info().kind));
    }
    object
}
