//! `cargo xtask selfcheck`: brings a node up and down and compares what the machine looks like before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Node, down, namespaces, up};
use crate::cache::Cache;
use crate::{cmd, packages};

const NAME: &str = "selfcheck";
/// Folders whose entries are compared.
const FOLDERS: [&str; 14] = [
    "/",
    "/etc",
    "/etc/cni",
    "/etc/kubernetes",
    "/opt",
    "/opt/cni",
    "/root",
    "/run",
    "/usr/libexec",
    "/usr/libexec/kubernetes",
    "/var/lib",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/log",
];

pub(crate) fn selfcheck(plane: bool) -> Result<()> {
    packages::require_linux_root()?;
    let cache = Cache::open()?;
    let dir = Node::dir_of(&cache, NAME)?;
    down::down(NAME)?;
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

/// Mounts, links, addresses, routes, iptables rules, cgroups of nodes, sysctls and the entries of folders, as lines.
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
            add(save, &ask(save, &[]));
        }
    }
    for sysctl in [
        "net/ipv4/ip_forward",
        "net/netfilter/nf_conntrack_max",
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    ] {
        add(
            "sysctl",
            &format!("{sysctl}={}", fs::read_to_string(Path::new("/proc/sys").join(sysctl)).unwrap_or_default().trim()),
        );
    }
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
    lines
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
