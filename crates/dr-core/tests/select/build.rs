//! Clusters and backups in a few words.

use std::collections::BTreeMap;

use dr_core::object::Object;
use dr_core::select::{
    Backup, Capture, Cluster, ItemVerdict, Resources, Rule, Selection, Server, Verdict, Version, VolumeVerdict, select,
};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) objects: Vec<Value>,
    pub(crate) server: Server,
    pub(crate) unread: BTreeMap<String, String>,
}

impl World {
    /// Velero's namespace with its location and node-agent, and the namespace `shop`.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            objects: Vec::new(),
            server: Server { csi: true, ..Server::plain(Version::NEWEST, "velero") },
            unread: BTreeMap::new(),
        };
        world.namespace("velero", json!({})).namespace("shop", json!({}));
        world.add(json!({
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"namespace": "velero", "name": "default"},
            "spec": {"default": true}, "status": {"phase": "Available"},
        }));
        world.add(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "velero", "name": "node-agent-1", "labels": {"role": "node-agent"}},
            "spec": {"nodeName": "node1"}, "status": {"phase": "Running"},
        }));
        world.add(json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"namespace": "velero", "name": "node-agent"},
            "status": {"numberReady": 1},
        }));
        world.add(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "csi"},
            "provisioner": "csi.example.com",
        }));
        world.add(json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": "snap"},
            "driver": "csi.example.com",
        }));
        world
    }

    pub(crate) fn at(version: &str) -> Self {
        let mut world = Self::new();
        world.server.version = version.parse().expect("a version");
        world
    }

    pub(crate) fn add(&mut self, object: Value) -> &mut Self {
        self.objects.push(object);
        self
    }

    pub(crate) fn namespace(&mut self, name: &str, labels: Value) -> &mut Self {
        self.add(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
            "status": {"phase": "Active"},
        }))
    }

    pub(crate) fn object(&mut self, api_version: &str, kind: &str, name: &str, labels: Value) -> &mut Self {
        self.add(json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"namespace": "shop", "name": name, "labels": labels},
        }))
    }

    /// A claim that is bound to a CSI volume `pv-NAME`.
    pub(crate) fn claim(&mut self, name: &str, labels: Value) -> &mut Self {
        self.volume(name, json!({"csi": {"driver": "csi.example.com", "volumeHandle": name}}));
        self.add(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": "shop", "name": name, "labels": labels},
            "spec": {"volumeName": format!("pv-{name}"), "storageClassName": "csi"},
            "status": {"phase": "Bound"},
        }))
    }

    pub(crate) fn volume(&mut self, claim: &str, source: Value) -> &mut Self {
        let mut spec = source;
        spec["claimRef"] = json!({"namespace": "shop", "name": claim});
        spec["capacity"] = json!({"storage": "10Gi"});
        spec["storageClassName"] = json!("csi");
        let name = format!("pv-{claim}");
        self.objects.retain(|object| object["metadata"]["name"] != name.as_str());
        self.add(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}))
    }

    /// A pod that runs on node1 and mounts each claim as a volume of the same name.
    pub(crate) fn pod(&mut self, name: &str, labels: Value, claims: &[&str]) -> &mut Self {
        let volume = |claim: &&str| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}});
        let volumes: Vec<Value> = claims.iter().map(volume).collect();
        let mounts: Vec<Value> = claims.iter().map(|claim| json!({"name": claim, "mountPath": "/data"})).collect();
        self.add(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "shop", "name": name, "labels": labels},
            "spec": {"nodeName": "node1", "containers": [{"name": "main", "volumeMounts": mounts}], "volumes": volumes},
            "status": {"phase": "Running"},
        }))
    }

    /// Changes the object with this name.
    pub(crate) fn with(&mut self, name: &str, patch: Value) -> &mut Self {
        let object = self.objects.iter_mut().find(|object| object["metadata"]["name"] == name).expect("an object");
        json_patch::merge(object, &patch);
        self
    }

    pub(crate) fn without(&mut self, name: &str) -> &mut Self {
        self.objects.retain(|object| object["metadata"]["name"] != name);
        self
    }

    pub(crate) fn backup(&self, spec: Value) -> Answer {
        self.backup_with(spec, |_| {})
    }

    pub(crate) fn backup_with(&self, spec: Value, change: impl FnOnce(&mut Backup)) -> Answer {
        let object = json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "b"}, "spec": spec});
        let mut backup = Backup::of(&Object(object)).expect("a backup");
        change(&mut backup);
        Answer(select(&self.cluster(), &backup, &self.server))
    }

    pub(crate) fn cluster(&self) -> Cluster {
        let mut resources = Resources::built_in();
        for object in &self.objects {
            if object["kind"] == "CustomResourceDefinition" {
                resources.add(&Object(object.clone()));
            }
        }
        let cluster = Cluster::new(resources, self.objects.iter().cloned().map(Object), self.unread.clone());
        assert_eq!(cluster.unknown().count(), 0, "every object of a test is of a known kind");
        cluster
    }
}

pub(crate) struct Answer(pub(crate) Selection);

impl Answer {
    pub(crate) fn item(&self, item: &str) -> &ItemVerdict {
        let found = self.0.items.iter().find(|verdict| verdict.item.to_string() == item);
        found.unwrap_or_else(|| panic!("{item} is not judged"))
    }

    pub(crate) fn has(&self, item: &str) -> bool {
        self.item(item).verdict == Verdict::Included
    }

    pub(crate) fn why(&self, item: &str) -> Vec<Rule> {
        self.item(item).chain.iter().map(|reason| reason.rule).collect()
    }

    pub(crate) fn claim(&self, name: &str) -> &VolumeVerdict {
        let found = self.0.volumes.iter().find(|verdict| verdict.volume.claim.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("claim {name} is not judged"))
    }

    pub(crate) fn rules(&self, claim: &str) -> Vec<Rule> {
        self.claim(claim).chain.iter().map(|reason| reason.rule).collect()
    }

    /// Everything that is in the backup of namespace `shop`, and cluster-scoped.
    pub(crate) fn all(&self) -> Vec<String> {
        let included = self.0.items.iter().filter(|verdict| verdict.verdict == Verdict::Included);
        included
            .filter(|verdict| verdict.item.namespace.as_deref() != Some("velero"))
            .map(|verdict| verdict.item.to_string())
            .collect()
    }
}

pub(crate) fn snapshot() -> Capture {
    Capture::CsiSnapshot { class: "snap".to_owned() }
}

pub(crate) fn copy(pod: &str, volume: &str) -> Capture {
    Capture::FileSystem { pod: pod.to_owned(), volume: volume.to_owned() }
}
