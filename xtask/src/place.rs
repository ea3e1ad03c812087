//! Where commands are typed: a node of ours, or the cluster that the user's kubectl points at.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cache::Cache;
use crate::node::{self, Node};
use crate::{cmd, dist, packages};

#[derive(Clone)]
pub(crate) struct Place {
    /// The user's own cluster, on which nothing is done without being asked.
    pub(crate) foreign: bool,
    kubectl: PathBuf,
    velero: Option<PathBuf>,
    path: String,
    kubeconfig: Option<PathBuf>,
    home: PathBuf,
    /// The namespace Velero runs in.
    pub(crate) velero_namespace: String,
}

/// Builds the four executables; their folder.
pub(crate) fn executables(root: &Path) -> Result<PathBuf> {
    println!("building the four executables");
    cmd::output(Command::new("cargo").args(["build", "--locked", "--bins"]).current_dir(root))?;
    Ok(dist::target(root)?.join("debug"))
}

impl Place {
    /// Brings the node up, or takes it as it runs.
    pub(crate) fn node(name: &str, executables: &Path) -> Result<Self> {
        let options = node::up::Options { name: name.to_owned(), plane: false, velero: None, servers: None };
        node::up::up(&options)?;
        let node = Node::open(&Cache::open()?, name)?;
        let bin = node.path("bin");
        Ok(Self {
            foreign: false,
            kubectl: bin.join("kubectl"),
            velero: Some(bin.join("velero")),
            path: format!("{}:{}:{}", executables.display(), bin.display(), given_path()),
            kubeconfig: Some(node.kubeconfig()),
            home: node.path("home"),
            velero_namespace: "velero".to_owned(),
        })
    }

    /// The current context of the user's kubeconfig, which only kubectl and the executables read.
    pub(crate) fn current(executables: &Path) -> Result<Self> {
        let home = std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?;
        let Some(kubectl) = packages::find("kubectl") else {
            bail!("kubectl is not on the PATH; `--on current` types through yours");
        };
        Ok(Self {
            foreign: true,
            kubectl,
            velero: packages::find("velero"),
            path: format!("{}:{}", executables.display(), given_path()),
            kubeconfig: None,
            home,
            velero_namespace: "velero".to_owned(),
        })
    }

    pub(crate) fn kubectl<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.command(&self.kubectl, args)
    }

    /// Velero's own command line, where there is one.
    pub(crate) fn velero<S: AsRef<OsStr>>(&self, args: &[S]) -> Option<Command> {
        self.velero.as_ref().map(|velero| self.command(velero, args))
    }

    fn command<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("PATH", &self.path).env("HOME", &self.home).env("NO_COLOR", "1").stdin(Stdio::null());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command
    }

    /// What `kubectl get` says; null when it does not exist.
    pub(crate) fn get(&self, args: &[&str]) -> Result<Value> {
        let text = cmd::output(self.kubectl(&["get", "-o", "json", "--ignore-not-found"]).args(args))?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("read what kubectl get {} says", args.join(" ")))
    }

    pub(crate) fn items(&self, args: &[&str]) -> Result<Vec<Value>> {
        let list = self.get(args)?;
        Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        cmd::feed(&mut self.kubectl(&["apply", "-f", "-"]), manifest.as_bytes()).map(drop)
    }
}

fn given_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

/// The text at a JSON pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Waits until it is there, at most `seconds`.
pub(crate) fn until<T>(what: &str, seconds: u64, mut there: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(there) = there() {
            return Ok(there);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {seconds} s");
        }
        thread::sleep(Duration::from_millis(200));
    }
}
