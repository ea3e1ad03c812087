//! The container runtime and its network plugin.

use std::time::Duration;

use anyhow::Result;

use super::services::Service;
use super::{Node, images};
use crate::{cmd, packages};

pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";

pub(crate) fn start(node: &Node) -> Result<()> {
    // A pod's link is point to point: all its traffic is routed, so services work without bridge netfilter.
    let network = format!(
        r#"{{"cniVersion": "0.4.0", "name": "node", "plugins": [
  {{"type": "ptp", "ipam": {{"type": "host-local", "dataDir": "/var/lib/cni", "ranges": [[{{"subnet": "{}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
]}}
"#,
        node.network().pod_subnet()
    );
    node.write("cni-config/10-node.conflist", &network)?;
    // restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower a score and would fail.
    let config = format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{}"
  restrict_oom_score_adj = true
  max_concurrent_downloads = 1
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{}"
    conf_dir = "/etc/cni/net.d"
"#,
        images::PAUSE,
        packages::CNI_PLUGINS
    );
    let config = node.write("config/containerd.toml", &config)?;
    node.service(
        "containerd",
        &Service::new(["containerd".to_owned(), "-c".to_owned(), config.to_string_lossy().into_owned()]),
    )?;
    cmd::wait("containerd", Duration::from_secs(20), || {
        Ok(cmd::output(node.enter()?.args(["ctr", "version"])).ok().map(drop))
    })
}
