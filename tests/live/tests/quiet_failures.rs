//! Backups that Velero calls Completed, or never makes, while the data is not in them: each made on the node, told by
//! us before the night with its reason, and gone once what we say is changed.

use std::fs;

use dr_live::refused::{PutBack, There};
use dr_live::{By, Cases, Class, Node, Shop, backups, node, until};
use serde_json::{Value, json};

const CLAIM: &str = "data-postgres-0";
/// A night that never comes while the test runs.
const CRON: &str = "0 3 1 1 *";

fn schedule(name: &str, cron: &str, template: &Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": { "name": name, "namespace": "velero" },
        "spec": { "schedule": cron, "template": template },
    })
}

/// A Backup of the template, as Velero's command line makes it; the phase it ends in.
fn back_up(node: &Node, name: &str, template: &Value) -> String {
    let backup = json!({
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": { "name": name, "namespace": "velero" },
        "spec": template,
    });
    node.apply(&backup.to_string());
    backups::ended(node, name)["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

fn holds_the_data(node: &Node, backup: &str) -> bool {
    backups::holds(node, backup, CLAIM)
}

/// One way to lose the data in silence, and how it is mended.
struct Quiet<'a> {
    name: &'a str,
    wrong: Value,
    says: &'a [&'a str],
    right: Value,
    /// Whether `lint` tells it of the cluster: not what somebody has decided on, and not where the workload is left out, too.
    linted: bool,
}

/// The rules that `lint --live` finds broken in a Schedule of the cluster.
fn linted(node: &Node, ns: &str, schedule: &str, files: &[&str]) -> Vec<String> {
    let args = [&["lint"], files, &["--live", "--ns", ns, "-o", "json"]].concat();
    let report = node.dr(&args).json();
    let of_it = |finding: &&Value| finding["object"] == json!(format!("Schedule velero/{schedule}"));
    assert_eq!(report["live"]["notRead"], json!([]), "docs/rbac/lint.yaml lacks something");
    let found = report["findings"].as_array().expect("findings").iter().filter(of_it);
    found.map(|finding| finding["rule"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Velero completes the wrong one without the data; `coverage` says so and why; the right one is captured, and holds it.
fn quiet(shop: &Shop<'_>, case: &Quiet<'_>) {
    let Quiet { name, wrong, says, right, linted: told_by_lint } = case;
    let (node, ns) = (shop.node, shop.namespace.as_str());
    let mut there = There::new(node);
    there.add(&schedule(name, CRON, wrong));
    let judge = ["backup", "coverage", "--ns", ns, "--schedule", name, "-o", "wide"];
    let told = node.dr(&judge).exits(1).says("NOT CAPTURED");
    says.iter().fold(told, |told, text| told.says(text));
    let is_told = || linted(node, ns, name, &[]).contains(&"volume-left-out".to_owned());
    assert_eq!(is_told(), *told_by_lint, "{name}: lint --live");
    let backup = format!("{name}-wrong");
    assert_eq!(back_up(node, &backup, wrong), "Completed", "{name}: Velero says more than it did");
    assert!(!holds_the_data(node, &backup), "{name}: the data is in the backup");
    there.add(&schedule(name, CRON, right));
    node.dr(&judge).exits(0);
    assert!(!is_told(), "{name}: lint --live of what is mended");
    let backup = format!("{name}-right");
    assert_eq!(back_up(node, &backup, right), "Completed", "{name}");
    assert!(holds_the_data(node, &backup), "{name}: the data is not in the mended backup");
}

/// A template that takes the whole namespace.
fn whole(shop: &Shop<'_>) -> Value {
    json!({ "includedNamespaces": [shop.namespace] })
}

fn with(shop: &Shop<'_>, field: &str, value: Value) -> Value {
    let mut template = whole(shop);
    template[field] = value;
    template
}

#[test]
fn what_velero_completes_without_the_data_is_told_before_the_night_with_what_to_change() {
    let node = node!();
    let shop = Shop::open(&node, "live-quiet", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let mut cases = Cases::default();
    filters(&shop, &mut cases);
    volumes(&shop, &mut cases);
    schedules(&shop, &mut cases);
}

fn filters(shop: &Shop<'_>, cases: &mut Cases) {
    let (node, ns) = (shop.node, shop.namespace.as_str());
    cases.case("a selector that misses the claim", || {
        quiet(
            shop,
            &Quiet {
                name: "live-quiet-selector",
                linted: false,
                wrong: with(shop, "labelSelector", json!({ "matchLabels": { "part-of": "bookstore" } })),
                says: &["labelSelector", CLAIM],
                right: with(shop, "labelSelector", json!({ "matchLabels": { "app": "postgres" } })),
            },
        );
    });
    cases.case("a list of resources without persistentvolumeclaims", || {
        quiet(
            shop,
            &Quiet {
                name: "live-quiet-list",
                linted: true,
                wrong: with(shop, "includedResources", json!(["statefulsets", "services", "secrets"])),
                says: &["spec.template.includedResources"],
                right: with(
                    shop,
                    "includedResources",
                    json!(["statefulsets", "services", "persistentvolumeclaims", "persistentvolumes"]),
                ),
            },
        );
    });
    cases.case("a list of resources with persistentvolumeclaims and without persistentvolumes", || {
        let unlisted = with(shop, "includedResources", json!(["statefulsets", "services", "persistentvolumeclaims"]));
        let mut there = There::new(node);
        there.add(&schedule("live-quiet-unlisted", CRON, &unlisted));
        let judge = ["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-unlisted", "-o", "wide"];
        node.dr(&judge).exits(1).says("TAKEN, but not listed").says("have persistentvolumes in the backup too");
        assert_eq!(back_up(node, "live-quiet-unlisted-wrong", &unlisted), "Completed");
        assert!(!holds_the_data(node, "live-quiet-unlisted-wrong"), "Velero lists it now");
    });
}

fn volumes(shop: &Shop<'_>, cases: &mut Cases) {
    let (node, ns) = (shop.node, shop.namespace.as_str());
    cases.case("snapshotVolumes: false with a CSI claim", || {
        quiet(
            shop,
            &Quiet {
                name: "live-quiet-off",
                linted: true,
                wrong: with(shop, "snapshotVolumes", json!(false)),
                says: &["remove spec.template.snapshotVolumes: false"],
                right: whole(shop),
            },
        );
    });
    cases.case("a volume policy that skips by capacity", || {
        let policies = json!({ "version": "v1", "volumePolicies": [
            { "conditions": { "capacity": "1Gi,100Gi" }, "action": { "type": "skip" } },
        ] });
        let mut there = There::new(node);
        there.add(&json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "live-quiet-policies", "namespace": "velero" },
            "data": { "policies.yaml": policies.to_string() } }));
        let policy = json!({ "kind": "configmap", "name": "live-quiet-policies" });
        quiet(
            shop,
            &Quiet {
                name: "live-quiet-policy",
                linted: false,
                wrong: with(shop, "resourcePolicy", policy),
                says: &["volumePolicies[0] says skip"],
                right: whole(shop),
            },
        );
    });
    cases.case("a file beside the cluster stands in the place of its namesake, and nothing is written", || {
        let mut there = There::new(node);
        let wrong = schedule("live-quiet-lint", CRON, &with(shop, "snapshotVolumes", json!(false)));
        there.add(&wrong);
        // That it runs once a year, and keeps for a month, is told of both.
        let is_told =
            |files: &[&str]| linted(node, ns, "live-quiet-lint", files).contains(&"volume-left-out".to_owned());
        assert!(is_told(&[]));
        let file = node.home().join("lint.json");
        fs::write(&file, schedule("live-quiet-lint", CRON, &whole(shop)).to_string()).expect("write a manifest");
        let file = file.to_string_lossy();
        assert!(!is_told(&[&file]));
        let mut month = wrong;
        month["spec"]["template"]["ttl"] = json!("30d");
        fs::write(&*file, month.to_string()).expect("write a manifest");
        node.dr(&["lint", &file, "--live", "--ns", ns, "--fix"]).says("1 fixed");
        let written = fs::read_to_string(&*file).expect("a manifest");
        assert!(written.contains("\"720h\""), "{written}");
        let now = node.get(&["schedules.velero.io", "live-quiet-lint", "-n", "velero"]);
        let template = &now["spec"]["template"];
        assert_eq!((&template["ttl"], &template["snapshotVolumes"]), (&Value::Null, &json!(false)));
    });
    cases.case("an annotation that names a volume which the pod does not have", || {
        let annotate = |what: &str| {
            node.kubectl(&["annotate", "pod", "postgres-0", "-n", ns, "--overwrite", what]);
        };
        annotate("backup.velero.io/backup-volumes=database");
        let files = with(shop, "snapshotVolumes", json!(false));
        let mut there = There::new(node);
        there.add(&schedule("live-quiet-annotation", CRON, &files));
        let judge = ["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-annotation", "-o", "wide"];
        node.dr(&judge).exits(1).says("backup.velero.io/backup-volumes");
        assert_eq!(back_up(node, "live-quiet-annotation-wrong", &files), "Completed");
        assert!(!holds_the_data(node, "live-quiet-annotation-wrong"));
        annotate("backup.velero.io/backup-volumes=data");
        node.dr(&judge).exits(0);
        assert_eq!(back_up(node, "live-quiet-annotation-right", &files), "Completed");
        assert!(holds_the_data(node, "live-quiet-annotation-right"));
        annotate("backup.velero.io/backup-volumes-");
    });
    cases.case("a pod that does not run while its files should be copied", || {
        node.kubectl(&["scale", "statefulset/postgres", "-n", ns, "--replicas=0"]);
        node.kubectl(&["wait", "--for=delete", "pod/postgres-0", "-n", ns, "--timeout=60s"]);
        let files = json!({ "includedNamespaces": [ns], "defaultVolumesToFsBackup": true, "snapshotVolumes": false });
        let mut there = There::new(node);
        there.add(&schedule("live-quiet-stopped", CRON, &files));
        let judge = ["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-stopped", "-o", "wide"];
        node.dr(&judge).exits(1).says("no pod mounts");
        assert_eq!(back_up(node, "live-quiet-stopped-wrong", &files), "Completed");
        assert!(!holds_the_data(node, "live-quiet-stopped-wrong"));
        node.kubectl(&["scale", "statefulset/postgres", "-n", ns, "--replicas=1"]);
        shop.wait_until_open();
        node.dr(&judge).exits(0);
        assert_eq!(back_up(node, "live-quiet-stopped-right", &files), "Completed");
        assert!(holds_the_data(node, "live-quiet-stopped-right"));
    });
}

fn schedules(shop: &Shop<'_>, cases: &mut Cases) {
    let (node, ns) = (shop.node, shop.namespace.as_str());
    cases.case("a schedule that is paused", || {
        let mut there = There::new(node);
        let mut paused = schedule("live-quiet-paused", "* * * * *", &whole(shop));
        paused["spec"]["paused"] = json!(true);
        there.add(&paused);
        node.dr(&["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-paused"])
            .exits(1)
            .says("it is paused (remove spec.paused: true)");
    });
    cases.case("an expression that matches no day: a backup every minute", || {
        let mut there = There::new(node);
        let never = schedule("live-quiet-never", "0 0 30 2 *", &whole(shop));
        let file = node.home().join("never.json");
        fs::write(&file, never.to_string()).expect("write a manifest");
        node.dr(&["lint", &file.to_string_lossy()]).exits(1).says("cron-never-fires");
        there.add(&never);
        let made = || {
            let of = node.get(&["backups.velero.io", "-n", "velero", "-l", "velero.io/schedule-name=live-quiet-never"]);
            of["items"].as_array().is_some_and(|made| !made.is_empty()).then_some(())
        };
        until("Velero takes never for now", 150, made);
    });
    cases.case("one duration that Go cannot read stops every schedule", || {
        let mut there = There::new(node);
        let mut month = whole(shop);
        month["ttl"] = json!("30d");
        let stops = schedule("live-quiet-ttl", CRON, &month);
        let file = node.home().join("ttl.json");
        fs::write(&file, stops.to_string()).expect("write a manifest");
        node.dr(&["lint", &file.to_string_lossy()]).exits(1).says("unreadable-duration");
        there.add(&stops);
        there.add(&schedule("live-quiet-good", CRON, &whole(shop)));
        node.dr(&["backup", "coverage", "--ns", ns]).exits(1).says("live-quiet-ttl");
        // Velero would have looked at it within seconds.
        std::thread::sleep(std::time::Duration::from_secs(10));
        let good = node.get(&["schedules.velero.io", "live-quiet-good", "-n", "velero"]);
        assert_eq!(good["status"]["phase"], Value::Null, "Velero enabled it all the same");
    });
    cases.case("a hook whose labels no pod has", || {
        let hooks = |app: &str| {
            let exec = json!({ "container": "postgres", "command": ["true"], "onError": "Fail", "timeout": "30s" });
            let hook = json!({ "name": "flush", "includedNamespaces": [ns], "pre": [{ "exec": exec }],
                "labelSelector": { "matchLabels": { "app": app } } });
            with(shop, "hooks", json!({ "resources": [hook] }))
        };
        let judge = ["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-hook"];
        let attempted = |backup: &str| {
            assert_eq!(back_up(node, backup, &hooks(backup.trim_start_matches("live-quiet-hook-"))), "Completed");
            let ended = node.get(&["backups.velero.io", backup, "-n", "velero"]);
            ended.pointer("/status/hookStatus/hooksAttempted").and_then(Value::as_u64).unwrap_or(0)
        };
        let mut there = There::new(node);
        there.add(&schedule("live-quiet-hook", CRON, &hooks("database")));
        node.dr(&judge).exits(1).says("hook flush runs nowhere");
        assert_eq!(attempted("live-quiet-hook-database"), 0);
        there.add(&schedule("live-quiet-hook", CRON, &hooks("postgres")));
        node.dr(&judge).exits(0);
        assert_eq!(attempted("live-quiet-hook-postgres"), 1);
    });
    cases.case("a storage location that is read-only", || {
        let _back = PutBack::keep(node, &["backupstoragelocations.velero.io", "default", "-n", "velero"]);
        let read_only = json!({ "spec": { "accessMode": "ReadOnly" } }).to_string();
        node.kubectl(&["patch", "bsl", "default", "-n", "velero", "--type=merge", "-p", &read_only]);
        let mut there = There::new(node);
        there.add(&schedule("live-quiet-read-only", CRON, &whole(shop)));
        let judge = ["backup", "coverage", "--ns", ns, "--schedule", "live-quiet-read-only"];
        node.dr(&judge).exits(1).says("would end FailedValidation, with nothing in it");
        assert_eq!(back_up(node, "live-quiet-read-only", &whole(shop)), "FailedValidation");
        node.dr(&["backup", "--ns", ns]).exits(3).says("it is read-only");
    });
    cases.case("a backup that lies in the cluster which it backs up", || {
        assert_eq!(back_up(node, "live-quiet-inside", &whole(shop)), "Completed");
        let told = node.dr(&["backup", "status", "--ns", ns, "-o", "json"]).json();
        assert_eq!(told.pointer("/items/0/point/survivesLossOf"), Some(&json!("namespace")), "{told:#}");
    });
}
