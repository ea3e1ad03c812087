//! What a restore leaves in the cluster: what it says that it keeps, and nothing else.

use serde_json::Value;

use crate::{Node, eventually};

/// A run that is open: its record, plan and journal, its Restore objects as evidence, and the volumes that are named.
pub fn expect_only_kept(node: &Node, namespace: &str, run: &str, volumes: &[&str]) {
    let of_run = |name: &str| {
        let known = ["plan", "journal"].iter().any(|what| name.starts_with(&format!("ConfigMap/dr-{run}-{what}-")));
        let evidence = name.starts_with("Restore/dr-") && name.contains(run);
        known || evidence || name == format!("ConfigMap/dr-{run}")
    };
    expect_only(node, namespace, run, volumes, of_run);
}

/// A run that is closed: its record and the volumes that it lists.
pub fn expect_closed(node: &Node, namespace: &str, run: &str, volumes: &[&str]) {
    expect_only(node, namespace, run, volumes, |name| name == format!("ConfigMap/dr-{run}"));
}

fn expect_only(node: &Node, namespace: &str, run: &str, volumes: &[&str], known: impl Fn(&str) -> bool) {
    let kept = |name: &str| name.strip_prefix("PersistentVolume/").is_some_and(|volume| volumes.contains(&volume));
    eventually("nothing else is left of it", 90, || {
        let mut rest = left_by(node, namespace, run);
        rest.retain(|name| !known(name) && !kept(name));
        if rest.is_empty() { Ok(()) } else { Err(format!("{} is left, too", rest.join(", "))) }
    });
}

/// What carries the run's label, and volumes of its staging namespace.
fn left_by(node: &Node, namespace: &str, run: &str) -> Vec<String> {
    const NAMESPACED: &str = "configmaps,secrets,pods,persistentvolumeclaims,networkpolicies,serviceaccounts,\
                              resourcequotas,limitranges,leases.coordination.k8s.io,restores.velero.io,\
                              downloadrequests.velero.io,volumesnapshots.snapshot.storage.k8s.io";
    let label = format!("kubectl-dr/operation={run}");
    let get = |args: &[&str]| node.get(args)["items"].as_array().cloned().unwrap_or_default();
    let mut found = get(&[NAMESPACED, "-A", "-l", &label]);
    found.extend(get(&["namespaces,persistentvolumes", "-l", &label]));
    let staging = format!("{namespace}-dr-{run}");
    let of_staging = |item: &Value| {
        item["spec"]["claimRef"]["namespace"] == *staging || item["spec"]["volumeSnapshotRef"]["namespace"] == *staging
    };
    let volumes = get(&["persistentvolumes,volumesnapshotcontents.snapshot.storage.k8s.io"]);
    found.extend(volumes.into_iter().filter(of_staging));
    let name = |item: &Value| {
        format!("{}/{}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"].as_str().unwrap_or("?"))
    };
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.sort();
    names.dedup();
    names
}
