//! `kill -9` of the tool in every phase; a fresh process with an empty home goes on or takes it back.
//!
//! `DR_SEED` chooses data path and ending of each point, `DR_LONG=1` takes all of them, `DR_POINT` only the points whose
//! name holds it. `DR_STOP_BIN` is where executables with stop points are, else they are built.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dr_live::{By, Class, Ended, Fingerprint, Node, Shop, node, state, until};
use serde_json::Value;

const CLAIM: &str = "PersistentVolumeClaim/data-postgres-0";

/// In each phase, before and after what it does; by snapshot no pod carries files, so that one has its own.
fn points(by: By) -> Vec<&'static str> {
    vec![
        "stage/namespace:after-act",
        "stage/restore:after-act",
        match by {
            By::Files => "stage/carrier/postgres-0/end:after-act",
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
    let given = std::env::var("DR_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed: u64 = given.unwrap_or(now);
    println!("DR_SEED={seed}");
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
    cases
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
    node.dr_start(args, &[("HOME", &home.to_string_lossy())], node.bin()).ended(300)
}

fn newest(shop: &Shop<'_>) -> String {
    let listed = shop.node.dr(&["restore", "list", "--ns", &shop.namespace, "-o", "json"]).exits(0).json();
    let runs = listed["items"].as_array().cloned().unwrap_or_default();
    let newest = runs.iter().max_by_key(|run| run["made"].as_str().unwrap_or_default().to_owned());
    newest.and_then(|run| run["id"].as_str()).unwrap_or_else(|| panic!("no run in {listed}")).to_owned()
}

/// What carries the run's label, and volumes of its staging namespace.
fn left_by(shop: &Shop<'_>, run: &str) -> Vec<String> {
    const NAMESPACED: &str = "configmaps,secrets,pods,persistentvolumeclaims,networkpolicies,serviceaccounts,\
                              restores.velero.io,volumesnapshots.snapshot.storage.k8s.io";
    let label = format!("kubectl-dr/operation={run}");
    let get = |args: &[&str]| shop.node.get(args)["items"].as_array().cloned().unwrap_or_default();
    let mut found = get(&[NAMESPACED, "-A", "-l", &label]);
    found.extend(get(&["namespaces,persistentvolumes", "-l", &label]));
    let staging = format!("{}-dr-{run}", shop.namespace);
    let of_staging = |item: &Value| {
        item["spec"]["claimRef"]["namespace"] == *staging || item["spec"]["volumeSnapshotRef"]["namespace"] == *staging
    };
    let volumes = get(&["persistentvolumes,volumesnapshotcontents.snapshot.storage.k8s.io"]);
    found.extend(volumes.into_iter().filter(of_staging));
    let name = |item: &Value| {
        format!("{}/{}", item["kind"].as_str().unwrap_or("?"), item["metadata"]["name"].as_str().unwrap_or("?"))
    };
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// A kept run: its record, plan and journal, its Restore as evidence, and the volumes that it names.
fn expect_only_kept(shop: &Shop<'_>, run: &str, volumes: &[&str]) {
    let of_run = |name: &str| {
        let known = ["plan", "journal"].iter().any(|what| name.starts_with(&format!("ConfigMap/dr-{run}-{what}-")));
        let evidence = name.starts_with("Restore/dr-") && name.contains(run);
        known || evidence || name == format!("ConfigMap/dr-{run}")
    };
    let kept = |name: &str| name.strip_prefix("PersistentVolume/").is_some_and(|volume| volumes.contains(&volume));
    until_none("only record, plan, journal and kept volumes", || {
        left_by(shop, run).into_iter().filter(|name| !of_run(name) && !kept(name)).collect()
    });
}

fn expect_closed(shop: &Shop<'_>, run: &str, volumes: &[&str]) {
    let record = format!("ConfigMap/dr-{run}");
    let kept = |name: &str| name.strip_prefix("PersistentVolume/").is_some_and(|volume| volumes.contains(&volume));
    until_none("only the record and the volumes it lists", || {
        left_by(shop, run).into_iter().filter(|name| *name != record && !kept(name)).collect()
    });
}

fn until_none(what: &str, mut rest: impl FnMut() -> Vec<String>) {
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let rest = rest();
        if rest.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {} is left too", rest.join(", "));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
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

struct Backups {
    files: String,
    snapshot: String,
    books: Fingerprint,
}

fn one(shop: &Shop<'_>, bin: &Path, backups: &Backups, case: Case) {
    let Case { point, by, ending } = case;
    let (node, namespace) = (shop.node, shop.namespace.as_str());
    let backup = match by {
        By::Files => &backups.files,
        By::Snapshot => &backups.snapshot,
    };
    shop.wait_until_open();
    shop.sql("drop table if exists books cascade");
    let (before, old, orders) = (state(node, namespace), shop.volume(), shop.orders_are_gapless());

    let args = ["restore", "--ns", namespace, "--yes", "--from", backup];
    let killed = node.dr_start(&args, &[("KUBECTL_DR_STOP", point)], bin).ended(300);
    assert!(killed.code.is_none(), "it ended with {:?} instead of being killed there\n{}", killed.code, killed.told());
    let run = newest(shop);
    let whole = catch_unwind(AssertUnwindSafe(|| match ending {
        Ending::Resume => {
            afresh(node, &["restore", "resume", &run, "--yes"]).exits(0);
            shop.wait_until_open();
            assert_eq!(shop.table("books"), backups.books);
            shop.orders_are_gapless();
            let new = shop.volume();
            assert_ne!(new, old, "the claim is still on its former volume");
            let kept = node.get(&["pv", &old]);
            assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain", "{kept}");
            assert_eq!(but_for_the_volume(state(node, namespace)), but_for_the_volume(before));
            expect_only_kept(shop, &run, &[&old, &new]);
        }
        Ending::Undo => {
            afresh(node, &["restore", "undo", &run, "--yes"]).exits(0);
            assert_eq!(shop.volume(), old);
            assert_eq!(state(node, namespace), before, "undo does not end where it began");
            shop.wait_until_open();
            assert_eq!(shop.try_count("books"), None);
            assert!(shop.orders_are_gapless() >= orders, "orders are lost");
            let volumes = node.get(&["persistentvolumes", "-l", &format!("kubectl-dr/operation={run}")]);
            let volumes = volumes["items"].as_array().cloned().unwrap_or_default();
            let names: Vec<&str> = volumes.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).collect();
            assert!(names.len() <= 1 && !names.contains(&old.as_str()), "more than the restored volume: {names:?}");
            expect_only_kept(shop, &run, &names);
        }
    }));
    if let Err(reason) = whole {
        let status = node.dr(&["restore", "status", &run]);
        println!("killed at {point}, {by:?}, {ending:?}\n{}\n{}", killed.told(), status.told());
        resume_unwind(reason);
    }
    assert!(shop.staging().is_empty(), "{:?} was left", shop.staging());
    // Each run is the oldest that is open when it is closed.
    let kept = node.get(&["persistentvolumes", "-l", &format!("kubectl-dr/operation={run}")]);
    match ending {
        Ending::Resume => {
            node.dr(&["restore", "finalize", &run, "--yes", "--discard-old"]).exits(0);
            expect_closed(shop, &run, &[]);
        }
        Ending::Undo => {
            node.dr(&["restore", "finalize", &run, "--yes"]).exits(0);
            let kept = kept["items"].as_array().cloned().unwrap_or_default();
            let kept: Vec<&str> = kept.iter().filter_map(|volume| volume["metadata"]["name"].as_str()).collect();
            expect_closed(shop, &run, &kept);
            for volume in kept {
                node.kubectl(&["delete", "pv", volume]);
            }
        }
    }
}

/// Wherever the tool was killed, the namespace ends where an undisturbed restore or its undo ends.
#[test]
#[ignore = "long: kill -9 at 17 points takes a quarter of an hour, and its latest form was not yet green on a loaded machine"]
fn killed_at_any_point_it_ends_where_an_undisturbed_restore_does() {
    let node = node!();
    let bin = with_stop_points();
    let namespace = "live-kill";
    let shop = Shop::open(&node, namespace, By::Snapshot, Class::WaitForFirstConsumer, 1);
    let books = shop.table("books");
    let snapshot = shop.back_up();
    let pod = ["annotate", "pod", "postgres-0", "-n", namespace];
    node.kubectl(&[&pod[..], &["backup.velero.io/backup-volumes=data"]].concat());
    let files = shop.back_up();
    node.kubectl(&[&pod[..], &["backup.velero.io/backup-volumes-"]].concat());
    let backups = Backups { files, snapshot, books };
    for case in cases() {
        let began = Instant::now();
        println!("killed at {}, {:?}, {:?} …", case.point, case.by, case.ending);
        one(&shop, &bin, &backups, case);
        println!("  as it should be after {:.1} s", began.elapsed().as_secs_f64());
    }
    until("orders come in", 60, || shop.try_count("orders"));
}
