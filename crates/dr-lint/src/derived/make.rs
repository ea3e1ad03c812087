//! The objects of a cluster, made of what is written.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_yaml::Path;
use serde_json::{Value, json};

use super::live::{self, Living};
use super::{Claim, NO_CLASS, NOWHERE};
use crate::input::{self, Object};
use crate::json;
use crate::judge::Context;

/// Objects by their places.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) objects: Vec<Arc<Raw>>,
    /// Of each namespace: what is in it, and the volumes of its claims.
    within: HashMap<String, Vec<usize>>,
    /// In no namespace.
    outside: Vec<usize>,
}

/// What objects are made of, by namespaces.
#[derive(Debug)]
pub(super) struct Written<'i> {
    all: Vec<&'i Object>,
    /// Of each namespace: what is in it, itself, and the volumes of its claims.
    within: HashMap<&'i str, Vec<&'i Object>>,
    /// In no namespace.
    outside: Vec<&'i Object>,
    /// The names of all volumes.
    volumes: HashSet<&'i str>,
}

/// While they are made.
#[derive(Default)]
pub(super) struct Making<'l, 'i> {
    pub(super) claims: Vec<Claim<'i>>,
    named: HashSet<(String, String)>,
    objects: Vec<Arc<Raw>>,
    living: Option<&'l Living<'i>>,
    /// The class of claims that name none; none where nobody knows it.
    class: Option<String>,
    /// Nobody asks for the objects.
    pub(super) only_claims: bool,
}

impl Made {
    pub(super) fn of(objects: Vec<Arc<Raw>>) -> Self {
        let mut within: HashMap<String, Vec<usize>> = HashMap::new();
        let mut outside = Vec::new();
        for (at, object) in objects.iter().enumerate() {
            let of = match object.str_at("/kind") {
                // Whether a backup takes all namespaces there are is for all of them to tell.
                Some("Namespace") => None,
                Some("PersistentVolume") => object.str_at("/spec/claimRef/namespace"),
                Some(_) | None => object.namespace(),
            };
            match of {
                Some(namespace) => within.entry(namespace.to_owned()).or_default().push(at),
                None => outside.push(at),
            }
        }
        Self { objects, within, outside }
    }

    /// What is in these namespaces, and in none.
    pub(super) fn within(&self, named: &BTreeSet<&str>) -> impl Iterator<Item = Arc<Raw>> {
        let within = named.iter().filter_map(|name| self.within.get(*name)).flatten();
        self.outside.iter().chain(within).filter_map(|at| self.objects.get(*at)).cloned()
    }
}

impl<'i> Written<'i> {
    pub(super) fn of(objects: &'i [Object]) -> Self {
        let mut written =
            Self { all: Vec::new(), within: HashMap::new(), outside: Vec::new(), volumes: HashSet::new() };
        for object in objects {
            let namespace = match object.kind {
                Some(Kind::StatefulSet | Kind::Deployment | Kind::PersistentVolumeClaim | Kind::Pod) => {
                    Some(object.raw.namespace().unwrap_or(NOWHERE))
                }
                Some(Kind::Namespace) => Some(object.name()),
                Some(Kind::PersistentVolume) => {
                    written.volumes.insert(object.name());
                    object.raw.str_at("/spec/claimRef/namespace")
                }
                Some(_) | None => continue,
            };
            written.all.push(object);
            match namespace {
                Some(namespace) => written.within.entry(namespace).or_default().push(object),
                None => written.outside.push(object),
            }
        }
        written
    }

    pub(super) fn all(&self) -> Vec<Arc<Raw>> {
        self.make(self.all.iter().copied())
    }

    /// What is in these namespaces, and in none.
    pub(super) fn within(&self, named: &BTreeSet<&str>) -> Vec<Arc<Raw>> {
        let within = named.iter().filter_map(|name| self.within.get(*name)).flatten();
        self.make(self.outside.iter().chain(within).copied())
    }

    fn make(&self, objects: impl Iterator<Item = &'i Object>) -> Vec<Arc<Raw>> {
        let mut making = Making { class: Some(CLASS.to_owned()), ..Making::default() };
        making.add(objects);
        making.finish(&self.volumes)
    }
}

/// Of claims that name none, where no cluster says which one is its default.
const CLASS: &str = "default";

impl<'l, 'i> Making<'l, 'i> {
    pub(super) fn of(living: Option<&'l Living<'i>>, context: &Context<'i>) -> Self {
        let class = if living.is_some() { live::default_class(context) } else { Some(CLASS.to_owned()) };
        Self { living, class, ..Self::default() }
    }

    /// What a claim's way into a backup can hang on; everything else would only be judged in vain.
    pub(super) fn add(&mut self, objects: impl IntoIterator<Item = &'i Object>) {
        for object in objects {
            if object.live {
                self.live(object);
                continue;
            }
            // What is there is told by itself: what a chart would make, and controllers whose pods stay as they are.
            if self.living.is_some_and(|living| living.there(object)) {
                continue;
            }
            match object.kind {
                Some(Kind::StatefulSet | Kind::Deployment) => self.workload(object),
                Some(Kind::BackupStorageLocation) => self.location(object),
                Some(Kind::PersistentVolumeClaim) => self.claim(object),
                Some(Kind::Namespace) => self.push(|| active(object.loose())),
                Some(Kind::Pod | Kind::PersistentVolume) => self.push(|| placed(object)),
                Some(kind) => self.beside(kind, object),
                None => {}
            }
        }
    }

    /// All of them, with the namespaces they are in and the volumes of claims, but for those that are known by name.
    pub(super) fn finish(&mut self, known: &HashSet<&str>) -> Vec<Arc<Raw>> {
        let mut objects = std::mem::take(&mut self.objects);
        let of_kind = |kind: &'static str| objects.iter().filter(move |object| object.str_at("/kind") == Some(kind));
        let named: HashSet<&str> = of_kind("Namespace").map(|object| object.name()).collect();
        let is_outside = |object: &Raw| matches!(object.str_at("/kind"), Some("Namespace" | "PersistentVolume"));
        let inside = objects.iter().filter(|object| !is_outside(object));
        let used: BTreeSet<&str> = inside.filter_map(|object| object.namespace()).collect();
        let namespaces = used.into_iter().filter(|name| !named.contains(name)).map(|name| {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            Arc::new(active(Raw(namespace)))
        });
        let own: HashSet<&str> = of_kind("PersistentVolume").map(|object| object.name()).collect();
        let there = |claim: &Raw| {
            self.living.is_some_and(|living| living.has(claim.namespace().unwrap_or_default(), claim.name()))
        };
        let made = objects.iter().filter(|claim| !there(claim));
        let is_known = |name: &str| own.contains(name) || known.contains(name);
        let volumes = made.filter_map(|claim| volume_of(claim, is_known)).map(Arc::new);
        let more: Vec<Arc<Raw>> = namespaces.chain(volumes).collect();
        objects.extend(more);
        objects
    }

    fn push(&mut self, make: impl FnOnce() -> Raw) {
        if !self.only_claims {
            self.objects.push(Arc::new(make()));
        }
    }

    /// An object of the cluster, with the claims that are there.
    fn live(&mut self, object: &'i Object) {
        let Some(living) = self.living else { return };
        self.objects.extend(living.seen(object));
        self.add_claims(living.claims_of(object));
    }

    fn add_claims(&mut self, claims: Vec<Claim<'i>>) {
        for claim in claims {
            if self.named.insert((claim.namespace.clone(), claim.name.clone())) {
                self.claims.push(claim);
            }
        }
    }

    /// Of a file, what decides beside a cluster, where everything of its kind is known.
    fn beside(&mut self, kind: Kind, object: &'i Object) {
        let Some(living) = self.living.filter(|_| live::decides(kind)) else { return };
        self.push(|| if kind == Kind::DaemonSet { ready(placed(object)) } else { placed(object) });
        self.add_claims(living.claims_of(object));
    }

    /// One that is in the cluster stays bound to its volume.
    fn claim(&mut self, object: &'i Object) {
        let (living, class) = (self.living, self.class.clone());
        self.push(|| {
            let raw = match living {
                Some(living) => living.still_bound(placed(object)),
                None => placed(object),
            };
            bound(raw, class.as_deref())
        });
    }

    /// Beside a cluster it is known which locations there are.
    fn location(&mut self, object: &'i Object) {
        let Some(living) = self.living else { return };
        self.push(|| living.with_status(object.loose()));
    }

    /// The controller itself with its pods and claims: those that are there, and where there is none its first pod.
    fn workload(&mut self, object: &'i Object) {
        let raw = &object.raw;
        let (live, class) = (self.living, self.class.clone());
        let has = |namespace: &str, claim: &str| live.is_some_and(|living| living.has(namespace, claim));
        let namespace = raw.namespace().unwrap_or(NOWHERE).to_owned();
        let pods = match live {
            Some(living) => living.pods_of(object.kind, &namespace, raw),
            None => vec![(format!("{}-0", raw.name()), "node".to_owned())],
        };
        let mut volumes: Vec<&json::Value> = raw.list_at("/spec/template/spec/volumes").iter().collect();
        let mut templates = Vec::new();
        for (at, template) in raw.list_at("/spec/volumeClaimTemplates").iter().enumerate() {
            let Some(volume) = template.pointer("/metadata/name").and_then(json::Value::as_str) else { continue };
            templates.push(volume);
            volumes.retain(|other| other.get("name").and_then(json::Value::as_str) != Some(volume));
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
                    self.push(|| bound(of_template(raw, template, &namespace, &name), class.as_deref()));
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
            let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(json::Value::as_str);
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
                self.push(|| {
                    let claimed = templates.iter().map(|volume| {
                        json!({ "name": volume, "persistentVolumeClaim": { "claimName": format!("{volume}-{pod}") } })
                    });
                    let volumes = volumes.iter().map(|volume| volume.loose()).chain(claimed).collect();
                    of_controller(raw, &namespace, pod, node, volumes)
                });
            }
        }
        self.push(|| placed(object));
    }
}

/// A claim as a StatefulSet makes it from its template.
fn of_template(set: &input::Raw, template: &json::Value, namespace: &str, name: &str) -> Raw {
    // Labels of the template, and over them those that the controller selects by
    // (stateful_set_utils.go:getPersistentVolumeClaims).
    let of_both = [template.pointer("/metadata/labels"), set.at("/spec/selector/matchLabels")];
    let labels = of_both.into_iter().flatten().filter_map(json::Value::as_object).flatten();
    let labels = Value::Object(labels.map(|(key, value)| (key.to_owned(), value.loose())).collect());
    let metadata = [("labels", labels), ("annotations", part(template.pointer("/metadata/annotations")))];
    let spec = part(template.get("spec"));
    object("PersistentVolumeClaim", namespace, name, metadata, [("spec", spec)])
}

/// A pod as a controller makes it from its template.
fn of_controller(raw: &input::Raw, namespace: &str, pod: &str, node: &str, volumes: Vec<Value>) -> Raw {
    let mut spec = part(raw.at("/spec/template/spec"));
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("volumes".into(), Value::Array(volumes));
        spec.insert("nodeName".into(), json!(node));
    }
    let metadata = raw.at("/spec/template/metadata");
    let carried = |field: &str| part(metadata.and_then(|metadata| metadata.get(field)));
    let metadata = [("labels", carried("labels")), ("annotations", carried("annotations"))];
    object("Pod", namespace, pod, metadata, [("spec", spec), ("status", json!({ "phase": "Running" }))])
}

/// A copy, and an empty map of what is not written.
fn part(written: Option<&json::Value>) -> Value {
    written.map_or_else(|| json!({}), json::Value::loose)
}

/// Of parts that are not copied once more.
fn object<const M: usize, const N: usize>(
    kind: &str,
    namespace: &str,
    name: &str,
    metadata: [(&str, Value); M],
    parts: [(&str, Value); N],
) -> Raw {
    fn map<'f>(fields: impl IntoIterator<Item = (&'f str, Value)>) -> Value {
        Value::Object(fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
    }
    let metadata = [("name", json!(name)), ("namespace", json!(namespace))].into_iter().chain(metadata);
    let head = [("apiVersion", json!("v1")), ("kind", json!(kind)), ("metadata", map(metadata))];
    Raw(map(head.into_iter().chain(parts)))
}

/// In a namespace: kubectl's own where the manifest names none.
fn placed(object: &Object) -> Raw {
    let Raw(mut value) = object.loose();
    let namespaced = object.kind.is_some_and(|kind| kind.info().namespaced);
    if namespaced
        && object.raw.namespace().is_none()
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
fn volume_of(claim: &Raw, is_known: impl Fn(&str) -> bool) -> Option<Raw> {
    let name = claim.str_at("/spec/volumeName").filter(|_| claim.str_at("/kind") == Some("PersistentVolumeClaim"))?;
    (!is_known(name)).then(|| {
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
fn ready(Raw(mut value): Raw) -> Raw {
    if let Some(map) = value.as_object_mut() {
        map.entry("status").or_insert_with(|| json!({ "numberReady": 1 }));
    }
    Raw(value)
}

fn active(Raw(mut value): Raw) -> Raw {
    if let Some(map) = value.as_object_mut() {
        map.insert("status".into(), json!({ "phase": "Active" }));
    }
    Raw(value)
}
