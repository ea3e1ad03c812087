//! What `undo` and `redo` leave, and in which order restores are closed.

use dr_live::{By, Class, Node, Shop, expect_closed, expect_only_kept, expect_state, node, state, until};
use serde_json::Value;

fn policy(node: &Node, volume: &str) -> Value {
    node.get(&["pv", volume])["spec"]["persistentVolumeReclaimPolicy"].clone()
}

/// Undone: the damage is back, on the former volume.
fn expect_damaged(shop: &Shop<'_>, volume: &str) {
    until("the former database answers", 180, || shop.try_count("padding"));
    assert_eq!(shop.volume(), volume, "undo gives the former volume back");
    assert_eq!(shop.try_count("books"), None, "undo gives the damage back too");
}

/// A StatefulSet that deletes its claims when it is scaled down, on volumes that go with their claims: between a restore's
/// first step and its undo nothing but Protect keeps the data.
#[test]
fn undo_gives_exactly_the_state_before_and_redo_the_restored_one() {
    let node = node!();
    let namespace = "live-undo";
    let shop = Shop::open(&node, namespace, By::Files, Class::WaitForFirstConsumer, 100);
    let patch = r#"{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete","whenDeleted":"Delete"}}}"#;
    node.kubectl(&["patch", "statefulset", "postgres", "-n", namespace, "--type=merge", "-p", patch]);
    until("the set owns its claim", 60, || shop.claim()["metadata"]["ownerReferences"].is_array().then_some(()));
    node.kubectl(&["label", "pvc", "data-postgres-0", "-n", namespace, "tier=gold"]);
    node.kubectl(&["annotate", "pvc", "data-postgres-0", "-n", namespace, "owner=team-books"]);
    shop.back_up();
    let books = shop.table("books");
    shop.drop_books();
    let (before, old) = (state(&node, namespace), shop.volume());
    let padding = shop.table("padding");
    assert_eq!(policy(&node, &old), "Delete");
    let disk = shop.disk(&old);
    assert!(disk.exists());

    shop.restore(&["-v=9"]).exits(0).says("proven");
    shop.wait_until_open();
    let (run, restored) = (shop.newest_run(), shop.volume());
    assert_ne!(restored, old);
    assert_eq!(shop.table("books"), books);
    assert_eq!(shop.claim()["metadata"]["labels"]["tier"], "gold");
    assert_eq!(shop.claim()["metadata"]["annotations"]["owner"], "team-books");
    let orders = shop.orders_are_gapless();
    assert!(disk.exists(), "the disk itself is still there, though the set was scaled down and its claim is gone");
    assert_eq!(node.get(&["pv", &old])["status"]["phase"], "Released");
    assert_eq!(policy(&node, &old), "Retain");
    let set = node.get(&["statefulset", "postgres", "-n", namespace]);
    assert_eq!(set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"], "Delete", "given back");

    node.dr(&["restore", "undo", &run, "--yes", "-v=9"]).exits(0);
    expect_damaged(&shop, &old);
    assert_eq!(shop.table("padding"), padding);
    expect_state(&node, namespace, &before);
    assert_eq!(policy(&node, &old), "Delete", "set back");
    expect_only_kept(&node, namespace, &run, &[&restored]);

    node.dr(&["restore", "redo", &run, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), restored, "redo gives the restored volume again");
    assert_eq!(shop.table("books"), books);
    assert!(shop.orders_are_gapless() >= orders);
    expect_only_kept(&node, namespace, &run, &[&old, &restored]);
    shop.tells_no_secret();

    node.dr(&["restore", "finalize", &run, "--yes"]).exits(0).says(&old);
    assert_eq!(policy(&node, &old), "Retain", "the former volume is kept and listed");
    assert!(disk.exists());
    assert_eq!(policy(&node, &restored), "Delete", "the volume in use goes by its class again");
    expect_closed(&node, namespace, &run, &[&old]);
    node.dr(&["restore", "undo", &run, "--yes"]).exits(3);
    shop.wait_until_open();
}

/// Two restores in one night: taken back and done again, in the order that is right and not in another one.
#[test]
fn of_two_restores_in_one_night_the_newest_is_undone_first_and_the_oldest_finalized_first() {
    let node = node!();
    let namespace = "live-two";
    let shop = Shop::open(&node, namespace, By::Snapshot, Class::WaitForFirstConsumer, 100);
    let backup = shop.back_up();
    let books = shop.table("books");
    let original = shop.volume();
    shop.drop_books();
    let damaged = state(&node, namespace);
    shop.restore(&["--from", &backup]).exits(0);
    shop.wait_until_open();
    let (first, between) = (shop.newest_run(), shop.volume());
    shop.sql("delete from books where id > 500");
    let damaged_again = state(&node, namespace);
    shop.restore(&["--from", &backup]).exits(0);
    shop.wait_until_open();
    let (second, newest) = (shop.newest_run(), shop.volume());
    assert_ne!(first, second);

    node.dr(&["restore", "undo", &first, "--yes"]).exits(3).says(&second);
    node.dr(&["restore", "finalize", &second, "--yes"]).exits(3).says(&first);

    node.dr(&["restore", "undo", &second, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), between);
    assert_eq!(shop.table("books").rows, 500);
    expect_state(&node, namespace, &damaged_again);
    node.dr(&["restore", "undo", &first, "--yes"]).exits(0);
    expect_damaged(&shop, &original);
    expect_state(&node, namespace, &damaged);
    node.dr(&["restore", "redo", &first, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), between);
    node.dr(&["restore", "redo", &second, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), newest);
    assert_eq!(shop.table("books"), books);
    node.dr(&["restore", "finalize", &second, "--yes"]).exits(3).says(&first);
}

/// What the older run brought is what the newer one keeps: closing the older one must not touch it.
#[test]
fn of_two_restores_in_one_night_the_older_one_is_closed_and_the_newer_one_can_still_be_undone() {
    let node = node!();
    let namespace = "live-closed";
    let shop = Shop::open(&node, namespace, By::Snapshot, Class::WaitForFirstConsumer, 100);
    let backup = shop.back_up();
    let original = shop.volume();
    shop.drop_books();
    shop.restore(&["--from", &backup]).exits(0);
    shop.wait_until_open();
    let (first, between) = (shop.newest_run(), shop.volume());
    shop.sql("delete from books where id > 500");
    shop.restore(&["--from", &backup]).exits(0);
    shop.wait_until_open();
    let (second, newest) = (shop.newest_run(), shop.volume());

    node.dr(&["restore", "finalize", &first, "--yes"]).exits(0);
    assert_eq!(policy(&node, &original), "Retain");
    assert_eq!(policy(&node, &between), "Retain", "a Released volume's policy is never turned back");
    expect_closed(&node, namespace, &first, &[&original, &between]);
    node.dr(&["restore", "undo", &second, "--yes"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.volume(), between, "what the closed run brought is still there to go back to");
    assert_eq!(shop.table("books").rows, 500);
    node.dr(&["restore", "redo", &second, "--yes"]).exits(0);
    shop.wait_until_open();
    node.dr(&["restore", "finalize", &second, "--yes", "--discard-old"]).exits(0);
    assert_eq!(shop.volume(), newest);
    assert_eq!(policy(&node, &newest), "Delete", "the volume in use goes by its class again");
    assert_eq!(node.get(&["pv", &between]), Value::Null, "discarded");
    assert_eq!(policy(&node, &original), "Retain", "the older run's");
    expect_closed(&node, namespace, &second, &[]);
    shop.wait_until_open();
}
