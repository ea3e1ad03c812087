//! `kubectl dr backup schedule`: what it writes, what it keeps, what it refuses.

use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
/// Taken back on the cluster it was done on, whatever the current context is then.
const KUBECTL: &str = "kubectl --context 'world'";
const NIGHTLY: &str = "0 1 * * *";

/// The shop with all its claims.
fn site(change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        change(world);
    })
}

fn key() -> Key {
    Key::namespaced(Kind::Schedule, VELERO, NAMESPACE)
}

fn args<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["schedule", command, "--ns", NAMESPACE][..], more].concat()
}

fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    args("create", &[&["--cron", NIGHTLY, "--ttl", "720h"], more].concat())
}

fn about(document: &Value) -> Vec<&str> {
    document["warnings"].as_array().unwrap().iter().map(|warning| warning["about"].as_str().unwrap()).collect()
}

/// A site with a schedule of ours, then changed by hand.
fn changed(change: impl FnOnce(&mut Value)) -> Site {
    let site = site(|_| {});
    assert_eq!(site.run(BACKUP, &create(&[])).code, 0);
    site.served.api.change(|world| world.edit(&key(), change));
    site
}

fn live(site: &Site) -> Value {
    site.served.api.world().get(&key()).unwrap().0.clone()
}

#[test]
fn it_makes_the_very_backups_that_the_command_makes() {
    let site = site(|_| {});
    let document = site.document(0, BACKUP, &create(&[]));
    assert_eq!((&document["did"], &document["exists"]), (&json!("created"), &json!(false)));
    assert_eq!(about(&document), [""; 0], "{document:#}");
    assert_eq!(document["gaps"]["longestSeconds"], 86_400);
    assert_eq!(document["undo"], json!([format!("{KUBECTL} -n {VELERO} delete schedules.velero.io {NAMESPACE}")]));
    let schedule = live(&site);
    assert_eq!(schedule["spec"]["schedule"], NIGHTLY);
    site.served.seen();
    site.run(BACKUP, &["--ns", NAMESPACE, "--ttl", "720h", "--timeout", "1s"]);
    let seen = site.served.seen();
    let made = seen.iter().find(|one| one.method == "POST" && one.path.ends_with("/backups")).unwrap();
    assert_eq!(schedule["spec"]["template"], made.body["spec"]);
    let diff = site.run(BACKUP, &args("diff", &[]));
    assert_eq!(
        (diff.code, diff.stdout.as_str()),
        (0, format!("Schedule {NAMESPACE} of {NAMESPACE} is as it should be\n").as_str())
    );
}

#[test]
fn a_name_that_is_taken_and_an_expression_that_gives_no_backups_are_refused_before_any_change() {
    let site = site(|_| {});
    let dry = site.run(BACKUP, &create(&["--dry-run"]));
    assert!(
        dry.stdout.contains("kind: Schedule\n") && dry.stdout.contains("  schedule: 0 1 * * *\n"),
        "{}",
        dry.stdout
    );
    for (expression, says) in [
        ("0 0 30 2 *", "\"0 0 30 2 *\" matches no time at all, and Velero would make a backup every minute"),
        (
            "CRON_TZ=Mars/Olympus 0 1 * * *",
            "there is no time zone Mars/Olympus, and Velero would not accept the schedule",
        ),
    ] {
        let error = site.document(2, BACKUP, &args("create", &["--cron", expression]));
        assert_eq!(error["message"], says);
    }
    assert_eq!(changing(&site.served.seen()), [""; 0]);
    site.document(0, BACKUP, &create(&[]));
    site.served.seen();
    let taken = site.document(3, BACKUP, &create(&[]));
    assert_eq!(taken["message"], format!("there is a Schedule {NAMESPACE} already"));
    assert_eq!(changing(&site.served.seen()), [""; 0]);
    let missing = site.document(3, BACKUP, &args("diff", &["--name", "other"]));
    assert_eq!(missing["message"], format!("there is no Schedule other of namespace {NAMESPACE}"));
}

#[test]
fn what_was_changed_by_hand_is_told_by_field_and_line_with_its_exit_code() {
    let site = changed(|schedule| schedule["spec"]["template"]["snapshotVolumes"] = json!(false));
    let document = site.document(1, BACKUP, &args("diff", &[]));
    let drift = json!([{ "field": "spec.template.snapshotVolumes", "before": false, "after": true }]);
    assert_eq!((&document["drift"], &document["did"]), (&drift, &json!("nothing")));
    let text = site.run(BACKUP, &args("diff", &[]));
    assert_eq!(text.code, 1);
    assert!(text.stdout.contains("-    snapshotVolumes: false\n+    snapshotVolumes: true\n"), "{}", text.stdout);
    let name = site.run(BACKUP, &args("diff", &["-o", "name"]));
    assert_eq!((name.code, name.stdout), (1, format!("schedule.velero.io/{NAMESPACE}\n")));
}

#[test]
fn nobody_is_asked_in_ci_and_nothing_is_changed() {
    let site = changed(|schedule| schedule["spec"]["template"]["snapshotVolumes"] = json!(false));
    site.served.seen();
    assert_eq!(site.run(BACKUP, &args("align", &[])).code, 3);
    assert_eq!(site.document(3, BACKUP, &args("align", &[]))["kind"], "Error");
    assert_eq!(site.document(0, BACKUP, &args("align", &["--dry-run"]))["drift"].as_array().unwrap().len(), 1);
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn a_schedule_that_backs_others_up_too_is_not_made_one_of_this_namespace() {
    for (included, because) in [
        (json!(["*"]), "it backs every namespace up"),
        (json!([]), "it backs every namespace up"),
        (json!([NAMESPACE, "billing"]), "it backs up bookstore, billing"),
    ] {
        let site = changed(|schedule| schedule["spec"]["template"]["includedNamespaces"] = included.clone());
        let before = live(&site);
        let named = ["--name", NAMESPACE, "--yes"];
        let refused = site.run(BACKUP, &args("align", &named));
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(refused.stderr.contains(because), "{}", refused.stderr);
        assert_eq!(live(&site), before);
        let taken = site.run(BACKUP, &create(&["--name", NAMESPACE]));
        assert!(taken.code == 3 && taken.stderr.contains("give another --name"), "{}", taken.stderr);
    }
    let site = changed(|schedule| schedule["metadata"]["labels"]["kubectl-dr/namespace"] = json!("billing"));
    let refused = site.run(BACKUP, &args("align", &["--name", NAMESPACE, "--yes"]));
    assert!(refused.code == 3 && refused.stderr.contains("it is that of namespace billing"), "{}", refused.stderr);
}

#[test]
fn a_schedule_that_follows_veleros_default_location_goes_on_to_do_so() {
    let site = changed(|schedule| {
        schedule["spec"]["template"].as_object_mut().unwrap().remove("storageLocation");
    });
    assert_eq!(site.run(BACKUP, &args("diff", &[])).code, 0);
}

#[test]
fn aligning_keeps_what_is_not_ours_and_can_be_taken_back() {
    let site = changed(|schedule| {
        schedule["spec"]["template"]["snapshotVolumes"] = json!(false);
        schedule["spec"]["template"]["orderedResources"] = json!({ "pods": "shop/a" });
        schedule["spec"]["paused"] = json!(true);
        schedule["metadata"]["labels"]["team"] = json!("books");
    });
    let before = live(&site);
    let document = site.document(0, BACKUP, &args("align", &["--yes"]));
    assert_eq!(document["did"], "aligned");
    assert_eq!(about(&document), ["paused"]);
    let after = live(&site);
    assert_eq!(after["spec"]["template"]["snapshotVolumes"], true);
    assert_eq!(after["spec"]["template"]["orderedResources"], before["spec"]["template"]["orderedResources"]);
    assert_eq!((&after["spec"]["paused"], &after["metadata"]["labels"]["team"]), (&json!(true), &json!("books")));
    let command = document["undo"][0].as_str().unwrap();
    let file = command.split("--patch-file '").nth(1).unwrap().trim_end_matches('\'');
    assert!(command.starts_with(&format!("{KUBECTL} -n {VELERO} patch schedules.velero.io {NAMESPACE} --type merge")));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let undo: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(undo, json!({ "spec": { "template": { "snapshotVolumes": false } } }));
    let again = site.document(0, BACKUP, &args("align", &["--yes"]));
    assert_eq!((&again["did"], &again["drift"], &again["undo"]), (&json!("nothing"), &json!([]), &json!([])));
}

#[test]
fn a_password_in_somebodys_hook_is_kept_and_not_printed() {
    let hook = |password: &str| {
        json!([{ "name": "theirs", "pre": [{ "exec": { "container": "db",
            "command": ["dump", "--password", password, "PGPASSWORD=hunter2", "-phunter2"] } }] }])
    };
    let site = changed(|schedule| {
        schedule["spec"]["template"]["hooks"] = json!({ "resources": hook("planted-secret") });
        schedule["spec"]["template"]["csiSnapshotTimeout"] = json!("1m0s");
    });
    for more in [&["diff"][..], &["align", "--dry-run"], &["align", "--yes"]] {
        for format in ["table", "json", "yaml"] {
            let ended = site.run(BACKUP, &args(more[0], &[&more[1..], &["-o", format]].concat()));
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!said.contains("planted-secret") && !said.contains("hunter2"), "{more:?}: {said}");
        }
    }
    let kept = live(&site);
    assert_eq!(kept["spec"]["template"]["csiSnapshotTimeout"], "10m0s");
    let hooks = kept["spec"]["template"]["hooks"]["resources"].as_array().unwrap();
    assert_eq!(hooks[0], hook("planted-secret")[0]);
}

#[test]
fn what_stands_in_its_way_is_told() {
    let site = site(|world| {
        let mut schedule = |name: &str, cron: &str, template: Value| {
            let spec = json!({ "spec": { "schedule": cron, "template": template } });
            world.create(&Key::namespaced(Kind::Schedule, VELERO, name), &spec).unwrap();
        };
        schedule("stops", "0 5 * * *", json!({ "ttl": "30d" }));
        schedule("meets", "55 0 * * *", json!({}));
    });
    let wanted = ["--cron", NIGHTLY, "--ttl", "20h", "--rpo", "1h"];
    site.served.seen();
    let refused = site.document(3, BACKUP, &args("create", &wanted));
    let says = refused["message"].as_str().unwrap();
    assert!(says.starts_with("it would make no backup: ") && says.ends_with("in hours, such as 720h"), "{says}");
    assert_eq!(changing(&site.served.seen()), [""; 0]);
    let stops = Key::namespaced(Kind::Schedule, VELERO, "stops");
    site.served.api.change(|world| world.edit(&stops, |schedule| schedule["spec"]["template"]["ttl"] = json!("30h")));
    let document = site.document(0, BACKUP, &args("create", &wanted));
    let mut told = about(&document);
    told.sort_unstable();
    assert_eq!(told, ["overlap", "retention", "rpo"], "{document:#}");
}

#[test]
fn a_schedule_that_would_not_take_a_claim_is_never_as_it_should_be() {
    // What is kept takes the data away.
    let site =
        changed(|schedule| schedule["spec"]["template"]["labelSelector"] = json!({ "matchLabels": { "no": "such" } }));
    let document = site.document(1, BACKUP, &args("diff", &[]));
    assert_eq!((about(&document), &document["drift"]), (vec!["coverage"], &json!([])));
    assert_eq!(site.document(6, BACKUP, &args("align", &["--yes"]))["exit"], "partly");
    let stopped = changed(|_| {});
    let spec = json!({ "spec": { "schedule": "0 12 * * *", "template": { "ttl": "30d" } } });
    let other = Key::namespaced(Kind::Schedule, VELERO, "stops");
    stopped.served.api.change(|world| drop(world.create(&other, &spec).unwrap()));
    assert_eq!(about(&stopped.document(1, BACKUP, &args("diff", &[]))), ["stopped"]);
    assert_eq!(stopped.document(1, BACKUP, &args("align", &["--yes"]))["exit"], "failed");
}

/// A shop with a claim that a snapshot takes and one that only its files can be copied of.
fn both_ways() -> Site {
    let mut shape = Shape { claims_lost: false, ..shape() };
    shape.workloads[0].keeps = Keeps::Templates(2);
    Site::of(&shape, |world| {
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        other_volume(world, |spec| {
            spec.remove("csi");
            spec.insert("nfs".to_owned(), json!({ "server": "nas", "path": "/" }));
        });
    })
}

fn other_volume(world: &mut World, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let claim = Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "data1-part0-0");
    let volume = world.get(&claim).unwrap().str_at("/spec/volumeName").unwrap().to_owned();
    world.edit(&Key::cluster(Kind::PersistentVolume, volume), |volume| {
        change(volume["spec"].as_object_mut().unwrap());
    });
}

fn gone(world: &mut World) {
    world.delete(&key(), &dr_world::api::DeleteOptions::default()).unwrap();
}

fn policies() -> Key {
    Key::namespaced(Kind::ConfigMap, VELERO, format!("dr-policy-{NAMESPACE}"))
}

#[test]
fn policies_of_a_create_that_ended_before_its_schedule_are_taken_on_and_those_of_others_are_left_alone() {
    let site = both_ways();
    let made = site.run(BACKUP, &create(&[]));
    assert!(matches!(made.code, 0 | 6), "{}", made.stderr);
    let first = site.served.api.world().get(&policies()).unwrap().0.clone();
    site.served.api.change(gone);
    assert_eq!(site.run(BACKUP, &create(&[])).code, made.code);
    assert_eq!(site.served.api.world().get(&policies()).unwrap().0, first);
    site.served.api.change(|world| {
        gone(world);
        world.edit(&policies(), |map| map["metadata"]["labels"]["kubectl-dr/namespace"] = json!("billing"));
    });
    let refused = site.run(BACKUP, &create(&[]));
    let says =
        format!("ConfigMap dr-policy-{NAMESPACE}: it is there already and is not that of a schedule of this namespace");
    assert!(refused.code == 3 && refused.stderr.contains(&says), "{}", refused.stderr);
}

#[test]
fn a_backup_whose_policies_cannot_be_made_leaves_those_of_a_schedule_alone() {
    let site = both_ways();
    let made = site.run(BACKUP, &create(&[]));
    assert!(matches!(made.code, 0 | 6), "{}", made.stderr);
    let before = site.served.api.world().keys_of(Kind::ConfigMap);
    assert!(before.contains(&policies()));
    let error = site.document(1, BACKUP, &["--ns", NAMESPACE, "--name", NAMESPACE]);
    assert!(error["message"].as_str().unwrap().contains(&format!("dr-policy-{NAMESPACE}")), "{error:#}");
    assert_eq!(site.served.api.world().keys_of(Kind::ConfigMap), before);
}

#[test]
fn policies_are_aligned_behind_a_fence_and_go_when_one_way_is_left() {
    let site = both_ways();
    let made = site.run(BACKUP, &create(&[])).code;
    site.served.api.change(|world| world.edit(&policies(), |map| map["data"] = json!({ "policies.yaml": "{}" })));
    let version = site.served.api.world().get(&policies()).unwrap().resource_version().unwrap().to_owned();
    site.served.seen();
    assert_eq!(site.run(BACKUP, &args("align", &["--yes"])).code, made);
    let seen = site.served.seen();
    let patch = seen.iter().find(|one| one.method == "PATCH" && one.path.contains("/configmaps/")).unwrap();
    assert_eq!(patch.body["metadata"]["resourceVersion"], version);
    assert_eq!(live(&site)["spec"]["template"]["resourcePolicy"]["name"], format!("dr-policy-{NAMESPACE}"));
    site.served.api.change(|world| {
        other_volume(world, |spec| {
            spec.remove("nfs");
            spec.insert("csi".to_owned(), json!({ "driver": DRIVER, "volumeHandle": "moved" }));
        });
    });
    assert_eq!(site.run(BACKUP, &args("align", &["--yes"])).code, 0);
    assert_eq!(live(&site)["spec"]["template"]["resourcePolicy"], Value::Null);
}
