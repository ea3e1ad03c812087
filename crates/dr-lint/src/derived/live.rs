//! What a cluster has already: its pods and claims are taken as they are, and nothing is made up beside them.

use std::collections::{HashMap, HashSet};

use dr_core::claims::{WORKLOADS, named_in};
use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_yaml::Path;
use serde_json::{Value, json};

use super::Claim;
use crate::input::{Input, Object};
use crate::live::{Cluster, has_known_controller};

/// What decides about volumes, beside pods and claims.
const DECIDE: [Kind; 7] = [
    Kind::PersistentVolume,
    Kind::BackupStorageLocation,
    Kind::VolumeSnapshotLocation,
    Kind::StorageClass,
    Kind::VolumeSnapshotClass,
    Kind::DaemonSet,
    Kind::Namespace,
];

/// Without these nothing is known of what a backup takes.
const NEEDED: [Kind; 5] =
    [Kind::PersistentVolumeClaim, Kind::Pod, Kind::Namespace, Kind::PersistentVolume, Kind::BackupStorageLocation];

/// The pods and claims of a cluster by what they have to do with each other.
#[derive(Debug)]
pub(super) struct Living<'i> {
    cluster: &'i Cluster,
    /// By namespace.
    claims: HashMap<&'i str, HashSet<&'i str>>,
    /// By namespace and claim, the pods that mount it.
    mounts: HashMap<(&'i str, &'i str), Vec<&'i str>>,
    /// Namespace and name of pods that will be others, since a file says so.
    outdated: HashSet<(&'i str, &'i str)>,
}

impl<'i> Living<'i> {
    pub(super) fn of(input: &'i Input) -> Option<Self> {
        let cluster = input.live.as_ref()?;
        let live = |kind: Kind| input.objects.iter().filter(move |object| object.live && object.kind == Some(kind));
        let mut claims: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (namespace, name) in live(Kind::PersistentVolumeClaim).map(|claim| place(&claim.raw)) {
            claims.entry(namespace).or_default().insert(name);
        }
        // ReplicaSets and Jobs whose own controller a file rewrites.
        let makers = [Kind::ReplicaSet, Kind::Job].into_iter().flat_map(live);
        let makers = makers.filter(|maker| rewritten(cluster, &maker.raw));
        let makers: HashSet<(Option<Kind>, (&str, &str))> =
            makers.map(|maker| (maker.kind, place(&maker.raw))).collect();
        let mut mounts: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let mut outdated = HashSet::new();
        for pod in live(Kind::Pod).map(|pod| &pod.raw) {
            let (namespace, name) = place(pod);
            let owner = pod.controller();
            let by_maker = owner.is_some_and(|owner| {
                let kind = Kind::of(&owner.api_version, &owner.kind);
                makers.iter().any(|(of, at)| *of == kind && *at == (namespace, owner.name.as_str()))
            });
            if by_maker || rewritten(cluster, pod) {
                outdated.insert((namespace, name));
                continue;
            }
            for claim in mounted(pod) {
                mounts.entry((namespace, claim)).or_default().push(name);
            }
        }
        Some(Self { cluster, claims, mounts, outdated })
    }

    /// Whether a claim is there, whatever a manifest would make.
    pub(super) fn has(&self, namespace: &str, claim: &str) -> bool {
        self.claims.get(namespace).is_some_and(|claims| claims.contains(claim))
    }

    pub(super) fn cluster(&self) -> &'i Cluster {
        self.cluster
    }

    /// Why nothing is known of what a backup takes, if so.
    pub(super) fn is_blind(&self) -> bool {
        NEEDED.iter().any(|kind| self.cluster.unread.contains_key(kind))
    }

    /// An object as the engine of selection is to see it; none where that has no use for it.
    pub(super) fn seen(&self, object: &Object) -> Option<Raw> {
        let kind = object.kind?;
        let known = WORKLOADS.iter().any(|(workload, _)| *workload == kind) || DECIDE.contains(&kind);
        let needed = known || [Kind::Pod, Kind::PersistentVolumeClaim].contains(&kind);
        if !needed || kind == Kind::Pod && self.outdated.contains(&place(&object.raw)) {
            return None;
        }
        Some(object.raw.clone())
    }

    /// A location of a file has the status of the one in whose place it stands.
    pub(super) fn with_status(&self, mut raw: Raw) -> Raw {
        let status = self.cluster.statuses.get(raw.name()).cloned();
        if let Some(map) = raw.0.as_object_mut() {
            map.entry("status").or_insert_with(|| status.unwrap_or_else(|| json!({ "phase": "Available" })));
        }
        raw
    }

    /// The claims of a workload that are there, with the pods that mount them.
    pub(super) fn claims_of(&self, object: &'i Object) -> Vec<Claim<'i>> {
        let raw = &object.raw;
        let namespace = raw.namespace().unwrap_or_default();
        let claim = |name: &str, template: Option<Path>| Claim {
            workload: object,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pods: self.mounts.get(&(namespace, name)).into_iter().flatten().map(|pod| (*pod).to_owned()).collect(),
            template,
            volumes: volumes_of(object.kind),
            live: true,
        };
        let mut found = Vec::new();
        if object.kind == Some(Kind::StatefulSet) {
            for (at, template) in raw.list_at("/spec/volumeClaimTemplates").iter().enumerate() {
                let Some(volume) = template.pointer("/metadata/name").and_then(Value::as_str) else { continue };
                let prefix = format!("{volume}-{}-", raw.name());
                let ordinal = |name: &str| name.strip_prefix(&prefix).and_then(|rest| rest.parse::<u32>().ok());
                let here = self.claims.get(namespace).into_iter().flatten();
                let mut of_it: Vec<(u32, &str)> = here.filter_map(|name| Some((ordinal(name)?, *name))).collect();
                of_it.sort_unstable();
                let template = Path::keys("spec.volumeClaimTemplates").index(at);
                found.extend(of_it.into_iter().map(|(_, name)| claim(name, Some(template.clone()))));
            }
        }
        let named = match object.kind {
            Some(Kind::Pod) => named_in(raw, "/spec/volumes"),
            kind => {
                let template = WORKLOADS.iter().find(|(of, _)| Some(*of) == kind).map(|(_, template)| template);
                template.map(|template| named_in(raw, &format!("{template}/spec/volumes"))).unwrap_or_default()
            }
        };
        if !has_known_controller(raw) {
            found.extend(named.iter().filter(|name| self.has(namespace, name)).map(|name| claim(name, None)));
        }
        found
    }
}

/// Where the volumes of its pods are.
fn volumes_of(kind: Option<Kind>) -> Path {
    let template = WORKLOADS.iter().find(|(of, _)| Some(*of) == kind).map_or("", |(_, template)| template);
    Path::keys(&template.replace('/', ".")).key("spec").key("volumes")
}

fn place(raw: &Raw) -> (&str, &str) {
    (raw.namespace().unwrap_or_default(), raw.name())
}

fn mounted(pod: &Raw) -> impl Iterator<Item = &str> {
    pod.list_at("/spec/volumes")
        .iter()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
}

/// Whether a file stands in the place of what has made it.
fn rewritten(cluster: &Cluster, raw: &Raw) -> bool {
    raw.controller().is_some_and(|owner| {
        Kind::of(&owner.api_version, &owner.kind).is_some_and(|kind| {
            let namespace = raw.namespace().unwrap_or_default().to_owned();
            cluster.rewritten.contains(&(kind, namespace, owner.name))
        })
    })
}
