//! The bookstore as facts: a StatefulSet `postgres` on claim `data-postgres-0`, a Deployment `orders`, one backup.

use std::collections::BTreeMap;

use dr_core::choose::{Choice, Chosen, Request, choose};
use dr_core::facts::{Archive, Document, Documents, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::refusal::Refusal;
use dr_run::compute::{self, compute};
use dr_run::plan::Plan;
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Files,
    Snapshot,
}

pub struct Bookstore {
    pub facts: Facts,
    pub choice: Request,
    pub request: compute::Request,
}

fn template() -> Value {
    json!({
        "metadata": { "labels": { "app": "postgres" } },
        "spec": {
            "terminationGracePeriodSeconds": 20,
            "securityContext": { "runAsUser": 999, "fsGroup": 999 },
            "containers": [{
                "name": "postgres",
                "image": "postgres:15",
                "envFrom": [{ "secretRef": { "name": "postgres" } }],
                "env": [{ "name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata" }],
                "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }],
            }],
        },
    })
}

fn claim(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-postgres-0", "namespace": namespace, "uid": "uid-claim", "labels": { "app": "postgres" },
                      "annotations": { "pv.kubernetes.io/bind-completed": "yes" } },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "csi", "volumeName": "pv-old", "volumeMode": "Filesystem",
                  "resources": { "requests": { "storage": "1Gi" } } },
        "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } },
    })
}

fn archived_pod() -> Value {
    let mut spec = template()["spec"].clone();
    spec["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data-postgres-0" } }]);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "postgres-0", "namespace": "bookstore",
                      "labels": { "app": "postgres", "statefulset.kubernetes.io/pod-name": "postgres-0" } },
        "spec": spec, "status": { "phase": "Running" },
    })
}

impl Bookstore {
    pub fn new(by: By) -> Self {
        let mut bookstore = Self {
            facts: empty(),
            choice: Request::default(),
            request: compute::Request {
                id: "k7x2p".into(),
                objects_missing: false,
                accept_unproven: true,
                stage_seconds: 3600,
            },
        };
        bookstore.live();
        bookstore.velero();
        bookstore.backup(by);
        bookstore
    }

    pub fn add(&mut self, kind: Kind, value: Value) {
        if let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&kind) {
            list.push(Object(value));
        }
    }

    /// Changes a field of the one object of this kind and name.
    pub fn set(&mut self, kind: Kind, name: &str, pointer: &str, value: Value) {
        let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&kind) else { panic!("no {kind}") };
        let object = list.iter_mut().find(|object| object.name() == name).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.0.pointer_mut(parent).unwrap()[key] = value;
    }

    pub fn remove(&mut self, kind: Kind, name: &str) {
        let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&kind) else { panic!("no {kind}") };
        list.retain(|object| object.name() != name);
    }

    /// The database keeps its log on a volume of its own, `wal-postgres-0`.
    pub fn second_claim(&mut self) {
        let claim = |value: Value| {
            let text = value.to_string().replace("data-postgres-0", "wal-postgres-0").replace("pv-old", "pv-old-wal");
            serde_json::from_str::<Value>(&text.replace("uid-claim", "uid-claim-wal")).unwrap()
        };
        let mount = json!({ "name": "wal", "mountPath": "/wal" });
        let set = |set: &mut Value| {
            set["spec"]["volumeClaimTemplates"] =
                json!([{ "metadata": { "name": "data" } }, { "metadata": { "name": "wal" } }]);
            set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
                .as_array_mut()
                .unwrap()
                .push(mount.clone());
        };
        let pod = |pod: &mut Value| {
            pod["spec"]["volumes"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "name": "wal", "persistentVolumeClaim": { "claimName": "wal-postgres-0" } }));
            pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().push(mount.clone());
        };
        for (kind, change) in [(Kind::StatefulSet, &set as &dyn Fn(&mut Value)), (Kind::Pod, &pod)] {
            let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&kind) else { panic!("no {kind}") };
            for object in list.iter_mut() {
                change(&mut object.0);
            }
        }
        for kind in [Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::PodVolumeBackup] {
            let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&kind) else { panic!("no {kind}") };
            let more: Vec<Object> = list.iter().map(|object| Object(claim(object.0.clone()))).collect();
            list.extend(more);
        }
        if let Some(Listed::Objects(list)) = self.facts.objects.get_mut(&Kind::PodVolumeBackup)
            && let Some(copy) = list.last_mut()
        {
            copy.0["metadata"]["name"] = json!("nightly-2");
            copy.0["spec"]["volume"] = json!("wal");
        }
        let documents = self.facts.documents.get_mut("nightly").unwrap();
        if let Document::Read(infos) = &mut documents.volume_infos {
            let mut info = claim(infos[0].clone());
            if info["pvbInfo"].is_object() {
                info["pvbInfo"]["volumeName"] = json!("wal");
            }
            infos.push(info);
        }
        if let Document::Read(archive) = &mut documents.archive {
            archive.objects.push(Object(claim(archive.objects[0].0.clone())));
            archive.items.push("persistentvolumeclaims/bookstore/wal-postgres-0".into());
            for object in &mut archive.objects {
                match object.str_at("/kind") {
                    Some("StatefulSet") => set(&mut object.0),
                    Some("Pod") => pod(&mut object.0),
                    _ => {}
                }
            }
        }
    }

    /// The namespace and everything in it is gone.
    pub fn lose_namespace(&mut self) {
        for listed in self.facts.objects.values_mut() {
            if let Listed::Objects(list) = listed {
                list.retain(|object| object.namespace() != Some("bookstore") && object.name() != "bookstore");
            }
        }
        self.remove(Kind::PersistentVolume, "pv-old");
    }

    pub fn chosen(&self) -> Chosen {
        match choose(&self.facts, &self.choice) {
            Ok(Choice::Take(chosen)) => *chosen,
            other => panic!("{other:?}"),
        }
    }

    pub fn compute(&self) -> Result<Plan, Refusal> {
        compute(&self.facts, &self.chosen(), &self.request)
    }

    pub fn plan(&self) -> Plan {
        self.compute().unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn live(&mut self) {
        self.add(
            Kind::Namespace,
            json!({ "metadata": { "name": "bookstore", "uid": "uid-namespace",
            "labels": { "pod-security.kubernetes.io/enforce": "restricted", "team": "shop" } } }),
        );
        self.add(
            Kind::StatefulSet,
            json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet",
                "metadata": { "name": "postgres", "namespace": "bookstore", "uid": "uid-sts" },
                "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "postgres" } }, "template": template(),
                          "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] },
                "status": { "readyReplicas": 1, "replicas": 1 },
            }),
        );
        self.add(
            Kind::Deployment,
            json!({
                "metadata": { "name": "orders", "namespace": "bookstore", "uid": "uid-orders" },
                "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "orders" } },
                          "template": { "spec": { "terminationGracePeriodSeconds": 1, "containers": [] } } },
                "status": { "readyReplicas": 2, "replicas": 2 },
            }),
        );
        let mut pod = archived_pod();
        pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "postgres", "uid": "uid-sts", "controller": true }]);
        self.add(Kind::Pod, pod);
        self.add(Kind::Secret, json!({ "metadata": { "name": "postgres", "namespace": "bookstore" } }));
        self.add(Kind::PersistentVolumeClaim, claim("bookstore"));
        self.add(
            Kind::PersistentVolume,
            json!({
                "metadata": { "name": "pv-old", "uid": "uid-pv-old" },
                "spec": { "persistentVolumeReclaimPolicy": "Delete", "claimRef": { "uid": "uid-claim" } },
            }),
        );
        self.add(Kind::StorageClass, json!({ "metadata": { "name": "csi" }, "reclaimPolicy": "Delete" }));
    }

    fn velero(&mut self) {
        self.add(
            Kind::BackupStorageLocation,
            json!({ "metadata": { "name": "default", "namespace": "velero" }, "status": { "phase": "Available" } }),
        );
        self.add(
            Kind::Deployment,
            json!({ "metadata": { "name": "velero", "namespace": "velero" },
            "spec": { "template": { "spec": { "containers": [{ "args": ["server", "--features=EnableCSI"] }] } } },
            "status": { "availableReplicas": 1 } }),
        );
        self.add(
            Kind::DaemonSet,
            json!({ "metadata": { "name": "node-agent", "namespace": "velero" }, "status": { "numberReady": 1 } }),
        );
        self.add(Kind::CSIDriver, json!({ "metadata": { "name": "csi.test" } }));
        self.add(Kind::VolumeSnapshotClass, json!({ "metadata": { "name": "csi" }, "driver": "csi.test" }));
    }

    fn backup(&mut self, by: By) {
        self.add(
            Kind::Backup,
            json!({
                "metadata": { "name": "nightly", "namespace": "velero", "uid": "uid-backup" },
                "spec": { "includedNamespaces": ["bookstore"], "storageLocation": "default" },
                "status": { "phase": "Completed", "startTimestamp": "2026-01-02T02:00:00Z",
                            "completionTimestamp": "2026-01-02T02:01:00Z", "expiration": "2026-02-01T00:00:00Z" },
            }),
        );
        let info = match by {
            By::Files => {
                self.add(Kind::PodVolumeBackup, json!({
                    "metadata": { "name": "nightly-1", "namespace": "velero", "labels": { "velero.io/backup-name": "nightly" } },
                    "spec": { "pod": { "name": "postgres-0", "namespace": "bookstore" }, "volume": "data" },
                    "status": { "phase": "Completed", "snapshotID": "abc", "startTimestamp": "2026-01-02T02:00:10Z",
                                "progress": { "totalBytes": 47_652_502, "bytesDone": 47_652_502 } },
                }));
                json!({ "pvcName": "data-postgres-0", "pvcNamespace": "bookstore", "backupMethod": "PodVolumeBackup",
                        "result": "succeeded", "pvbInfo": { "podName": "postgres-0", "volumeName": "data" } })
            }
            By::Snapshot => json!({
                "pvcName": "data-postgres-0", "pvcNamespace": "bookstore", "backupMethod": "CSISnapshot", "result": "succeeded",
                "snapshotDataMoved": false, "startTimestamp": "2026-01-02T02:00:10Z",
                "csiSnapshotInfo": { "driver": "csi.test", "snapshotHandle": "snap-1", "size": 1_073_741_824 } }),
        };
        let set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "postgres", "namespace": "bookstore" },
            "spec": { "replicas": 1, "template": template(), "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] },
        });
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": "bookstore", "labels": { "pod-security.kubernetes.io/enforce": "restricted", "team": "shop" } } });
        let archive = Archive {
            items: vec![
                "persistentvolumeclaims/bookstore/data-postgres-0".into(),
                "rolebindings.rbac.authorization.k8s.io/bookstore/revoked".into(),
                "services/bookstore/postgres".into(),
                "statefulsets.apps/bookstore/postgres".into(),
            ],
            objects: vec![Object(claim("bookstore")), Object(archived_pod()), Object(set), Object(namespace)],
        };
        let documents = Documents { volume_infos: Document::Read(vec![info]), archive: Document::Read(archive) };
        self.facts.documents.insert("nightly".into(), documents);
    }
}

fn empty() -> Facts {
    let listed: BTreeMap<Kind, Listed> = Kind::ALL.iter().map(|kind| (*kind, Listed::Objects(Vec::new()))).collect();
    Facts {
        format: 1,
        taken: "2026-01-02T12:00:00Z".parse().unwrap(),
        context: "test".into(),
        server: "https://127.0.0.1:6443".into(),
        server_version: "v1.34.2".into(),
        cluster_uid: "uid-cluster".into(),
        namespace: "bookstore".into(),
        velero_namespace: "velero".into(),
        objects: listed,
        documents: BTreeMap::new(),
    }
}
