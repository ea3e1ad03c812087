//! Debian packages: the programs a node needs from the machine, and how to get the ones that are missing.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::cmd;

/// A program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 18] = [
    ("c++", "g++"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("conntrack", "conntrack"),
    ("socat", "socat"),
    ("ethtool", "ethtool"),
    ("debootstrap", "debootstrap"),
    ("busybox", "busybox-static"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
    ("sha256sum", "coreutils"),
    ("tar", "tar"),
];

/// The CNI plugins are no program on the PATH.
pub(crate) const CNI_PLUGINS: &str = "/usr/lib/cni";

/// The full path of a program, if it is installed.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    env::split_paths(&path).chain(usual.iter().map(Into::into)).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Fails with one sentence unless this is Linux and we are root.
pub(crate) fn require_linux_root() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!(
            "a node needs Linux (namespaces, cgroups, containerd); building and `cargo xtask test --no-live` work here"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!(
            "a node needs root (it makes namespaces, mounts and network links): run it with sudo; building and `cargo xtask test --no-live` work without"
        );
    }
    Ok(())
}

/// Installs what is missing and says so before; without apt it prints what to install.
pub(crate) fn require_packages() -> Result<()> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if !Path::new(CNI_PLUGINS).join("ptp").is_file() {
        missing.push("containernetworking-plugins");
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    apt(&missing)
}

/// Installs Debian packages and says so before; without apt it fails with what to install.
pub(crate) fn apt(missing: &[&str]) -> Result<()> {
    let install = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if find("apt-get").is_none() || !rustix::process::geteuid().is_root() {
        bail!("packages are missing; on Debian: {install}");
    }
    println!("installing missing Debian packages: {install}");
    let apt = |args: &[&str]| {
        cmd::output(Command::new("apt-get").args(["-qq", "-y"]).args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], missing].concat())?;
    Ok(())
}
