//! `kill -9` of the tool in every phase; a fresh process with an empty home goes on or takes it back.

use std::path::PathBuf;
use std::process::Command;

use dr_live::{By, Class, Node, Shop, node, state, until};

/// The executables with stop points, built beside the others.
fn with_stop_points(node: &Node) -> PathBuf {
    let target = node.bin().parent().expect("the target folder").join("stop-points");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let args = ["build", "--package", "kubectl-dr", "--package", "dr-cluster", "--bins"];
    let built = Command::new(cargo)
        .args(args)
        .args(["--features", "dr-cluster/stop-points"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cargo build of the executables with stop points");
    target.join("debug")
}

/// In each phase, before and after what it does.
const POINTS: [&str; 14] = [
    "stage/namespace:after-intent",
    "stage/restore:after-act",
    "verify/postgres-0/open:after-intent",
    "verify/data-postgres-0/retain:after-act",
    "release/data-postgres-0/claim:after-act",
    "release/data-postgres-0/reserve:after-intent",
    "protect/data-postgres-0/retain:before-done",
    "quiesce/deployment/orders:after-intent",
    "quiesce/statefulset/postgres:after-act",
    "swap/data-postgres-0/delete-claim:after-intent",
    "swap/data-postgres-0/delete-claim:after-act",
    "swap/data-postgres-0/create-claim:after-act",
    "back/statefulset/postgres:after-intent",
    "keep/namespace:after-act",
];

fn newest(shop: &Shop<'_>) -> String {
    let listed = shop.node.dr(&["restore", "list", "--ns", &shop.namespace, "-o", "json"]).exits(0).json();
    let runs = listed["items"].as_array().cloned().unwrap_or_default();
    let newest = runs.iter().max_by_key(|run| run["made"].as_str().unwrap_or_default().to_owned());
    newest.and_then(|run| run["id"].as_str()).unwrap_or_else(|| panic!("no run in {listed}")).to_owned()
}

/// Every second point ends with `undo`, the others with `resume`; `shift` turns that around.
fn sweep(node: &Node, namespace: &str, by: By, points: &[&str], shift: usize) {
    let bin = with_stop_points(node);
    let shop = Shop::open(node, namespace, by, Class::WaitForFirstConsumer, 1);
    let backup = shop.back_up();
    let books = shop.table("books");
    for (index, point) in points.iter().enumerate() {
        shop.sql("drop table if exists books cascade");
        let (before, old) = (state(node, namespace), shop.volume());
        let args = ["restore", "--ns", namespace, "--yes", "--from", &backup];
        let ended = node.dr_start(&args, &[("KUBECTL_DR_STOP", point)], &bin).ended(300);
        assert_eq!(ended.code, None, "{point}: it was to be killed there\n{}", ended.told());
        let run = newest(&shop);
        // A colleague's machine: nothing in its home, the process of before is known to be dead.
        let back = (index + shift) % 2 == 1;
        let verb = if back { "undo" } else { "resume" };
        let ended = node.dr(&["restore", verb, &run, "--yes", "--take-over"]).exits(0);
        println!("{namespace}: killed at {point}, {verb} took {:.1} s", ended.took.as_secs_f64());
        until("the database answers", 90, || shop.try_count("padding"));
        if back {
            assert_eq!(shop.volume(), old, "{point}");
            assert_eq!(shop.try_count("books"), None, "{point}");
            assert_eq!(state(node, namespace), before, "{point}: undo ends where it began");
        } else {
            shop.wait_until_open();
            assert_eq!(shop.table("books"), books, "{point}");
            assert_ne!(shop.volume(), old, "{point}");
            node.dr(&["restore", "finalize", &run, "--yes"]).exits(0);
        }
        assert!(shop.staging().is_empty(), "{point}: {:?} was left", shop.staging());
    }
}

#[test]
fn killed_at_any_point_of_a_restore_of_files_it_ends_where_an_undisturbed_one_does() {
    let node = node!();
    let points: Vec<&str> = POINTS.iter().copied().step_by(2).collect();
    sweep(&node, "live-kill-fs", By::Files, &points, 0);
}

#[test]
fn killed_at_any_point_of_a_restore_of_snapshots_it_ends_where_an_undisturbed_one_does() {
    let node = node!();
    let points: Vec<&str> = POINTS.iter().copied().skip(1).step_by(2).collect();
    sweep(&node, "live-kill-csi", By::Snapshot, &points, 1);
}

#[test]
#[ignore = "long: every point, both data paths, both endings"]
fn killed_at_every_point_with_both_endings() {
    let node = node!();
    for (name, by) in [("live-kill-fs", By::Files), ("live-kill-csi", By::Snapshot)] {
        for shift in [0, 1] {
            sweep(&node, name, by, &POINTS, shift);
        }
    }
}
