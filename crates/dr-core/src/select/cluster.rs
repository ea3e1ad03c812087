//! The objects a backup is judged against, as they are served.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::VolumeRef;
use super::resources::{Resource, Resources};
use crate::object::Object;

/// An object of any type: `pods/shop/web-0`, `persistentvolumes/pv-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemRef {
    /// `pods`, `deployments.apps`
    pub resource: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
}

impl ItemRef {
    pub fn new(resource: &str, namespace: Option<&str>, name: &str) -> Self {
        Self { resource: resource.to_owned(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
    }
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.resource, self.name),
            None => write!(f, "{}/{}", self.resource, self.name),
        }
    }
}

/// One object with its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// Index of its type.
    pub(crate) of: usize,
    pub(crate) reference: ItemRef,
    pub(crate) object: Arc<Object>,
}

/// A cluster, or what some manifests describe of one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    pub(crate) resources: Arc<Resources>,
    /// By type in the order of discovery, then by namespace and name: the order lists are answered in.
    items: Vec<Item>,
    index: HashMap<ItemRef, usize>,
    /// Where the items of a type stand.
    ranges: HashMap<String, Range<usize>>,
    /// Types that could not be read as a whole, with the reason.
    unread: BTreeMap<String, String>,
    unknown: Vec<Arc<Object>>,
}

impl Cluster {
    /// Objects must carry `apiVersion` and `kind`. `unread` names types (`persistentvolumes`) that are not known as a
    /// whole, with the reason; whatever hangs on one of them is told as unknown, never guessed.
    pub fn new(
        resources: impl Into<Arc<Resources>>,
        objects: impl IntoIterator<Item = impl Into<Arc<Object>>>,
        unread: BTreeMap<String, String>,
    ) -> Self {
        let mut cluster = Self { resources: resources.into(), unread, ..Self::default() };
        for object in objects {
            let object: Arc<Object> = object.into();
            let api_version = object.str_at("/apiVersion").unwrap_or_default();
            let kind = object.str_at("/kind").unwrap_or_default();
            let of = cluster.resources.of_kind(api_version, kind);
            match of.and_then(|of| Some((of, cluster.resources.0.get(of)?))) {
                None => cluster.unknown.push(object),
                Some((of, resource)) => {
                    let namespace = if resource.namespaced { object.namespace() } else { None };
                    let reference = ItemRef::new(&resource.name(), namespace, object.name());
                    cluster.items.push(Item { of, reference, object });
                }
            }
        }
        cluster.items.sort_by(|a, b| (a.of, &a.reference).cmp(&(b.of, &b.reference)));
        cluster.items.dedup_by(|a, b| a.reference == b.reference);
        let numbered = cluster.items.iter().enumerate();
        cluster.index = numbered.map(|(number, item)| (item.reference.clone(), number)).collect();
        for (number, item) in cluster.items.iter().enumerate() {
            let range = cluster.ranges.entry(item.reference.resource.clone()).or_insert(number..number);
            range.end = number + 1;
        }
        cluster
    }

    /// Objects of kinds that no type serves; nothing is said of them.
    pub fn unknown(&self) -> impl Iterator<Item = &Object> {
        self.unknown.iter().map(AsRef::as_ref)
    }

    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The objects of a type, of one namespace where one is named.
    pub fn objects(&self, resource: &str, namespace: Option<&str>) -> impl Iterator<Item = &Object> {
        let wanted = namespace.map(str::to_owned);
        let of_namespace = move |item: &&Item| wanted.is_none() || item.reference.namespace == wanted;
        self.of(resource).map(|(_, item)| item).filter(of_namespace).map(|item| item.object.as_ref())
    }

    /// All that are judged.
    pub fn names(&self) -> impl Iterator<Item = &ItemRef> {
        self.items.iter().map(|item| &item.reference)
    }

    pub(crate) fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.items.iter()
    }

    pub(crate) fn item(&self, number: usize) -> Option<&Item> {
        self.items.get(number)
    }

    pub(crate) fn resource(&self, item: &Item) -> Option<&Resource> {
        self.resources.0.get(item.of)
    }

    pub(crate) fn find(&self, resource: &str, namespace: Option<&str>, name: &str) -> Option<usize> {
        self.index.get(&ItemRef::new(resource, namespace, name)).copied()
    }

    pub(crate) fn get(&self, resource: &str, namespace: Option<&str>, name: &str) -> Option<&Item> {
        self.find(resource, namespace, name).and_then(|number| self.item(number))
    }

    /// All of a type, with their numbers.
    pub(crate) fn of<'a>(&'a self, resource: &str) -> impl Iterator<Item = (usize, &'a Item)> + use<'a> {
        self.ranged(self.ranges.get(resource).cloned().unwrap_or_default())
    }

    pub(crate) fn of_namespace<'a>(
        &'a self,
        resource: &str,
        namespace: &str,
    ) -> impl Iterator<Item = (usize, &'a Item)> + use<'a> {
        let range = self.ranges.get(resource).cloned().unwrap_or_default();
        let items = self.items.get(range.clone()).unwrap_or_default();
        let from = items.partition_point(|item| item.reference.namespace.as_deref() < Some(namespace));
        let to = items.partition_point(|item| item.reference.namespace.as_deref() <= Some(namespace));
        self.ranged(range.start + from..range.start + to)
    }

    fn ranged(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Item)> {
        let start = range.start;
        let items = self.items.get(range).unwrap_or_default();
        items.iter().enumerate().map(move |(number, item)| (start + number, item))
    }

    /// Every namespace there is, sorted: those that exist, and those that something is in.
    pub(crate) fn namespaces(&self) -> BTreeSet<&str> {
        let named = self.of("namespaces").map(|(_, item)| item.reference.name.as_str());
        if self.unread.contains_key("namespaces") {
            named.chain(self.items.iter().filter_map(|item| item.reference.namespace.as_deref())).collect()
        } else {
            named.collect()
        }
    }

    /// Why a type is not known as a whole.
    pub(crate) fn unread(&self, resource: &str) -> Option<&str> {
        self.unread.get(resource).map(String::as_str)
    }

    /// Types that are not known as a whole, with the reason.
    pub fn not_read(&self) -> &BTreeMap<String, String> {
        &self.unread
    }

    /// What [`super::Selection::assumed`] says of them.
    pub fn assumptions(&self) -> Vec<String> {
        self.unread.iter().map(|(resource, why)| format!("{resource} were not read as a whole: {why}")).collect()
    }

    /// Every claim, and every volume of a pod that is no claim and no copy of cluster state.
    pub(crate) fn volumes(&self) -> Vec<VolumeRef> {
        let mut volumes = Vec::new();
        for (_, item) in self.of("persistentvolumeclaims") {
            let namespace = item.reference.namespace.clone().unwrap_or_default();
            volumes.push(VolumeRef { namespace, claim: Some(item.reference.name.clone()), pod: None });
        }
        for (_, pod) in self.of("pods") {
            for volume in pod.object.list_at("/spec/volumes") {
                if let (Some(name), true) = (volume_name(volume), holds_data(volume)) {
                    volumes.push(VolumeRef {
                        namespace: pod.reference.namespace.clone().unwrap_or_default(),
                        claim: None,
                        pod: Some((pod.reference.name.clone(), name.to_owned())),
                    });
                }
            }
        }
        volumes
    }
}

/// Shorthands for references that volumes need.
pub(crate) struct VolumeRefs;

impl VolumeRefs {
    pub(crate) fn claim(namespace: &str, name: &str) -> ItemRef {
        ItemRef::new("persistentvolumeclaims", Some(namespace), name)
    }
}

pub(crate) fn volume_name(volume: &Value) -> Option<&str> {
    volume.get("name").and_then(Value::as_str)
}

/// The claim that a pod's volume names.
pub(crate) fn claim_name(volume: &Value) -> Option<&str> {
    volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str)
}

/// A volume whose data exists nowhere else: no claim, and not made from objects of the cluster.
fn holds_data(volume: &Value) -> bool {
    let derived = ["persistentVolumeClaim", "secret", "configMap", "projected", "downwardAPI", "image"];
    !derived.iter().any(|source| volume.get(source).is_some_and(|value| !value.is_null()))
        && !volume_name(volume).is_some_and(|name| name.starts_with("default-token"))
}
