//! Objects, disks, time and chance: everything there is, in one value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::condition::{Observation, Query};
use dr_run::journal::Entry;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::controllers::{Controller, velero::Backup};
use crate::rng::Rng;
use crate::volume::Volume;

/// How long one tick takes, in milliseconds.
pub const TICK: u64 = 500;

/// What a running pod has mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub claim: String,
    pub claim_uid: String,
    pub persistent_volume: String,
    pub handle: String,
}

#[derive(Debug, Clone)]
pub struct World {
    objects: BTreeMap<Key, Arc<Object>>,
    /// Disks by handle.
    pub volumes: BTreeMap<String, Volume>,
    /// Disks that no longer exist, by handle.
    pub destroyed: BTreeMap<String, Volume>,
    /// By the name of their Backup object.
    pub backups: BTreeMap<String, Arc<Backup>>,
    /// Snapshots that somebody deleted at the storage, by handle.
    pub lost_snapshots: BTreeSet<String>,
    /// The driver says that it can list snapshots.
    pub lists_snapshots: bool,
    /// By the uid of a running pod.
    pub mounts: BTreeMap<String, Vec<Mount>>,
    /// When the persistent volume controller looks at a claim again, by uid.
    pub resync: BTreeMap<String, u64>,
    /// The resource modifiers that Velero has read, by the uid of the Restore.
    pub modifiers: BTreeMap<String, Arc<Value>>,
    pub journal: Vec<Entry>,
    /// Milliseconds since the world began.
    pub now: u64,
    pub rng: Rng,
    /// Changes whenever an object or a disk does.
    pub revision: u64,
    /// By controller: what it has looked at.
    seen: [u64; Controller::ALL.len()],
    uids: Vec<Arc<Key>>,
    /// What happened, for a test that fails.
    pub trace: Vec<Arc<str>>,
}

const UID: &str = "00000000-0000-4000-8000-";

impl World {
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            objects: BTreeMap::new(),
            volumes: BTreeMap::new(),
            destroyed: BTreeMap::new(),
            backups: BTreeMap::new(),
            lost_snapshots: BTreeSet::new(),
            lists_snapshots: true,
            mounts: BTreeMap::new(),
            resync: BTreeMap::new(),
            modifiers: BTreeMap::new(),
            journal: Vec::new(),
            now: 0,
            rng: Rng::new(seed),
            revision: 1000,
            seen: [0; Controller::ALL.len()],
            uids: Vec::new(),
            trace: Vec::new(),
        };
        for name in ["kube-system", "velero"] {
            world.create(&Key::cluster(Kind::Namespace, name), &json!({})).expect("an empty world takes a namespace");
        }
        crate::controllers::velero::install(&mut world);
        world
    }

    /// Every controller takes one step, or sleeps through this tick.
    pub fn tick(&mut self) {
        self.now += TICK;
        let mut order = Controller::ALL;
        self.rng.shuffle(&mut order);
        for controller in order {
            // What acts on objects alone has nothing to do while no object has changed.
            let index = controller as usize;
            if self.rng.once_in(5) || (self.seen[index] == self.revision && !controller.watches_the_clock()) {
                continue;
            }
            self.seen[index] = self.revision;
            controller.step(self);
        }
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.get(&Key::namespaced(kind, namespace, name))
    }

    pub fn objects(&self) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        self.objects.iter()
    }

    /// All objects of a kind, by namespace and name.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        let first = Key { kind, namespace: None, name: String::new() };
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind)
    }

    pub fn within<'a>(&'a self, kind: Kind, namespace: &'a str) -> impl Iterator<Item = (&'a Key, &'a Arc<Object>)> {
        let first = Key::namespaced(kind, namespace, "");
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.kind == kind && key.namespace.as_deref() == Some(namespace))
    }

    pub fn keys(&self, chosen: impl Fn(&Object) -> bool) -> Vec<Key> {
        self.objects.iter().filter(|(_, object)| chosen(object)).map(|(key, _)| key.clone()).collect()
    }

    /// The keys of a kind, taken before a controller changes what it walks over.
    pub fn keys_of(&self, kind: Kind) -> Vec<Key> {
        self.of(kind).map(|(key, _)| key.clone()).collect()
    }

    /// What a quorum read answers.
    pub fn observe<'a>(&self, queries: impl IntoIterator<Item = &'a Query>) -> Observation {
        let read = |query: &Query| match query {
            Query::Get(key) => self.get(key).map(|object| Object::clone(object)).into_iter().collect(),
            Query::List(listing) => self
                .of(listing.kind)
                .filter(|(key, _)| listing.namespace.is_none() || key.namespace == listing.namespace)
                .filter(|(_, object)| listing.labels.iter().all(|(key, value)| object.label(key) == Some(value)))
                .map(|(_, object)| Object::clone(object))
                .collect(),
        };
        Observation(queries.into_iter().map(|query| (query.clone(), read(query))).collect())
    }

    /// A controller's or a subresource's write: no validation, and nothing at all when nothing changes.
    pub fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(found) = self.objects.get(key).cloned() else { return };
        let mut object = found.0.clone();
        change(&mut object);
        if object != found.0 {
            self.store_changed(key, &found, object);
        }
    }

    pub(crate) fn store_changed(&mut self, key: &Key, found: &Arc<Object>, mut object: Value) -> Arc<Object> {
        if found.at("/spec") != object.get("spec") {
            let generation = found.i64_at("/metadata/generation").unwrap_or(1);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        // Any change of a claim makes the binder look at it again.
        if key.kind == Kind::PersistentVolumeClaim
            && let Some(uid) = found.uid()
        {
            self.resync.remove(uid);
        }
        let object = Object(object);
        let free = object.list_at("/metadata/finalizers").is_empty() && object.list_at("/spec/finalizers").is_empty();
        let waits = key.kind == Kind::Pod && object.i64_at("/metadata/deletionGracePeriodSeconds").unwrap_or(0) > 0;
        if object.is_terminating() && free && !waits {
            self.remove(key);
            return Arc::new(object);
        }
        self.store(key.clone(), object)
    }

    pub(crate) fn store(&mut self, key: Key, mut object: Object) -> Arc<Object> {
        self.revision += 1;
        let metadata = object.0["metadata"].as_object_mut().expect("stored with metadata");
        metadata.insert("resourceVersion".to_owned(), json!(self.revision.to_string()));
        // Typed metadata leaves empty maps and lists out.
        for empty in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let is_empty = match metadata.get(empty) {
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Null) => true,
                Some(_) | None => false,
            };
            if is_empty {
                metadata.remove(empty);
            }
        }
        let object = Arc::new(object);
        self.objects.insert(key, Arc::clone(&object));
        object
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.revision += 1;
        if let Some(object) = self.objects.remove(key)
            && let Some(uid) = object.uid()
        {
            self.mounts.remove(uid);
            self.resync.remove(uid);
        }
    }

    pub(crate) fn new_uid(&mut self, key: &Key) -> String {
        self.uids.push(Arc::new(key.clone()));
        format!("{UID}{:012x}", self.uids.len())
    }

    /// Whether an object with this uid exists.
    pub fn is_alive(&self, uid: &str) -> bool {
        let Some(key) = self.key_of(uid) else { return false };
        self.get(key).is_some_and(|object| object.uid() == Some(uid))
    }

    /// Where the object with this uid is or was.
    pub fn key_of(&self, uid: &str) -> Option<&Key> {
        let number = usize::from_str_radix(uid.strip_prefix(UID)?.get(..12)?, 16).ok()?;
        self.uids.get(number.checked_sub(1)?).map(AsRef::as_ref)
    }

    /// Replaces every uid in a text by where its object is or was.
    pub fn without_uids(&self, text: &str) -> String {
        let mut rest = text;
        let mut out = String::new();
        while let Some(at) = rest.find(UID) {
            out.push_str(&rest[..at]);
            let end = (at + 36).min(rest.len());
            match self.key_of(&rest[at..end]) {
                Some(key) => out.extend(["<", &key.to_string(), ">"]),
                None => out.push_str("<unknown>"),
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    pub fn timestamp_at(&self, milliseconds: u64) -> Timestamp {
        let seconds = i64::try_from(milliseconds / 1000).expect("tests are short");
        Timestamp::from_second(1_800_000_000 + seconds).expect("tests are short")
    }

    pub fn timestamp(&self) -> Timestamp {
        self.timestamp_at(self.now)
    }

    pub fn tell(&mut self, text: impl AsRef<str>) {
        self.trace.push(Arc::from(format!("{:>7} {}", self.now, text.as_ref())));
    }

    /// The disk behind a persistent volume.
    pub fn disk(&self, persistent_volume: &str) -> Option<&Volume> {
        let volume = self.get(&Key::cluster(Kind::PersistentVolume, persistent_volume))?;
        self.volumes.get(volume.str_at("/spec/csi/volumeHandle")?)
    }

    pub(crate) fn destroy(&mut self, handle: &str) {
        self.revision += 1;
        self.tell(format!("disk {handle} destroyed"));
        if let Some(volume) = self.volumes.remove(handle) {
            self.destroyed.insert(handle.to_owned(), volume);
        }
    }
}
