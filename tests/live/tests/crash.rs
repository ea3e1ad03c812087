//! `kill -9` of the tool in every phase; a fresh process with an empty home goes on or takes it back.
//!
//! `DR_SEED` chooses data path and ending of each point and the point that is first, `DR_LONG=1` takes all of them,
//! `DR_POINT` only the points whose name holds it, `DR_MINUTES` what fits into them. `DR_STOP_BIN` is where
//! executables with stop points are, else they are built.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use dr_live::{
    Both, By, Cases, Class, Ended, Fingerprint, Node, Shop, expect_closed, expect_only_kept, expect_state, in_turn,
    node, seed, state,
};
use serde_json::Value;

const CLAIM: &str = "PersistentVolumeClaim/data-postgres-0";

/// In each phase, before and after what it does; by snapshot no pod carries files, so that one has its own.
fn points(by: By) -> Vec<&'static str> {
    vec![
        "stage/namespace:after-act",
        "stage/restore:after-act",
        match by {
            By::Files => "verify/carrier/postgres-0/end:after-act",
            By::Snapshot => "verify/data-postgres-0/content:before-done",
        },
        "verify/postgres-0/open:after-act",
        "verify/data-postgres-0/retain:after-act",
        "verify/data-postgres-0/read:after-intent",
        "release/data-postgres-0/claim:after-act",
        "release/data-postgres-0/reserve:after-intent",
        "protect/data-postgres-0/retain:after-act",
        "quiesce/deployment:after-act",
        "quiesce/statefulset:after-act",
        "swap/data-postgres-0/delete-claim:after-act",
        "swap/data-postgres-0/create-claim:after-intent",
        "swap/data-postgres-0/create-claim:after-act",
        "back/statefulset:after-act",
        "back/deployment:after-intent",
        "keep/namespace:after-act",
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Resume,
    Undo,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    point: &'static str,
    by: By,
    ending: Ending,
}

/// Every point once, or with both data paths and both endings.
fn cases() -> Vec<Case> {
    let long = std::env::var_os("DR_LONG").is_some();
    let seed = seed();
    let wanted = std::env::var("DR_POINT").unwrap_or_default();
    let mut cases = Vec::new();
    for index in 0..points(By::Files).len() {
        // SplitMix64: neighbouring seeds must not choose alike.
        let mut bits = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        for (choice, (by, ending)) in [
            (By::Files, Ending::Resume),
            (By::Files, Ending::Undo),
            (By::Snapshot, Ending::Resume),
            (By::Snapshot, Ending::Undo),
        ]
        .into_iter()
        .enumerate()
        {
            let point = points(by)[index];
            if (long || bits % 4 == choice as u64) && point.contains(&wanted) {
                cases.push(Case { point, by, ending });
            }
        }
    }
    in_turn(cases, seed)
}

/// Executables with stop points, copied away from where the next build would replace them.
fn with_stop_points() -> PathBuf {
    if let Some(bin) = std::env::var_os("DR_STOP_BIN") {
        return bin.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "kubectl-dr", "--bins", "--features", "stop-points"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root)
        .output()
        .expect("start cargo");
    assert!(
        built.status.success(),
        "executables with stop points are not built: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    let bin = std::env::temp_dir().join(format!("kubectl-dr-stop-points-{}", std::process::id()));
    fs::create_dir_all(&bin).expect("make a folder");
    for line in String::from_utf8_lossy(&built.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(executable) = message["executable"].as_str().map(Path::new) {
            fs::copy(executable, bin.join(executable.file_name().expect("a name"))).expect("copy an executable");
        }
    }
    bin
}

/// `kubectl dr ARGS` as on a colleague's machine: nothing in its home.
fn afresh(node: &Node, args: &[&str]) -> Ended {
    let home = node.home().join("colleague");
    drop(fs::remove_dir_all(&home));
    fs::create_dir_all(&home).expect("make a home");
    node.dr_start(args, &[("HOME", &home.to_string_lossy())], node.bin()).ended(600)
}

/// The state of a namespace without what a restored volume changes about its claim.
fn but_for_the_volume(mut state: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    if let Some(Value::Object(claim)) = state.get_mut(CLAIM) {
        claim.remove("volume labels");
        claim.remove("reclaim policy");
        if let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("volumeName");
        }
        if let Some(annotations) = claim.get_mut("annotations").and_then(Value::as_object_mut) {
            // Written by binder and scheduler for the volume that is there.
            annotations.retain(|key, _| !key.starts_with("pv.kubernetes.io/") && !key.ends_with("/selected-node"));
        }
    }
    state
}

fn one(shop: &Shop<'_>, bin: &Path, backups: &Both, books: &Fingerprint, case: Case) {
    let Case { point, by, ending } = case;
    let (node, namespace) = (shop.node, shop.namespace.as_str());
    let backup = backups.by(by);
    shop.wait_until_open();
    shop.sql("drop table if exists books cascade");
    let (before, old, orders) = (state(node, namespace), shop.volume(), shop.orders_are_gapless());

    let args = ["restore", "--ns", namespace, "--yes", "--from", backup];
    let killed = node.dr_start(&args, &[("KUBECTL_DR_STOP", point)], bin).ended(600);
    assert!(killed.code.is_none(), "it ended with {:?} instead of being killed there\n{}", killed.code, killed.told());
    let run = shop.newest_run();
    let whole = catch_unwind(AssertUnwindSafe(|| match ending {
        Ending::Resume => {
            afresh(node, &["restore", "resume", &run, "--yes"]).exits(0);
            shop.wait_until_open();
            assert_eq!(shop.table("books"), *books);
            shop.orders_are_gapless();
            let new = shop.volume();
            assert_ne!(new, old, "the claim is still on its former volume");
            let kept = node.get(&["pv", &old]);
            assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain", "{kept}");
            assert_eq!(but_for_the_volume(state(node, namespace)), but_for_the_volume(before));
            expect_only_kept(node, namespace, &run, &[&old, &new]);
        }
        Ending::Undo => {
            afresh(node, &["restore", "undo", &run, "--yes"]).exits(0);
            assert_eq!(shop.volume(), old);
            expect_state(node, namespace, &before);
            shop.wait_until_open();
            assert_eq!(shop.try_count("books"), None);
            assert!(shop.orders_are_gapless() >= orders, "orders are lost");
            let volumes = node.get(&["persistentvolumes", "-l", &format!("kubectl-dr/operation={run}")]);
            let volumes = volumes["items"].as_array().cloned().unwrap_or_default();
            let names: Vec<&str> = volumes.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).collect();
            assert!(names.len() <= 1 && !names.contains(&old.as_str()), "more than the restored volume: {names:?}");
            expect_only_kept(node, namespace, &run, &names);
        }
    }));
    if let Err(reason) = whole {
        let status = node.dr(&["restore", "status", &run]);
        println!("killed at {point}, {by:?}, {ending:?}\n{}\n{}", killed.told(), status.told());
        // An open run would stand in the way of every later one.
        node.dr(&["restore", "finalize", &run, "--yes"]);
        resume_unwind(reason);
    }
    assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
    // Each run is the oldest that is open when it is closed.
    let kept = node.get(&["persistentvolumes", "-l", &format!("kubectl-dr/operation={run}")]);
    match ending {
        Ending::Resume => {
            node.dr(&["restore", "finalize", &run, "--yes", "--discard-old"]).exits(0);
            expect_closed(node, namespace, &run, &[]);
        }
        Ending::Undo => {
            node.dr(&["restore", "finalize", &run, "--yes"]).exits(0);
            let kept = kept["items"].as_array().cloned().unwrap_or_default();
            let kept: Vec<&str> = kept.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).collect();
            expect_closed(node, namespace, &run, &kept);
            for volume in kept {
                node.kubectl(&["delete", "pv", volume]);
            }
        }
    }
}

/// Wherever the tool was killed, the namespace ends where an undisturbed restore or its undo ends.
#[test]
fn killed_at_any_point_it_ends_where_an_undisturbed_restore_does() {
    let node = node!();
    let bin = with_stop_points();
    let shop = Shop::open(&node, "live-kill", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let books = shop.table("books");
    let backups = shop.back_up_both();
    let mut told = Cases::in_the_minutes_given();
    for case in cases() {
        let name = format!("killed at {}, {:?}, {:?}", case.point, case.by, case.ending);
        told.case(&name, || one(&shop, &bin, &backups, &books, case));
    }
}
