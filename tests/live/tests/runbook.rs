//! The hand-written runbook's own commands on the same input, so that the comparison stays true when Velero changes.

use dr_live::{By, Class, Shop, node, until};

fn velero_restore(shop: &Shop<'_>, backup: &str, more: &[&str]) -> serde_json::Value {
    let name = format!("{backup}-{}", more.len());
    let include = "persistentvolumeclaims,persistentvolumes";
    let args = ["restore", "create", &name, "--from-backup", backup, "--include-resources", include, "--wait"];
    let args: Vec<&str> = args.into_iter().chain(more.iter().copied()).collect();
    let out = shop.node.velero(&args);
    assert!(out.status.success(), "its exit code is 0 whatever was restored");
    shop.node.get(&["restores.velero.io", &name, "-n", "velero"])["status"].clone()
}

fn stopped(shop: &Shop<'_>, replicas: &str) {
    let namespace = &shop.namespace;
    shop.node.kubectl(&["scale", "-n", namespace, "statefulset/postgres", "deployment/orders", "--replicas", replicas]);
    if replicas == "0" {
        shop.node.kubectl(&["wait", "-n", namespace, "--for=delete", "pod/postgres-0", "--timeout=60s"]);
    } else {
        until("the database answers", 90, || shop.try_sql("select 1"));
    }
}

#[test]
#[ignore = "long: waits for claims that stay Pending"]
fn files_by_hand_are_called_completed_and_leave_nothing_or_an_empty_volume() {
    let node = node!();
    let shop = Shop::open(&node, "live-hand-fs", By::Files, Class::WaitForFirstConsumer, 1_000);
    shop.back_up_with_velero("live-hand-fs-1", &[]);
    shop.sql("delete from books");

    stopped(&shop, "0");
    let status = velero_restore(&shop, "live-hand-fs-1", &[]);
    assert_eq!(status["phase"], "Completed");
    stopped(&shop, "1");
    assert_eq!(shop.try_count("books"), Some(0), "the live claim was in the way: nothing was restored");

    stopped(&shop, "0");
    node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", &shop.namespace]);
    let status = velero_restore(&shop, "live-hand-fs-1", &["--restore-volumes=true"]);
    assert_eq!(status["phase"], "Completed");
    assert_eq!(status["errors"].as_u64().unwrap_or(0), 0);
    stopped(&shop, "1");
    assert_eq!(shop.try_count("books"), None, "an empty volume, on which the entry point made a new database");
}

#[test]
#[ignore = "long: waits for claims that stay Pending"]
fn snapshots_by_hand_are_called_completed_while_the_claim_is_still_pending() {
    let node = node!();
    let shop = Shop::open(&node, "live-hand-csi", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    shop.back_up_with_velero("live-hand-csi-1", &[]);
    shop.sql("delete from books");
    stopped(&shop, "0");
    node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", &shop.namespace]);
    let status = velero_restore(&shop, "live-hand-csi-1", &[]);
    assert_eq!(status["phase"], "Completed");
    assert_eq!(shop.claim()["status"]["phase"], "Pending", "it says Completed before there is a volume");
    stopped(&shop, "1");
    assert_eq!(shop.try_count("books"), Some(1000));
}
