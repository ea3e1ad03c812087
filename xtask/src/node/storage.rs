//! CSI: the snapshot CRDs and their controller, two instances of the driver for tests with their sidecars, and the
//! classes. All of them are processes of the node, not pods.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::services::Service;
use super::{NODE_NAME, Node};
use crate::servers::Servers;
use crate::{cache, cmd};

struct Driver {
    name: &'static str,
    /// The kubelet and the attacher go through `VolumeAttachment`s.
    attach: bool,
    list_snapshots: bool,
}

const DRIVERS: [Driver; 2] = [
    Driver { name: "csi.dr.test", attach: true, list_snapshots: true },
    Driver { name: "csi-noattach.dr.test", attach: false, list_snapshots: false },
];

/// The CRDs and the controller of volume snapshots, which Velero looks for when it starts.
pub(crate) fn snapshots(node: &Node, servers: &Servers) -> Result<()> {
    let mut manifest = String::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(servers.crds())
        .with_context(|| format!("list the snapshot CRDs in {}", servers.crds().display()))?
    {
        let path = entry?.path();
        manifest.push_str("---\n");
        manifest.push_str(&fs::read_to_string(&path)?);
        let plural = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.split_once('_'))
            .map(|(group, plural)| format!("crd/{plural}.{group}"));
        names.extend(plural);
    }
    node.apply(&manifest)?;
    let mut wait = node.kubectl();
    wait.args(["wait", "--for=condition=Established", "--timeout=30s"]).args(names);
    cmd::output(&mut wait)?;
    node.service(
        "snapshot-controller",
        &Service::new(["snapshot-controller", "--kubeconfig=/etc/kubernetes/admin.conf"]),
    )
}

/// The drivers and their sidecars.
pub(crate) fn drivers(node: &Node, driver: &Path) -> Result<()> {
    // A copy named by its contents: building the driver again pulls nothing from under the node, and the next `up`
    // restarts the driver only if it is another one.
    let contents = fs::read(driver).with_context(|| format!("read {}", driver.display()))?;
    let program = node.path(&format!("bin/dr-csi-{}", cache::key(&[&contents])));
    if !program.exists() {
        fs::copy(driver, &program).with_context(|| format!("copy {}", driver.display()))?;
    }
    for instance in &DRIVERS {
        start_driver(node, &program, instance)?;
    }
    node.apply(include_str!("../../manifests/storage.yaml"))?;
    cmd::wait("the kubelet to know the CSI drivers", Duration::from_secs(60), || {
        let known =
            cmd::output(node.kubectl().args(["get", "csinode", NODE_NAME, "-o", "jsonpath={.spec.drivers[*].name}"]))?;
        Ok(DRIVERS.iter().all(|instance| known.split_whitespace().any(|name| name == instance.name)).then_some(()))
    })
}

fn start_driver(node: &Node, program: &Path, instance: &Driver) -> Result<()> {
    let name = instance.name;
    let (state, faults) = (node.path(&format!("csi/{name}")), node.path(&format!("faults/{name}")));
    let plugin = format!("/var/lib/kubelet/plugins/{name}");
    for dir in [&state, &faults, &node.path(&format!("kubelet/plugins/{name}")), &node.path("kubelet/plugins_registry")]
    {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let socket = format!("{plugin}/csi.sock");
    node.service(
        &format!("{name}.driver"),
        &Service::new([
            program.to_string_lossy().into_owned(),
            format!("--endpoint=unix://{socket}"),
            format!("--driver-name={name}"),
            format!("--node-id={NODE_NAME}"),
            format!("--state-dir={}", state.display()),
            "--registration-dir=/var/lib/kubelet/plugins_registry".to_owned(),
            format!("--attach-required={}", instance.attach),
            format!("--list-snapshots={}", instance.list_snapshots),
            format!("--faults-dir={}", faults.display()),
        ]),
    )?;
    // The sidecars end when they cannot reach the driver, so they come after its socket.
    let visible = node.path(&format!("kubelet/plugins/{name}/csi.sock"));
    cmd::wait(&format!("the socket of {name}"), Duration::from_secs(20), || Ok(visible.exists().then_some(())))?;
    let sidecar = |program: &str, more: &[&str]| {
        let mut command = vec![
            program.to_owned(),
            format!("--csi-address={socket}"),
            "--kubeconfig=/etc/kubernetes/admin.conf".to_owned(),
        ];
        command.extend(more.iter().map(|&arg| arg.to_owned()));
        node.service(&format!("{name}.{program}"), &Service::new(command))
    };
    sidecar("csi-provisioner", &["--timeout=60s", "--retry-interval-start=500ms", "--extra-create-metadata"])?;
    sidecar("csi-snapshotter", &["--timeout=60s", "--retry-interval-start=500ms"])?;
    if instance.attach {
        sidecar("csi-attacher", &["--timeout=60s", "--retry-interval-start=500ms"])?;
    }
    Ok(())
}
