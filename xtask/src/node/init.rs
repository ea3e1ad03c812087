//! The first process of a node: it makes the node's own view of the file system and network, and then keeps the
//! services running. It is process 1 of its PID namespace, so it also collects what others leave behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::services::Supervisor;
use super::{NODE_NAME, Node};
use crate::cmd;

/// Folders of the machine that the node sees but writes to a memory file system of its own.
const COVERED: [&str; 5] = ["/etc", "/opt", "/usr/libexec", "/var/lib", "/var/log"];

/// Folders of the node and where it sees them; what is there on the machine stays hidden and untouched.
const OWN: [(&str, &str); 9] = [
    ("kubernetes", "/etc/kubernetes"),
    ("kubelet", "/var/lib/kubelet"),
    ("etcd", "/var/lib/etcd"),
    ("containerd", "/var/lib/containerd"),
    ("cni-config", "/etc/cni/net.d"),
    ("cni", "/var/lib/cni"),
    ("pod-logs", "/var/log/pods"),
    ("container-logs", "/var/log/containers"),
    ("velero-tmp", "/var/lib/velero"),
];

/// Kernel parameters of the whole machine that a kubelet would set, and the values it wants to see.
const KERNEL: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

pub(crate) fn init(dir: &Path) -> Result<()> {
    let node = Node::read(dir)?;
    file_system(&node)?;
    let network = *node.network();
    cmd::wait("the veth pair", Duration::from_secs(10), || {
        Ok(Path::new("/sys/class/net").join(network.node_link()).exists().then_some(()))
    })?;
    network.configure()?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switch on forwarding inside the node")?;
    cmd::run("hostname", &[NODE_NAME])?;
    fs::write(node.path("ready"), "").context("write the ready file")?;
    Supervisor::new(&node).run()
}

/// Else both write down what they do in the machine's `/run/mount`.
const NO_NOTES: [&str; 1] = ["-n"];

fn mount(args: &[&str]) -> Result<()> {
    cmd::run("mount", &[&NO_NOTES, args].concat()).map(drop)
}

fn file_system(node: &Node) -> Result<()> {
    let private = node.path("private");
    fs::create_dir_all(&private)?;
    let private = private.to_string_lossy().into_owned();
    mount(&["--make-rprivate", "/"])?;
    mount(&["-t", "tmpfs", "-o", "mode=0755", "tmpfs", &private])?;
    for (at, covered) in COVERED.iter().enumerate() {
        if !Path::new(covered).is_dir() {
            continue;
        }
        let (upper, work) = (format!("{private}/upper{at}"), format!("{private}/work{at}"));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        mount(&[
            "-t",
            "overlay",
            "-o",
            &format!("lowerdir={covered},upperdir={upper},workdir={work}"),
            "overlay",
            covered,
        ])?;
    }
    mount(&["-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"])?;
    fs::create_dir("/run/lock")?;
    for (below, place) in OWN {
        let source = node.path(below);
        fs::create_dir_all(&source).with_context(|| format!("create {}", source.display()))?;
        fs::create_dir_all(place).with_context(|| format!("create {place} inside the node"))?;
        mount(&["--bind", &source.to_string_lossy(), place])?;
    }
    // No name server of the machine is asked from inside, and the node knows itself by name.
    own_file("/etc/resolv.conf", "# nothing outside the node is resolved\n")?;
    own_file("/etc/hosts", &format!("127.0.0.1 localhost\n{} {NODE_NAME}\n", node.network().node_address()))?;

    // A new sysfs shows the node's own links but not the cgroups, which come over from the old one.
    let cgroups = format!("{private}/cgroup");
    fs::create_dir(&cgroups)?;
    mount(&["--rbind", "/sys/fs/cgroup", &cgroups])?;
    mount(&["-t", "sysfs", "sysfs", "/sys"])?;
    mount(&["--rbind", &cgroups, "/sys/fs/cgroup"])?;
    cmd::run("umount", &[&NO_NOTES[..], &["-l", &cgroups]].concat())?;
    mount(&["-t", "proc", "proc", "/proc"])?;
    for (at, (parameter, value)) in KERNEL.iter().enumerate() {
        let (file, place) = (format!("{private}/kernel{at}"), format!("/proc/sys/{parameter}"));
        if Path::new(&place).exists() {
            fs::write(&file, format!("{value}\n"))?;
            mount(&["--bind", &file, &place])?;
        }
    }
    // Containers see what the kubelet mounts after they started: the node-agent reads pod volumes that way.
    mount(&["--make-rshared", "/"])
}

/// Writes a file in a covered folder, in place of whatever link or file is there.
fn own_file(path: &str, text: &str) -> Result<()> {
    let _ = cmd::run("umount", &[&NO_NOTES[..], &["-l", path]].concat());
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).with_context(|| format!("remove {path} inside the node"))?;
    }
    fs::write(path, text).with_context(|| format!("write {path} inside the node"))
}
