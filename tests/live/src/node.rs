//! Where the node is, and kubectl against it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::access::{self, As};
use crate::picture;

/// One running node, held alone while this value lives.
pub struct Node {
    kubeconfig: PathBuf,
    dir: PathBuf,
    bin: PathBuf,
    home: PathBuf,
    _alone: File,
}

impl Node {
    /// The node that `KUBECONFIG_DR_NODE` names; `DR_BIN` is where the executables are, else beside this test.
    pub fn find() -> Result<Self, String> {
        let Some(kubeconfig) = env::var_os("KUBECONFIG_DR_NODE").map(PathBuf::from) else {
            return Err(
                "KUBECONFIG_DR_NODE is not set; `cargo xtask up` brings a node up and prints where it is".into()
            );
        };
        let dir = kubeconfig.parent().ok_or("KUBECONFIG_DR_NODE has no folder")?.to_path_buf();
        let beside = || Some(env::current_exe().ok()?.parent()?.parent()?.to_path_buf());
        let bin = env::var_os("DR_BIN").map(PathBuf::from).or_else(beside).ok_or("DR_BIN is not set")?;
        assert!(
            bin.join("kubectl-dr").exists(),
            "there is no kubectl-dr in {}: run `cargo build` first",
            bin.display()
        );
        let lock = env::temp_dir().join(lock_of(&kubeconfig));
        let alone = File::create(&lock).unwrap_or_else(|error| panic!("open {}: {error}", lock.display()));
        alone.lock().unwrap_or_else(|error| panic!("lock {}: {error}", lock.display()));
        let home = env::temp_dir().join(format!("kubectl-dr-live-home-{}", std::process::id()));
        drop(fs::remove_dir_all(&home));
        fs::create_dir_all(&home).expect("make a home");
        picture::on_panic(dir.join("bin/kubectl"), kubeconfig.clone());
        let node = Self { kubeconfig, dir, bin, home, _alone: alone };
        access::prepare(&node);
        Ok(node)
    }

    /// The folder of the node: volumes, the bucket, logs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A home that holds nothing of any user.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The kubeconfig of whoever holds a role of `docs/rbac` and nothing else.
    pub fn kubeconfig(&self, who: As) -> PathBuf {
        self.home.join(who.file())
    }

    /// A command that sees this node as its administrator, the executables in `bin`, and nothing of the user who runs the
    /// tests.
    pub fn command(&self, program: impl AsRef<OsStr>, bin: &Path) -> Command {
        let path = format!("{}:{}:/usr/bin:/bin", bin.display(), self.dir.join("bin").display());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("TMPDIR", env::temp_dir())
            .stdin(Stdio::null());
        command
    }

    pub fn try_kubectl(&self, args: &[&str]) -> Output {
        let mut command = self.command(self.dir.join("bin/kubectl"), &self.bin);
        command.args(args).output().unwrap_or_else(|error| panic!("start kubectl: {error}"))
    }

    /// kubectl that has to succeed; its output.
    pub fn kubectl(&self, args: &[&str]) -> String {
        let out = self.try_kubectl(args);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "kubectl {} failed: {stderr}", args.join(" "));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// What `kubectl get` says, as JSON; null when it does not exist.
    pub fn get(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["get", "-o", "json", "--ignore-not-found"].iter().chain(args).copied().collect();
        let text = self.kubectl(&args);
        if text.trim().is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
    }

    pub fn apply(&self, manifest: &str) {
        let file = self.home.join("manifest.yaml");
        fs::write(&file, manifest).expect("write a manifest");
        self.kubectl(&["apply", "-f", &file.to_string_lossy()]);
    }

    /// Velero's own command line.
    pub fn velero(&self, args: &[&str]) -> Output {
        let mut command = self.command(self.dir.join("bin/velero"), &self.bin);
        command.args(args).output().unwrap_or_else(|error| panic!("start velero: {error}"))
    }

    /// The object store's files of a prefix below the bucket `velero`.
    pub fn bucket(&self, prefix: &str) -> Vec<PathBuf> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.dir.join("s3/data/velero").join(prefix), &mut found);
        found
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.home));
    }
}

/// The name of the lock: one for each node, since several run side by side.
fn lock_of(kubeconfig: &Path) -> String {
    let whole = kubeconfig.canonicalize().unwrap_or_else(|_| kubeconfig.to_path_buf());
    let name = whole.to_string_lossy().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    format!("kubectl-dr-live{name}.lock")
}

/// Waits until `found` has something, at most `seconds`.
pub fn until<T>(what: &str, seconds: u64, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {seconds} s");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Looks until it is as it should be, at most `seconds`; panics with what was not so the last time.
pub fn eventually(what: &str, seconds: u64, mut look: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while let Err(why) = look() {
        assert!(Instant::now() < deadline, "{what}: not within {seconds} s: {why}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
