//! The node's namespaces as seen from the machine: starting the first process and finding it again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Node;
use crate::cmd;

/// The process id of the node's first process, if it is still that process.
pub(crate) fn running(node: &Node) -> Option<u32> {
    let text = fs::read_to_string(node.path("init.pid")).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid: u32 = pid.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

/// When a process started, which together with its id names it for good; `None` for one that is gone or a zombie.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// Starts the first process in new namespaces, gives it its link and waits until it is set up.
pub(crate) fn start(node: &Node) -> Result<()> {
    let log = fs::File::create(node.path("logs/init.log")).context("create the log of the first process")?;
    let exe = std::env::current_exe().context("find this executable")?;
    let mut unshare = Command::new("setsid");
    unshare
        .args(["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--"])
        .arg(exe)
        .arg("node-init")
        .arg(node.dir())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    node.inside(&mut unshare);
    let mut child = unshare.spawn().context("start unshare")?;
    let parent = child.id();
    let init = cmd::wait("the node's first process", Duration::from_secs(10), || {
        if let Some(status) = child.try_wait()? {
            bail!("unshare ended with {status}: {}", read_log(node));
        }
        Ok(first_child(parent).filter(|pid| other_network(*pid)))
    })?;
    let started = start_time(init).context("the node's first process ended at once")?;
    fs::write(node.path("init.pid"), format!("{init} {started}\n")).context("write init.pid")?;
    node.network().connect(init)?;
    cmd::wait("the node's namespaces", Duration::from_secs(20), || {
        if running(node).is_none() {
            bail!("the node's first process ended: {}", read_log(node));
        }
        Ok(node.path("ready").exists().then_some(()))
    })
}

fn read_log(node: &Node) -> String {
    cmd::tail(&fs::read_to_string(node.path("logs/init.log")).unwrap_or_default(), 5)
}

fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn other_network(pid: u32) -> bool {
    let link = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/net")).ok();
    link(&pid.to_string()).is_some_and(|theirs| Some(theirs) != link("self"))
}

/// The PID namespace of a process.
pub(crate) fn pid_namespace(pid: u32) -> Option<String> {
    Some(fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?.to_string_lossy().into_owned())
}
