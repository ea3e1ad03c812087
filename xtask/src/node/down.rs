//! `cargo xtask down`: ends a node and gives back what it took from the machine.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{Node, cgroups, namespaces};
use crate::cache::{self, Cache};
use crate::{cmd, packages};

pub(crate) fn down(name: &str) -> Result<()> {
    packages::require_linux_root()?;
    let cache = Cache::open()?;
    let dir = Node::dir_of(&cache, name)?;
    let _lock = cache::lock(&cache.locks(), &format!("node-{name}"))?;
    if !dir.exists() {
        println!("there is no node `{name}`");
        return Ok(());
    }
    let began = Instant::now();
    match Node::read(&dir) {
        Ok(node) => remove(&node)?,
        // A folder from before the node had a number: nothing was started from it.
        Err(_) => fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?,
    }
    println!("the node `{name}` is gone after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Kills the first process, and with it everything inside; then links, cgroups and the folder go.
pub(crate) fn remove(node: &Node) -> Result<()> {
    if let Some(init) = namespaces::running(node) {
        let pid = i32::try_from(init).ok().and_then(Pid::from_raw).context("the first process has no valid id")?;
        kill_process(pid, Signal::KILL).context("kill the node's first process")?;
        cmd::wait("the node's processes to end", Duration::from_secs(20), || {
            Ok(namespaces::running(node).is_none().then_some(()))
        })?;
    }
    node.network().disconnect()?;
    cgroups::remove(node)?;
    // Mounts of the node end with its last process, a moment after the first one.
    cmd::wait("the node's folder to be free", Duration::from_secs(20), || {
        fs::remove_dir_all(node.dir()).with_context(|| format!("remove {}", node.dir().display()))?;
        Ok(Some(()))
    })
}
