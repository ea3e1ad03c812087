//! The bookstore of `manifests/bookstore.yaml`, in a namespace of a test's own.

use serde_json::Value;

use crate::{Node, access, secret, until};

const MANIFEST: &str = include_str!("../manifests/bookstore.yaml");

/// How Velero takes the volume's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Files,
    Snapshot,
}

/// The StorageClass of the database's volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    WaitForFirstConsumer,
    Immediate,
    NoAttach,
    Retain,
}

impl Class {
    /// Of a node of ours; on another cluster `DR_CLASS` names the one there is.
    pub fn name(self) -> String {
        let ours = match self {
            Self::WaitForFirstConsumer => "csi-wffc",
            Self::Immediate => "csi-immediate",
            Self::NoAttach => "csi-noattach",
            Self::Retain => "csi-retain",
        };
        std::env::var("DR_CLASS").unwrap_or_else(|_| ours.to_owned())
    }
}

/// What one table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    pub rows: u64,
    pub digest: String,
}

/// A running shop; its namespace goes when it is dropped, with what restores left of it.
pub struct Shop<'n> {
    pub node: &'n Node,
    pub namespace: String,
    pub by: By,
    pub class: Class,
}

/// Backups of one state by either path.
#[derive(Debug, Clone)]
pub struct Both {
    pub files: String,
    pub snapshot: String,
}

impl Both {
    pub fn by(&self, by: By) -> &str {
        match by {
            By::Files => &self.files,
            By::Snapshot => &self.snapshot,
        }
    }
}

impl<'n> Shop<'n> {
    /// Deploys it and waits until orders come in. `padding` is rows of 1 KiB.
    pub fn open(node: &'n Node, namespace: &str, by: By, class: Class, padding: u32) -> Self {
        let shop = Self { node, namespace: namespace.to_owned(), by, class };
        shop.remove();
        shop.wait_until_removed();
        let annotations = match by {
            By::Files => "{backup.velero.io/backup-volumes: data}",
            By::Snapshot => "{}",
        };
        let manifest = MANIFEST
            .replace("@namespace@", namespace)
            .replace("@class@", &class.name())
            .replace("@pod-annotations@", annotations)
            .replace("@padding@", &padding.to_string())
            .replace("@password@", &secret::password(namespace))
            .replace("@literal@", secret::LITERAL);
        node.apply(&format!("{manifest}\n---\n{}", access::bindings(namespace)));
        // The scheduler looks again after five minutes at a pod whose volume came while it was looking.
        until("the migration is through", 420, || {
            let job = node.get(&["job", "migration", "-n", namespace]);
            (job["status"]["succeeded"] == 1).then_some(())
        });
        until("orders come in", 60, || (shop.try_count("orders")? >= 3).then_some(()));
        shop
    }

    /// SQL in the database's pod, as the application's user; none when it fails.
    pub fn try_sql(&self, sql: &str) -> Option<String> {
        let pod = ["exec", "-n", &self.namespace, "postgres-0", "-c", "postgres", "--"];
        let psql = "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U $POSTGRES_USER -d $POSTGRES_DB -XAtq -v ON_ERROR_STOP=1 -c \"$0\"";
        let args: Vec<&str> = pod.into_iter().chain(["sh", "-c", psql, sql]).collect();
        let out = self.node.try_kubectl(&args);
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|| panic!("`{sql}` failed in {}", self.namespace))
    }

    pub fn try_count(&self, table: &str) -> Option<u64> {
        self.try_sql(&format!("select count(*) from {table}"))?.parse().ok()
    }

    pub fn table(&self, table: &str) -> Fingerprint {
        let answer = self.sql(&format!(
            "select count(*) || ' ' || coalesce(md5(string_agg(t::text, ';' order by id)), '-') from {table} t"
        ));
        let (rows, digest) = answer.split_once(' ').expect("two words");
        Fingerprint { rows: rows.parse().expect("a number"), digest: digest.to_owned() }
    }

    /// The orders are numbered without a gap: what a crash or a torn copy would break.
    pub fn orders_are_gapless(&self) -> u64 {
        let answer =
            self.sql("select count(*) || ' ' || coalesce(min(id), 1) || ' ' || coalesce(max(id), 0) from orders");
        let numbers: Vec<u64> = answer.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [count, first, last] = numbers[..] else { panic!("{answer}") };
        assert!(first == 1 && last == count, "orders have a gap: {count} rows from {first} to {last}");
        count
    }

    /// `kubectl dr backup --ns …`, which has to succeed; the backup's name.
    pub fn back_up(&self) -> String {
        let ended = self.node.dr(&["backup", "--ns", &self.namespace, "-o", "json"]).exits(0);
        let name = ended.json()["backup"].clone();
        let name = name.as_str().or_else(|| name["name"].as_str());
        name.unwrap_or_else(|| panic!("no name of the backup in {}", ended.stdout)).to_owned()
    }

    /// A backup by either path. The pod's own annotation is what Velero looks at.
    pub fn back_up_both(&self) -> Both {
        let annotate = |what: &str| {
            self.node.kubectl(&["annotate", "pod", "postgres-0", "-n", &self.namespace, "--overwrite", what]);
        };
        annotate("backup.velero.io/backup-volumes-");
        let snapshot = self.back_up();
        annotate("backup.velero.io/backup-volumes=data");
        let files = self.back_up();
        if self.by == By::Snapshot {
            annotate("backup.velero.io/backup-volumes-");
        }
        Both { files, snapshot }
    }

    /// A backup as Velero's own command line makes it: no fingerprint.
    pub fn back_up_with_velero(&self, name: &str, more: &[&str]) {
        let args = ["backup", "create", name, "--include-namespaces", &self.namespace, "--wait"];
        let args: Vec<&str> = args.into_iter().chain(more.iter().copied()).collect();
        let out = self.node.velero(&args);
        let told = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && told.contains("Completed"), "velero backup create: {told}");
    }

    pub fn restore(&self, more: &[&str]) -> crate::Ended {
        let args = ["restore", "--ns", &self.namespace, "--yes"];
        self.node.dr(&args.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    }

    pub fn drop_books(&self) {
        self.sql("drop table books cascade");
    }

    /// The claim is deleted, and the StatefulSet makes a new one, on which the entry point makes an empty database.
    pub fn lose_claim(&self) {
        let namespace = &self.namespace;
        let before = self.claim()["metadata"]["uid"].clone();
        self.node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", namespace, "--wait=false"]);
        self.node.kubectl(&["delete", "pod", "postgres-0", "-n", namespace]);
        until("a new, empty database", 120, || {
            (self.claim()["metadata"]["uid"] != before && self.try_sql("select 1")? == "1").then_some(())
        });
        assert_eq!(self.try_count("books"), None, "the new volume is not empty");
    }

    /// The namespace is deleted, and with it the right to restore it, which is given anew for all namespaces.
    pub fn lose_namespace(&self) {
        access::bind_everywhere(self.node);
        self.node.kubectl(&["delete", "namespace", &self.namespace, "--timeout=180s"]);
    }

    pub fn claim(&self) -> Value {
        self.node.get(&["pvc", "data-postgres-0", "-n", &self.namespace])
    }

    /// The folder in which the CSI driver keeps a volume.
    pub fn disk(&self, volume: &str) -> std::path::PathBuf {
        let volume = self.node.get(&["pv", volume]);
        let of = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
        self.node.dir().join("csi").join(of("/spec/csi/driver")).join("volumes").join(of("/spec/csi/volumeHandle"))
    }

    /// The persistent volume under the claim.
    pub fn volume(&self) -> String {
        self.claim()["spec"]["volumeName"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the shop takes orders again.
    pub fn wait_until_open(&self) {
        let before = until("the database answers", 120, || self.try_count("orders"));
        until("orders come in again", 60, || (self.try_count("orders")? > before).then_some(()));
    }

    /// Namespaces that restores of this one left.
    pub fn staging(&self) -> Vec<String> {
        let prefix = format!("{}-dr-", self.namespace);
        let names = self.node.kubectl(&["get", "namespaces", "-o", "name"]);
        names
            .lines()
            .filter_map(|line| line.strip_prefix("namespace/"))
            .filter(|name| name.starts_with(&prefix))
            .map(str::to_owned)
            .collect()
    }

    /// The newest run of this namespace.
    pub fn newest_run(&self) -> String {
        let listed = self.node.dr(&["restore", "list", "--ns", &self.namespace, "-o", "json"]).exits(0).json();
        let runs = listed["items"].as_array().cloned().unwrap_or_default();
        let newest = runs.iter().max_by_key(|run| run["made"].as_str().unwrap_or_default().to_owned());
        newest.and_then(|run| run["id"].as_str()).unwrap_or_else(|| panic!("no run in {listed}")).to_owned()
    }
}
