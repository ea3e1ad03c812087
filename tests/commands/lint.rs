//! `kubectl dr lint --live`: what it says of a served cluster and of files beside it, and what it asks.

use dr_world::served::Fault;
use dr_world::world::World;

use super::*;

const LINT: &str = env!("CARGO_BIN_EXE_kubectl-dr-lint");
const VELERO: &str = dr_world::served::VELERO_NAMESPACE;

fn site(change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        change(world);
    })
}

fn create(world: &mut World, kind: Kind, name: &str, object: &Value) {
    world.create(&Key::namespaced(kind, VELERO, name), object).unwrap();
}

/// A Schedule of the bookstore with what else its template says.
fn schedule(world: &mut World, name: &str, mut template: Value) {
    template["includedNamespaces"] = json!([NAMESPACE]);
    let object = json!({ "spec": { "schedule": "0 2 * * *", "template": template } });
    create(world, Kind::Schedule, name, &object);
}

/// Its selector matches nothing that is a claim or a pod.
fn missing() -> Value {
    json!({ "ttl": "720h", "labelSelector": { "matchLabels": { "part-of": "books" } } })
}

/// The StatefulSet itself has the label.
fn with_label(world: &mut World) {
    world.edit(&Key::namespaced(Kind::StatefulSet, NAMESPACE, "part0"), |set| {
        set["metadata"]["labels"]["part-of"] = json!("books");
    });
}

/// Rule and place of each finding.
fn found(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| (one["rule"].as_str().unwrap(), one["place"]["file"].as_str().unwrap())).collect()
}

/// The same text with the server's address left out.
fn without_port(site: &Site, text: &str) -> String {
    text.replace(&site.served.url, "SERVER")
}

#[test]
fn a_schedule_of_the_cluster_that_misses_a_claim_is_shown_as_it_stands_there() {
    let site = site(|world| {
        with_label(world);
        schedule(world, "nightly", missing());
    });
    let ended = site.run(LINT, &["--live"]);
    let told = "\
error[volume-left-out]: the data of claim bookstore/data0-part0-0 is not in this backup, while StatefulSet \
bookstore/part0 is: persistentvolumeclaims/bookstore/data0-part0-0 is not selected by labelSelector.matchLabels[part-of]: it has no label part-of, not \"books\"
  --> schedule/nightly (velero, live):13:18
   |
12 |       matchLabels:
13 |         part-of: books
   |                  ^^^^^
14 |     ttl: 720h
   |
  ::: statefulset/part0 (bookstore, live):34:5
   |
33 |   volumeClaimTemplates:
34 |   - metadata:
   |     -------- the volume
35 |       labels:
   |
   = note: Schedule velero/nightly

1 error in 2 of Velero's objects and 16 others, 0 files
live: SERVER (context world), Velero v1.18.3 in namespace velero
live: 1 of the Backups and Restores not judged: over, or made by a Schedule
";
    assert_eq!((ended.code, without_port(&site, &ended.stdout).as_str()), (1, told), "{}", ended.stderr);
    assert_eq!(without_port(&site, &ended.stderr), "reading what is backed up from SERVER (context world)\n");
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn a_report_for_programs_names_the_cluster_and_the_fix_as_a_command() {
    let site = site(|world| schedule(world, "nightly", json!({ "ttl": "30d" })));
    let report = site.document(1, LINT, &["--live"]);
    assert_eq!(found(&report), [("unreadable-duration", "schedule/nightly (velero, live)")]);
    assert_eq!(
        report["findings"][0]["fix"]["command"],
        "kubectl -n velero patch schedules.velero.io nightly --type=json -p \
         '[{\"op\":\"replace\",\"path\":\"/spec/template/ttl\",\"value\":\"720h\"}]'"
    );
    let live = json!({ "context": "world", "server": site.served.url, "veleroNamespace": "velero",
        "veleroVersion": "v1.18.3", "over": 1, "replaced": [], "notRead": [] });
    assert_eq!(report["live"], live);
    for format in ["sarif", "junit", "github", "gitlab"] {
        let ended = site.run(LINT, &["--live", "-o", format]);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(ended.stdout.contains("unreadable-duration") && !ended.stdout.contains("replacements"), "{format}");
    }
}

const NIGHTLY: &str = "\
apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: nightly
spec:
  schedule: 0 2 * * *
  template:
    ttl: 720h
    includedNamespaces: [bookstore]
";

#[test]
fn a_file_stands_in_the_place_of_its_namesake_and_is_judged_by_what_is_in_the_cluster() {
    let site = site(|world| {
        with_label(world);
        schedule(world, "nightly", missing());
    });
    std::fs::write(site.file("nightly.yaml"), NIGHTLY).unwrap();
    let right = site.run(LINT, &["nightly.yaml", "--live"]);
    let told = "\
nothing found in 2 of Velero's objects and 16 others, 1 file
live: SERVER (context world), Velero v1.18.3 in namespace velero
live: 1 of the Backups and Restores not judged: over, or made by a Schedule
schedule/nightly (velero, live): a file stands in its place
1 of the files' objects name no namespace, and are taken to be for velero
";
    assert_eq!((right.code, without_port(&site, &right.stdout).as_str()), (0, told), "{}", right.stderr);
    let selector = "    labelSelector: {matchLabels: {part-of: books}}\n";
    std::fs::write(site.file("nightly.yaml"), format!("{NIGHTLY}{selector}    storageLocation: nowhere\n")).unwrap();
    let refused = site.document(1, LINT, &["nightly.yaml", "--live"]);
    assert_eq!(found(&refused), [("backup-refused", "nightly.yaml")]);
    std::fs::write(site.file("nightly.yaml"), format!("{NIGHTLY}{selector}")).unwrap();
    let wrong = site.document(1, LINT, &["nightly.yaml", "--live"]);
    assert_eq!(found(&wrong), [("volume-left-out", "nightly.yaml")]);
    assert_eq!(wrong["live"]["replaced"], json!(["schedule/nightly (velero, live)"]));
    assert_eq!(found(&site.document(0, LINT, &["nightly.yaml"])), [], "no cluster, no claims");
}

#[test]
fn fixes_are_written_to_files_and_of_the_cluster_only_told() {
    let site = site(|world| schedule(world, "hourly", json!({ "ttl": "2d" })));
    std::fs::write(site.file("nightly.yaml"), NIGHTLY.replace("720h", "30d")).unwrap();
    let diff = site.run(LINT, &["nightly.yaml", "--live", "--diff"]);
    assert_eq!(diff.code, 1, "{}", diff.stderr);
    assert!(diff.stdout.contains("+    ttl: 720h\n"), "{}", diff.stdout);
    assert!(diff.stdout.contains("--- a/schedule/hourly (velero, live)\n"), "{}", diff.stdout);
    assert!(diff.stdout.contains("-    ttl: \"2d\"\n+    ttl: \"48h\"\n"), "{}", diff.stdout);
    assert!(diff.stderr.contains("kubectl -n velero patch schedules.velero.io hourly "), "{}", diff.stderr);
    let fixed = site.run(LINT, &["nightly.yaml", "--live", "--fix"]);
    assert_eq!(fixed.code, 1, "{}", fixed.stderr);
    assert!(fixed.stderr.ends_with("1 fixed; 1 in the cluster, where nothing is written\n"), "{}", fixed.stderr);
    assert!(fixed.stdout.contains("help: write 48h: kubectl -n velero patch"), "{}", fixed.stdout);
    assert_eq!(std::fs::read_to_string(site.file("nightly.yaml")).unwrap(), NIGHTLY);
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn an_annotation_silences_what_is_in_the_cluster() {
    let site = site(|world| {
        schedule(world, "nightly", json!({ "ttl": "30d" }));
        world.edit(&Key::namespaced(Kind::Schedule, VELERO, "nightly"), |object| {
            let reasons = json!({ "ignore.kubectl-dr/unreadable-duration": "Velero is down", "ignore.kubectl-dr/unknown-field": "old" });
            object["metadata"]["annotations"] = reasons;
        });
    });
    let report = site.document(0, LINT, &["--live"]);
    assert_eq!((found(&report), &report["silenced"][0]["reason"]), (vec![], &json!("Velero is down")));
}

#[test]
fn what_may_not_be_listed_is_told_and_never_taken_to_be_absent() {
    let site = site(|world| {
        with_label(world);
        schedule(world, "nightly", missing());
    });
    let again = "apiVersion: velero.io/v1\nkind: Restore\nmetadata: {name: again}\nspec: {backupName: nightly}\n";
    std::fs::write(site.file("again.yaml"), again).unwrap();
    let restore = ("restore-names-a-schedule", "again.yaml");
    let volume = ("volume-left-out", "schedule/nightly (velero, live)");
    assert_eq!(found(&site.document(1, LINT, &["again.yaml", "--live"])), [restore, volume]);
    for (list, left) in
        [("/namespaces/velero/backups?", volume), ("/api/v1/pods?", restore), ("/persistentvolumes?", restore)]
    {
        site.served.plant(list, Fault::Status(403), 1);
        let report = site.document(1, LINT, &["again.yaml", "--live"]);
        assert_eq!(site.served.undisturbed(), 1);
        assert_eq!(found(&report), [left], "{list}");
        let not_read = &report["live"]["notRead"];
        let resource = list.trim_end_matches('?').rsplit('/').next().unwrap();
        assert!(not_read[0]["resource"].as_str().unwrap().starts_with(resource), "{not_read}");
    }
    site.served.plant("/api/v1/pods?", Fault::Status(403), 1);
    let text = site.run(LINT, &["again.yaml", "--live"]).stdout;
    assert!(text.contains("\nlive: pods were not read, and nothing is said that hangs on them: "), "{text}");
    assert!(text.contains("the run ends with 1; docs/rbac/lint.yaml has the roles"), "{text}");
}

#[test]
fn policies_are_read_by_the_names_that_schedules_and_files_give_them() {
    let policy = |name: &str| json!({ "ttl": "720h", "resourcePolicy": { "kind": "configmap", "name": name } });
    let site = site(|world| {
        schedule(world, "nightly", policy("skips"));
        create(world, Kind::ConfigMap, "skips", &json!({ "data": { "p": "version: v2\nvolumePolicies: []\n" } }));
        create(world, Kind::ConfigMap, "other", &json!({ "data": { "password": "nobody asks for it" } }));
    });
    let file = format!("{NIGHTLY}    resourcePolicy: {{kind: configmap, name: gone}}\n").replace("nightly", "weekly");
    std::fs::write(site.file("weekly.yaml"), file).unwrap();
    site.served.seen();
    let report = site.document(1, LINT, &["weekly.yaml", "--live"]);
    let both = [("policy-unreadable", "configmap/skips (velero, live)"), ("backup-refused", "weekly.yaml")];
    assert_eq!(found(&report), both);
    assert_eq!(report["findings"][1]["message"], "the ConfigMap with the resource policies does not exist");
    let seen = site.served.seen();
    let asked: Vec<&str> =
        seen.iter().map(|one| one.path.as_str()).filter(|path| path.contains("configmaps")).collect();
    let base = "/api/v1/namespaces/velero/configmaps";
    assert_eq!(asked, [format!("{base}/gone"), format!("{base}/skips")]);
    site.served.plant("/configmaps/skips", Fault::Status(403), 1);
    let report = site.document(1, LINT, &["weekly.yaml", "--live"]);
    assert_eq!((found(&report), &report["live"]["notRead"][0]["resource"]), (vec![], &json!("configmaps")));
}

#[test]
fn what_is_over_is_not_judged_unless_it_keeps_velero_from_reading_any() {
    let ended = |ttl: &str| json!({ "spec": { "ttl": ttl, "includedNamespaces": ["*", "x"] }, "status": { "phase": "Completed" } });
    let site = site(|world| {
        create(world, Kind::Backup, "by-hand", &ended("720h"));
        create(world, Kind::Restore, "done", &json!({ "spec": {}, "status": { "phase": "FailedValidation" } }));
        let mut made = json!({ "spec": { "includedNamespaces": ["a,b"] } });
        made["metadata"]["labels"] = json!({ "velero.io/schedule-name": "often" });
        create(world, Kind::Backup, "often-1", &made);
    });
    let report = site.document(0, LINT, &["--live"]);
    assert_eq!((found(&report), &report["live"]["over"]), (vec![], &json!(4)));
    let edited = json!({ "spec": { "ttl": "30d" }, "status": { "phase": "Completed" } });
    site.served.api.change(|world| create(world, Kind::Backup, "edited", &edited));
    let report = site.document(1, LINT, &["--live"]);
    assert_eq!(found(&report), [("unreadable-duration", "backup/edited (velero, live)")]);
}

#[test]
fn veleros_version_is_the_clusters_unless_it_is_said_or_nobody_knows_it() {
    let image = |image: &'static str| {
        site(move |world| {
            world.edit(&Key::namespaced(Kind::Deployment, VELERO, "velero"), |deployment| {
                deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            });
        })
    };
    let of_file = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: all, namespace: velero}\nspec:\n  schedule: 0 2 * * *\n  template: {ttl: 720h}\n";
    let old = image("velero/velero:v1.16.1");
    std::fs::write(old.file("all.yaml"), of_file).unwrap();
    let left_out = [("cluster-resources-left-out", "all.yaml")];
    assert_eq!(
        found(&old.document(0, LINT, &["all.yaml", "--live", "--appetite", "audit", "--threshold", "error"])),
        []
    );
    let said = old
        .run(LINT, &["all.yaml", "--live", "--velero-version", "1.18", "--appetite", "audit", "--threshold", "error"]);
    assert!(said.stdout.contains("\nlive: Velero is v1.16.1, and judged as 1.18\n"), "{}", said.stdout);
    let report = old.document(
        0,
        LINT,
        &["all.yaml", "--live", "--velero-version", "1.18", "--appetite", "audit", "--threshold", "error"],
    );
    assert_eq!(found(&report), left_out);
    let unknown = image("velero/velero@sha256:1");
    std::fs::write(unknown.file("all.yaml"), of_file).unwrap();
    let told = unknown.run(LINT, &["all.yaml", "--live"]);
    let line = "\nlive: the image velero/velero@sha256:1 does not tell Velero's version; --velero-version names it; taken to be 1.18\n";
    assert!(told.stdout.contains(line), "{}", told.stdout);
    let newer = image("velero/velero:v1.23.0").run(LINT, &["--live"]);
    assert!(newer.stdout.contains("\nlive: Velero is v1.23.0, and judged as 1.18\n"), "{}", newer.stdout);
}

#[test]
fn standard_input_is_read_once_and_before_the_cluster_is_asked() {
    let site = site(|world| {
        world.edit(&Key::namespaced(Kind::Deployment, VELERO, "velero"), |deployment| {
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!("velero/velero:v1.17.1");
        });
    });
    std::fs::write(site.file("in.yaml"), NIGHTLY.replace("720h", "30d")).unwrap();
    let mut command = Command::new(LINT);
    command.args(["-", "--live", "-o", "json"]).env_clear().env("HOME", site.home.path());
    command.env("KUBECONFIG", site.file("config")).stdin(std::fs::File::open(site.file("in.yaml")).unwrap());
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Of another version than the newest everything is read anew.
    assert_eq!(report["live"]["veleroVersion"], "v1.17.1");
    assert_eq!(found(&report), [("unreadable-duration", "-")]);
}

#[test]
fn a_baseline_is_of_files_alone() {
    let site = site(|world| schedule(world, "hourly", json!({ "ttl": "2d" })));
    std::fs::write(site.file("nightly.yaml"), NIGHTLY.replace("720h", "30d")).unwrap();
    let args = ["nightly.yaml", "--live", "--baseline", "known.yaml"];
    let written = site.run(LINT, &[&args[..], &["--write-baseline"]].concat());
    assert_eq!(written.code, 1, "{}", written.stderr);
    let known = std::fs::read_to_string(site.file("known.yaml")).unwrap();
    assert!(known.contains("file: nightly.yaml\n") && !known.contains("hourly"), "{known}");
    let report = site.document(1, LINT, &args);
    assert_eq!(found(&report), [("unreadable-duration", "schedule/hourly (velero, live)")]);
    assert_eq!(site.document(0, LINT, &["nightly.yaml", "--baseline", "known.yaml"])["findings"], json!([]));
}

#[test]
fn one_namespace_is_asked_for_alone() {
    let site = site(|world| {
        with_label(world);
        schedule(world, "nightly", missing());
    });
    site.served.seen();
    let report = site.document(1, LINT, &["--live", "--ns", NAMESPACE]);
    assert_eq!(found(&report), [("volume-left-out", "schedule/nightly (velero, live)")]);
    assert_eq!(report["live"]["namespace"], NAMESPACE);
    let seen = site.served.seen();
    let everywhere = ["/api/v1/pods", "/api/v1/persistentvolumeclaims", "/apis/apps/v1/statefulsets"];
    assert!(!seen.iter().any(|one| everywhere.contains(&one.path.as_str())), "{seen:?}");
    assert_eq!(found(&site.document(0, LINT, &["--live", "-n", "kube-system"])), []);
}

#[test]
fn who_asks_for_no_cluster_needs_none_and_who_cannot_reach_it_is_told() {
    let site = site(|_| {});
    std::fs::write(site.file("nightly.yaml"), NIGHTLY).unwrap();
    site.served.seen();
    assert_eq!(site.run(LINT, &["nightly.yaml"]).code, 0);
    assert_eq!(site.served.seen(), []);
    for (code, args, because) in [
        (2, &["nightly.yaml", "--context", "world"][..], "--context is for --live"),
        (2, &["nightly.yaml", "-n", "bookstore"], "--live"),
        (2, &["nowhere.yaml", "--live"], "cannot read nowhere.yaml"),
        (3, &["--live", "--context", "elsewhere"], "there is no context \"elsewhere\""),
        (1, &["--live", "--server", "http://127.0.0.1:1"], "cannot reach http://127.0.0.1:1"),
        (3, &["--live", "--velero-namespace", "elsewhere"], "Velero is not in namespace elsewhere"),
    ] {
        let ended = site.run(LINT, args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(because), "{args:?}: {}", ended.stderr);
    }
}
