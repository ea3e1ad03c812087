//! The folder of cgroups a node needs on the machine: one in each hierarchy of version 1, or one of version 2.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Node;
use crate::cmd;

const ROOT: &str = "/sys/fs/cgroup";

/// Whether the machine has only the unified hierarchy.
pub(crate) fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    if unified() {
        return Ok(vec![PathBuf::from(ROOT)]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(ROOT).with_context(|| format!("list {ROOT}"))? {
        let path = entry?.path();
        // `cpu,cpuacct` has links `cpu` and `cpuacct` beside it.
        if path.is_dir() && !path.is_symlink() && (path.join("cgroup.procs").exists()) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The node's folders that exist.
pub(crate) fn folders(node: &Node) -> Result<Vec<PathBuf>> {
    Ok(hierarchies()?.into_iter().map(|root| root.join(node.cgroup())).filter(|path| path.is_dir()).collect())
}

/// What the kubelet asks for in its folder; version 2 hands a controller down only where the parent says so.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

fn hand_down() -> Result<()> {
    let file = Path::new(ROOT).join("cgroup.subtree_control");
    let handed = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    for controller in CONTROLLERS {
        if !handed.split_whitespace().any(|known| known == controller) {
            fs::write(&file, format!("+{controller}"))
                .with_context(|| format!("hand down the cgroup controller {controller}"))?;
        }
    }
    Ok(())
}

pub(crate) fn create(node: &Node) -> Result<()> {
    if unified() {
        hand_down()?;
    }
    for root in hierarchies()? {
        let path = root.join(node.cgroup());
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        if root.ends_with("cpuset") {
            // A new cpuset is empty, and no process can enter it before it has processors and memory.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                fs::write(path.join(file), fs::read(root.join(file))?)
                    .with_context(|| format!("fill {file} of {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Removes the node's folders. The kernel needs a moment after the last process before it lets go.
pub(crate) fn remove(node: &Node) -> Result<()> {
    for path in folders(node)? {
        cmd::wait(&format!("the cgroup {} to become empty", path.display()), Duration::from_secs(10), || {
            remove_tree(&path)?;
            Ok(Some(()))
        })?;
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path)? {
        let below = entry?.path();
        if below.is_dir() {
            remove_tree(&below)?;
        }
    }
    fs::remove_dir(path).with_context(|| format!("remove {}", path.display()))
}
