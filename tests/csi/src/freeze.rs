//! Holds a volume's writers still while it is copied, so that the copy is of one instant, as a disk's snapshot is.
//!
//! A database copied while it writes may not come up again, which would be this driver's fault and not a finding.
//! Writers are processes of other mount namespaces (containers) that have the volume mounted. Views through the
//! kubelet's own folders (Velero's node-agent has one) only read, and go on.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::mounts;

/// How long a process may take to stop. One that waits for a disk stops when the disk has answered.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Processes that stand still until this is dropped.
pub(crate) struct Frozen {
    stopped: Vec<Pid>,
}

/// Stops the writers of the volume kept at `dir`.
pub(crate) fn writers(dir: &Path) -> io::Result<Frozen> {
    let mut frozen = Frozen { stopped: Vec::new() };
    let own_namespace = std::fs::read_link("/proc/self/ns/mnt")?;
    let own_mounts = mounts::seen_by("self")?;
    // A process may have forked before it stopped, so it is over when a look finds nobody new.
    loop {
        let mut found = false;
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(pid) = name.parse().ok().and_then(Pid::from_raw) else { continue };
            if frozen.stopped.contains(&pid) || is_stopped(&name) {
                continue;
            }
            // A process that cannot be looked at has ended, or is not ours to stop.
            let Ok(namespace) = std::fs::read_link(format!("/proc/{name}/ns/mnt")) else { continue };
            if namespace == own_namespace {
                continue;
            }
            let Ok(seen) = mounts::seen_by(&name) else { continue };
            let writes = seen.iter().any(|mount| {
                mount.shows(dir, &own_mounts) && !mount.point.to_string_lossy().contains("/kubernetes.io~csi/")
            });
            if writes && kill_process(pid, Signal::STOP).is_ok() {
                frozen.stopped.push(pid);
                found = true;
                wait_until_stopped(&name)?;
            }
        }
        if !found {
            return Ok(frozen);
        }
    }
}

impl Frozen {
    pub(crate) fn len(&self) -> usize {
        self.stopped.len()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.stopped {
            if let Err(error) = kill_process(*pid, Signal::CONT) {
                tracing::warn!("cannot let process {} go on: {error}", pid.as_raw_nonzero());
            }
        }
    }
}

fn wait_until_stopped(process: &str) -> io::Result<()> {
    let deadline = Instant::now() + STOP_WITHIN;
    while !is_stopped(process) {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("process {process} does not stop")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether all threads stand still; a process that is gone does.
fn is_stopped(process: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return true };
    threads.flatten().all(|thread| match std::fs::read_to_string(thread.path().join("stat")) {
        // The name before the state is in parentheses and may hold anything.
        Ok(stat) => {
            matches!(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()), Some('T' | 't' | 'Z' | 'X'))
        }
        Err(_) => true,
    })
}
