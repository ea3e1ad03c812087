//! Data is lost and comes back: both data paths, both binding modes, the three losses.

use std::time::{SystemTime, UNIX_EPOCH};

use dr_live::{By, Class, Node, Shop, Writer, node};

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// After each loss the table nobody writes is equal, and the one being written a gapless prefix between the fingerprints.
fn three_losses(node: &Node, namespace: &str, by: By, class: Class) {
    let shop = Shop::open(node, namespace, by, class, 20_000);
    let writer = Writer::follow(node, namespace);
    let books = shop.table("books");
    let padding = shop.table("padding");
    assert_eq!(books.rows, 1000);
    let first = shop.orders_are_gapless();
    shop.back_up();
    let last = shop.orders_are_gapless();
    let the_same = |loss: &str| {
        assert_eq!(shop.table("books"), books, "{loss}");
        assert_eq!(shop.table("padding"), padding, "{loss}");
        let restored: u64 = shop.sql("select coalesce(max(id), 0) from orders where at <= (select min(at) from orders) + interval '10 minutes'").parse().expect("a number");
        shop.orders_are_gapless();
        assert!(restored >= first, "{loss}: {restored} orders, {first} were there before the backup");
        assert!(shop.staging().is_empty(), "{loss}: {:?} was left", shop.staging());
    };

    shop.drop_books();
    let began = now();
    let ended = shop.restore(&[]).exits(0).says("proven");
    shop.wait_until_open();
    the_same("DROP TABLE");
    println!(
        "{namespace}: DROP TABLE, restore took {:.1} s, outage {:.1} s (orders at backup: {first} to {last})",
        ended.took.as_secs_f64(),
        writer.outage(began)
    );

    shop.lose_claim();
    let ended = shop.restore(&[]).exits(0);
    shop.wait_until_open();
    the_same("claim deleted");
    println!("{namespace}: claim deleted, restore took {:.1} s", ended.took.as_secs_f64());

    shop.lose_namespace();
    let ended = shop.restore(&[]).exits(0);
    shop.wait_until_open();
    the_same("namespace deleted");
    println!("{namespace}: namespace deleted, restore took {:.1} s", ended.took.as_secs_f64());
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
