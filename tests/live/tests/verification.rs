//! Backups whose data may not be used: found out while the application goes on, exit 4, nothing live is touched.

use std::fs;
use std::os::unix::fs::FileExt as _;

use dr_live::{By, Class, Node, Shop, Writer, node, state};

/// The restore ends with 4, the shop never stopped and is exactly as it was.
fn turned_down(shop: &Shop<'_>, more: &[&str], says: &str) {
    let node = shop.node;
    let (before, volume) = (state(node, &shop.namespace), shop.volume());
    let pods = |kind: &str| {
        node.kubectl(&["get", "pods", "-n", &shop.namespace, "-l", kind, "-o", "jsonpath={.items[*].metadata.uid}"])
    };
    let (database, orders) = (pods("app=postgres"), pods("app=orders"));
    shop.restore(more).exits(4).says(says);
    assert_eq!(state(node, &shop.namespace), before, "nothing live was touched");
    assert_eq!(shop.volume(), volume);
    assert_eq!((pods("app=postgres"), pods("app=orders")), (database, orders), "the application was never stopped");
    assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn a_file_copy_of_a_running_engine_without_fingerprint_is_unproven() {
    let node = node!();
    let shop = Shop::open(&node, "live-unproven", By::Files, Class::WaitForFirstConsumer, 1_000);
    shop.back_up_with_velero("live-unproven-1", &[]);
    shop.drop_books();
    turned_down(&shop, &[], "--accept-unproven");
    let writer = Writer::follow(&node, &shop.namespace);
    shop.restore(&["--accept-unproven"]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.table("books").rows, 1000);
    drop(writer);
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn a_backup_that_is_younger_than_the_damage_brings_nothing_back() {
    let node = node!();
    let shop = Shop::open(&node, "live-younger", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    shop.drop_books();
    shop.back_up();
    turned_down(&shop, &[], "");
}

/// Changes the snapshot that a backup holds, in the driver's own folder.
fn in_the_snapshot(node: &Node, change: impl Fn(&std::path::Path)) {
    let driver = node.dir().join("csi/csi.dr.test");
    let snapshots = fs::read_dir(driver.join("snapshots")).expect("the driver's snapshots");
    let mut newest: Vec<_> = snapshots.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    newest.sort_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
    change(newest.last().expect("a snapshot"));
}

fn find(dir: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.ends_with(name) {
            return Some(path);
        }
        if path.is_dir()
            && let Some(found) = find(&path, name)
        {
            return Some(found);
        }
    }
    None
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn a_table_file_cut_short_is_told_by_the_fingerprint() {
    let node = node!();
    let shop = Shop::open(&node, "live-short", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    shop.sql("checkpoint");
    let file = shop.sql("select pg_relation_filepath('padding')");
    shop.sql("create index on padding (length(filler))");
    shop.sql("checkpoint");
    shop.back_up();
    in_the_snapshot(&node, |snapshot| {
        let table = find(snapshot, &file).unwrap_or_else(|| panic!("no {file} in {}", snapshot.display()));
        let half = fs::metadata(&table).expect("the table's file").len() / 2 / 8192 * 8192;
        fs::File::options().write(true).open(&table).and_then(|file| file.set_len(half)).expect("cut it short");
    });
    shop.drop_books();
    turned_down(&shop, &[], "");
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn a_database_that_cannot_recover_is_told_by_its_own_last_words() {
    let node = node!();
    let shop = Shop::open(&node, "live-broken", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    shop.back_up();
    in_the_snapshot(&node, |snapshot| {
        let control = find(snapshot, "global/pg_control").expect("the control file");
        let file = fs::File::options().write(true).open(control).expect("open the control file");
        file.write_all_at(&[0xff; 512], 0).expect("break it");
    });
    shop.drop_books();
    turned_down(&shop, &[], "the engine ended instead of opening");
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn a_volume_that_comes_up_empty_is_seen_before_an_entry_point_makes_a_new_database() {
    let node = node!();
    let shop = Shop::open(&node, "live-empty", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    shop.back_up();
    in_the_snapshot(&node, |snapshot| {
        let version = find(snapshot, "pgdata/PG_VERSION").expect("the data directory");
        fs::remove_dir_all(version.parent().expect("a parent")).expect("empty it");
    });
    shop.drop_books();
    turned_down(&shop, &[], "the volume holds no PostgreSQL data");
}

#[test]
#[ignore = "long: six stagings, of which each fails at its end"]
fn an_archive_that_was_changed_in_the_object_store_is_not_trusted() {
    let node = node!();
    let shop = Shop::open(&node, "live-rot", By::Files, Class::WaitForFirstConsumer, 20_000);
    let backup = shop.back_up();
    // The packs of this namespace's Kopia repository; every block of data is authenticated.
    let mut packs = node.bucket(&format!("kopia/{}", shop.namespace));
    packs.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('p')));
    assert!(!packs.is_empty(), "no packs of {}", shop.namespace);
    for pack in packs {
        let file = fs::File::options().write(true).open(&pack).expect("open a pack");
        let length = file.metadata().expect("a pack").len();
        for offset in (0..length).step_by(4096) {
            file.write_all_at(&[0x5a; 64], offset).expect("spoil a pack");
        }
    }
    shop.drop_books();
    let (before, volume) = (state(&node, &shop.namespace), shop.volume());
    let ended = shop.restore(&["--from", &backup]);
    assert!(matches!(ended.code, Some(1 | 4)), "{:?}\n{}", ended.code, ended.told());
    assert_eq!(state(&node, &shop.namespace), before, "nothing live was touched");
    assert_eq!(shop.volume(), volume);
}
