//! The cluster that the user's kubectl points at: what is there, what is missing and what that means, and the question
//! before anything is done on it.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::bookstore::By;
use crate::cmd;
use crate::place::{Place, text};

/// What a bookstore needs to know of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// The StorageClass of the database's volume.
    pub(crate) class: String,
    /// The data path that the cluster can.
    pub(crate) by: By,
    /// The StorageClass whose volumes Velero takes snapshots of, where it can.
    pub(crate) snapshots: Option<String>,
}

impl Ground {
    /// Of a node of ours.
    pub(crate) fn ours(by: By) -> Self {
        Self { class: "csi-wffc".to_owned(), by, snapshots: Some("csi-wffc".to_owned()) }
    }
}

/// One thing that was looked for.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    what: &'static str,
    good: bool,
    says: String,
}

/// What a cluster holds, as `kubectl get` told it.
#[derive(Default)]
struct Seen {
    locations: Vec<Value>,
    node_agents: Vec<Value>,
    veleros: Vec<Value>,
    classes: Vec<Value>,
    snapshot_classes: Vec<Value>,
}

/// Looks at the current context and says what is there; fails when the demo and the tests cannot run on it.
pub(crate) fn look(place: &mut Place) -> Result<Ground> {
    let context = cmd::output(&mut place.kubectl(&["config", "current-context"]))
        .context("the kubeconfig names no current context")?;
    let server = "jsonpath={.clusters[0].cluster.server}";
    let server = cmd::output(&mut place.kubectl(&["config", "view", "--minify", "-o", server]))?;
    println!("context {} at {}", context.trim(), server.trim());
    cmd::output(&mut place.kubectl(&["get", "--raw=/version", "--request-timeout=10s"]))
        .context("the cluster does not answer")?;
    let of = |args: &[&str]| place.items(args);
    // A kind that is not served is as good as none of it.
    let optional = |args: &[&str]| place.items(args).unwrap_or_default();
    let seen = Seen {
        locations: optional(&["backupstoragelocations.velero.io", "-A"]),
        node_agents: of(&["daemonsets", "-A", "--field-selector=metadata.name=node-agent"])?,
        veleros: of(&["deployments", "-A", "--field-selector=metadata.name=velero"])?,
        classes: of(&["storageclasses"])?,
        snapshot_classes: optional(&["volumesnapshotclasses.snapshot.storage.k8s.io"]),
    };
    let (found, ground) = judge(&seen);
    for Found { what, good, says } in &found {
        println!("  {:<8} {what:<22} {says}", if *good { "there" } else { "MISSING" });
    }
    if let Some(location) = seen.locations.first() {
        text(location, "/metadata/namespace").clone_into(&mut place.velero_namespace);
    }
    ground
        .context("the demo and the tests cannot run on this cluster; what is missing stands above, nothing was changed")
}

fn judge(seen: &Seen) -> (Vec<Found>, Option<Ground>) {
    let location = seen.locations.iter().find(|location| text(location, "/status/phase") == "Available");
    let velero = Found {
        what: "Velero",
        good: location.is_some(),
        says: match (location, seen.locations.is_empty()) {
            (Some(location), _) => format!("BackupStorageLocation {} is Available", text(location, "/metadata/name")),
            (None, false) => "no BackupStorageLocation is Available: nothing can be backed up or read back".to_owned(),
            (None, true) => {
                "nothing can be backed up or restored; it is not installed here, see velero.io for how".to_owned()
            }
        },
    };
    let ready =
        |set: &&Value| set.pointer("/status/numberReady").and_then(Value::as_u64).is_some_and(|ready| ready > 0);
    let agent = seen.node_agents.iter().find(ready);
    let agent_found = Found {
        what: "node-agent",
        good: agent.is_some(),
        says: if agent.is_some() { "file copies work" } else { "no file copies; CSI snapshots only" }.to_owned(),
    };
    let default = |class: &&Value| {
        let annotations = class.pointer("/metadata/annotations");
        let marked = annotations.and_then(|all| all.get("storageclass.kubernetes.io/is-default-class"));
        marked.and_then(Value::as_str) == Some("true")
    };
    let dynamic = |class: &&Value| text(class, "/provisioner") != "kubernetes.io/no-provisioner";
    let any = seen.classes.iter().filter(dynamic).find(default).or_else(|| seen.classes.iter().find(dynamic));
    let class_found = Found {
        what: "StorageClass",
        good: any.is_some(),
        says: any.map_or_else(
            || "none that makes volumes: a staged copy needs a second one".to_owned(),
            |class| text(class, "/metadata/name").to_owned(),
        ),
    };
    let features = seen.veleros.iter().any(|velero| velero.to_string().contains("EnableCSI"));
    let marked = |class: &&Value| {
        let labels = class.pointer("/metadata/labels");
        let label = labels.and_then(|all| all.get("velero.io/csi-volumesnapshot-class"));
        label.and_then(Value::as_str) == Some("true")
    };
    let snapshot = seen.snapshot_classes.iter().filter(marked).find_map(|snapshot| {
        let fits = |class: &&Value| text(class, "/provisioner") == text(snapshot, "/driver");
        let class = seen.classes.iter().filter(fits).find(default).or_else(|| seen.classes.iter().find(fits))?;
        Some((text(snapshot, "/metadata/name"), text(class, "/metadata/name")))
    });
    let snapshot_found = Found {
        what: "snapshot class",
        good: snapshot.is_some() && features,
        says: match (&snapshot, features) {
            (Some((snapshot, class)), true) => format!("{snapshot} for volumes of {class}"),
            (Some((snapshot, _)), false) => {
                format!("{snapshot} is there, but Velero runs without --features=EnableCSI: no CSI snapshots")
            }
            (None, _) => {
                "none labelled velero.io/csi-volumesnapshot-class for a StorageClass's driver: no CSI snapshots"
                    .to_owned()
            }
        },
    };
    let snapshots = snapshot.filter(|_| features).map(|(_, class)| class.to_owned());
    let ground = match (location, agent, any, snapshots) {
        (Some(_), Some(_), Some(class), snapshots) => {
            Some(Ground { class: text(class, "/metadata/name").to_owned(), by: By::Files, snapshots })
        }
        (Some(_), None, _, Some(class)) => {
            Some(Ground { class: class.clone(), by: By::Snapshot, snapshots: Some(class) })
        }
        _ => None,
    };
    (vec![velero, agent_found, class_found, snapshot_found], ground)
}

/// Asks before anything is done; without a terminal only `--yes` is an answer.
pub(crate) fn ask(what: &str, yes: bool) -> Result<()> {
    println!("{what}");
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!(
            "this is not done on a cluster of yours without being asked, and there is no terminal to ask on: --yes says yes"
        );
    }
    print!("Go on? Type yes: ");
    std::io::stdout().flush().context("write the question")?;
    let mut answer = String::new();
    stdin.read_line(&mut answer).context("read the answer")?;
    if answer.trim() != "yes" {
        bail!("nothing was changed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Seen {
        Seen {
            locations: vec![json!({ "metadata": { "name": "default" }, "status": { "phase": "Available" } })],
            node_agents: vec![json!({ "status": { "numberReady": 1 } })],
            veleros: vec![json!({ "spec": { "args": ["server", "--features=EnableCSI"] } })],
            classes: vec![
                json!({ "metadata": { "name": "local" }, "provisioner": "kubernetes.io/no-provisioner" }),
                json!({ "metadata": { "name": "slow" }, "provisioner": "csi.test" }),
                json!({ "metadata": { "name": "fast", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
                        "provisioner": "csi.test" }),
            ],
            snapshot_classes: vec![
                json!({ "metadata": { "name": "snaps", "labels": { "velero.io/csi-volumesnapshot-class": "true" } },
                        "driver": "csi.test" }),
            ],
        }
    }

    fn missing(seen: &Seen) -> (Vec<&'static str>, Option<(String, By)>) {
        let (found, ground) = judge(seen);
        let missing = found.iter().filter(|found| !found.good).map(|found| found.what).collect();
        (missing, ground.map(|ground| (ground.class, ground.by)))
    }

    #[test]
    fn a_whole_cluster_gets_file_copies_on_its_default_class() {
        assert_eq!(missing(&whole()), (vec![], Some(("fast".to_owned(), By::Files))));
    }

    #[test]
    fn without_node_agent_snapshots_are_taken_where_velero_and_driver_can() {
        let mut seen = whole();
        seen.node_agents.clear();
        assert_eq!(missing(&seen), (vec!["node-agent"], Some(("fast".to_owned(), By::Snapshot))));
        seen.veleros.clear();
        assert_eq!(missing(&seen), (vec!["node-agent", "snapshot class"], None));
    }

    #[test]
    fn a_cluster_without_velero_is_refused() {
        let seen = Seen { locations: Vec::new(), ..whole() };
        assert_eq!(missing(&seen), (vec!["Velero"], None));
        let unavailable = vec![json!({ "metadata": { "name": "default" }, "status": { "phase": "Unavailable" } })];
        assert_eq!(missing(&Seen { locations: unavailable, ..whole() }), (vec!["Velero"], None));
    }
}
