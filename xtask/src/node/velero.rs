//! Velero with its node-agent and the plugin for S3, and the S3 server that only the cluster can reach.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::images::{PLUGIN_IMAGE, S3_IMAGE, Versions};
use super::{Node, kubeadm};
use crate::cmd;

const BUCKET: &str = "velero";
const ACCESS_KEY: &str = "velero";
const SECRET_KEY: &str = "velero-secret";
const S3_URL: &str = "http://s3.s3.svc:9000";

/// The S3 server: a pod behind a Service, its files in the node's folder. A bucket is a folder of its data.
pub(crate) fn s3(node: &Node) -> Result<()> {
    for below in [format!("s3/data/{BUCKET}"), "s3/versions".to_owned()] {
        let path = node.path(&below);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    }
    let manifest = include_str!("../../manifests/s3.yaml")
        .replace("$IMAGE", S3_IMAGE)
        .replace("$ACCESS_KEY", ACCESS_KEY)
        .replace("$SECRET_KEY", SECRET_KEY)
        .replace("$DATA", &node.path("s3").to_string_lossy());
    node.apply(&manifest)
}

pub(crate) fn install(node: &Node, versions: &Versions) -> Result<()> {
    let credentials = node.write(
        "config/s3-credentials",
        &format!("[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n"),
    )?;
    let mut velero = Command::new(node.path("bin/velero"));
    node.isolated(&mut velero);
    velero
        .args([
            "install",
            "--dry-run",
            "-o",
            "json",
            "--image",
            &versions.velero_image(),
            "--provider",
            "aws",
            "--plugins",
            PLUGIN_IMAGE,
        ])
        .args(["--bucket", BUCKET, "--secret-file"])
        .arg(credentials)
        .args(["--backup-location-config", &format!("region=us-east-1,s3ForcePathStyle=true,s3Url={S3_URL}")])
        .args(["--use-volume-snapshots=false", "--use-node-agent", "--features=EnableCSI"]);
    // The node is small: requests would only keep other pods from being scheduled.
    for pod in ["velero", "node-agent"] {
        for what in ["cpu-request", "mem-request", "cpu-limit", "mem-limit"] {
            velero.arg(format!("--{pod}-pod-{what}=0"));
        }
    }
    let mut list: Value =
        serde_json::from_str(&cmd::output(&mut velero)?).context("read what velero install prints")?;
    let items = list.get_mut("items").and_then(Value::as_array_mut).context("velero install printed no list")?;
    items.iter_mut().for_each(adjust);
    let (crds, rest): (Vec<Value>, Vec<Value>) =
        std::mem::take(items).into_iter().partition(|item| kind(item) == "CustomResourceDefinition");
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    node.apply(&list(crds))?;
    cmd::output(node.kubectl().args([
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "-l",
        "component=velero",
    ]))?;
    node.apply(&list(rest))
}

fn kind(item: &Value) -> &str {
    item.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// What `velero install` has no flag for: look at the object store often, and take images as they are.
fn adjust(item: &mut Value) {
    match kind(item) {
        "BackupStorageLocation" => {
            if let Some(spec) = item.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("backupSyncPeriod".to_owned(), json!("10s"));
                spec.insert("validationFrequency".to_owned(), json!("10s"));
            }
        }
        "Deployment" | "DaemonSet" => {
            for field in ["containers", "initContainers"] {
                let containers =
                    item.pointer_mut(&format!("/spec/template/spec/{field}")).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
                    container.insert("imagePullPolicy".to_owned(), json!("IfNotPresent"));
                }
            }
        }
        _ => {}
    }
}

pub(crate) fn wait_available(node: &Node) -> Result<()> {
    kubeadm::wait_for(node, &["-n", "velero", "--for=condition=Available", "deployment/velero"], 120)?;
    cmd::wait("Velero's default BackupStorageLocation to be Available", Duration::from_secs(120), || {
        let get = [
            "-n",
            "velero",
            "get",
            "backupstoragelocation",
            "default",
            "-o",
            "jsonpath={.status.phase}: {.status.message}",
        ];
        let status = cmd::output(node.kubectl().args(get))?;
        if status.starts_with("Available") {
            return Ok(Some(()));
        }
        bail!("it is {status}")
    })?;
    cmd::output(node.kubectl().args(["-n", "velero", "rollout", "status", "daemonset/node-agent", "--timeout=60s"]))?;
    Ok(())
}
