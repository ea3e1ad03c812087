//! `kubectl dr backup coverage`: what it says, what it asks, what it keeps to itself.

use dr_world::app::BACKUP as NIGHTLY;
use dr_world::world::World;

use super::*;

const VELERO: &str = dr_world::served::VELERO_NAMESPACE;
const CLAIM: &str = "data0-part0-0";
const COVERAGE: &[&str] = &["coverage", "--ns", NAMESPACE];

/// The shop with all its claims, and these schedules.
fn site(schedules: &[(&str, Value)], change: impl FnOnce(&mut World)) -> Site {
    Site::of(&Shape { claims_lost: false, ..shape() }, |world| {
        for (name, template) in schedules {
            let spec = json!({ "spec": { "schedule": "0 1 * * *", "template": template } });
            world.create(&Key::namespaced(Kind::Schedule, VELERO, *name), &spec).unwrap();
        }
        world.edit(&Key::cluster(Kind::Namespace, NAMESPACE), |object| object["status"]["phase"] = json!("Active"));
        change(world);
    })
}

fn all() -> (&'static str, Value) {
    ("all", json!({ "includedNamespaces": [NAMESPACE] }))
}

fn manifests() -> (&'static str, Value) {
    ("manifests", json!({ "includedNamespaces": [NAMESPACE], "snapshotVolumes": false }))
}

fn coverage(more: &[&'static str]) -> Vec<&'static str> {
    [COVERAGE, more].concat()
}

#[test]
fn a_namespace_whose_data_a_schedule_takes_is_done() {
    let site = site(&[all()], |_| {});
    let document = site.document(0, BACKUP, COVERAGE);
    assert_eq!(document["exit"], "done");
    assert_eq!(document["veleroVersion"], "v1.18.3");
    let volume = &document["volumes"][0];
    assert_eq!(
        (&volume["claim"], &volume["captured"], &volume["path"], &volume["by"]["name"]),
        (&json!(CLAIM), &json!(true), &json!("csi-snapshot"), &json!("all"))
    );
    let wide = site.run(BACKUP, &coverage(&["-o", "wide"]));
    let first = format!("captured: 1 of 1 claims of namespace {NAMESPACE}, by schedule all");
    assert_eq!((wide.code, wide.stdout.lines().next()), (0, Some(first.as_str())), "{}", wide.stderr);
    let name = site.run(BACKUP, &coverage(&["-o", "name"]));
    assert_eq!((name.code, name.stdout.as_str(), name.stderr.as_str()), (0, "", ""));
}

#[test]
fn a_backup_that_leaves_the_data_out_is_told_with_the_line_to_change() {
    let site = site(&[manifests()], |_| {});
    let document = site.document(1, BACKUP, COVERAGE);
    assert_eq!((&document["exit"], &document["exitCode"]), (&json!("failed"), &json!(1)));
    let volume = &document["volumes"][0];
    assert_eq!((&volume["captured"], &volume["shown"]), (&json!(false), &json!("silent")));
    assert_eq!(volume["fix"], "remove spec.template.snapshotVolumes: false");
    assert_eq!(document["judged"][0]["phase"], "Completed");
    let name = site.run(BACKUP, &coverage(&["-o", "name"]));
    assert_eq!((name.code, name.stdout), (1, format!("persistentvolumeclaim/{CLAIM}\n")));
}

#[test]
fn a_hook_that_runs_nowhere_is_told_though_all_data_is_captured() {
    let of = |labels: Value| {
        let hook = json!({ "name": "flush", "labelSelector": { "matchLabels": labels },
            "pre": [{ "exec": { "command": ["sync"] } }] });
        ("all", json!({ "includedNamespaces": [NAMESPACE], "hooks": { "resources": [hook] } }))
    };
    let site = site(&[of(json!({ "app": "nobody" }))], |_| {});
    let document = site.document(1, BACKUP, COVERAGE);
    assert_eq!(document["volumes"][0]["captured"], true);
    let hook = &document["judged"][0]["hooks"][0];
    assert_eq!((&hook["hook"], &hook["why"]["rule"]), (&json!("flush"), &json!("hook-matches-nothing")));
    let told = site.run(BACKUP, COVERAGE).stdout;
    let at = "spec.template.hooks.resources[0].labelSelector";
    let line = format!(
        "schedule all: hook flush runs nowhere: no pod that is in the backup has the labels of {at} (give {at} labels that pods have)"
    );
    assert!(told.contains(&line), "{told}");
}

#[test]
fn one_schedule_or_backup_is_judged_when_it_is_named() {
    let site = site(&[all(), manifests()], |_| {});
    site.document(0, BACKUP, COVERAGE);
    site.document(0, BACKUP, &coverage(&["--schedule", "all"]));
    site.document(1, BACKUP, &coverage(&["--schedule", "manifests"]));
    let document = site.document(0, BACKUP, &coverage(&["--backup", NIGHTLY]));
    assert_eq!(document["judged"].as_array().unwrap().len(), 1);
    assert_eq!(document["judged"][0]["kind"], "Backup");
    for (flag, name) in [("--schedule", "schedule nowhere"), ("--backup", "backup nowhere")] {
        let error = site.document(3, BACKUP, &coverage(&[flag, "nowhere"]));
        assert_eq!(error["message"], format!("there is no {name} in namespace {VELERO}"));
    }
}

#[test]
fn why_tells_of_one_object_and_ends_by_it() {
    let site = site(&[manifests()], |_| {});
    let document = site.document(1, BACKUP, &coverage(&["--why", "pvc/data0-part0-0"]));
    let items = document["judged"][0]["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["included"]), (1, &json!(true)));
    assert_eq!(document["volumes"].as_array().unwrap().len(), 1);
    assert_eq!(site.document(0, BACKUP, &coverage(&["--why", "statefulset/part0"]))["volumes"], json!([]));
    let told = site.run(BACKUP, &coverage(&["--why", "pvc/data0-part0-0"]));
    assert_eq!(told.code, 1, "{}", told.stderr);
    assert!(told.stdout.contains("\n  to change it: remove spec.template.snapshotVolumes: false\n"), "{}", told.stdout);
    let missing = site.document(3, BACKUP, &coverage(&["--why", "pvc/nowhere"]));
    assert_eq!(missing["message"], format!("there is no persistentvolumeclaims/{NAMESPACE}/nowhere"));
    let kind = site.document(3, BACKUP, &coverage(&["--why", "flying/saucer"]));
    assert_eq!(kind["message"], "the cluster serves no kind flying that Velero could take");
    site.document(2, BACKUP, &coverage(&["--why", "pvc"]));
}

#[test]
fn what_cannot_be_judged_is_refused_and_never_called_covered() {
    let none = site(&[], |_| {});
    let error = none.document(3, BACKUP, COVERAGE);
    assert_eq!(error["message"], format!("there is no schedule in namespace {VELERO}: nothing is backed up by itself"));
    let error = none.document(3, BACKUP, &["coverage", "--ns", "nowhere"]);
    assert_eq!(error["message"], "there is no namespace nowhere");
    let untold = site(&[all()], |world| {
        let key = Key::namespaced(Kind::Deployment, VELERO, "velero");
        world.edit(&key, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!("registry.example.com/velero@sha256:0");
        });
    });
    assert_eq!(untold.document(3, BACKUP, COVERAGE)["message"], "cannot tell how Velero's server is set up");
    assert_eq!(untold.document(0, BACKUP, &coverage(&["--velero-version", "1.17.2"]))["veleroVersion"], "v1.17.2");
}

#[test]
fn one_schedule_with_a_ttl_in_days_leaves_nothing_covered() {
    let bad = ("other", json!({ "includedNamespaces": ["elsewhere"], "ttl": "30d" }));
    let site = site(&[all(), bad], |_| {});
    let document = site.document(1, BACKUP, COVERAGE);
    assert_eq!(document["volumes"][0]["captured"], false);
    assert_eq!(document["volumes"][0]["fix"], "write spec.template.ttl of Schedule other in hours, such as 720h");
    let told = site.run(BACKUP, COVERAGE);
    assert!(
        told.stdout.contains("\nschedule all takes nothing: with spec.template.ttl \"30d\" of Schedule other"),
        "{}",
        told.stdout
    );
}

#[test]
fn it_sends_nothing_that_could_change_anything_and_a_page_for_each_500_objects() {
    let asked = |configs: usize| {
        let site = site(&[all()], |world| {
            for number in 0..configs {
                let key = Key::namespaced(Kind::ConfigMap, NAMESPACE, format!("config-{number}"));
                world.create(&key, &json!({ "data": {} })).unwrap();
            }
        });
        site.served.seen();
        assert_eq!(site.run(BACKUP, COVERAGE).code, 0);
        let seen = site.served.seen();
        assert_eq!(changing(&seen), [""; 0]);
        assert!(seen.iter().all(|one| one.method == "GET"), "{seen:?}");
        seen.len()
    };
    let few = asked(0);
    assert_eq!(asked(1_200), few + 2);
    // Groups, kinds of both namespaces, the question where Velero is.
    assert!(few <= 2 * Kind::ALL.len(), "{few}");
}

#[test]
fn nothing_of_a_secret_is_told_or_even_asked_for() {
    const CONTENT: &str = "content-of-a-secret";
    let site = site(&[all()], |world| {
        let applied = format!("{{\"stringData\":{{\"password\":\"{CONTENT}\"}}}}");
        let secret = json!({
            "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": applied } },
            "type": "Opaque", "data": { "password": CONTENT },
        });
        world.create(&Key::namespaced(Kind::Secret, NAMESPACE, "login"), &secret).unwrap();
    });
    for args in [&["-o", "json", "-v", "9"][..], &["-o", "wide", "-v", "9"], &["--why", "secret/login", "-v", "9"]] {
        let ended = site.run(BACKUP, &coverage(args));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        for secret in [CONTENT, TOKEN] {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{args:?} tells {secret}");
        }
    }
}

#[test]
fn flags_of_a_backup_that_is_taken_do_not_belong_before_it() {
    let site = site(&[all()], |_| {});
    let error = site.document(2, BACKUP, &["--fs-backup", "coverage", "--ns", NAMESPACE]);
    assert_eq!(error["message"], "--fs-backup is for a backup that is taken, not for a subcommand");
    assert_eq!(site.served.seen(), []);
}

const IN_A_FILE: &str = "\
apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: nightly
spec:
  schedule: 0 1 * * *
  template:
    includedNamespaces: [bookstore]
    resourcePolicy: {kind: configmap, name: policies}
";

const POLICIES: &str = "\
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: policies
data:
  policies.yaml: |
    version: v1
    volumePolicies:
    - conditions: {capacity: '0,100Ti'}
      action: {type: skip}
";

#[test]
fn a_manifest_is_judged_before_it_is_applied_with_the_policies_that_lie_beside_it() {
    let site = site(&[], |_| {});
    let (whole, alone) = (format!("{IN_A_FILE}{POLICIES}"), IN_A_FILE.replace("    resourcePolicy", "    # "));
    std::fs::write(site.file("skips.yaml"), whole).unwrap();
    std::fs::write(site.file("takes.yaml"), alone).unwrap();
    std::fs::write(site.file("lacks.yaml"), IN_A_FILE).unwrap();
    site.served.seen();
    let takes = site.document(0, BACKUP, &coverage(&["-f", "takes.yaml"]));
    assert_eq!(
        (&takes["judged"][0]["name"], &takes["assumed"]),
        (&json!("nightly"), &json!(["Schedule nightly names no namespace, and is applied to velero"]))
    );
    let skips = site.document(1, BACKUP, &coverage(&["--filename", "skips.yaml"]));
    assert_eq!(skips["volumes"][0]["why"][0]["rule"], "policy-matched");
    let lacks = site.document(1, BACKUP, &coverage(&["-f", "lacks.yaml"]));
    assert_eq!(lacks["judged"][0]["refused"][0]["says"], "the ConfigMap with the resource policies does not exist");
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn a_manifest_comes_from_standard_input_too() {
    let site = site(&[], |_| {});
    std::fs::write(site.file("in.yaml"), IN_A_FILE.replace("    resourcePolicy", "    # ")).unwrap();
    let mut command = Command::new(BACKUP);
    command.args(coverage(&["-f", "-", "-o", "name"])).env_clear().env("HOME", site.home.path());
    let input = std::fs::File::open(site.file("in.yaml")).unwrap();
    let output = command.env("KUBECONFIG", site.file("config")).stdin(input).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_manifest_that_is_none_is_told_with_its_place_and_without_a_cluster() {
    let site = site(&[], |_| {});
    std::fs::write(site.file("typo.yaml"), IN_A_FILE.replace("includedNamespaces", "includeNamespaces")).unwrap();
    site.served.seen();
    let error = site.document(2, BACKUP, &coverage(&["-f", "typo.yaml"]));
    assert_eq!(
        error["reasons"][0],
        json!({ "subject": "typo.yaml:8:5", "hint": "write includedNamespaces",
                "because": "Velero has no field \"includeNamespaces\" here; the nearest is \"includedNamespaces\"" })
    );
    let error = site.document(2, BACKUP, &coverage(&["-f", "nowhere.yaml"]));
    assert_eq!(error["message"], "cannot read nowhere.yaml");
    assert_eq!(site.served.seen(), []);
}

#[test]
fn a_manifest_for_another_namespace_than_veleros_takes_nothing() {
    let site = site(&[], |_| {});
    let text =
        IN_A_FILE.replace("    resourcePolicy", "    # ").replace("name: nightly", "name: nightly\n  namespace: shop");
    std::fs::write(site.file("lost.yaml"), text).unwrap();
    let document = site.document(1, BACKUP, &coverage(&["-f", "lost.yaml"]));
    assert_eq!(
        document["judged"][0]["idle"]["says"],
        "it is for namespace shop, and Velero reads only what lies in velero"
    );
}
