//! A plane with Velero's server and an S3 server as plain processes, and what stands in for a node: node-agent's pod,
//! which copies nothing and calls every copy done, and a snapshot controller that calls every snapshot ready.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dr_core::select::Version;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::api::Api;
use crate::cmd;
use crate::node::Node;
use crate::servers::Servers;

pub(crate) const VELERO: &str = "velero";
pub(crate) const BUCKET: &str = "velero";
/// What backups leave in Velero's namespace.
const KINDS: [(&str, &str); 4] =
    [("v1", "backups"), ("v1", "podvolumebackups"), ("v1", "backuprepositories"), ("v2alpha1", "datauploads")];
/// From here on Velero has a queue, and can count a backup that fails validation as running after it has forgotten it
/// (`backup_queue_controller.go:Reconcile` notes `ReadyToStart` after the patch that starts the other controller): with
/// room for one no other would ever begin.
const QUEUES: Version = Version::new(1, 18, 0);
const ROOM: [&str; 1] = ["--concurrent-backups=100"];
const KEY: &str = "velero";
const SECRET: &str = "velero-secret";

pub(crate) fn global_policies() -> Value {
    json!({"version": "v1", "volumePolicies": [
        {"conditions": {"nfs": {}}, "action": {"type": "skip"}},
        {"conditions": {"pvcLabels": {"tier": "gold"}}, "action": {"type": "fs-backup"}},
        {"conditions": {"capacity": "2Gi,"}, "action": {"type": "snapshot"}}]})
}

pub(crate) struct Bench {
    pub(crate) node: Node,
    pub(crate) api: Arc<Api>,
    s3: Child,
    s3_port: u16,
    velero: Option<Child>,
    stop: Arc<AtomicBool>,
    /// Holds the API as well, and with it the proxy's process.
    player: Option<JoinHandle<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(player) = self.player.take() {
            let _ = player.join();
        }
        for child in self.velero.iter_mut().chain([&mut self.s3]) {
            end(child);
        }
    }
}

/// Ends a process and those it started: Velero's server has one for each plugin.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // What has ended by itself needs no ending.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    let _ = child.kill();
    let _ = child.wait();
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Bench {
    pub(crate) fn start(node: Node, servers: &Servers) -> Result<Self> {
        let api = Arc::new(Api::open(&node)?);
        let data = node.path("s3/data");
        let bucket = data.join(BUCKET);
        if bucket.exists() {
            fs::remove_dir_all(&bucket).with_context(|| format!("empty {}", bucket.display()))?;
        }
        fs::create_dir_all(&bucket)?;
        let s3_port = free_port()?;
        let s3 = node
            .on_its_network(&node.path("bin/versitygw"))?
            .process_group(0)
            .env("ROOT_ACCESS_KEY", KEY)
            .env("ROOT_SECRET_KEY", SECRET)
            .args(["--port", &format!("127.0.0.1:{s3_port}"), "--region", "us-east-1", "posix"])
            .arg(&data)
            .stdout(log(&node, "s3")?)
            .stderr(Stdio::null())
            .spawn()
            .context("start the S3 server")?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut bench = Self { node, api, s3, s3_port, velero: None, stop, player: None };
        bench.install(servers)?;
        bench.policies()?;
        bench.forget()?;
        bench.stand_in()?;
        Ok(bench)
    }

    fn install(&self, servers: &Servers) -> Result<()> {
        let mut snapshots = String::new();
        for entry in fs::read_dir(servers.crds())? {
            snapshots.push_str("---\n");
            snapshots.push_str(&fs::read_to_string(entry?.path())?);
        }
        self.node.apply(&snapshots)?;
        let mut crds = Command::new(self.node.path("bin/velero"));
        self.node.isolated(&mut crds);
        let crds = cmd::output(crds.args(["install", "--crds-only", "--dry-run", "-o", "yaml"]))?;
        self.node.apply(&crds)?;
        // Velero's server looks once whether they are served, and ends when one is not.
        let mut established = self.node.kubectl();
        established.args(["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"]);
        cmd::output(&mut established)?;
        let location = json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "default", "namespace": VELERO},
            "spec": {"provider": "aws", "default": true, "objectStorage": {"bucket": BUCKET},
                "backupSyncPeriod": "1h", "validationFrequency": "5s",
                "config": {"region": "us-east-1", "s3ForcePathStyle": "true",
                    "s3Url": format!("http://127.0.0.1:{}", self.s3_port)}}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VELERO}});
        self.node.apply(&namespace.to_string())?;
        cmd::wait("the CRDs of Velero", Duration::from_secs(60), || self.node.apply(&location.to_string()).map(Some))
    }

    /// The ConfigMap that `--global-backup-volume-policies-configmap` may name.
    fn policies(&self) -> Result<()> {
        let map = json!({"metadata": {"name": "global"}, "data": {"policy.yaml": global_policies().to_string()}});
        self.api.ensure(&format!("/api/v1/namespaces/{VELERO}/configmaps"), &map)
    }

    /// Takes away what an earlier run has left of Velero's own objects.
    fn forget(&self) -> Result<()> {
        for (version, kind) in KINDS {
            self.api.delete(&format!("/apis/velero.io/{version}/namespaces/{VELERO}/{kind}"))?;
        }
        let policies = format!("/api/v1/namespaces/{VELERO}/configmaps");
        for policy in items(&self.api.get(&policies)?) {
            let name = text(policy, "/metadata/name");
            if name.starts_with("policy-") {
                self.api.delete(&format!("{policies}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Starts Velero's server with these flags, in place of the one that runs.
    pub(crate) fn velero(&mut self, flags: &[&str], version: Version) -> Result<()> {
        if let Some(mut old) = self.velero.take() {
            end(&mut old);
        }
        let plugins = self.node.path("diff-plugins");
        fs::create_dir_all(&plugins)?;
        let link = plugins.join("velero-plugin-for-aws");
        if !link.exists() {
            symlink(self.node.path("bin/velero-plugin-for-aws"), &link)?;
        }
        let credentials = self.node.write(
            "config/s3-credentials",
            &format!("[default]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n"),
        )?;
        // It listens on port 8080 whatever its flags say.
        let mut command = self.node.on_its_network(&self.node.path("bin/velero"))?;
        command
            .process_group(0)
            .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
            .env("VELERO_NAMESPACE", VELERO)
            .env("CSI_SNAPSHOT_EARLY_FREQUENT_POLLING", "true")
            .args(["server", "--metrics-address", "127.0.0.1:0", "--profiler-address", "127.0.0.1:0"])
            .args(["--client-qps=500", "--client-burst=1000", "--item-operation-sync-frequency=1s", "--plugin-dir"])
            .arg(plugins)
            .args(ROOM.iter().filter(|_| version >= QUEUES))
            .args(flags)
            .stdout(log(&self.node, "velero")?)
            .stderr(Stdio::null());
        self.velero = Some(command.spawn().context("start Velero's server")?);
        let path = "/apis/velero.io/v1/namespaces/velero/backupstoragelocations/default";
        self.api.patch(path, &json!({"status": {"phase": null}}))?;
        cmd::wait("Velero's BackupStorageLocation to be Available", Duration::from_secs(60), || {
            let location = self.api.get(path)?;
            match location.pointer("/status/phase").and_then(Value::as_str) {
                Some("Available") => Ok(Some(())),
                other => bail!("it is {other:?}: {:?}", location.pointer("/status/message")),
            }
        })
    }

    /// Two nodes without a kubelet, node-agent on one of them, and the two who call work done.
    fn stand_in(&mut self) -> Result<()> {
        for (name, agent) in [("node1", "yes"), ("node2", "no")] {
            let node =
                json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"agent": agent}}});
            self.api.ensure("/api/v1/nodes", &node)?;
        }
        let labels = json!({"role": "node-agent"});
        let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "node-agent", "namespace": VELERO},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "nodeSelector": {"agent": "yes"}, "automountServiceAccountToken": false,
                "tolerations": [{"operator": "Exists"}], "containers": [{"name": "agent", "image": "none"}]}}}});
        let path = format!("/apis/apps/v1/namespaces/{VELERO}/daemonsets");
        self.api.ensure(&path, &set)?;
        cmd::wait("node-agent to be ready", Duration::from_secs(60), || {
            self.agent_runs()?;
            let set = self.api.get(&format!("{path}/node-agent"))?;
            Ok((set.pointer("/status/numberReady").and_then(Value::as_u64) == Some(1)).then_some(()))
        })?;
        let (api, stop) = (Arc::clone(&self.api), Arc::clone(&self.stop));
        self.player = Some(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // What fails now is tried again in a moment, and a backup that waits for it runs into its deadline.
                let _ = snapshots(&api);
                let _ = copies(&api);
                thread::sleep(Duration::from_millis(150));
            }
        }));
        Ok(())
    }

    /// What the scheduler and the kubelet would do with the pod of node-agent.
    fn agent_runs(&self) -> Result<()> {
        let pods = format!("/api/v1/namespaces/{VELERO}/pods");
        for pod in items(&self.api.get(&format!("{pods}?labelSelector=role%3Dnode-agent"))?) {
            let path = format!("{pods}/{}", text(pod, "/metadata/name"));
            if text(pod, "/spec/nodeName").is_empty() {
                let binding = json!({"metadata": {"name": text(pod, "/metadata/name")},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": "node1"}});
                self.api.create(&format!("{path}/binding"), &binding)?;
            }
            let ready = json!([{"type": "Ready", "status": "True"}]);
            self.api.patch(&format!("{path}/status"), &json!({"status": {"phase": "Running", "conditions": ready}}))?;
        }
        Ok(())
    }

    /// Whether the server's log tells of a panic in a backup.
    pub(crate) fn panicked(&self, backup: &str) -> Result<bool> {
        let log = fs::read_to_string(self.node.path("logs/diff-velero.log")).context("read the log of Velero")?;
        Ok(log.lines().any(|line| line.contains("Observed a panic") && line.contains(&format!("name={backup} "))))
    }

    /// The files of one backup in the bucket.
    pub(crate) fn file(&self, backup: &str, suffix: &str) -> Result<Vec<u8>> {
        let path = self.node.path(&format!("s3/data/{BUCKET}/backups/{backup}/{backup}{suffix}"));
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }
}

fn log(node: &Node, name: &str) -> Result<fs::File> {
    let path = node.path(&format!("logs/diff-{name}.log"));
    fs::File::create(&path).with_context(|| format!("create {}", path.display()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items").and_then(Value::as_array).into_iter().flatten()
}

const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1";

fn snapshots(api: &Api) -> Result<()> {
    let list = api.get(&format!("{SNAPSHOTS}/volumesnapshots"))?;
    let open = |item: &&Value| text(item, "/status/boundVolumeSnapshotContentName").is_empty();
    for snapshot in items(&list).filter(|item| text(item, "/metadata/name").starts_with("velero-")).filter(open) {
        let (namespace, name) = (text(snapshot, "/metadata/namespace"), text(snapshot, "/metadata/name"));
        let class = text(snapshot, "/spec/volumeSnapshotClassName");
        let driver = api.get(&format!("{SNAPSHOTS}/volumesnapshotclasses/{class}"))?;
        let content = format!("content-{}", text(snapshot, "/metadata/uid"));
        api.ensure(
            &format!("{SNAPSHOTS}/volumesnapshotcontents"),
            &json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
                "metadata": {"name": content},
                "spec": {"driver": text(&driver, "/driver"), "deletionPolicy": "Delete",
                    "volumeSnapshotClassName": class, "source": {"volumeHandle": "v"},
                    "volumeSnapshotRef": {"namespace": namespace, "name": name, "uid": text(snapshot, "/metadata/uid")}}}),
        )?;
        api.patch(
            &format!("{SNAPSHOTS}/volumesnapshotcontents/{content}/status"),
            &json!({"status": {"snapshotHandle": content, "readyToUse": true, "restoreSize": 1024}}),
        )?;
        api.patch(
            &format!("{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots/{name}/status"),
            &json!({"status": {"boundVolumeSnapshotContentName": content, "readyToUse": true, "restoreSize": "1Ki"}}),
        )?;
    }
    Ok(())
}

fn copies(api: &Api) -> Result<()> {
    for (version, kind) in [("v1", "podvolumebackups"), ("v2alpha1", "datauploads")] {
        let path = format!("/apis/velero.io/{version}/namespaces/{VELERO}/{kind}");
        let list = api.get(&path)?;
        for copy in items(&list).filter(|item| text(item, "/status/phase") != "Completed") {
            let now = text(copy, "/metadata/creationTimestamp");
            api.patch(
                &format!("{path}/{}", text(copy, "/metadata/name")),
                &json!({"status": {"phase": "Completed", "snapshotID": "none", "startTimestamp": now,
                    "completionTimestamp": now, "progress": {"totalBytes": 1, "bytesDone": 1}}}),
            )?;
        }
    }
    Ok(())
}
