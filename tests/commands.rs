//! Whole commands on a cluster that is served from memory: what they print, what they send, and what they keep to
//! themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::decide::Said;
use dr_world::app::{Keeps, NAMESPACE, Paths, Shape, Workload};
use dr_world::controllers::storage::DRIVER;
use dr_world::served::{Seen, Served, kubeconfig};
use serde_json::{Value, json};

#[path = "commands/coverage.rs"]
mod coverage;
#[path = "commands/faults.rs"]
mod faults;
#[path = "commands/lint.rs"]
mod lint;
#[path = "commands/schedule.rs"]
mod schedule;
#[path = "commands/status.rs"]
mod status;
#[path = "commands/verify.rs"]
mod verify;

const RESTORE: &str = env!("CARGO_BIN_EXE_kubectl-dr-restore");
const BACKUP: &str = env!("CARGO_BIN_EXE_kubectl-dr-backup");
const TOKEN: &str = "token-that-nobody-may-see";

/// A database that lost its claim and a client, with a backup by snapshot.
fn shape() -> Shape {
    let workload = |keeps, postgres| Workload {
        keeps,
        replicas: 1,
        postgres,
        when_scaled_delete: false,
        when_deleted_delete: false,
    };
    Shape {
        seed: 7,
        workloads: vec![workload(Keeps::Templates(1), true), workload(Keeps::Nothing, false)],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Snapshots,
        cron: false,
        // A restore that brings nothing back is not done with --yes.
        claims_lost: true,
    }
}

/// A served cluster and a home of its own.
struct Site {
    served: Served,
    home: tempfile::TempDir,
}

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Site {
    fn open() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut dr_world::world::World)) -> Self {
        Self::of(&shape(), change)
    }

    fn of(shape: &Shape, change: impl FnOnce(&mut dr_world::world::World)) -> Self {
        let mut app = shape.bring_up();
        let class =
            json!({ "metadata": { "labels": { "velero.io/csi-volumesnapshot-class": "true" } }, "driver": DRIVER });
        app.world.create(&Key::cluster(Kind::VolumeSnapshotClass, "for-velero"), &class).unwrap();
        change(&mut app.world);
        let served = Served::start(app.world);
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config"), kubeconfig(&served, TOKEN)).unwrap();
        Self { served, home }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn run(&self, program: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(program);
        command.args(args).env_clear().env("HOME", self.home.path()).env("KUBECONFIG", self.file("config"));
        let output = command.current_dir(self.home.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one document that a command prints, held to the schema of its kind.
    #[track_caller]
    fn document(&self, code: i32, program: &str, args: &[&str]) -> Value {
        let ended = self.run(program, &[args, &["-o", "json"]].concat());
        assert_eq!(ended.code, code, "{args:?}\n{}\n{}", ended.stdout, ended.stderr);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| {
            panic!("{args:?} printed something else than one document: {error}\n{}", ended.stdout)
        });
        let schema = match document["kind"].as_str() {
            Some("Plan") => "plan",
            Some("RunStatus") => "run-status",
            Some("RunList") => "run-list",
            Some("Closing") => "closing",
            Some("BackupPlan") => "backup-plan",
            Some("BackupResult") => "backup-result",
            Some("Coverage") => "coverage",
            Some("BackupStatus") => "backup-status",
            Some("BackupVerification") => "backup-verification",
            Some("BackupSchedule") => "backup-schedule",
            Some("LintReport") => "lint-report",
            Some("Error") => "error",
            other => panic!("{args:?}: {other:?}"),
        };
        let path = format!("{}/docs/schema/{schema}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{args:?}: {}\n{document:#}", faults.join("\n"));
        document
    }

    #[track_caller]
    fn restores(&self) -> String {
        let status = self.document(0, RESTORE, &["--ns", NAMESPACE, "--accept-unproven", "--yes"]);
        assert_eq!(status["outcome"]["outcome"], "restored");
        status["id"].as_str().unwrap().to_owned()
    }
}

/// What may change something. A DownloadRequest is how Velero hands out what a backup holds; it is removed at once.
fn changing(seen: &[Seen]) -> Vec<String> {
    let asks = ["/downloadrequests", "/selfsubjectaccessreviews", "/selfsubjectreviews"];
    let changing = seen.iter().filter(|one| one.method != "GET" && !asks.iter().any(|ask| one.path.contains(ask)));
    changing.map(|one| format!("{} {}", one.method, one.path)).collect()
}

#[test]
fn every_command_prints_one_document_that_fits_its_schema_and_nothing_else() {
    let site = Site::open();
    assert_eq!(site.document(0, RESTORE, &["list"])["items"], json!([]));
    assert_eq!(site.document(0, BACKUP, &["--ns", NAMESPACE, "--dry-run"])["kind"], "BackupPlan");
    assert_eq!(site.document(0, RESTORE, &["plan", "--ns", NAMESPACE])["kind"], "Plan");
    assert_eq!(site.document(0, RESTORE, &["--ns", NAMESPACE, "--dry-run"])["kind"], "Plan");
    assert_eq!(site.document(3, RESTORE, &["--ns", "nowhere", "--dry-run"])["kind"], "Error");

    let id = site.restores();
    assert_eq!(site.document(0, RESTORE, &["list"])["items"][0]["outcome"], "restored");
    assert_eq!(site.document(0, RESTORE, &["status", &id])["switched"], true);
    let next = site.document(0, RESTORE, &["undo", &id, "--dry-run"])["next"].as_array().unwrap().len();
    assert!(next > 5, "{next}");
    assert_eq!(
        site.document(3, RESTORE, &["redo", &id, "--yes"])["message"],
        format!("restore {id} cannot be redone: it was not undone")
    );
    assert_eq!(site.document(0, RESTORE, &["undo", "--ns", NAMESPACE, "--yes"])["outcome"]["outcome"], "undone");
    assert_eq!(site.document(0, RESTORE, &["resume", &id, "--yes"])["outcome"]["outcome"], "undone");
    assert_eq!(site.document(0, RESTORE, &["redo", &id, "--yes"])["outcome"]["outcome"], "restored");
    assert_eq!(site.document(0, RESTORE, &["finalize", &id, "--dry-run"])["closed"], false);
    assert_eq!(site.document(0, RESTORE, &["finalize", &id, "--yes"])["closed"], true);
    assert_eq!(site.document(0, RESTORE, &["status", &id])["finalized"], true);
    assert_eq!(site.document(3, RESTORE, &["undo", &id, "--yes"])["kind"], "Error");
    assert_eq!(site.document(3, RESTORE, &["status", "nobody"])["kind"], "Error");
}

#[test]
fn what_only_looks_sends_nothing_that_could_change_anything() {
    let site = Site::open();
    let plan = site.run(RESTORE, &["plan", "--ns", NAMESPACE, "--accept-unproven", "-o", "json"]);
    std::fs::write(site.file("plan.json"), plan.stdout).unwrap();
    let quiet = |code: i32, program: &str, args: &[&str]| {
        site.served.seen();
        let ended = site.run(program, args);
        assert_eq!(ended.code, code, "{args:?}: {}", ended.stderr);
        let seen = site.served.seen();
        assert!(!seen.is_empty(), "{args:?} asked nothing");
        assert_eq!(changing(&seen), [""; 0], "{args:?}");
    };
    quiet(0, RESTORE, &["--ns", NAMESPACE, "--dry-run"]);
    quiet(0, RESTORE, &["plan", "--ns", NAMESPACE, "--facts-out", "facts.json"]);
    quiet(0, RESTORE, &["apply", "plan.json", "--dry-run"]);
    quiet(0, BACKUP, &["--ns", NAMESPACE, "--dry-run"]);
    quiet(0, RESTORE, &["list"]);
    let id = site.restores();
    quiet(3, RESTORE, &["apply", "plan.json", "--dry-run"]);
    quiet(0, RESTORE, &["status", &id]);
    for command in ["undo", "resume", "finalize"] {
        quiet(0, RESTORE, &[command, &id, "--dry-run"]);
    }
    site.document(0, RESTORE, &["undo", &id, "--yes"]);
    quiet(0, RESTORE, &["redo", &id, "--dry-run"]);
}

#[test]
fn a_refusal_has_sent_nothing_that_could_change_anything() {
    let site = Site::open();
    site.served.api.deny("patch", "persistentvolumes");
    let ended = site.run(RESTORE, &["--ns", NAMESPACE, "--accept-unproven", "--yes"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("patch persistentvolumes: not allowed in the whole cluster"), "{}", ended.stderr);
    assert!(ended.stderr.contains("kind: ClusterRoleBinding\n"), "{}", ended.stderr);
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

#[test]
fn who_may_not_post_events_is_told_before_anything_changes_and_restores_all_the_same() {
    let note = format!(
        "note: kubectl describe namespace {NAMESPACE} will not tell of this: create events is not allowed there"
    );
    let site = Site::open();
    site.served.api.deny("create", "events");
    let restored = site.run(RESTORE, &["--ns", NAMESPACE, "--accept-unproven", "--yes"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    assert!(restored.stderr.contains(&note), "{}", restored.stderr);
    let site = Site::open();
    let restored = site.run(RESTORE, &["--ns", NAMESPACE, "--accept-unproven", "--yes"]);
    assert!(!restored.stderr.contains("note: "), "{}", restored.stderr);
}

#[test]
fn another_run_that_holds_the_lease_is_named() {
    let site = Site::with(|world| {
        let key = Key::namespaced(Kind::Lease, dr_world::served::VELERO_NAMESPACE, format!("kubectl-dr-{NAMESPACE}"));
        let spec = json!({ "holderIdentity": "ann@laptop/7", "leaseDurationSeconds": 60,
                           "renewTime": "2999-01-01T00:00:00.000000Z", "acquireTime": "2999-01-01T00:00:00.000000Z" });
        world.create(&key, &json!({ "spec": spec })).unwrap();
    });
    let ended = site.run(RESTORE, &["--ns", NAMESPACE, "--accept-unproven", "--yes"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("ann@laptop/7 is restoring namespace {NAMESPACE}")), "{}", ended.stderr);
    assert_eq!(changing(&site.served.seen()), [""; 0]);
}

/// Everything that is left of a command anywhere.
fn traces(site: &Site, seen: &[Seen]) -> Vec<(String, String)> {
    let mut traces = Vec::new();
    let mut folders = vec![site.home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "config") {
                traces.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    // The plan and the journal are packed; the local copy holds the same in clear.
    let configs = seen.iter().filter(|one| one.path.contains("/configmaps") || one.path.ends_with("/events"));
    traces.extend(configs.map(|one| (format!("{} {}", one.method, one.path), one.body.to_string())));
    traces
}

#[test]
fn no_secret_is_in_any_log_journal_event_report_or_file() {
    const CONTENT: &str = "content-of-a-secret";
    const LITERAL: &str = "literal-of-an-env";
    const SPOKEN: &str = "spoken-by-a-client";
    let site = Site::with(|world| {
        let applied = format!("{{\"stringData\":{{\"password\":\"{CONTENT}\"}}}}");
        let secret = json!({
            "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": applied } },
            "type": "Opaque", "data": { "password": CONTENT },
        });
        world.create(&Key::namespaced(Kind::Secret, NAMESPACE, "login"), &secret).unwrap();
        for kind in [Kind::StatefulSet, Kind::Deployment] {
            let keys: Vec<Key> = world.within(kind, NAMESPACE).map(|(key, _)| key.clone()).collect();
            for key in keys {
                let mut object: Object = Arc::unwrap_or_clone(world.get(&key).unwrap().clone());
                let env = object.0.pointer_mut("/spec/template/spec/containers/0").unwrap();
                env["env"] = json!([{ "name": "SETTING", "value": LITERAL }]);
                env["envFrom"] = json!([{ "secretRef": { "name": "login" } }]);
                world.patch(&key, &object.0).unwrap();
            }
        }
    });
    let hidden = [TOKEN, CONTENT, LITERAL, SPOKEN, "X-Amz-Signature=planted"];
    let check = |what: &str, text: &str| {
        for secret in hidden {
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
            assert!(lines.is_empty(), "{what} tells {secret:?}:\n{}", lines.join("\n"));
        }
    };
    let whole = |args: &[&str]| {
        let ended = site.run(RESTORE, args);
        check(&format!("stdout of {args:?}"), &ended.stdout);
        check(&format!("stderr of {args:?}"), &ended.stderr);
        ended
    };
    let loud = ["--ns", NAMESPACE, "--accept-unproven", "--yes", "-v", "9", "-o", "json"];
    // The staged engine does not open, and its client says what it was called with.
    let stderr = format!("psql: error: connection to \"postgres://shop:{SPOKEN}@127.0.0.1/books\" failed\n");
    site.served.says(Some(Said { exit_code: 2, stdout: String::new(), stderr }));
    let failed = whole(&loud);
    assert_eq!(failed.code, 4, "{}", failed.stderr);
    assert!(failed.stderr.contains("GET /api/v1/namespaces/bookstore/pods"), "-v 9 is silent");
    assert!(failed.stderr.contains("postgres://shop:(redacted)@127.0.0.1/books"), "{}", failed.stderr);
    site.served.says(None);
    assert_eq!(whole(&[&loud[..], &["--facts-out", "facts.json"]].concat()).code, 0);
    let facts = std::fs::read_to_string(site.file("facts.json")).unwrap();
    assert!(!facts.contains(LITERAL), "the facts tell a literal variable");
    for args in [&["status", "-o", "json"][..], &["list", "-v=9"], &["undo", "--yes", "-v=9"], &["finalize", "--yes"]] {
        whole(args);
    }
    let seen = site.served.seen();
    assert!(seen.iter().any(|one| one.path.ends_with("/secrets") && one.method == "POST"), "the Secret was not copied");
    for (place, text) in traces(&site, &seen) {
        check(&place, &text);
    }
}
