//! What a cluster would make of the manifests: the pods and claims of controllers, as their controllers make them.
//!
//! Nothing here decides what is in a backup; that is `dr_core::select`, on these objects.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_core::select::{Backup, Cluster, Policies, Reason, Resources, Selection, Server, select};
use dr_yaml::{Path, Step};
use serde_json::{Value, json};

use crate::input::Object;
use crate::judge::Context;
use crate::velero::server_of;

mod live;

use live::Living;

/// A claim that a workload of the manifests has.
#[derive(Debug)]
pub(crate) struct Claim<'i> {
    pub(crate) workload: &'i Object,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Those that mount it.
    pub(crate) pods: Vec<String>,
    /// Of a StatefulSet the template it is made from.
    pub(crate) template: Option<Path>,
    /// Where its workload has its volumes.
    pub(crate) volumes: Path,
    /// It is in the cluster.
    pub(crate) live: bool,
}

/// The objects of a cluster that these manifests describe, and whose claims are whose.
#[derive(Debug)]
pub(crate) struct Derived<'i> {
    pub(crate) claims: Vec<Claim<'i>>,
    /// Velero's own, where the manifests have it.
    pub(crate) servers: Vec<(&'i Object, Server)>,
    objects: Vec<Arc<Raw>>,
    /// Of each namespace: what is in it, itself, and the volumes of its claims.
    within: HashMap<String, Vec<usize>>,
    /// In no namespace.
    outside: Vec<usize>,
    whole: OnceCell<Cluster>,
    /// What can make Velero refuse a backup.
    deciding: OnceCell<Cluster>,
    resources: Arc<Resources>,
    living: Option<Living<'i>>,
}

/// While it is made.
#[derive(Default)]
struct Making<'i> {
    claims: Vec<Claim<'i>>,
    named: HashSet<(String, String)>,
    objects: Vec<Raw>,
    living: Option<Living<'i>>,
    /// The class of claims that name none; none where nobody knows it.
    class: Option<String>,
}

const NOWHERE: &str = "default";

/// As Kubernetes writes a claim of no class. One whose class nobody knows is taken for such a one, and its volume has no
/// driver then: nothing is said that hangs on either.
const NO_CLASS: &str = "";

/// The fields that decide what is in a backup.
const DECIDE: [&str; 16] = [
    "includedNamespaces",
    "excludedNamespaces",
    "includedResources",
    "excludedResources",
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
    "labelSelector",
    "orLabelSelectors",
    "includeClusterResources",
    "snapshotVolumes",
    "snapshotMoveData",
    "defaultVolumesToFsBackup",
    "defaultVolumesToRestic",
    "resourcePolicy",
];

impl<'i> Derived<'i> {
    pub(crate) fn of(context: &Context<'i>) -> Self {
        let living = Living::of(context.input);
        let class = if living.is_some() { live::default_class(context) } else { Some("default".to_owned()) };
        let mut derived = Making { living, class, ..Making::default() };
        // What a claim's way into a backup can hang on; everything else would only be judged in vain.
        for object in &context.input.objects {
            if object.live {
                derived.live(object);
                continue;
            }
            // What is there is told by itself: what a chart would make, and controllers whose pods stay as they are.
            if derived.living.as_ref().is_some_and(|living| living.there(object)) {
                continue;
            }
            match object.kind {
                Some(Kind::StatefulSet | Kind::Deployment) => derived.workload(object),
                Some(Kind::BackupStorageLocation) => derived.location(object),
                Some(Kind::PersistentVolumeClaim) => derived.claim(object),
                Some(Kind::Namespace) => derived.objects.push(active(&object.raw)),
                Some(Kind::Pod | Kind::PersistentVolume) => derived.objects.push(placed(&object.raw)),
                Some(kind) => derived.beside(kind, object),
                None => {}
            }
        }
        let named: BTreeSet<String> = derived
            .objects
            .iter()
            .filter(|object| object.str_at("/kind") == Some("Namespace"))
            .map(|object| object.name().to_owned())
            .collect();
        let used: BTreeSet<String> = derived
            .objects
            .iter()
            .filter_map(Raw::namespace)
            .filter(|name| !named.contains(*name))
            .map(str::to_owned)
            .collect();
        for name in used {
            derived
                .objects
                .push(active(&Raw(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))));
        }
        let Making { claims, mut objects, living, .. } = derived;
        let known: HashSet<&str> =
            objects.iter().filter(|object| object.str_at("/kind") == Some("PersistentVolume")).map(Raw::name).collect();
        let there = |claim: &Raw| {
            living.as_ref().is_some_and(|living| living.has(claim.namespace().unwrap_or_default(), claim.name()))
        };
        let made = objects.iter().filter(|claim| !there(claim));
        let volumes: Vec<Raw> = made.filter_map(|claim| volume_of(claim, &known)).collect();
        objects.extend(volumes);
        let mut within: HashMap<String, Vec<usize>> = HashMap::new();
        let mut outside = Vec::new();
        for (at, object) in objects.iter().enumerate() {
            let of = match object.str_at("/kind") {
                // Whether a backup takes all namespaces there are is for all of them to tell.
                Some("Namespace") if living.is_some() => None,
                Some("Namespace") => Some(object.name()),
                Some("PersistentVolume") => object.str_at("/spec/claimRef/namespace"),
                Some(_) | None => object.namespace(),
            };
            match of {
                Some(namespace) => within.entry(namespace.to_owned()).or_default().push(at),
                None => outside.push(at),
            }
        }
        let objects = objects.into_iter().map(Arc::new).collect();
        Self {
            claims,
            servers: context.servers(),
            objects,
            within,
            outside,
            whole: OnceCell::new(),
            deciding: OnceCell::new(),
            resources: Arc::new(Resources::built_in()),
            living,
        }
    }

    fn cluster(&self, of: impl Iterator<Item = usize>) -> Cluster {
        // What stands in the cluster and in no manifest, or in one that is elsewhere. Whether node-agent is ready is in
        // the status of its DaemonSet, which no manifest has.
        let unread = [
            "daemonsets.apps",
            "storageclasses.storage.k8s.io",
            "volumesnapshotclasses.snapshot.storage.k8s.io",
            "backupstoragelocations.velero.io",
            "volumesnapshotlocations.velero.io",
        ]
        .map(|resource| (resource.to_owned(), "the manifests do not tell".to_owned()));
        let unread = match &self.living {
            None => BTreeMap::from(unread),
            Some(living) => {
                let unread = living.cluster().unread.iter();
                unread.map(|(kind, because)| (kind.info().resource(), because.clone())).collect()
            }
        };
        let objects = of.filter_map(|at| self.objects.get(at)).cloned();
        Cluster::new(Arc::clone(&self.resources), objects, unread)
    }

    /// What a backup can hold anything of: a thousand schedules for a namespace each must not each look at all of them.
    fn reach(&self, request: &Backup) -> Cow<'_, Cluster> {
        let named = &request.spec.included_namespaces;
        let is_name =
            |name: &String| !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '-');
        if named.is_empty() || !named.iter().all(is_name) {
            return Cow::Borrowed(self.whole.get_or_init(|| self.cluster(0..self.objects.len())));
        }
        let mut named: BTreeSet<&String> = named.iter().collect();
        // There are its locations and its node-agents.
        named.extend(self.living.as_ref().map(|living| &living.cluster().velero_namespace));
        let within = named.into_iter().filter_map(|name| self.within.get(name)).flatten();
        Cow::Owned(self.cluster(self.outside.iter().chain(within).copied()))
    }

    /// What a backup of these manifests would hold; none where the Backup cannot be read, which other rules tell.
    pub(crate) fn select(&self, context: &Context<'_>, backup: &Object) -> Option<Selection> {
        // Of a command that hangs on variables nobody knows it.
        let spec = Path::keys(if backup.kind == Some(Kind::Schedule) { "spec.template" } else { "spec" });
        if !DECIDE.iter().all(|field| backup.knows(&spec.clone().key(*field))) {
            return None;
        }
        let (request, server) = self.request(context, backup)?;
        // What Velero refuses as a whole is for the rules about that.
        Some(select(&self.reach(&request), &request, &server)).filter(|selection| selection.refused.is_empty())
    }

    /// What makes Velero refuse a backup as a whole, as its locations and namespaces are now.
    pub(crate) fn refusals(&self, context: &Context<'_>, backup: &Object) -> Vec<Reason> {
        let Some((request, server)) = self.request(context, backup) else { return Vec::new() };
        let cluster = self.deciding.get_or_init(|| {
            let kinds = ["BackupStorageLocation", "VolumeSnapshotLocation", "Namespace"];
            let decides = |object: &Raw| object.str_at("/kind").is_some_and(|kind| kinds.contains(&kind));
            self.cluster((0..).zip(&self.objects).filter(|(_, object)| decides(object)).map(|(at, _)| at))
        });
        select(cluster, &request, &server).refused
    }

    /// A backup and who would make it; none where what decides is not known.
    fn request(&self, context: &Context<'_>, backup: &Object) -> Option<(Backup, Server)> {
        let mut request = Backup::of(&backup.raw).ok()?;
        if let Some(name) = request.spec.policy_name() {
            request.policies = policies(context, name, backup.raw.namespace())?;
        }
        let namespace = backup.raw.namespace().unwrap_or("velero");
        let Some(living) = &self.living else {
            let plain = || Server::plain(context.velero.select(), namespace);
            let mut server = server_of(&self.servers, backup).cloned().unwrap_or_else(plain);
            namespace.clone_into(&mut server.namespace);
            server.csi = true;
            return Some((request, server));
        };
        let mut server = server_of(&self.servers, backup).cloned().filter(|_| !living.is_blind())?;
        living.cluster().velero_namespace.clone_into(&mut server.namespace);
        if let Some(name) = &server.global_policies_name {
            server.global_policies = policies(context, name, Some(&server.namespace))?;
        }
        Some((request, server))
    }
}

impl<'i> Making<'i> {
    /// An object of the cluster, with the claims that are there.
    fn live(&mut self, object: &'i Object) {
        let Some(living) = &self.living else { return };
        self.objects.extend(living.seen(object));
        let claims = living.claims_of(object);
        self.add(claims);
    }

    fn add(&mut self, claims: Vec<Claim<'i>>) {
        for claim in claims {
            if self.named.insert((claim.namespace.clone(), claim.name.clone())) {
                self.claims.push(claim);
            }
        }
    }

    /// Of a file, what decides beside a cluster, where everything of its kind is known.
    fn beside(&mut self, kind: Kind, object: &'i Object) {
        let Some(living) = self.living.as_ref().filter(|_| live::decides(kind)) else { return };
        let claims = living.claims_of(object);
        self.objects.push(if kind == Kind::DaemonSet { ready(placed(&object.raw)) } else { placed(&object.raw) });
        self.add(claims);
    }

    /// One that is in the cluster stays bound to its volume.
    fn claim(&mut self, object: &'i Object) {
        let raw = placed(&object.raw);
        let raw = match &self.living {
            Some(living) => living.still_bound(raw),
            None => raw,
        };
        self.objects.push(bound(raw, self.class.as_deref()));
    }

    /// Beside a cluster it is known which locations there are.
    fn location(&mut self, object: &'i Object) {
        self.objects.extend(self.living.as_ref().map(|living| living.with_status(object.raw.clone())));
    }

    /// The controller itself with its pods and claims: those that are there, and where there is none its first pod.
    fn workload(&mut self, object: &'i Object) {
        let raw = placed(&object.raw);
        let live = self.living.as_ref();
        let has = |namespace: &str, claim: &str| live.is_some_and(|living| living.has(namespace, claim));
        let namespace = raw.namespace().unwrap_or(NOWHERE).to_owned();
        let pods = match live {
            Some(living) => living.pods_of(object.kind, &namespace, &raw),
            None => vec![(format!("{}-0", raw.name()), "node".to_owned())],
        };
        let spec = raw.at("/spec/template/spec").cloned().unwrap_or_else(|| json!({}));
        let mut volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut templates = Vec::new();
        for (at, template) in raw.list_at("/spec/volumeClaimTemplates").iter().enumerate() {
            let Some(volume) = template.pointer("/metadata/name").and_then(Value::as_str) else { continue };
            templates.push(volume);
            volumes.retain(|other| other.get("name").and_then(Value::as_str) != Some(volume));
            let mut of_it: BTreeSet<(usize, String)> = BTreeSet::new();
            let there = live.into_iter().flat_map(|living| living.of_template(&namespace, volume, raw.name()));
            of_it.extend(there.map(|name| (name.len(), name.to_owned())));
            let wanted = pods.iter().map(|(pod, _)| format!("{volume}-{pod}"));
            of_it.extend(wanted.map(|name| (name.len(), name)));
            let mut first = true;
            for (_, name) in of_it {
                let live = has(&namespace, &name);
                // One that is there keeps its labels, whatever its template says now.
                if !live {
                    self.objects.push(bound(of_template(&raw, template, &namespace, &name), self.class.as_deref()));
                }
                self.named.insert((namespace.clone(), name.clone()));
                if live || std::mem::take(&mut first) {
                    let pod = name.strip_prefix(volume).and_then(|rest| rest.strip_prefix('-'));
                    self.claims.push(Claim {
                        workload: object,
                        namespace: namespace.clone(),
                        pods: pod.map(str::to_owned).into_iter().collect(),
                        name,
                        template: Some(Path::keys("spec.volumeClaimTemplates").index(at)),
                        volumes: Path::keys("spec.template.spec.volumes"),
                        live,
                    });
                }
            }
        }
        for volume in &volumes {
            let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str);
            if let Some(name) = claim.filter(|name| self.named.insert((namespace.clone(), (*name).to_owned()))) {
                self.claims.push(Claim {
                    workload: object,
                    namespace: namespace.clone(),
                    name: name.to_owned(),
                    pods: pods.iter().map(|(pod, _)| pod.clone()).collect(),
                    template: None,
                    volumes: Path::keys("spec.template.spec.volumes"),
                    live: has(&namespace, name),
                });
            }
        }
        if raw.i64_at("/spec/replicas") != Some(0) {
            for (pod, node) in &pods {
                let mut volumes = volumes.clone();
                volumes.extend(templates.iter().map(|volume| {
                    json!({ "name": volume, "persistentVolumeClaim": { "claimName": format!("{volume}-{pod}") } })
                }));
                self.objects.push(of_controller(&raw, &namespace, pod, node, volumes));
            }
        }
        self.objects.push(raw);
    }
}

/// A claim as a StatefulSet makes it from its template.
fn of_template(set: &Raw, template: &Value, namespace: &str, name: &str) -> Raw {
    // Labels of the template, and over them those that the controller selects by
    // (stateful_set_utils.go:getPersistentVolumeClaims).
    let mut labels = template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.extend(set.at("/spec/selector/matchLabels").and_then(Value::as_object).cloned().unwrap_or_default());
    Raw(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": namespace, "labels": labels,
            "annotations": template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})) },
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    }))
}

/// A pod as a controller makes it from its template.
fn of_controller(raw: &Raw, namespace: &str, pod: &str, node: &str, volumes: Vec<Value>) -> Raw {
    let mut spec = raw.at("/spec/template/spec").cloned().unwrap_or_else(|| json!({}));
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("volumes".into(), Value::Array(volumes));
        spec.insert("nodeName".into(), json!(node));
    }
    let metadata = raw.at("/spec/template/metadata");
    let part = |field: &str| metadata.and_then(|metadata| metadata.get(field)).cloned().unwrap_or_else(|| json!({}));
    Raw(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": pod, "namespace": namespace, "labels": part("labels"), "annotations": part("annotations") },
        "spec": spec,
        "status": { "phase": "Running" },
    }))
}

/// The policies of a ConfigMap. Beside a cluster those that were not read decide what nobody knows: then there are none.
fn policies(context: &Context<'_>, name: &str, namespace: Option<&str>) -> Option<Policies> {
    let mut all = context.seen(Kind::ConfigMap);
    let found = all.find(|config| config.name() == name && config.raw.namespace() == namespace);
    let read = found.and_then(one_key).map(Policies::Read);
    let Some(cluster) = &context.input.live else { return Some(read.unwrap_or(Policies::NotRead)) };
    let unreadable = || Policies::Unreadable("it has not one key with YAML".to_owned());
    match found {
        Some(_) => Some(read.unwrap_or_else(unreadable)),
        None => (!cluster.unread.contains_key(&Kind::ConfigMap)).then_some(Policies::Missing),
    }
}

/// The value of a policy ConfigMap's one key.
fn one_key(config: &Object) -> Option<Value> {
    let data = config.raw.at("/data")?.as_object()?;
    let text = data.values().next().filter(|_| data.len() == 1)?.as_str()?;
    let document = dr_yaml::read(&dr_yaml::Text::from(text)).documents.into_iter().next()?;
    document.tree.ok()?.value().ok()
}

/// In a namespace: kubectl's own where the manifest names none.
fn placed(raw: &Raw) -> Raw {
    let namespaced = Kind::of(raw.str_at("/apiVersion").unwrap_or(""), raw.str_at("/kind").unwrap_or(""))
        .is_some_and(|kind| kind.info().namespaced);
    let mut value = raw.0.clone();
    if namespaced
        && raw.namespace().is_none()
        && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("namespace".into(), json!(NOWHERE));
    }
    Raw(value)
}

/// A claim as it is once a volume is bound to it.
fn bound(raw: Raw, class: Option<&str>) -> Raw {
    let name = format!("volume-of-{}-{}", raw.namespace().unwrap_or(NOWHERE), raw.name());
    let Raw(mut value) = raw;
    if let Some(map) = value.as_object_mut() {
        map.insert("status".into(), json!({ "phase": "Bound" }));
        if let Some(spec) = map.entry("spec").or_insert_with(|| json!({})).as_object_mut() {
            spec.entry("volumeName").or_insert_with(|| json!(name));
            spec.entry("storageClassName").or_insert_with(|| json!(class.unwrap_or(NO_CLASS)));
        }
    }
    Raw(value)
}

/// The volume of a claim, where the manifests have none of that name. Of which kind it is nobody knows: what hangs on
/// that is not to be judged.
fn volume_of(claim: &Raw, known: &HashSet<&str>) -> Option<Raw> {
    let name = claim.str_at("/spec/volumeName").filter(|_| claim.str_at("/kind") == Some("PersistentVolumeClaim"))?;
    (!known.contains(name)).then(|| {
        let mut spec =
            json!({ "claimRef": { "namespace": claim.namespace().unwrap_or(NOWHERE), "name": claim.name() } });
        let classed = claim.str_at("/spec/storageClassName") != Some(NO_CLASS);
        if let Some(spec) = spec.as_object_mut().filter(|_| classed) {
            spec.insert("csi".into(), json!({ "driver": "unknown", "volumeHandle": name }));
        }
        Raw(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": { "name": name },
            "spec": spec,
            "status": { "phase": "Bound" },
        }))
    })
}

/// A DaemonSet as it is once its pods run.
fn ready(raw: Raw) -> Raw {
    let Raw(mut value) = raw;
    if let Some(map) = value.as_object_mut() {
        map.entry("status").or_insert_with(|| json!({ "numberReady": 1 }));
    }
    Raw(value)
}

fn active(raw: &Raw) -> Raw {
    let mut value = raw.0.clone();
    if let Some(map) = value.as_object_mut() {
        map.insert("status".into(), json!({ "phase": "Active" }));
    }
    Raw(value)
}

/// `spec.hooks.resources[0].name` as steps.
pub(crate) fn path(field: &str) -> Path {
    let mut steps = Vec::new();
    for part in field.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
            steps.push(Step::Key(key.to_owned()));
        }
        for piece in pieces {
            let inside = piece.trim_end_matches(']');
            steps.push(match inside.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(inside.trim_matches(['"', '\'']).to_owned()),
            });
        }
    }
    Path(steps)
}
