//! The cache: where servers, images and nodes live, shared by all checkouts of one user.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

/// Folders that a node replaces by its own; the cache cannot lie in one of them.
const REPLACED: [&str; 8] = ["/etc", "/opt", "/proc", "/run", "/sys", "/usr/libexec", "/var/lib", "/var/log"];

pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$KUBECTL_DR_CACHE`, else `kubectl-dr` under `$XDG_CACHE_HOME` or `~/.cache`.
    pub(crate) fn open() -> Result<Self> {
        let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = if let Some(own) = set("KUBECTL_DR_CACHE") {
            own
        } else if let Some(xdg) = set("XDG_CACHE_HOME") {
            xdg.join("kubectl-dr")
        } else if let Some(home) = set("HOME") {
            home.join(".cache/kubectl-dr")
        } else {
            bail!("no place for the cache: set KUBECTL_DR_CACHE, XDG_CACHE_HOME or HOME");
        };
        fs::create_dir_all(&root).with_context(|| format!("create the cache {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("resolve the cache {}", root.display()))?;
        if let Some(bad) = REPLACED.iter().find(|bad| root.starts_with(bad)) {
            bail!(
                "the cache {} lies in {bad}, which a node replaces by its own: set KUBECTL_DR_CACHE to another place",
                root.display()
            );
        }
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn servers(&self) -> PathBuf {
        self.root.join("servers")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    pub(crate) fn nodes(&self) -> PathBuf {
        self.root.join("nodes")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }
}

/// A short name for contents: the first 16 hex digits of the SHA-256 over all parts, each with its length.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Holds a lock over the cache until it is dropped; says so when it has to wait for another run.
pub(crate) fn lock(dir: &Path, name: &str) -> Result<fs::File> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let path = dir.join(name);
    let file = fs::File::create(&path).with_context(|| format!("open the lock {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("waiting for another run that holds {}", path.display());
        file.lock().with_context(|| format!("lock {}", path.display()))?;
    }
    Ok(file)
}

/// The root of this checkout.
pub(crate) fn checkout() -> Result<PathBuf> {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = xtask.parent().context("the folder of xtask has no parent")?;
    if !root.join("tests/servers").is_dir() {
        bail!(
            "the checkout {} that this executable was built from is gone: run `cargo xtask` from a checkout",
            root.display()
        );
    }
    Ok(root.to_path_buf())
}
