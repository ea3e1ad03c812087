//! The bookstore of the live tests, for the demo and the benchmarks.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use dr_live::Writer;
use serde_json::json;

use crate::cmd;
use crate::place::{Place, text, until};

const MANIFEST: &str = "tests/live/manifests/bookstore.yaml";
const LABEL: &str = "dr.test/app=bookstore";

/// How Velero takes the volume's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Files,
    Snapshot,
}

impl By {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "file copy",
            Self::Snapshot => "CSI snapshot",
        }
    }
}

pub(crate) struct Bookstore<'p> {
    place: &'p Place,
    pub(crate) namespace: String,
}

/// Seconds since the epoch, as the writer's log has them.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl<'p> Bookstore<'p> {
    pub(crate) fn named(place: &'p Place, namespace: &str) -> Self {
        Self { place, namespace: namespace.to_owned() }
    }

    /// Deploys it and waits until orders come in. `padding` is rows of 1 KiB.
    pub(crate) fn open(&self, root: &Path, class: &str, by: By, padding: u32) -> Result<()> {
        let manifest = fs::read_to_string(root.join(MANIFEST)).with_context(|| format!("read {MANIFEST}"))?;
        let annotations = match by {
            By::Files => "{backup.velero.io/backup-volumes: data}",
            By::Snapshot => "{}",
        };
        let manifest = manifest
            .replace("@namespace@", &self.namespace)
            .replace("@class@", class)
            .replace("@pod-annotations@", annotations)
            .replace("@padding@", &padding.to_string())
            .replace("@password@", "only-for-the-demo")
            .replace("@literal@", "only-for-the-demo");
        self.place.apply(&manifest)?;
        until("the migration is through", 240 + u64::from(padding) / 2000, || {
            let job = self.place.get(&["job", "migration", "-n", &self.namespace]).ok()?;
            (job.pointer("/status/succeeded") == Some(&json!(1))).then_some(())
        })?;
        until("orders come in", 90, || (self.orders()? >= 3).then_some(()))
    }

    /// SQL in the database's pod, as the application's user.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        let psql = "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U $POSTGRES_USER -d $POSTGRES_DB -XAtq \
                    -v ON_ERROR_STOP=1 -c \"$0\"";
        let args = ["exec", "-n", &self.namespace, "postgres-0", "-c", "postgres", "--", "sh", "-c", psql, sql];
        Ok(cmd::output(&mut self.place.kubectl(&args))?.trim().to_owned())
    }

    pub(crate) fn orders(&self) -> Option<u64> {
        self.sql("select count(*) from orders").ok()?.parse().ok()
    }

    /// What the database's volume holds.
    pub(crate) fn bytes(&self) -> Result<f64> {
        let args = [
            "exec",
            "-n",
            &self.namespace,
            "postgres-0",
            "-c",
            "postgres",
            "--",
            "du",
            "-sb",
            "/var/lib/postgresql/data",
        ];
        let said = cmd::output(&mut self.place.kubectl(&args))?;
        let bytes = said.split_whitespace().next().and_then(|word| word.parse().ok());
        bytes.with_context(|| format!("read the size of the volume from {said:?}"))
    }

    /// Rows and checksum of the table nobody writes, or what there is instead.
    pub(crate) fn books(&self) -> String {
        let sql = "select count(*) || ' rows, ' || coalesce(md5(string_agg(b::text, ';' order by id)), 'no checksum') from books b";
        match self.sql(sql) {
            Ok(found) => found,
            Err(error) if format!("{error:#}").contains("does not exist") => "no such table".to_owned(),
            Err(_) => "no database".to_owned(),
        }
    }

    pub(crate) fn wait_until_open(&self) -> Result<()> {
        let before = until("the database answers", 180, || self.orders())?;
        until("orders come in again", 90, || (self.orders()? > before).then_some(()))
    }

    /// The claim is deleted, and the StatefulSet makes a new one, on which the entry point makes an empty database.
    pub(crate) fn lose_claim(&self) -> Result<()> {
        let namespace = &self.namespace;
        let claim = || self.place.get(&["pvc", "data-postgres-0", "-n", namespace]);
        let before = text(&claim()?, "/metadata/uid").to_owned();
        let delete = ["delete", "pvc", "data-postgres-0", "-n", namespace, "--wait=false"];
        cmd::output(&mut self.place.kubectl(&delete))?;
        cmd::output(&mut self.place.kubectl(&["delete", "pod", "postgres-0", "-n", namespace]))?;
        until("a new, empty database", 180, || {
            let other = text(&claim().ok()?, "/metadata/uid") != before;
            let empty = self.sql("select to_regclass('orders') is null").ok()?;
            (other && empty == "t").then_some(())
        })
    }

    /// The shop's own log of its orders: the measure of an outage.
    pub(crate) fn writer(&self) -> Writer {
        let (place, namespace) = (self.place.clone(), self.namespace.clone());
        Writer::through(move |args| {
            let mut command = place.kubectl(&["-n", &namespace]);
            command.args(args);
            command
        })
    }

    pub(crate) fn scale(&self, replicas: u32) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        let args = ["scale", "-n", &self.namespace, "statefulset/postgres", &replicas];
        cmd::output(&mut self.place.kubectl(&args)).map(drop)
    }

    pub(crate) fn wait_stopped(&self) -> Result<()> {
        let args = ["wait", "-n", &self.namespace, "--for=delete", "pod/postgres-0", "--timeout=90s"];
        cmd::output(&mut self.place.kubectl(&args)).map(drop)
    }

    /// Whether the namespace is there; an error when it is there and not a shop of ours.
    pub(crate) fn exists(&self) -> Result<bool> {
        let (key, value) = LABEL.split_once('=').unwrap_or((LABEL, ""));
        let found = self.place.get(&["namespace", &self.namespace])?;
        if found.is_null() {
            return Ok(false);
        }
        let labels = found.pointer("/metadata/labels");
        if labels.and_then(|labels| labels.get(key)).and_then(serde_json::Value::as_str) != Some(value) {
            bail!(
                "the namespace {} is there and was not made by this command (it has no label {LABEL}): nothing was changed",
                self.namespace
            );
        }
        Ok(true)
    }

    /// What earlier runs left: the namespace, staging, runs, backups, released volumes.
    pub(crate) fn remove(&self) -> Result<()> {
        let (place, namespace, velero) = (self.place, self.namespace.as_str(), self.place.velero_namespace.as_str());
        if self.exists()? {
            cmd::output(&mut place.kubectl(&["delete", "namespace", namespace, "--timeout=180s"]))?;
        }
        for staging in place.items(&["namespaces", "-l", "kubectl-dr/operation"])? {
            let name = text(&staging, "/metadata/name");
            if name.starts_with(&format!("{namespace}-dr-")) {
                cmd::output(&mut place.kubectl(&["delete", "namespace", name, "--timeout=120s"]))?;
            }
        }
        let label = format!("kubectl-dr/namespace={namespace}");
        let runs = ["delete", "configmaps,secrets,restores.velero.io", "-n", velero, "-l", &label, "--timeout=60s"];
        cmd::output(&mut place.kubectl(&runs))?;
        let lease = format!("kubectl-dr-{namespace}");
        cmd::output(&mut place.kubectl(&["delete", "lease", "-n", velero, &lease, "--ignore-not-found"]))?;
        self.remove_backups()?;
        for volume in place.items(&["persistentvolumes"])? {
            let ours = text(&volume, "/spec/claimRef/namespace") == namespace;
            if ours && text(&volume, "/status/phase") != "Bound" {
                self.remove_volume(text(&volume, "/metadata/name"))?;
            }
        }
        Ok(())
    }

    /// Through Velero, which takes them out of the object store too: else they come back with its next look there.
    fn remove_backups(&self) -> Result<()> {
        let velero = self.place.velero_namespace.as_str();
        let ours = || -> Result<Vec<String>> {
            let backups = self.place.items(&["backups.velero.io", "-n", velero])?;
            let only = json!([self.namespace]);
            let ours = backups.iter().filter(|backup| backup.pointer("/spec/includedNamespaces") == Some(&only));
            Ok(ours.map(|backup| text(backup, "/metadata/name").to_owned()).collect())
        };
        let found = ours()?;
        for name in &found {
            let request = json!({
                "apiVersion": "velero.io/v1", "kind": "DeleteBackupRequest",
                "metadata": { "generateName": format!("{name}-"), "namespace": velero,
                              "labels": { "velero.io/backup-name": name } },
                "spec": { "backupName": name },
            });
            cmd::feed(&mut self.place.kubectl(&["create", "-f", "-"]), request.to_string().as_bytes())?;
        }
        if found.is_empty() {
            return Ok(());
        }
        until("Velero deletes the backups of before", 120, || ours().ok()?.is_empty().then_some(()))
    }

    /// A kept volume goes with what is under it: its policy says Delete before it goes.
    fn remove_volume(&self, name: &str) -> Result<()> {
        let policy = r#"{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}"#;
        cmd::output(&mut self.place.kubectl(&["patch", "pv", name, "--type=merge", "-p", policy]))?;
        cmd::output(&mut self.place.kubectl(&["delete", "pv", name, "--wait=false", "--ignore-not-found"])).map(drop)
    }
}
