//! The hand-written runbook's own commands on the same input, so that the comparison stays true when Velero changes.

use dr_live::{By, Cases, Class, Shop, node, until};
use serde_json::Value;

/// `velero restore create`, as the runbook has it; the Restore's status.
fn by_hand(shop: &Shop<'_>, backup: &str, name: &str) -> Value {
    let include = "persistentvolumeclaims,persistentvolumes";
    let args = ["restore", "create", name, "--from-backup", backup, "--include-resources", include, "--wait"];
    let out = shop.node.velero(&args);
    assert!(out.status.success(), "its exit code is 0 whatever was restored");
    let status = shop.node.get(&["restores.velero.io", name, "-n", "velero"])["status"].clone();
    assert_eq!(status["phase"], "Completed", "{status}");
    assert_eq!(status["errors"].as_u64().unwrap_or(0), 0, "{status}");
    status
}

fn stop(shop: &Shop<'_>) {
    let namespace = &shop.namespace;
    shop.node.kubectl(&["scale", "-n", namespace, "statefulset/postgres", "deployment/orders", "--replicas", "0"]);
    shop.node.kubectl(&["wait", "-n", namespace, "--for=delete", "pod/postgres-0", "--timeout=120s"]);
}

fn start(shop: &Shop<'_>) {
    shop.node.kubectl(&["scale", "-n", &shop.namespace, "statefulset/postgres", "--replicas", "1"]);
    until("the database answers", 180, || shop.try_sql("select 1"));
}

fn delete_claim(shop: &Shop<'_>) {
    shop.node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", &shop.namespace, "--timeout=120s"]);
}

#[test]
fn restores_by_hand_are_called_completed_whatever_they_leave() {
    let node = node!();
    let shop = Shop::open(&node, "live-by-hand", By::Files, Class::WaitForFirstConsumer, 100);
    let backups = shop.back_up_both();
    shop.sql("alter table orders drop constraint orders_book_fkey; delete from books");
    let mut cases = Cases::default();
    cases.case("files, the live claim left in place: nothing is restored", || {
        stop(&shop);
        let status = by_hand(&shop, &backups.files, "live-by-hand-1");
        assert_eq!(status["warnings"], 1, "{status}");
        start(&shop);
        assert_eq!(shop.try_count("books"), Some(0));
    });
    cases.case("a snapshot, the claim deleted first: Completed while the claim is still Pending", || {
        stop(&shop);
        delete_claim(&shop);
        by_hand(&shop, &backups.snapshot, "live-by-hand-2");
        assert_eq!(shop.claim()["status"]["phase"], "Pending", "it says Completed before there is a volume");
        start(&shop);
        assert_eq!(shop.try_count("books"), Some(1000));
    });
    cases.case(
        "files, the claim deleted first: an empty volume, on which the entry point makes a new database",
        || {
            stop(&shop);
            delete_claim(&shop);
            by_hand(&shop, &backups.files, "live-by-hand-3");
            start(&shop);
            assert_eq!(shop.try_count("books"), None);
        },
    );
    cases.case("the same backup by kubectl dr: the data is back", || {
        node.kubectl(&["scale", "-n", &shop.namespace, "deployment/orders", "--replicas", "1"]);
        shop.restore(&["--from", &backups.files]).exits(0).says("proven");
        shop.wait_until_open();
        assert_eq!(shop.try_count("books"), Some(1000));
    });
}
