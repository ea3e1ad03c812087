//! `cargo xtask selfcheck`: brings a node up and down and compares what the machine looks like before and after.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Node, down, namespaces, up};
use crate::cache::Cache;
use crate::{cmd, packages};

const NAME: &str = "selfcheck";
/// Folders whose entries are compared.
const FOLDERS: [&str; 9] = ["/", "/dev", "/dev/shm", "/root", "/run", "/usr/local", "/var", "/var/lib", "/var/log"];
/// Folders that are compared to their bottom, each file with its size and the time of its last change.
const WHOLE: [&str; 8] = [
    "/etc",
    "/opt",
    "/usr/libexec",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/pods",
];
/// Kernel parameters that change by themselves.
const RESTLESS: [&str; 16] = [
    "fs/aio-nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/quota/",
    "kernel/ns_last_pid",
    "kernel/perf_",
    "kernel/pty/nr",
    "kernel/random/",
    "kernel/sched_domain/",
    "net/ipv4/tcp_fastopen_key",
    "net/ipv4/tcp_mem",
    "net/ipv4/udp_mem",
    "net/ipv6/conf/",
    "net/netfilter/nf_conntrack_count",
];

pub(crate) fn selfcheck(plane: bool) -> Result<()> {
    packages::require_linux_root()?;
    let cache = Cache::open()?;
    let dir = Node::dir_of(&cache, NAME)?;
    down::down(NAME)?;
    // What is installed for good is installed before the machine is looked at.
    packages::require_packages()?;
    let before = machine();
    up::up(&up::Options { name: NAME.to_owned(), plane, velero: None, servers: None })?;
    let node = Node::read(&dir)?;
    let inside = namespaces::running(&node).and_then(namespaces::pid_namespace);
    let during = machine();
    let changed: Vec<_> = during.difference(&before).collect();
    println!("while the node runs, {} lines of the machine's state are new:", changed.len());
    for line in changed {
        println!("  {line}");
    }
    down::down(NAME)?;
    let after = machine();
    let mut faults: Vec<String> = after.difference(&before).map(|line| format!("left behind: {line}")).collect();
    faults.extend(before.difference(&after).map(|line| format!("missing: {line}")));
    if dir.exists() {
        faults.push(format!("left behind: {}", dir.display()));
    }
    faults.extend(processes(inside.as_deref(), &dir));
    if faults.is_empty() {
        println!("the machine is as it was");
        return Ok(());
    }
    bail!("the machine is not as it was:\n{}", faults.join("\n"))
}

/// Mounts, links, addresses, routes, iptables rules, kernel modules and parameters, cgroups of nodes and files, as lines.
fn machine() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut add = |kind: &str, text: &str| {
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with(':')) {
            lines.insert(format!("{kind}: {}", line.trim()));
        }
    };
    let ask = |program: &str, args: &[&str]| cmd::output(Command::new(program).args(args)).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    add("mount", &mounts);
    add("link", &names(Path::new("/sys/class/net")));
    add("address", &ask("ip", &["-o", "-4", "addr"]));
    add("route", &ask("ip", &["route", "show", "table", "all"]));
    for save in ["iptables-save", "ip6tables-save", "iptables-legacy-save"] {
        if packages::find(save).is_some() {
            add(save, &counted_out(&ask(save, &[])));
        }
    }
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    add("kernel module", &modules.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>().join("\n"));
    let mut parameters = Vec::new();
    walk(Path::new("/proc/sys"), &mut |file| {
        let name = file.strip_prefix("/proc/sys").unwrap_or(file).to_string_lossy().into_owned();
        if !RESTLESS.iter().any(|restless| name.starts_with(restless))
            && let Ok(value) = fs::read_to_string(file)
        {
            parameters.push(format!("{name}={}", value.trim().replace('\n', " ")));
        }
    });
    add("sysctl", &parameters.join("\n"));
    add(
        "cgroup",
        &ask(
            "find",
            &[
                "/sys/fs/cgroup",
                "-type",
                "d",
                "(",
                "-path",
                &format!("*kubectl-dr-{NAME}*"),
                "-o",
                "-path",
                "*kubepods*",
                ")",
                "-not",
                "-path",
                "*kubectl-dr-*/*",
            ],
        ),
    );
    for folder in FOLDERS {
        add(&format!("file in {folder}"), &names(Path::new(folder)));
    }
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".kube"));
    let mut files = Vec::new();
    for folder in WHOLE.iter().map(Path::new).chain(home.as_deref()) {
        walk(folder, &mut |file| {
            if let Ok(meta) = fs::symlink_metadata(file) {
                files.push(format!("{} {} bytes, changed {}", file.display(), meta.len(), meta.mtime()));
            }
        });
    }
    add("file", &files.join("\n"));
    // What we name ourselves where everybody writes.
    let tmp = names(&std::env::temp_dir());
    let ours =
        tmp.lines().filter(|name| ["kube", "containerd", "etcd", "velero"].iter().any(|word| name.contains(word)));
    add("file in the folder for temporary files", &ours.collect::<Vec<_>>().join("\n"));
    lines
}

/// Every file below a folder, links not followed.
fn walk(folder: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() { walk(&entry.path(), found) } else { found(&entry.path()) }
    }
}

/// Rules without the packets and bytes they have seen.
fn counted_out(rules: &str) -> String {
    let without = |line: &str| match line.rsplit_once(" [") {
        Some((rule, count)) if count.ends_with(']') && count.contains(':') => rule.to_owned(),
        _ => line.to_owned(),
    };
    rules.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The entries of a folder, one a line.
fn names(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>().join("\n")
}

/// Processes of the node that are still there: in its PID namespace, or started with its folder in the command line.
fn processes(namespace: Option<&str>, dir: &Path) -> Vec<String> {
    let dir = dir.to_string_lossy().into_owned();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let ours = namespace.is_some() && namespaces::pid_namespace(pid).as_deref() == namespace;
            (ours || command.contains(&dir)).then(|| format!("process {pid} is left: {command}"))
        })
        .collect()
}
