//! A control plane without a node: etcd, the API server and the controller manager as processes. kubeadm writes the
//! certificates and the static pods as for a whole node; the commands of those pods are what runs.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_yaml::Value;

use super::images::Versions;
use super::services::Service;
use super::{Node, kubeadm};
use crate::cmd;

const COMPONENTS: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

pub(crate) fn prepare(node: &Node, versions: &Versions) -> Result<()> {
    if node.kubeconfig().exists() {
        return Ok(());
    }
    let config = kubeadm::configuration(node, versions)?;
    for phase in
        ["certs all", "kubeconfig super-admin", "kubeconfig controller-manager", "etcd local", "control-plane all"]
    {
        let mut args = vec!["init", "phase"];
        args.extend(phase.split(' '));
        args.extend(["--config", &config]);
        kubeadm::kubeadm(node, &args)?;
    }
    // The administrator's group gets its rights from a later phase of kubeadm; this one has them from the start.
    fs::copy(node.path("kubernetes/super-admin.conf"), node.path("kubernetes/admin.conf"))
        .context("copy the kubeconfig")?;
    kubeadm::publish_kubeconfig(node)
}

pub(crate) fn start(node: &Node) -> Result<()> {
    for component in COMPONENTS {
        let path = node.path(&format!("kubernetes/manifests/{component}.yaml"));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let pod: Value = serde_yaml::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
        let command = pod.get("spec").and_then(|spec| spec.get("containers")?.get(0)?.get("command")?.as_sequence());
        let command = command.with_context(|| format!("{} names no command", path.display()))?;
        node.service(component, &Service::new(command.iter().filter_map(Value::as_str)))?;
        if component == "kube-apiserver" {
            cmd::wait("the API server", Duration::from_secs(60), || {
                cmd::output(node.kubectl().args(["get", "--raw=/readyz"])).map(Some)
            })?;
        }
    }
    cmd::wait("the controller manager to make service accounts", Duration::from_secs(60), || {
        cmd::output(node.kubectl().args(["-n", "default", "get", "serviceaccount", "default"]))?;
        Ok(Some(()))
    })
}
