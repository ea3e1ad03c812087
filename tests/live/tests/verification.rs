//! Backups whose data may not be used: found out while the application goes on, exit 4, nothing live is touched.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use dr_live::{By, Cases, Class, Node, Shop, expect_only_kept, node, state};
use serde_json::Value;

/// The restore ends with 4, the shop never stopped and is exactly as it was.
fn turned_down(shop: &Shop<'_>, more: &[&str], says: &str) {
    let node = shop.node;
    let (before, volume) = (state(node, &shop.namespace), shop.volume());
    let running = |label: &str| {
        let uids = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {end}";
        node.kubectl(&["get", "pods", "-n", &shop.namespace, "-l", label, "-o", uids])
    };
    let (database, orders) = (running("app=postgres"), running("app=orders"));
    let taken = shop.orders_are_gapless();
    let ended = shop.restore(more).exits(4).says(says);
    assert_eq!(state(node, &shop.namespace), before, "nothing live was touched");
    assert_eq!(shop.volume(), volume);
    assert_eq!((running("app=postgres"), running("app=orders")), (database, orders), "the application never stopped");
    assert!(shop.orders_are_gapless() > taken, "orders came in meanwhile");
    assert!(shop.staging().is_empty(), "{:?} was left\n{}", shop.staging(), ended.told());
    expect_only_kept(node, &shop.namespace, &shop.newest_run(), &[]);
}

/// Files that are spoiled for the length of one case, and then as they were.
struct Spoiled(Vec<(PathBuf, PathBuf)>);

impl Spoiled {
    /// Copies of these are kept in the node's folder; a folder is kept whole.
    fn keep(node: &Node, paths: &[PathBuf]) -> Self {
        let mut kept = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let copy = node.dir().join(format!("whole-{}-{number}", std::process::id()));
            copied(path, &copy);
            kept.push((path.clone(), copy));
        }
        Self(kept)
    }
}

/// `cp -a`: owners and the object store's extended attributes matter.
fn copied(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").args(["-a", "-T"]).arg(from).arg(to).status();
    assert!(done.is_ok_and(|status| status.success()), "cp -a {} {}", from.display(), to.display());
}

impl Drop for Spoiled {
    fn drop(&mut self) {
        for (path, copy) in &self.0 {
            copied(copy, path);
            drop(if copy.is_dir() { fs::remove_dir_all(copy) } else { fs::remove_file(copy) });
        }
    }
}

/// Where the driver keeps the snapshot that a backup took, by what the backup itself says of it.
fn snapshot(node: &Node, backup: &str) -> PathBuf {
    let infos = node.bucket(&format!("backups/{backup}"));
    let infos = infos.iter().find(|path| path.to_string_lossy().ends_with("-volumeinfo.json.gz"));
    let read = std::process::Command::new("gzip").arg("-dc").arg(infos.expect("the backup's volume infos")).output();
    let infos: Value = serde_json::from_slice(&read.expect("gzip").stdout).expect("volume infos");
    let handle = infos[0]["csiSnapshotInfo"]["snapshotHandle"].as_str().expect("a handle");
    let dir = node.dir().join("csi/csi.dr.test/snapshots").join(handle);
    assert!(dir.is_dir(), "no snapshot at {}", dir.display());
    dir
}

fn find(dir: &Path, name: &str) -> PathBuf {
    fn look(dir: &Path, name: &str) -> Option<PathBuf> {
        fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).find_map(|path| {
            if path.ends_with(name) {
                return Some(path);
            }
            if path.is_dir() { look(&path, name) } else { None }
        })
    }
    look(dir, name).unwrap_or_else(|| panic!("no {name} in {}", dir.display()))
}

#[test]
fn what_a_snapshot_gives_back_is_looked_at_before_the_application_stops() {
    let node = node!();
    let shop = Shop::open(&node, "live-unfit", By::Snapshot, Class::WaitForFirstConsumer, 1_000);
    let file = shop.sql("select pg_relation_filepath('padding')");
    shop.sql("create index on padding (length(filler))");
    shop.sql("checkpoint");
    let backup = shop.back_up();
    let snapshot = snapshot(&node, &backup);
    shop.drop_books();
    let from = ["--from", backup.as_str()];
    let mut cases = Cases::default();

    cases.case("a table file that was cut short is told by the fingerprint", || {
        let table = find(&snapshot, &file);
        let _whole = Spoiled::keep(&node, std::slice::from_ref(&table));
        let half = fs::metadata(&table).expect("the table's file").len() / 2 / 8192 * 8192;
        assert!(half > 0, "{} is empty", table.display());
        fs::File::options().write(true).open(&table).and_then(|file| file.set_len(half)).expect("cut it short");
        turned_down(&shop, &from, "bookstore.public.padding");
    });
    cases.case("a Postgres that cannot recover is told by its own last words", || {
        let control = find(&snapshot, "global/pg_control");
        let _whole = Spoiled::keep(&node, std::slice::from_ref(&control));
        let file = fs::File::options().write(true).open(&control).expect("open the control file");
        file.write_all_at(&[0xff; 512], 0).expect("break it");
        turned_down(&shop, &from, "the engine ended instead of opening");
    });
    cases.case("a volume that comes up empty is seen before an entry point makes a new database of it", || {
        let version = find(&snapshot, "pgdata/PG_VERSION");
        let data = version.parent().expect("a parent").to_path_buf();
        let _whole = Spoiled::keep(&node, std::slice::from_ref(&data));
        fs::remove_dir_all(&data).expect("empty it");
        turned_down(&shop, &from, "the volume holds no PostgreSQL data");
    });
    cases.case("a driver that answers with an empty volume is not believed", || {
        let fault = node.dir().join("faults/csi.dr.test/empty-from-snapshot");
        fs::write(&fault, "").expect("switch the fault on");
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            turned_down(&shop, &from, "the volume holds no PostgreSQL data");
        }));
        fs::remove_file(&fault).expect("switch the fault off");
        if let Err(reason) = ended {
            std::panic::resume_unwind(reason);
        }
    });
    cases.case("a backup that is younger than the damage brings nothing back", || {
        shop.back_up();
        turned_down(&shop, &[], "holds nothing");
    });
    cases.case("the same snapshot as it was gives the data back", || {
        shop.restore(&from).exits(0).says("proven");
        shop.wait_until_open();
        assert_eq!(shop.table("books").rows, 1000);
    });
}

#[test]
fn what_a_file_copy_gives_back_is_looked_at_before_the_application_stops() {
    let node = node!();
    let shop = Shop::open(&node, "live-torn", By::Files, Class::WaitForFirstConsumer, 5_000);
    shop.back_up_with_velero("live-torn-1", &[]);
    shop.drop_books();
    let mut cases = Cases::default();
    // First, so that node-agent has read none of it yet and has nothing of it in its cache.
    cases.case("an archive that was changed in the object store is not trusted", || {
        // The packs of this namespace's Kopia repository; every block of data is authenticated.
        let mut packs = node.bucket(&format!("kopia/{}", shop.namespace));
        packs.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('p')));
        assert!(!packs.is_empty(), "no packs of {}", shop.namespace);
        let _whole = Spoiled::keep(&node, &packs);
        for pack in packs {
            let file = fs::File::options().write(true).open(&pack).expect("open a pack");
            let length = file.metadata().expect("a pack").len();
            for offset in (0..length).step_by(4096) {
                file.write_all_at(&[0x5a; 64], offset).expect("spoil a pack");
            }
        }
        turned_down(&shop, &["--accept-unproven"], "the files of data-postgres-0 could not be brought back");
    });
    cases.case("a file copy of a running engine without fingerprint is unproven", || {
        turned_down(&shop, &[], "--accept-unproven");
    });
    cases.case("and is used when somebody says so", || {
        shop.restore(&["--accept-unproven"]).exits(0);
        shop.wait_until_open();
        assert_eq!(shop.table("books").rows, 1000);
        shop.orders_are_gapless();
    });
}
