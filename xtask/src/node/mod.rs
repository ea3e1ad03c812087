//! A real Kubernetes node in mount, network, PID, IPC and UTS namespaces of its own.
//!
//! The first process of a node ([`init`]) replaces the folders a node writes to, and keeps the services running that
//! [`services`] describes. Killing it ends every process, mount, link and iptables rule of the node. What a node keeps
//! on disk is one folder of the cache, visible from outside under the same path.

pub(crate) mod cgroups;
pub(crate) mod containerd;
pub(crate) mod down;
pub(crate) mod images;
pub(crate) mod init;
pub(crate) mod kubeadm;
pub(crate) mod namespaces;
pub(crate) mod network;
pub(crate) mod plane;
pub(crate) mod postgres;
pub(crate) mod selfcheck;
pub(crate) mod services;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod up;
pub(crate) mod velero;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cache::Cache;
use network::Network;

pub(crate) const DEFAULT_NAME: &str = "dev";
/// The name of the Kubernetes node and the host name inside.
pub(crate) const NODE_NAME: &str = "node1";

/// The folder of one node and what follows from it.
pub(crate) struct Node {
    name: String,
    dir: PathBuf,
    network: Network,
}

impl Node {
    /// The folder a node of this name has or would have.
    pub(crate) fn dir_of(cache: &Cache, name: &str) -> Result<PathBuf> {
        let fits = !name.is_empty()
            && name.len() <= 32
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits || name.starts_with('-') {
            bail!("`{name}` is no name for a node: use up to 32 small letters, digits and hyphens");
        }
        Ok(cache.nodes().join(name))
    }

    pub(crate) fn new(dir: &Path, network: Network) -> Self {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { name, dir: dir.to_path_buf(), network }
    }

    /// Opens the folder of a node that was begun before.
    pub(crate) fn open(cache: &Cache, name: &str) -> Result<Self> {
        let dir = Self::dir_of(cache, name)?;
        Self::read(&dir).with_context(|| format!("there is no node `{name}`: `cargo xtask up --name {name}` makes one"))
    }

    pub(crate) fn read(dir: &Path) -> Result<Self> {
        Ok(Self::new(dir, Network::read(dir)?))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.join(below)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The kubeconfig for use from the machine.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// The folder of cgroups that belongs to this node, below the root of each hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("kubectl-dr-{}", self.name)
    }

    /// A command that never sees the user's own kubeconfig or home.
    pub(crate) fn isolated(&self, command: &mut Command) {
        command
            .env("HOME", self.path("home"))
            .env("KUBECONFIG", self.kubeconfig())
            .env("TMPDIR", self.path("tmp"))
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME");
    }

    /// kubectl against this node, from the machine.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = Command::new(self.path("bin/kubectl"));
        self.isolated(&mut command);
        command
    }

    /// A command that runs inside the node's namespaces.
    pub(crate) fn enter(&self) -> Result<Command> {
        let Some(init) = namespaces::running(self) else {
            bail!("the node `{}` is not running", self.name);
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", &init.to_string(), "-m", "-n", "-p", "-i", "-u", "--"]);
        self.inside(&mut command);
        Ok(command)
    }

    /// A program of the machine's on the node's network: its ports are nobody else's.
    pub(crate) fn on_its_network(&self, program: &Path) -> Result<Command> {
        let Some(init) = namespaces::running(self) else {
            bail!("the node `{}` is not running", self.name);
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", &init.to_string(), "-n", "--"]).arg(program);
        self.isolated(&mut command);
        Ok(command)
    }

    /// The environment of everything that runs inside.
    pub(crate) fn inside(&self, command: &mut Command) {
        let bin = self.path("bin");
        self.isolated(command);
        command
            .env("PATH", format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
            .env("KUBECONFIG", "/etc/kubernetes/admin.conf");
    }

    /// Applies a manifest.
    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        let mut kubectl = self.kubectl();
        kubectl.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        crate::cmd::feed(&mut kubectl, manifest.as_bytes())?;
        Ok(())
    }

    /// Writes a file below the node's folder and makes the folders above it.
    pub(crate) fn write(&self, below: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(below);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}
