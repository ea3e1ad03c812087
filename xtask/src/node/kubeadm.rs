//! The control plane as kubeadm makes it (static pods, stacked etcd), the kubelet, kube-proxy and `CoreDNS`.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::images::{DNS_IMAGE, Versions};
use super::services::Service;
use super::{NODE_NAME, Node, cgroups, containerd};
use crate::cmd;

/// kubeadm's configuration, the same for a whole node and for a control plane without one.
pub(crate) fn configuration(node: &Node, versions: &Versions) -> Result<String> {
    let network = node.network();
    let address = network.node_address();
    let kubelet_cgroups = if cgroups::unified() { "" } else { "failCgroupV1: false\n" };
    let text = format!(
        r#"apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: 6443}}
nodeRegistration:
  criSocket: unix://{socket}
  name: {NODE_NAME}
  taints: []
  imagePullPolicy: Never
  kubeletExtraArgs: [{{name: node-ip, value: "{address}"}}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: {name}
kubernetesVersion: {kubernetes}
etcd: {{local: {{imageTag: "{etcd}", extraArgs: [{{name: unsafe-no-fsync, value: "true"}}]}}}}
networking: {{serviceSubnet: {services}, podSubnet: {pods}}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
{kubelet_cgroups}cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
address: {address}
containerRuntimeEndpoint: unix://{socket}
clusterDNS: [{dns}]
resolvConf: /etc/resolv.conf
failSwapOn: false
enforceNodeAllocatable: []
maxPods: 220
serializeImagePulls: false
syncFrequency: 10s
volumeStatsAggPeriod: 10s
featureGates: {{KubeletCrashLoopBackOffMax: true}}
crashLoopBackOff: {{maxContainerRestartPeriod: 2s}}
evictionHard: {{"nodefs.available": "200Mi", "imagefs.available": "200Mi"}}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
"#,
        socket = containerd::SOCKET,
        name = node.name(),
        kubernetes = versions.kubernetes,
        etcd = versions.etcd,
        services = network.service_subnet(),
        pods = network.pod_subnet(),
        cgroup = node.cgroup(),
        dns = network.dns_address(),
    );
    Ok(node.write("config/kubeadm.yaml", &text)?.to_string_lossy().into_owned())
}

/// kubeadm inside the node.
pub(crate) fn kubeadm(node: &Node, args: &[&str]) -> Result<String> {
    cmd::output(node.enter()?.arg("kubeadm").args(args))
}

/// `kubeadm init`; it waits for a kubelet, which is started as soon as kubeadm has written its configuration.
pub(crate) fn init(node: &Node, versions: &Versions) -> Result<()> {
    let config = configuration(node, versions)?;
    thread::scope(|scope| {
        let kubeadm = scope.spawn(|| {
            let skip = "--skip-phases=addon/coredns,addon/kube-proxy,show-join-command,upload-certs";
            kubeadm(node, &["init", "--config", &config, skip, "--ignore-preflight-errors=all"])
        });
        let flags = cmd::wait("kubeadm to write the kubelet's configuration", Duration::from_secs(120), || {
            if kubeadm.is_finished() {
                bail!("kubeadm ended before it had written the kubelet's configuration");
            }
            let flags = fs::read_to_string(node.path("kubelet/kubeadm-flags.env")).unwrap_or_default();
            let config = fs::metadata(node.path("kubelet/config.yaml")).map_or(0, |meta| meta.len());
            Ok((config > 0 && !flags.trim().is_empty()).then_some(flags))
        });
        let started = flags.and_then(|flags| kubelet(node, &flags));
        let text = match kubeadm.join() {
            Ok(result) => result?,
            Err(_) => bail!("the thread that ran kubeadm ended"),
        };
        fs::write(node.path("logs/kubeadm.log"), text)?;
        started
    })?;
    publish_kubeconfig(node)
}

fn kubelet(node: &Node, flags: &str) -> Result<()> {
    // KUBELET_KUBEADM_ARGS="--a=b --c=d"
    let args = flags
        .trim()
        .split_once('=')
        .map(|(_, quoted)| quoted.trim_matches('"'))
        .context("kubeadm wrote no flags for the kubelet")?;
    let mut command: Vec<String> = [
        "kubelet",
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
    ]
    .map(str::to_owned)
    .to_vec();
    command.extend(args.split_whitespace().map(str::to_owned));
    node.service("kubelet", &Service::new(command))
}

/// Copies the administrator's kubeconfig to where the machine finds it.
pub(crate) fn publish_kubeconfig(node: &Node) -> Result<()> {
    let admin = node.path("kubernetes/admin.conf");
    fs::copy(&admin, node.kubeconfig()).with_context(|| format!("copy {}", admin.display()))?;
    Ok(())
}

pub(crate) fn initialized(node: &Node) -> bool {
    node.kubeconfig().exists() && node.path("services/kubelet.json").exists()
}

pub(crate) fn proxy(node: &Node) -> Result<()> {
    let subnet = format!("--cluster-cidr={}", node.network().pod_subnet());
    let name = format!("--hostname-override={NODE_NAME}");
    // The conntrack table belongs to the machine, so its limits stay as they are.
    let command = [
        "kube-proxy",
        "--kubeconfig=/etc/kubernetes/admin.conf",
        &name,
        &subnet,
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ];
    node.service("kube-proxy", &Service::new(command))
}

pub(crate) fn dns(node: &Node) -> Result<()> {
    let manifest = include_str!("../../manifests/coredns.yaml");
    node.apply(&manifest.replace("$IMAGE", DNS_IMAGE).replace("$ADDRESS", &node.network().dns_address()))
}

pub(crate) fn wait_ready(node: &Node) -> Result<()> {
    wait_for(node, &["--for=condition=Ready", &format!("node/{NODE_NAME}")], 120)
}

/// `kubectl wait`, started again until `seconds` are over: the object may not exist yet.
pub(crate) fn wait_for(node: &Node, args: &[&str], seconds: u64) -> Result<()> {
    cmd::wait(args.last().unwrap_or(&"a condition"), Duration::from_secs(seconds), || {
        cmd::output(node.kubectl().args(["wait", "--timeout=10s"]).args(args))?;
        Ok(Some(()))
    })
}
