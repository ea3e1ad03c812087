//! What a cluster has already: its pods and claims are taken as they are, and nothing is made up beside them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use dr_core::claims::{WORKLOADS, named_in};
use dr_core::kind::Kind;
use dr_core::object::{Json, Object as Raw};
use dr_yaml::Path;
use serde_json::{Value, json};

use super::{Claim, NOWHERE};
use crate::input::{self, Input, Object};
use crate::json;
use crate::judge::Context;
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
    /// The same by what a file says it of, each with its node.
    remade: HashMap<Place, Vec<(&'i str, &'i str)>>,
    /// What decides and is there.
    there: HashSet<(Kind, (&'i str, &'i str))>,
    /// A node with a node-agent.
    node: &'i str,
}

/// Kind, namespace and name.
type Place = (Kind, String, String);

/// Whether the engine of selection asks for objects of a kind.
pub(super) fn decides(kind: Kind) -> bool {
    WORKLOADS.iter().any(|(workload, _)| *workload == kind) || DECIDE.contains(&kind)
}

/// The class that claims without one are given; none where there is none, or where classes were not read.
pub(super) fn default_class(context: &Context<'_>) -> Option<String> {
    const MARKS: [&str; 2] =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let mut classes: Vec<&input::Raw> = context.seen(Kind::StorageClass).map(|class| &class.raw).collect();
    classes.retain(|class| MARKS.iter().any(|mark| class.annotation(mark) == Some("true")));
    // Of several the newest.
    let newest = classes.into_iter().max_by_key(|class| class.str_at("/metadata/creationTimestamp"));
    newest.filter(|_| context.knows_all(Kind::StorageClass)).map(|class| class.name().to_owned())
}

impl<'i> Living<'i> {
    pub(super) fn of(input: &'i Input) -> Option<Self> {
        let cluster = input.live.as_ref()?;
        let live = |kind: Kind| input.objects.iter().filter(move |object| object.live && object.kind == Some(kind));
        let mut claims: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (namespace, name) in live(Kind::PersistentVolumeClaim).map(|claim| place(&claim.raw)) {
            claims.entry(namespace).or_default().insert(name);
        }
        for (namespace, name) in cluster.claims.keys() {
            claims.entry(namespace).or_default().insert(name);
        }
        // ReplicaSets and Jobs whose own controller a file rewrites.
        let makers = [Kind::ReplicaSet, Kind::Job].into_iter().flat_map(live);
        let makers =
            makers.filter_map(|maker| Some(((maker.kind?, place(&maker.raw)), rewritten(cluster, &maker.raw)?)));
        let makers: HashMap<(Kind, (&str, &str)), Place> = makers.collect();
        let mut mounts: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let mut outdated = HashSet::new();
        let mut remade: HashMap<Place, Vec<(&str, &str)>> = HashMap::new();
        let mut agents = live(Kind::Pod).map(|pod| &pod.raw).filter(|pod| {
            pod.namespace() == Some(&cluster.velero_namespace)
                && pod.label("role") == Some("node-agent")
                && pod.str_at("/status/phase") == Some("Running")
        });
        let node = agents.find_map(|pod| pod.str_at("/spec/nodeName")).unwrap_or("node");
        for pod in live(Kind::Pod).map(|pod| &pod.raw) {
            let (namespace, name) = place(pod);
            let owner = pod.controller();
            let by_maker = owner.and_then(|owner| {
                let kind = Kind::of(&owner.api_version, &owner.kind)?;
                makers.get(&(kind, (namespace, owner.name.as_str()))).cloned()
            });
            if let Some(maker) = by_maker.or_else(|| rewritten(cluster, pod)) {
                outdated.insert((namespace, name));
                remade.entry(maker).or_default().push((name, pod.str_at("/spec/nodeName").unwrap_or(node)));
                continue;
            }
            for claim in mounted(pod) {
                mounts.entry((namespace, claim)).or_default().push(name);
            }
        }
        let there = input.objects.iter().filter(|object| object.live);
        let there = there.filter_map(|object| Some((object.kind.filter(|kind| decides(*kind))?, place(&object.raw))));
        let there = there.collect();
        Some(Self { cluster, claims, mounts, outdated, remade, there, node })
    }

    /// Whether the cluster's own stands beside an object of a file.
    pub(super) fn there(&self, object: &Object) -> bool {
        // Where it would be applied: a chart beside its Velero, a manifest in kubectl's namespace.
        let own = if object.chart.is_some() { self.cluster.velero_namespace.as_str() } else { NOWHERE };
        object.kind.is_some_and(|kind| {
            let namespace = if kind.info().namespaced { object.raw.namespace().unwrap_or(own) } else { "" };
            self.there.contains(&(kind, (namespace, object.name())))
        })
    }

    /// The pods that a workload of a file will have, each with its node: as they are named now, or one that is new.
    pub(super) fn pods_of(&self, kind: Option<Kind>, namespace: &str, raw: &input::Raw) -> Vec<(String, String)> {
        let at = kind.map(|kind| (kind, namespace.to_owned(), raw.name().to_owned()));
        let now = at.and_then(|at| self.remade.get(&at)).into_iter().flatten();
        let mut pods: Vec<(String, String)> = now.map(|(pod, node)| ((*pod).to_owned(), (*node).to_owned())).collect();
        pods.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        if kind == Some(Kind::StatefulSet) {
            let replicas = raw.i64_at("/spec/replicas").unwrap_or(1).max(1);
            pods.truncate(usize::try_from(replicas).unwrap_or(usize::MAX));
        }
        if pods.is_empty() {
            pods.push((format!("{}-0", raw.name()), self.node.to_owned()));
        }
        pods
    }

    /// A claim of a file as it is in the cluster: what is bound stays so.
    pub(super) fn still_bound(&self, mut raw: Raw) -> Raw {
        let (namespace, name) = place(&raw);
        let Some(now) = self.cluster.claims.get(&(namespace.to_owned(), name.to_owned())) else { return raw };
        if let Some(spec) = raw.0.get_mut("spec").and_then(Value::as_object_mut) {
            for field in ["volumeName", "storageClassName"] {
                if let Some(value) = now.at(&format!("/spec/{field}")) {
                    spec.insert(field.to_owned(), value.clone());
                }
            }
        }
        raw
    }

    /// The claims that are there of a StatefulSet's template, by their ordinals.
    pub(super) fn of_template(&self, namespace: &str, volume: &str, set: &str) -> Vec<&'i str> {
        let prefix = format!("{volume}-{set}-");
        let ordinal = |name: &str| name.strip_prefix(&prefix).and_then(|rest| rest.parse::<u32>().ok());
        let here = self.claims.get(namespace).into_iter().flatten();
        let mut of_it: Vec<(u32, &str)> = here.filter_map(|name| Some((ordinal(name)?, *name))).collect();
        of_it.sort_unstable();
        of_it.into_iter().map(|(_, name)| name).collect()
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
    pub(super) fn seen(&self, object: &Object) -> Option<Arc<Raw>> {
        let kind = object.kind?;
        let needed = decides(kind) || [Kind::Pod, Kind::PersistentVolumeClaim].contains(&kind);
        if !needed || kind == Kind::Pod && self.outdated.contains(&place(&object.raw)) {
            return None;
        }
        Some(Arc::new(object.loose()))
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
        let namespace = raw.namespace().unwrap_or(NOWHERE);
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
                let Some(volume) = template.pointer("/metadata/name").and_then(json::Value::as_str) else { continue };
                let of_it = self.of_template(namespace, volume, raw.name());
                let template = Path::keys("spec.volumeClaimTemplates").index(at);
                found.extend(of_it.into_iter().map(|name| claim(name, Some(template.clone()))));
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

fn place<J: Json>(raw: &Raw<J>) -> (&str, &str) {
    (raw.namespace().unwrap_or_default(), raw.name())
}

fn mounted(pod: &input::Raw) -> impl Iterator<Item = &str> {
    pod.list_at("/spec/volumes")
        .iter()
        .filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
}

/// What has made it, where a file stands in the place of that.
fn rewritten(cluster: &Cluster, raw: &input::Raw) -> Option<Place> {
    let owner = raw.controller()?;
    let kind = Kind::of(&owner.api_version, &owner.kind)?;
    let at = (kind, raw.namespace().unwrap_or_default().to_owned(), owner.name);
    cluster.rewritten.contains(&at).then_some(at)
}
