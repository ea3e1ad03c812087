//! What an API server, what stands before it, and a Velero that is not where it should be may do to the commands about
//! backups: each ends with its answer or with a clear error and the right code, soon, and leaves nothing half done.

use std::time::{Duration, Instant};

use dr_world::app::BACKUP as NIGHTLY;
use dr_world::served::{Fault, Store};
use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
const LONG: &str = "1000000h";
/// Each command, with a kind that it cannot do without.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["coverage", "--ns", NAMESPACE], "/persistentvolumeclaims"),
    (&["status", "--rpo", LONG], "/persistentvolumeclaims"),
    (&["verify", NIGHTLY], "/velero.io/v1/namespaces/velero/backups"),
    (&["--ns", NAMESPACE, "--name", "now", "--dry-run"], "/persistentvolumeclaims"),
    (&["schedule", "diff", "--ns", NAMESPACE], "/persistentvolumeclaims"),
];
/// Nobody waits longer for a server that says no at once.
const SOON: Duration = Duration::from_secs(20);

fn site(change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        let spec = json!({ "spec": { "schedule": "0 1 * * *", "template": { "includedNamespaces": [NAMESPACE] } } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, NAMESPACE), &spec).unwrap();
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        change(world);
    })
}

/// What a command answers, without the times in it.
fn answer(site: &Site, args: &[&str]) -> (i32, Vec<String>) {
    let ended = site.run(BACKUP, args);
    let words = ended.stdout.split_whitespace().filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()));
    let answer = words.map(str::to_owned).collect();
    assert!(matches!(ended.code, 0 | 1) && !ended.stdout.is_empty(), "{args:?}: {}", ended.stderr);
    (ended.code, answer)
}

#[test]
fn what_passes_leaves_no_trace_in_the_answer() {
    let site = site(|_| {});
    for (args, kind) in COMMANDS {
        let whole = answer(&site, args);
        assert!(matches!(whole.0, 0 | 1), "{args:?}: {whole:?}");
        for (fault, times) in
            [(Fault::Status(500), 3), (Fault::Status(503), 2), (Fault::Cut, 2), (Fault::Throttled(1), 1)]
        {
            for line in [*kind, "/backupstoragelocations?"] {
                site.served.plant(line, fault, times);
            }
            assert_eq!(answer(&site, args), whole, "{args:?} after {fault:?}");
            assert!(site.served.undisturbed() >= times, "{args:?} met no {fault:?}");
        }
    }
}

#[test]
fn a_server_that_asks_to_wait_is_waited_for_and_the_wait_is_told() {
    let site = site(|_| {});
    for (args, kind) in COMMANDS {
        site.served.plant(kind, Fault::Throttled(2), 1);
        let began = Instant::now();
        let ended = site.run(BACKUP, args);
        assert!(began.elapsed() >= Duration::from_secs(2), "{args:?} did not wait: {:?}", began.elapsed());
        let told = "Too many requests, please try again later.; next try in 2 s, as the server asks";
        assert_eq!(ended.stderr.matches(told).count(), 1, "{args:?}: {}", ended.stderr);
        assert_eq!(site.served.undisturbed(), 1);
    }
}

#[test]
fn a_server_that_asks_to_wait_for_longer_than_anybody_would_is_an_error_at_once() {
    let site = site(|_| {});
    for ((args, _), seconds) in COMMANDS.iter().flat_map(|command| [3600, u64::MAX].map(|seconds| (command, seconds))) {
        site.served.plant("GET ", Fault::Throttled(seconds), usize::MAX);
        let began = Instant::now();
        let error = site.document(1, BACKUP, args);
        assert!(began.elapsed() < SOON, "{args:?}: {:?}", began.elapsed());
        let causes = error["causes"].to_string();
        let told = format!("Too many requests, please try again later.: the server asks to wait {seconds} s more");
        assert!(causes.contains(&told), "{error:#}");
        site.served.undisturbed();
    }
}

#[test]
fn a_download_request_that_is_throttled_is_sent_again_and_only_then() {
    let site = site(|_| {});
    let posts = |site: &Site| {
        site.served.seen().iter().filter(|one| one.method == "POST" && one.path.ends_with("/downloadrequests")).count()
    };
    let undisturbed = site.document(0, BACKUP, &["verify", NIGHTLY]);
    let asked = posts(&site);
    site.served.plant("POST /apis/velero.io/v1/namespaces/velero/downloadrequests", Fault::Throttled(1), 1);
    let again = site.document(0, BACKUP, &["verify", NIGHTLY]);
    assert_eq!((&again["verdict"], posts(&site)), (&undisturbed["verdict"], asked + 1));
    site.served.plant("POST /apis/velero.io/v1/namespaces/velero/downloadrequests", Fault::Status(500), 1);
    let failed = site.document(1, BACKUP, &["verify", NIGHTLY]);
    assert_eq!((&failed["verdict"], posts(&site)), (&json!("unknown"), 1));
}

/// More of a kind than fit on a page.
fn many(world: &mut World) {
    for number in 0..600 {
        let spec = json!({ "spec": { "includedNamespaces": ["elsewhere"] }, "status": { "phase": "Completed" } });
        world.create(&Key::namespaced(Kind::Backup, VELERO, format!("b-{number}")), &spec).unwrap();
    }
}

#[test]
fn a_list_that_expires_between_two_pages_is_read_anew_and_in_one_piece_when_it_does_so_again() {
    let site = site(many);
    let backups = |site: &Site| -> Vec<String> {
        let seen = site.served.seen();
        let lists = seen
            .iter()
            .filter(|one| one.method == "GET" && one.path.ends_with("/velero.io/v1/namespaces/velero/backups"));
        lists.map(|one| one.path.clone()).collect()
    };
    for (args, _) in COMMANDS {
        site.served.seen();
        let whole = answer(&site, args);
        let undisturbed = backups(&site).len();
        assert_eq!(undisturbed, 2, "{args:?}: the list has two pages");
        site.served.plant("continue=", Fault::Gone, 1);
        assert_eq!(answer(&site, args), whole, "{args:?}");
        assert_eq!(backups(&site).len(), 4, "{args:?}");
        site.served.plant("continue=", Fault::Gone, usize::MAX);
        assert_eq!(answer(&site, args), whole, "{args:?}");
        assert_eq!(backups(&site).len(), 5, "{args:?}: two broken lists and a whole one");
        site.served.undisturbed();
    }
}

#[test]
fn a_kind_of_velero_that_goes_away_between_discovery_and_list_does_not_look_like_no_backups() {
    let site = site(|_| {});
    let refused = |args: &[&str], kind: &str, says: &str| {
        site.served.plant(&format!("/velero.io/v1/namespaces/velero/{kind}"), Fault::NotServed, usize::MAX);
        let error = site.document(3, BACKUP, args).to_string();
        assert!(error.contains(says), "{args:?}: {error}");
        site.served.undisturbed();
    };
    refused(&["coverage", "--ns", NAMESPACE], "schedules", "its kind is not served any more");
    for args in [&["status"][..], &["verify", NIGHTLY], &["--ns", NAMESPACE], &["schedule", "diff", "--ns", NAMESPACE]]
    {
        refused(args, "backups", "Velero is not in this cluster: its kinds are not served");
    }
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn a_kind_of_others_that_goes_away_meanwhile_changes_nothing() {
    let site = site(|_| {});
    let mut hits = 0;
    for (args, _) in COMMANDS {
        let whole = answer(&site, args);
        site.served.plant("/apis/keda.sh/", Fault::NotServed, usize::MAX);
        assert_eq!(answer(&site, args), whole, "{args:?}");
        hits += site.served.undisturbed();
    }
    assert!(hits > 0, "nobody asked for the kind");
}

#[test]
fn where_velero_is_not_or_is_twice_nothing_is_judged() {
    let location = |world: &mut World, namespace: &str| {
        world.create(&Key::cluster(Kind::Namespace, namespace), &json!({})).unwrap();
        world.create(&Key::namespaced(Kind::BackupStorageLocation, namespace, "default"), &json!({})).unwrap();
    };
    let without = site(|world| {
        world
            .delete(
                &Key::namespaced(Kind::BackupStorageLocation, VELERO, "default"),
                &dr_world::api::DeleteOptions::default(),
            )
            .unwrap();
    });
    let twice = site(|world| location(world, "velero-two"));
    for (args, _) in COMMANDS {
        let none = without.document(3, BACKUP, args);
        assert!(none["message"].as_str().unwrap().starts_with("there is no Velero in http://"), "{args:?}: {none:#}");
        let two = twice.document(3, BACKUP, args);
        assert_eq!(two["message"], "there is more than one Velero, in namespaces velero, velero-two");
        assert_eq!(two["hint"], "choose one with --velero-namespace");
        let wrong = twice.document(3, BACKUP, &[args, &["--velero-namespace", "default"][..]].concat());
        let told = ["Velero is not in namespace default", "no Deployment in it has a container that runs the server"];
        assert!(told.iter().any(|told| wrong.to_string().contains(told)), "{args:?}: {wrong:#}");
        for site in [&without, &twice] {
            assert_eq!(changing(&site.served.seen()), [""; 0], "{args:?}");
        }
        let one = twice.run(BACKUP, &[args, &["--velero-namespace", VELERO][..]].concat());
        assert!(matches!(one.code, 0 | 1), "{args:?}: {}", one.stderr);
        twice.served.seen();
    }
}

#[test]
fn lists_that_are_refused_or_unpack_without_end_are_unknown_and_never_good() {
    let site = site(|_| {});
    for (store, says) in [(Store::Refuses, "answers 403 (AccessDenied)"), (Store::Bomb, "larger than")] {
        site.served.store(store);
        let item = site.document(1, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
        assert_eq!(item["standing"], "unknown", "{store:?}");
        assert!(item["because"].as_str().unwrap().contains(says), "{item:#}");
        let verified = site.document(1, BACKUP, &["verify", NIGHTLY]);
        assert_ne!(verified["verdict"], "restorable", "{store:?}");
        assert!(verified.to_string().contains(says), "{verified:#}");
    }
}

#[test]
fn a_backup_whose_creation_nobody_answered_is_looked_for_before_it_is_sent_again() {
    let site = site(|_| {});
    let made = |site: &Site| site.served.api.world().of(Kind::Backup).filter(|(key, _)| key.name == "now").count();
    for (fault, times) in [(Fault::Status(500), 2), (Fault::Cut, 1), (Fault::Throttled(1), 1)] {
        site.served.plant("POST /apis/velero.io/v1/namespaces/velero/backups", fault, times);
        let ended = site.run(BACKUP, &["--ns", NAMESPACE, "--name", "now", "--timeout", "1s"]);
        assert_ne!(ended.code, 1, "{fault:?}: {}", ended.stderr);
        assert_eq!(made(&site), 1, "{fault:?}");
        site.served.undisturbed();
        site.served.api.change(|world| {
            world
                .delete(&Key::namespaced(Kind::Backup, VELERO, "now"), &dr_world::api::DeleteOptions::default())
                .unwrap();
            for key in world.keys_of(Kind::ConfigMap) {
                world.delete(&key, &dr_world::api::DeleteOptions::default()).unwrap();
            }
        });
    }
}

#[test]
fn a_schedule_or_backup_that_the_server_does_not_take_leaves_nothing_beside_it() {
    let site = site(|world| {
        world
            .delete(&Key::namespaced(Kind::Schedule, VELERO, NAMESPACE), &dr_world::api::DeleteOptions::default())
            .unwrap();
    });
    let before: Vec<Key> = site.served.api.world().keys_of(Kind::ConfigMap);
    site.served.plant("POST /apis/velero.io/v1/namespaces/velero/schedules", Fault::Status(422), usize::MAX);
    site.served.plant("POST /apis/velero.io/v1/namespaces/velero/backups", Fault::Status(422), usize::MAX);
    for args in
        [&["schedule", "create", "--ns", NAMESPACE, "--cron", "0 1 * * *"][..], &["--ns", NAMESPACE, "--name", "now"]]
    {
        let error = site.document(1, BACKUP, args);
        assert!(error["message"].as_str().unwrap().starts_with("cannot create "), "{error:#}");
        assert_eq!(site.served.api.world().keys_of(Kind::ConfigMap), before, "{args:?}");
    }
}

#[test]
fn a_backup_whose_list_of_volumes_nobody_hands_out_is_there_and_is_not_called_good() {
    let site = site(|_| {});
    site.served.velero_is_down(true);
    let api = site.served.api.clone();
    let velero = std::thread::spawn(move || {
        let now = Key::namespaced(Kind::Backup, VELERO, "now");
        while api.world().get(&now).is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let done = json!({ "phase": "Completed", "startTimestamp": "2026-01-01T00:00:00Z" });
        api.change(|world| world.edit(&now, |backup| backup["status"] = done.clone()));
    });
    let told = site.document(1, BACKUP, &["--ns", NAMESPACE, "--name", "now"]);
    velero.join().unwrap();
    assert_eq!(told["phase"], "Completed");
    let volumes = told["volumes"].as_array().unwrap();
    assert!(!volumes.is_empty());
    for volume in volumes {
        let because = volume["because"].as_str().unwrap();
        let says = "the backup's list of volumes cannot be read: Velero did not answer the DownloadRequest within 30 s";
        assert!(volume["kept"] == false && because.starts_with(says), "{volume:#}");
    }
    let seen = site.served.seen();
    let asked = |method: &str| {
        let of = |one: &&dr_world::served::Seen| one.method == method && one.path.contains("/downloadrequests");
        seen.iter().filter(of).count()
    };
    assert_eq!((asked("POST"), asked("DELETE")), (1, 1), "the request is taken back");
}
