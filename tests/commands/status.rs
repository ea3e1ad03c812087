//! `kubectl dr backup status`: what it says of a served cluster, and what it asks.

use dr_world::api::DeleteOptions;
use dr_world::app::BACKUP as NIGHTLY;
use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
/// The world's backup is of another year.
const BEGAN: &str = "2020-01-01T00:00:00Z";
const LONG: &str = "1000000h";

fn site(change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        BEGAN.clone_into(&mut Arc::make_mut(world.backups.get_mut(NIGHTLY).unwrap()).started);
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["status"]["startTimestamp"] = json!(BEGAN);
        });
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        change(world);
    })
}

#[test]
fn the_newest_backup_that_a_restore_would_take_is_told_with_its_age() {
    let site = site(|_| {});
    let document = site.document(0, BACKUP, &["status", "--rpo", LONG]);
    let item = &document["items"][0];
    assert_eq!((&item["namespace"], &item["standing"]), (&json!(NAMESPACE), &json!("good")));
    let plan = site.document(0, RESTORE, &["plan", "--ns", NAMESPACE, "--accept-unproven"]);
    assert_eq!(item["point"]["backup"], plan["plan"]["source"]["backup"]);
    assert_eq!(item["point"]["taken"], BEGAN);
    assert_eq!((&item["point"]["claims"], &item["point"]["survivesLossOf"]), (&json!(1), &json!("namespace")));
    assert_eq!(item["limit"]["because"], "--rpo allows 41666d 16h");
    let table = site.run(BACKUP, &["status", "-A", "--rpo", LONG]);
    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.contains(&format!("\n{NAMESPACE}   good ")), "{}", table.stdout);
    assert_eq!(site.run(BACKUP, &["status", "-o", "name", "--rpo", LONG]).stdout, "");
}

#[test]
fn data_that_is_too_old_or_that_nobody_watches_over_is_not_good() {
    let site = site(|_| {});
    let old = site.document(1, BACKUP, &["status", "--ns", NAMESPACE, "--rpo", "1h"]);
    assert_eq!((&old["items"][0]["standing"], &old["exitCode"]), (&json!("old"), &json!(1)));
    let alone = site.document(1, BACKUP, &["status", "--ns", NAMESPACE]);
    assert_eq!(alone["items"][0]["standing"], "no-schedule");
    let name = site.run(BACKUP, &["status", "-o", "name"]);
    assert_eq!((name.code, name.stdout), (1, format!("namespace/{NAMESPACE}\n")));
    std::fs::write(site.file("dr.yaml"), format!("namespaces:\n  {NAMESPACE}:\n    rpo: 2h\n")).unwrap();
    let configured = site.document(1, BACKUP, &["status", "--ns", NAMESPACE]);
    assert_eq!(configured["items"][0]["limit"]["because"], "dr.yaml allows 2h");
}

#[test]
fn a_schedule_tells_how_old_the_data_may_be_and_when_the_next_backup_comes() {
    let site = site(|world| {
        let spec = json!({ "spec": { "schedule": "@every 6h", "template": { "includedNamespaces": [NAMESPACE] } } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, "often"), &spec).unwrap();
    });
    let item = site.document(1, BACKUP, &["status"])["items"][0].clone();
    assert_eq!(item["limit"]["because"], "schedule often leaves 6 h between two backups");
    assert_eq!((&item["standing"], &item["next"]["schedule"]), (&json!("old"), &json!("often")));
}

#[test]
fn a_list_of_volumes_that_cannot_be_had_is_unknown() {
    let site = site(|world| {
        world.backups.remove(NIGHTLY);
    });
    let item = site.document(1, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    assert_eq!(item["standing"], "unknown");
    assert!(
        item["because"].as_str().unwrap().starts_with(&format!("backup {NIGHTLY}: its list of volumes cannot be")),
        "{item}"
    );
}

#[test]
fn a_claim_that_no_backup_holds_leaves_nothing_to_go_back_to() {
    let site = site(|world| {
        let claim = json!({ "metadata": { "name": "later" }, "spec": { "storageClassName": "fast" } });
        world.create(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "later"), &claim).unwrap();
    });
    let item = site.document(1, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    assert_eq!((&item["standing"], &item["point"]), (&json!("nothing"), &Value::Null));
    assert!(item["because"].as_str().unwrap().contains("claim later: the backup has no entry"), "{item}");
}

#[test]
fn a_namespace_without_claims_is_refused_and_not_called_good() {
    let error = site(|_| {}).document(3, BACKUP, &["status", "--ns", "kube-system"]);
    assert_eq!(error["message"], "namespace kube-system has no claims, and nothing in it asks for one");
}

#[test]
fn a_schedule_that_takes_no_data_is_told_instead_of_making_the_namespace_look_watched_over() {
    let site = site(|world| {
        let template = json!({ "includedNamespaces": [NAMESPACE], "snapshotVolumes": false });
        let spec = json!({ "spec": { "schedule": "@every 6h", "template": template } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, "manifests"), &spec).unwrap();
    });
    for args in [&["status"][..], &["status", "--ns", NAMESPACE]] {
        let item = site.document(1, BACKUP, args)["items"][0].clone();
        assert_eq!((&item["standing"], &item["limit"]), (&json!("no-schedule"), &Value::Null), "{item}");
        let because = "schedule manifests does not take claim data0-part0-0: snapshotVolumes is false";
        assert!(item["because"].as_str().unwrap().starts_with(because), "{item}");
    }
}

#[test]
fn where_nobody_can_tell_what_a_schedule_takes_nothing_is_good() {
    let site = site(|world| {
        let template = json!({ "includedNamespaces": [NAMESPACE] });
        let spec = json!({ "spec": { "schedule": "@every 1000000h", "template": template } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, "seldom"), &spec).unwrap();
    });
    assert_eq!(site.document(0, BACKUP, &["status"])["items"][0]["standing"], "good");
    site.served.api.change(|world| {
        world.edit(&Key::namespaced(Kind::Deployment, VELERO, "velero"), |deployment| {
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("velero/velero@sha256:1");
        });
    });
    let item = site.document(1, BACKUP, &["status"])["items"][0].clone();
    assert_eq!(item["standing"], "unknown");
    let because = "whether schedule seldom takes its data is not known: the image velero/velero@sha256:1 does not tell \
                   Velero's version; --velero-version names it";
    assert_eq!(item["because"], because);
    assert_eq!(item["point"]["backup"], NIGHTLY);
    let told = site.document(0, BACKUP, &["status", "--velero-version", "1.18.3"]);
    assert_eq!(told["items"][0]["standing"], "good");
}

/// `lost` is deleted, and the backup holds it.
fn deleted() -> Site {
    site(|world| {
        "lost".clone_into(&mut Arc::make_mut(world.backups.get_mut(NIGHTLY).unwrap()).namespace);
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["spec"]["includedNamespaces"] = json!(["lost"]);
        });
    })
}

#[test]
fn a_deleted_namespace_comes_first_with_what_there_is_of_it() {
    let site = deleted();
    let all = site.document(1, BACKUP, &["status", "-A", "--rpo", LONG]);
    let told: Vec<(&str, &str)> = all["items"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, [("lost", "gone"), (NAMESPACE, "nothing")]);
    let one = site.document(1, BACKUP, &["status", "--ns", "lost", "--rpo", LONG]);
    assert_eq!(one["items"][0]["because"], "the namespace is gone");
    assert_eq!(
        (&one["items"][0]["point"]["backup"], &one["items"][0]["point"]["claims"]),
        (&json!(NIGHTLY), &json!(1))
    );
    assert_eq!(site.run(BACKUP, &["status", "--ns", "lost", "-o", "name"]).stdout, "namespace/lost\n");
    let typo = site.document(3, BACKUP, &["status", "--ns", "lsot"]);
    assert_eq!(typo["message"], "there is no namespace lsot with claims, and no backup holds data of it");
}

fn told(item: &Value) -> (&str, &str) {
    (item["namespace"].as_str().unwrap(), item["standing"].as_str().unwrap())
}

#[test]
fn lists_that_do_not_come_are_unknown_when_the_time_for_all_of_them_is_over() {
    let site = site(|world| {
        let older = json!({ "spec": { "includedNamespaces": [NAMESPACE], "storageLocation": "default" },
            "status": { "phase": "Completed", "startTimestamp": "2019-01-01T00:00:00Z" } });
        world.create(&Key::namespaced(Kind::Backup, VELERO, "older"), &older).unwrap();
    });
    site.served.velero_is_down(true);
    site.served.seen();
    let began = std::time::Instant::now();
    let item = site.document(1, BACKUP, &["status", "--rpo", LONG, "--timeout", "2s"])["items"][0].clone();
    // One download alone may take 30 s.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(item["standing"], "unknown");
    let because = item["because"].as_str().unwrap();
    assert!(because.contains("not read within 2.0 s, the time for all lists (--timeout)"), "{because}");
    let seen = site.served.seen();
    let asked = seen.iter().filter(|one| one.method == "POST" && one.path.ends_with("/downloadrequests")).count();
    assert_eq!(asked, 1, "the second list is not asked for any more");
}

#[test]
fn lists_of_several_namespaces_are_asked_for_side_by_side() {
    let site = site(|world| {
        world.create(&Key::cluster(Kind::Namespace, "second"), &json!({})).unwrap();
        let claim =
            json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
        world.create(&Key::namespaced(Kind::PersistentVolumeClaim, "second", "data"), &claim).unwrap();
        let backup = json!({ "spec": { "includedNamespaces": ["second"], "storageLocation": "default" },
            "status": { "phase": "Completed", "startTimestamp": BEGAN } });
        world.create(&Key::namespaced(Kind::Backup, VELERO, "of-the-second"), &backup).unwrap();
    });
    site.served.velero_is_down(true);
    site.document(1, BACKUP, &["status", "--rpo", LONG, "--timeout", "2s"]);
    assert_eq!(downloads(&site), 2, "one does not wait for the other");
}

/// `--watch` in a process of its own.
fn watched(
    site: &Site,
    args: &[&str],
) -> (std::process::Child, std::io::Lines<std::io::BufReader<std::process::ChildStdout>>) {
    let mut command = Command::new(BACKUP);
    command.args(["status", "--watch", "--interval", "1s"]).args(args).env_clear();
    command.env("HOME", site.home.path()).env("KUBECONFIG", site.file("config")).current_dir(site.home.path());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    (child, lines)
}

fn interrupt(mut child: std::process::Child) -> Option<i32> {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn watching_tells_each_change_on_a_line_and_ends_with_the_code_of_the_last_look() {
    let site = site(|_| {});
    let (child, mut lines) = watched(&site, &["--rpo", LONG]);
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains(&format!("  {NAMESPACE}: good, backup {NIGHTLY}: --rpo allows")), "{first}");
    let claim = json!({ "metadata": { "name": "later" }, "spec": { "storageClassName": "fast" } });
    site.served.api.change(|world| {
        world.create(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "later"), &claim).unwrap();
    });
    let second = lines.next().unwrap().unwrap();
    assert!(second.contains(&format!("  {NAMESPACE}: good -> NOTHING: backup {NIGHTLY}: claim later: ")), "{second}");
    assert_eq!(interrupt(child), Some(1));
    let (child, mut lines) = watched(&site, &["--rpo", LONG, "--ns", NAMESPACE]);
    assert!(lines.next().unwrap().unwrap().contains("NOTHING"));
    site.served.api.change(|world| {
        let key = Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "later");
        world.delete(&key, &DeleteOptions::default()).unwrap();
    });
    assert!(lines.next().unwrap().unwrap().contains("NOTHING -> good"));
    assert_eq!(interrupt(child), Some(0));
    let json = site.run(BACKUP, &["status", "--watch", "-o", "json"]);
    assert_eq!(json.code, 2, "{}", json.stderr);
}

#[test]
fn it_changes_nothing_and_asks_for_each_list_of_volumes_once() {
    let site = site(|world| {
        for name in ["one", "two"] {
            world.create(&Key::cluster(Kind::Namespace, name), &json!({})).unwrap();
            let claim = json!({ "spec": { "storageClassName": "fast" } });
            world.create(&Key::namespaced(Kind::PersistentVolumeClaim, name, "data"), &claim).unwrap();
        }
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["spec"]["includedNamespaces"] = json!(["*"]);
        });
    });
    site.served.seen();
    let document = site.document(1, BACKUP, &["status", "-A", "--rpo", LONG]);
    let standings: Vec<&str> =
        document["items"].as_array().unwrap().iter().map(|one| one["standing"].as_str().unwrap()).collect();
    assert_eq!(standings, ["nothing", "nothing", "good"]);
    let seen = site.served.seen();
    assert_eq!(changing(&seen), [""; 0]);
    let asked =
        |method: &str| seen.iter().filter(|one| one.method == method && one.path.contains("/downloadrequests")).count();
    assert_eq!((asked("POST"), asked("DELETE")), (1, 1));
    assert!(seen.len() < 30, "{}", seen.len());
}

#[test]
fn a_time_zone_of_veleros_server_is_counted_by_and_told() {
    let site = site(|world| {
        let spec = json!({ "spec": { "schedule": "0 1 * * *", "template": { "includedNamespaces": [NAMESPACE] } } });
        world.create(&Key::namespaced(Kind::Schedule, VELERO, "nightly"), &spec).unwrap();
    });
    let next = |site: &Site| -> (String, Value) {
        let document = site.document(1, BACKUP, &["status"]);
        (document["items"][0]["next"]["at"].as_str().unwrap().to_owned(), document["notes"].clone())
    };
    let (utc, notes) = next(&site);
    assert!(utc.ends_with("T01:00:00Z") && notes == json!([]), "{utc}: {notes}");
    site.served.api.change(|world| {
        world.edit(&Key::namespaced(Kind::Deployment, VELERO, "velero"), |deployment| {
            let env = json!([{ "name": "TZ", "value": "Asia/Tokyo" }]);
            deployment["spec"]["template"]["spec"]["containers"][0]["env"] = env;
        });
    });
    let (tokyo, notes) = next(&site);
    assert!(tokyo.ends_with("T16:00:00Z"), "{tokyo}");
    assert_eq!(notes, json!(["Velero's server counts by Asia/Tokyo (TZ in Deployment velero)"]));
}

fn downloads(site: &Site) -> usize {
    site.served.seen().iter().filter(|one| one.method == "POST" && one.path.ends_with("/downloadrequests")).count()
}

/// The files that are kept on this machine.
fn kept(site: &Site) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![site.file(".cache/kubectl-dr")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_list_that_was_read_once_is_not_downloaded_again_and_a_damaged_copy_of_it_is() {
    let site = site(|_| {});
    validated(&site, "2999-01-01T00:00:00Z");
    let look = || site.document(0, BACKUP, &["status", "--rpo", LONG])["items"].clone();
    let first = look();
    assert_eq!(downloads(&site), 1);
    assert_eq!(look()[0]["point"]["backup"], first[0]["point"]["backup"]);
    assert_eq!(downloads(&site), 0);
    let [file] = kept(&site).try_into().unwrap();
    std::fs::write(&file, "{\"format\": 1, \"holds\": [").unwrap();
    let ended = site.run(BACKUP, &["status", "--rpo", LONG]);
    assert_eq!((ended.code, downloads(&site)), (0, 1), "{}", ended.stderr);
    assert!(!ended.stderr.contains("damaged"), "{}", ended.stderr);
    std::fs::write(&file, "").unwrap();
    let told = site.run(BACKUP, &["status", "--rpo", LONG, "-v"]).stderr;
    assert_eq!(downloads(&site), 1);
    assert!(told.contains("is damaged or of another format, and not used"), "{told}");
}

/// When Velero looked at the location.
fn validated(site: &Site, at: &str) {
    site.served.api.change(|world| {
        let location = Key::namespaced(Kind::BackupStorageLocation, VELERO, "default");
        world.edit(&location, |location| location["status"]["lastValidationTime"] = json!(at));
    });
}

#[test]
fn a_list_is_read_anew_where_velero_has_not_looked_at_the_location_for_long() {
    let site = site(|_| {});
    validated(&site, "2026-01-01T00:00:00Z");
    for _ in 0..2 {
        site.document(0, BACKUP, &["status", "--rpo", LONG]);
        assert_eq!(downloads(&site), 1);
    }
}

#[test]
fn what_was_verified_says_when_and_what_was_not_says_so() {
    let site = site(|_| {});
    let look = |code: i32| site.document(code, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    assert_eq!(look(0)["verified"], Value::Null);
    let table = |site: &Site| site.run(BACKUP, &["status", "--rpo", LONG]).stdout;
    assert!(table(&site).contains(&format!("   {NIGHTLY}   no ")), "{}", table(&site));
    site.document(0, BACKUP, &["verify", NIGHTLY]);
    let verified = look(0)["verified"].clone();
    assert_eq!((&verified["verdict"], &verified["because"]), (&json!("restorable"), &json!("")));
    assert!(table(&site).contains(" s ago   "), "{}", table(&site));
}

#[test]
fn a_backup_that_was_found_not_to_come_back_is_not_good_until_it_is_verified_again() {
    let site = site(|_| {});
    let verify = |code| site.document(code, BACKUP, &["verify", NIGHTLY]);
    let look = |code: i32| site.document(code, BACKUP, &["status", "--rpo", LONG])["items"][0].clone();
    verify(0);
    assert_eq!(look(0)["standing"], "good");
    site.served.api.change(|world| {
        world.lost_snapshots.insert(format!("{NIGHTLY}/data0-part0-0"));
    });
    verify(1);
    let item = look(1);
    assert_eq!((&item["standing"], &item["verified"]["verdict"]), (&json!("unknown"), &json!("not-restorable")));
    let because = item["because"].as_str().unwrap();
    assert!(because.starts_with("its backup could not be restored when it was verified "), "{because}");
    assert!(because.contains("bookstore/data0-part0-0: CSI snapshot"), "{because}");
    site.served.api.change(|world| world.lost_snapshots.clear());
    verify(0);
    assert_eq!(look(0)["standing"], "good");
}

#[test]
fn what_is_known_of_a_backup_that_is_gone_stays_for_whoever_has_another_cluster_behind_the_same_address() {
    let site = site(|_| {});
    site.document(0, BACKUP, &["verify", NIGHTLY]);
    site.document(0, BACKUP, &["status", "--rpo", LONG]);
    assert_eq!(kept(&site).len(), 2);
    site.served.api.change(|world| {
        world.delete(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), &DeleteOptions::default()).unwrap();
    });
    site.document(1, BACKUP, &["status", "--rpo", LONG]);
    assert_eq!(kept(&site).len(), 2);
}

#[test]
fn a_namespace_that_was_deleted_on_purpose_is_told_until_dr_yaml_says_so_and_again_once_it_was_there_again() {
    let site = deleted();
    let lost = |site: &Site| {
        let document = site.document(1, BACKUP, &["status", "-A", "--rpo", LONG]);
        let told = document["items"].as_array().unwrap().iter().any(|one| one["namespace"] == "lost");
        (
            told,
            document["notes"]
                .to_string()
                .contains("deleted on purpose, by dr.yaml, and held by backups until they expire: lost"),
        )
    };
    assert_eq!(lost(&site), (true, false));
    std::fs::write(site.file("dr.yaml"), "namespaces:\n  lost:\n    deleted: 2020-01-01\n").unwrap();
    assert_eq!(lost(&site), (false, true));
    assert_eq!(
        told(&site.document(1, BACKUP, &["status", "--ns", "lost", "--rpo", LONG])["items"][0]),
        ("lost", "gone")
    );
    std::fs::write(site.file("dr.yaml"), "namespaces:\n  lost:\n    deleted: 2019-12-31\n").unwrap();
    assert_eq!(lost(&site), (true, false));
}

#[test]
fn a_deleted_namespace_that_only_a_backup_of_all_namespaces_holds_is_known_from_its_verification() {
    let site = site(|world| {
        "lost".clone_into(&mut Arc::make_mut(world.backups.get_mut(NIGHTLY).unwrap()).namespace);
        world.edit(&Key::namespaced(Kind::Backup, VELERO, NIGHTLY), |backup| {
            backup["spec"]["includedNamespaces"] = json!(["*"]);
            backup["spec"]["excludedNamespaces"] = json!([NAMESPACE]);
        });
    });
    let look = |site: &Site| {
        let document = site.document(1, BACKUP, &["status", "-A", "--rpo", LONG]);
        let names =
            document["items"].as_array().unwrap().iter().map(|one| one["namespace"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), document["notes"].to_string())
    };
    let (names, notes) = look(&site);
    assert_eq!(names, [NAMESPACE]);
    assert!(notes.contains("of 1 backups of all namespaces the lists were not read"), "{notes}");
    site.run(BACKUP, &["verify", NIGHTLY]);
    let (names, notes) = look(&site);
    assert_eq!((names.iter().map(String::as_str).collect::<Vec<_>>(), notes.as_str()), (vec!["lost", NAMESPACE], "[]"));
}
