//! Data is lost and comes back: both data paths, both binding modes, the three losses.

use std::time::{SystemTime, UNIX_EPOCH};

use dr_live::{By, Class, Node, Shop, Writer, node};

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// After each loss the table nobody writes is equal, and the one being written a gapless prefix between the fingerprints.
fn three_losses(node: &Node, namespace: &str, by: By, class: Class) {
    let shop = Shop::open(node, namespace, by, class, 5_000);
    let writer = Writer::follow(node, namespace);
    let books = shop.table("books");
    let padding = shop.table("padding");
    assert_eq!(books.rows, 1000);
    let first = shop.orders_are_gapless();
    shop.back_up();
    let last = shop.orders_are_gapless();
    let comes_back = |loss: &str| {
        let began = now();
        let ended = shop.restore(&["-v=9"]).exits(0).says("proven");
        shop.wait_until_open();
        assert_eq!(shop.table("books"), books, "{loss}");
        assert_eq!(shop.table("padding"), padding, "{loss}");
        shop.orders_are_gapless();
        // One machine, one clock: what was written before the restore began is what it brought back.
        let restored = shop.sql(&format!("select count(*) from orders where at < to_timestamp({began})"));
        let restored: u64 = restored.parse().expect("a number");
        assert!((first..=last).contains(&restored), "{loss}: {restored} orders, at the backup {first} to {last}");
        assert!(shop.staging().is_empty(), "{loss}: {:?} was left", shop.staging());
        println!("{namespace}: {loss}, restore took {:.1} s", ended.took.as_secs_f64());
        began
    };

    shop.drop_books();
    let began = comes_back("DROP TABLE");
    println!("{namespace}: outage {:.1} s", writer.outage(began));
    shop.lose_claim();
    comes_back("claim deleted");
    shop.lose_namespace();
    comes_back("namespace deleted");
    shop.tells_no_secret();
}

#[test]
fn files_on_a_class_that_waits_for_a_consumer() {
    three_losses(&node!(), "live-fs-wffc", By::Files, Class::WaitForFirstConsumer);
}

#[test]
fn snapshots_on_a_class_that_waits_for_a_consumer() {
    three_losses(&node!(), "live-csi-wffc", By::Snapshot, Class::WaitForFirstConsumer);
}

#[test]
fn files_on_a_class_that_binds_at_once() {
    three_losses(&node!(), "live-fs-now", By::Files, Class::Immediate);
}

#[test]
fn snapshots_on_a_driver_that_needs_no_attaching() {
    three_losses(&node!(), "live-csi-now", By::Snapshot, Class::NoAttach);
}
