//! A shop with a backup, for the tests that only look at a cluster.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;

const MANIFEST: &str = "tests/live/manifests/bookstore.yaml";
const NAMESPACE: &str = "looked-at";

/// Deploys the shop of the live tests and backs it up with our own executable.
pub(crate) fn deploy(root: &Path, kubectl: &Path, kubeconfig: &Path, executables: &Path) -> Result<()> {
    let manifest = fs::read_to_string(root.join(MANIFEST)).with_context(|| format!("read {MANIFEST}"))?;
    let manifest = manifest
        .replace("@namespace@", NAMESPACE)
        .replace("@class@", "csi-wffc")
        .replace("@pod-annotations@", "{}")
        .replace("@padding@", "10")
        .replace("@password@", "only-for-tests")
        .replace("@literal@", "only-for-tests");
    let kubectl = || {
        let mut command = Command::new(kubectl);
        command.arg("--kubeconfig").arg(kubeconfig);
        command
    };
    cmd::feed(kubectl().args(["apply", "-f", "-"]), manifest.as_bytes())?;
    for workload in ["statefulset", "deployment"] {
        let listed = cmd::output(kubectl().args(["-n", NAMESPACE, "get", workload, "-o", "name"]))?;
        for name in listed.lines() {
            cmd::output(kubectl().args(["-n", NAMESPACE, "rollout", "status", "--timeout=180s", name]))?;
        }
    }
    let mut backup = Command::new(executables.join("kubectl-dr-backup"));
    cmd::output(backup.args(["--ns", NAMESPACE]).arg("--kubeconfig").arg(kubeconfig))?;
    Ok(())
}
