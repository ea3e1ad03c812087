//! `cargo xtask up`: from nothing to a ready node, or from what is there to what is missing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::images::{self, Image, Stage, Versions};
use super::network::Network;
use super::{Node, cgroups, containerd, down, kubeadm, namespaces, plane, storage, velero};
use crate::cache::{self, Cache};
use crate::servers::Servers;
use crate::steps::Steps;
use crate::{cmd, packages};

pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) plane: bool,
    pub(crate) velero: Option<String>,
    pub(crate) servers: Option<PathBuf>,
}

pub(crate) fn up(options: &Options) -> Result<()> {
    packages::require_linux_root()?;
    let cache = Cache::open()?;
    let dir = Node::dir_of(&cache, &options.name)?;
    packages::require_packages()?;
    let _lock = cache::lock(&cache.locks(), &format!("node-{}", options.name))?;
    let servers = match &options.servers {
        Some(dir) => Servers::ready_made(dir)?,
        None => Servers::build(&cache, options.velero.as_deref())?,
    };
    let steps = Steps::new();
    let versions = Versions::ask(&servers)?;
    let node = open_or_create(&cache, &dir)?;
    if node.path("plane").exists() != options.plane && namespaces::running(&node).is_some() {
        let (is, other) =
            if options.plane { ("a whole node", "a control plane") } else { ("a control plane", "a whole node") };
        bail!(
            "`{}` runs as {is}; for {other} run `cargo xtask down --name {0}` first or take another --name",
            node.name()
        );
    }
    if options.plane {
        whole_plane(&steps, &node, &servers, &versions)?;
    } else {
        whole_node(&steps, &cache, &node, &servers, &versions)?;
    }
    println!(
        "the node `{}` is up after {:.0} s; Kubernetes {}, Velero {}",
        node.name(),
        steps.seconds(),
        versions.kubernetes,
        versions.velero
    );
    println!("export KUBECONFIG={}", node.kubeconfig().display());
    Ok(())
}

fn whole_plane(steps: &Steps, node: &Node, servers: &Servers, versions: &Versions) -> Result<()> {
    steps.step("namespaces", || {
        fs::write(node.path("plane"), "")?;
        begin(node, servers)
    })?;
    steps.step("certificates and flags by kubeadm", || plane::prepare(node, versions))?;
    steps.step("etcd, API server, controller manager", || plane::start(node))
}

fn whole_node(steps: &Steps, cache: &Cache, node: &Node, servers: &Servers, versions: &Versions) -> Result<()> {
    let driver = steps.step("CSI driver for tests", csi_driver)?;
    let images = images::all(servers, versions)?;
    let archives = steps.step("image archives", || {
        let _lock = cache::lock(&cache.locks(), "images")?;
        images.iter().map(|image| image.make(cache)).collect::<Result<Vec<_>>>()
    })?;
    let images: Vec<(&Image, &PathBuf)> = images.iter().zip(&archives).collect();
    steps.step("namespaces", || begin(node, servers))?;
    steps.step("containerd", || containerd::start(node))?;
    let present = images::present(node)?;
    steps.step("images of the control plane", || import(node, &images, Stage::ControlPlane, &present))?;
    thread::scope(|scope| -> Result<()> {
        let rest = scope.spawn(|| import(node, &images, Stage::Rest, &present));
        if !kubeadm::initialized(node) {
            steps.step("kubeadm init", || kubeadm::init(node, versions))?;
        }
        steps.step("kube-proxy, CoreDNS, S3 server", || {
            kubeadm::proxy(node)?;
            kubeadm::dns(node)?;
            velero::s3(node)
        })?;
        steps.step("snapshot CRDs and controller", || storage::snapshots(node, servers))?;
        steps.step("Velero's objects", || velero::install(node, versions))?;
        steps.step("CSI drivers, sidecars, classes", || storage::drivers(node, &driver))?;
        steps.step("the other images", || match rest.join() {
            Ok(result) => result,
            Err(_) => bail!("the thread that imported images ended"),
        })?;
        steps.step("node Ready", || kubeadm::wait_ready(node))?;
        steps.step("Velero Available", || velero::wait_available(node))
    })
}

/// The node's folder: the one that runs, or a new one in place of what a dead node left.
fn open_or_create(cache: &Cache, dir: &Path) -> Result<Node> {
    if let Ok(node) = Node::read(dir) {
        // kubeadm does not go on where it was stopped.
        let half = node.path("kubelet/config.yaml").exists() && !kubeadm::initialized(&node);
        if namespaces::running(&node).is_some() && !half {
            return Ok(node);
        }
        let state = if half { "was only half made" } else { "was not running any more" };
        println!("the node `{}` {state}; its remains are removed", node.name());
        down::remove(&node)?;
    }
    let _lock = cache::lock(&cache.locks(), "nodes")?;
    fs::create_dir_all(cache.nodes())?;
    let _ = fs::remove_dir_all(dir);
    let network = Network::choose(&cache.nodes())?;
    for below in ["logs", "services", "config", "bin", "home", "tmp", "private"] {
        fs::create_dir_all(dir.join(below)).with_context(|| format!("create {}", dir.join(below).display()))?;
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
    fs::write(dir.join("index"), network.index().to_string())?;
    Ok(Node::new(dir, network))
}

/// Links the servers into the node and starts its first process if it does not run.
fn begin(node: &Node, servers: &Servers) -> Result<()> {
    for (name, file) in servers.files() {
        let link = node.path(&format!("bin/{name}"));
        if fs::read_link(&link).is_ok_and(|old| old == *file) {
            continue;
        }
        let _ = fs::remove_file(&link);
        symlink(file, &link).with_context(|| format!("link {name} into the node"))?;
    }
    if namespaces::running(node).is_some() {
        return Ok(());
    }
    cgroups::create(node)?;
    namespaces::start(node)
}

/// Imports the archives of one stage, two at a time.
fn import(node: &Node, images: &[(&Image, &PathBuf)], stage: Stage, present: &str) -> Result<()> {
    let queue = Mutex::new(images.iter().filter(|(image, _)| image.stage == stage));
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some((image, archive)) = next() {
                image.import(node, archive, present)?;
            }
            Ok(())
        };
        let (first, second) = (scope.spawn(work), scope.spawn(work));
        for worker in [first, second] {
            match worker.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread that imported images ended"),
            }
        }
        Ok(())
    })
}

/// Builds the driver with the cargo that runs this, and says where it is.
fn csi_driver() -> Result<PathBuf> {
    let root = cache::checkout()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "dr-csi"]).current_dir(&root);
    cmd::output(&mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    Ok(target.join("debug/dr-csi"))
}
