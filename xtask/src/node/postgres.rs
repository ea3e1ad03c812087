//! The file tree of the image `postgres:15`: Debian's packages, laid out as the official image is.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{cache, cmd};

/// The Debian release whose PostgreSQL is version 15.
const SUITE: &str = "bookworm";
const ENTRY_POINT: &str = "tests/images/postgres/docker-entrypoint.sh";

/// Run inside the new tree. The uid is the official image's; the just-in-time compiler and its 120 MB go, PostgreSQL
/// does without when the library is not there; documentation, locales and package lists go too.
const FINISH: &str = r#"
set -eu
uid=$(id -u postgres); gid=$(id -g postgres)
groupmod -g 999 postgres; usermod -u 999 -g 999 -d /var/lib/postgresql postgres
find / -xdev \( -uid "$uid" -o -gid "$gid" \) -exec chown -h 999:999 {} +
rm -rf /var/lib/postgresql/15 /etc/postgresql/15 /var/log/postgresql/*
install -d -o postgres -g postgres -m 3777 /var/run/postgresql
install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data
install -d /docker-entrypoint-initdb.d
sed -ri "s/^#?(listen_addresses)\s*=\s*\S+.*/\1 = '*'/" /usr/share/postgresql/15/postgresql.conf.sample
rm -rf /usr/lib/*-linux-gnu/libLLVM* /usr/lib/llvm-* /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/postgresql/15/lib/bitcode
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/postgresql/15/man
rm -rf /var/cache/apt /var/lib/apt/lists /var/cache/debconf /var/log/*.log /var/log/apt
mkdir -p /var/cache/apt /var/lib/apt/lists
"#;

/// What the tree is made from, for the key of its archive.
pub(crate) fn stamp() -> Result<String> {
    let entry = cache::checkout()?.join(ENTRY_POINT);
    let script = fs::read_to_string(&entry).with_context(|| format!("read {}", entry.display()))?;
    Ok(format!("{SUITE}\n{FINISH}\n{script}"))
}

pub(crate) fn config() -> Value {
    json!({
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["postgres"],
        "StopSignal": "SIGINT",
        "ExposedPorts": {"5432/tcp": {}},
        "Volumes": {"/var/lib/postgresql/data": {}},
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin",
            "LANG=C.UTF-8", "PG_MAJOR=15", "PGDATA=/var/lib/postgresql/data",
        ],
    })
}

/// Makes the tree with debootstrap, in a mount namespace of its own so that nothing stays mounted.
pub(crate) fn tree(root: &Path) -> Result<()> {
    println!("  postgres:15 is made from Debian packages once (about 2 minutes)");
    let mut debootstrap = Command::new("unshare");
    debootstrap
        .args([
            "--mount",
            "--pid",
            "--fork",
            "sh",
            "-c",
            // It mounts things, which would be written down in the machine's.
            "mount -n -t tmpfs tmpfs /run && exec debootstrap \"$@\"",
            "debootstrap",
            "--variant=minbase",
            "--include=postgresql-15,xz-utils",
            SUITE,
        ])
        .arg(root)
        .env("DEBIAN_FRONTEND", "noninteractive");
    cmd::output(&mut debootstrap)?;
    let entry = cache::checkout()?.join(ENTRY_POINT);
    fs::copy(&entry, root.join("usr/local/bin/docker-entrypoint.sh"))
        .with_context(|| format!("copy {}", entry.display()))?;
    let mut chroot = Command::new("chroot");
    chroot.arg(root).args(["/bin/sh", "-c", FINISH]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    cmd::output(&mut chroot)?;
    Ok(())
}
