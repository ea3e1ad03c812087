//! The roles in `docs/rbac` grant what the code asks for.

use std::collections::BTreeSet;

use dr_core::kind::Kind;
use dr_house::{code, files, read};
use dr_run::plan::Plan;
use dr_run::rights;
use serde::Deserialize;
use serde_json::json;
use serde_yaml::Value;

use crate::bookstore::{Bookstore, By};

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(rename = "apiGroups", default)]
    groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// `verb resource.group` of every rule in a file.
fn granted(path: &str) -> BTreeSet<String> {
    granted_by(path, |_| true)
}

/// The same, of the roles whose names are wanted.
fn granted_by(path: &str, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let text = read(path);
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let document = Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"));
        let Some(rules) = document.get("rules") else { continue };
        let kind = document["kind"].as_str().unwrap_or_default();
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        if !wanted(&format!("{kind}/{name}")) {
            continue;
        }
        let rules: Vec<Rule> = serde_yaml::from_value(rules.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
        for rule in rules {
            for group in &rule.groups {
                for resource in &rule.resources {
                    let full = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
                    rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {full}")));
                }
            }
        }
    }
    rights
}

const ROLES: &[&str] = &["docs/rbac/backup.yaml", "docs/rbac/restore.yaml", SCHEDULE];
const SCHEDULE: &str = "docs/rbac/schedule.yaml";

#[test]
fn no_role_grants_everything() {
    for path in ROLES.iter().chain(&[COVERAGE, STATUS, VERIFY, LINT]) {
        let rights = granted(path);
        assert!(!rights.is_empty(), "{path} grants nothing");
        let wide: Vec<_> = rights.iter().filter(|right| right.contains('*')).collect();
        assert!(wide.is_empty(), "{path}: {wide:?}");
    }
}

#[test]
fn whatever_a_capture_reads_may_be_read() {
    for path in ROLES {
        let lacking: Vec<String> = captured().difference(&granted(path)).cloned().collect();
        assert!(lacking.is_empty(), "{path} lacks {lacking:?}");
    }
}

const COVERAGE: &str = "docs/rbac/coverage.yaml";

/// The names in a list of `dr-cluster/src/everything.rs`, as rights.
fn listed_by_coverage(list: &str) -> BTreeSet<String> {
    let text = read("crates/dr-cluster/src/everything.rs");
    let (_, behind) = text.split_once(&format!("pub const {list}: ")).expect("the list is there");
    let (names, _) = behind.split_once("];").expect("it ends");
    let names: BTreeSet<String> = names.split('"').skip(1).step_by(2).map(|name| format!("list {name}")).collect();
    assert!(names.len() > 5, "{list}: {names:?}");
    names
}

#[test]
fn the_roles_for_coverage_grant_what_decides_about_volumes_and_nothing_else() {
    let whole = granted_by(COVERAGE, |role| role.starts_with("ClusterRole/"));
    let mut wanted = listed_by_coverage("WHOLE");
    wanted.insert("list backupstoragelocations.velero.io".to_owned());
    assert_eq!(whole, wanted);
    let in_velero = granted_by(COVERAGE, |role| role == "Role/kubectl-dr-coverage");
    let mut wanted = listed_by_coverage("OF_VELERO");
    wanted.insert("get configmaps".to_owned());
    assert_eq!(in_velero, wanted);
}

/// What a capture lists that names its kinds itself, and what `judged_by` adds to them.
fn judged_by(capture: &str) -> BTreeSet<String> {
    let shared = code(&read("crates/dr-cluster/src/capture.rs"));
    let (_, shared) = shared.split_once("fn judged_by").expect("it is there");
    let (shared, _) = shared.split_once("\n}\n").expect("it ends");
    let source = code(&read(capture)) + shared;
    assert!(source.contains("judged_by("), "{capture} lists otherwise");
    let named = Kind::ALL.iter().filter(|kind| dr_house::names(&source, &format!("Kind::{kind}")));
    let workloads = dr_core::claims::WORKLOADS.iter().map(|(kind, _)| kind);
    named.chain(workloads).map(|kind| format!("list {}", kind.info().resource())).collect()
}

const STATUS: &str = "docs/rbac/status.yaml";

#[test]
fn the_roles_for_status_grant_what_it_reads_and_nothing_else() {
    let mut wanted = judged_by("crates/dr-cluster/src/capture/recovery.rs");
    let downloads = [
        "get downloadrequests.velero.io",
        "create downloadrequests.velero.io",
        "delete downloadrequests.velero.io",
        // Of an object store behind https: whose certificate is trusted.
        "get backups.velero.io",
        "get backupstoragelocations.velero.io",
    ];
    wanted.extend(downloads.map(str::to_owned));
    // Resource policies, by the name that a schedule or the server has.
    wanted.insert("get configmaps".to_owned());
    assert_eq!(granted(STATUS), wanted);
}

const LINT: &str = "docs/rbac/lint.yaml";

#[test]
fn the_roles_for_lint_grant_what_it_reads_and_nothing_else() {
    let mut wanted = judged_by("crates/dr-cluster/src/capture/live.rs");
    // Resource policies, by the name that a backup or the server has.
    wanted.insert("get configmaps".to_owned());
    assert_eq!(granted(LINT), wanted);
}

#[test]
fn a_run_at_rest_may_be_written_and_read_again() {
    let rights = granted("docs/rbac/restore.yaml");
    for right in [
        "create configmaps",
        "update configmaps",
        "patch configmaps",
        "delete configmaps",
        "create leases.coordination.k8s.io",
        "update leases.coordination.k8s.io",
        "create restores.velero.io",
        "create pods/exec",
        "create pods/portforward",
        "create downloadrequests.velero.io",
    ] {
        assert!(rights.contains(right), "restore.yaml lacks {right}");
    }
}

#[test]
fn the_roles_for_schedules_grant_what_is_read_and_what_is_written_and_nothing_else() {
    let mut wanted = captured();
    let written = [
        "create schedules.velero.io",
        "patch schedules.velero.io",
        "create configmaps",
        "patch configmaps",
        "get configmaps",
    ];
    wanted.extend(written.map(str::to_owned));
    assert_eq!(granted(SCHEDULE), wanted);
}

#[test]
fn a_backup_may_change_nothing_but_what_it_makes() {
    let rights = granted("docs/rbac/backup.yaml");
    for right in rights {
        let (verb, resource) = right.split_once(' ').unwrap_or_default();
        let own = [
            "backups.velero.io",
            "downloadrequests.velero.io",
            "configmaps",
            "events",
            "pods/exec",
            "pods/portforward",
            "selfsubjectaccessreviews.authorization.k8s.io",
        ];
        assert!(matches!(verb, "get" | "list" | "watch") || own.contains(&resource), "backup.yaml: {right}");
    }
}

fn plans() -> Vec<Plan> {
    let mut gone = Bookstore::new(By::Snapshot);
    gone.lose_namespace();
    let mut missing = Bookstore::new(By::Files);
    missing.request.objects_missing = true;
    let mut all = Bookstore::new(By::Snapshot);
    let named = |name: &str| json!({ "name": name, "namespace": "bookstore", "uid": format!("uid-{name}") });
    for (kind, name) in [
        (Kind::CronJob, "report"),
        (Kind::Job, "migrate"),
        (Kind::DaemonSet, "logs"),
        (Kind::ReplicaSet, "old"),
        (Kind::ResourceQuota, "quota"),
        (Kind::LimitRange, "limits"),
    ] {
        all.add(kind, json!({ "metadata": named(name), "spec": {} }));
    }
    vec![Bookstore::new(By::Files).plan(), Bookstore::new(By::Snapshot).plan(), gone.plan(), missing.plan(), all.plan()]
}

#[test]
fn the_roles_for_restore_allow_every_step_of_a_plan_and_every_undo() {
    const FILE: &str = "docs/rbac/restore.yaml";
    let everywhere = granted_by(FILE, |role| role == "ClusterRole/kubectl-dr-restore");
    let in_velero = granted_by(FILE, |role| role == "Role/kubectl-dr-restore");
    let in_namespace = granted_by(FILE, |role| role == "ClusterRole/kubectl-dr-restore-namespace");
    let mut lacking = BTreeSet::new();
    for plan in plans() {
        for right in rights::needed(&plan) {
            let info = right.kind.info();
            let resource = match &right.subresource {
                Some(subresource) => format!("{}/{subresource}", info.plural),
                None => info.resource(),
            };
            let wanted = format!("{} {resource}", right.verb);
            let here = match right.namespace.as_deref() {
                Some(name) if name == plan.place.velero_namespace => in_velero.contains(&wanted),
                Some(name) if name == plan.place.namespace => in_namespace.contains(&wanted),
                // Of a namespace that is gone: then that role is bound for all.
                None if plan.namespace_gone => in_namespace.contains(&wanted),
                Some(_) | None => false,
            };
            if !here && !everywhere.contains(&wanted) {
                lacking.insert(format!("{wanted} in {}", right.namespace.as_deref().unwrap_or("the whole cluster")));
            }
        }
    }
    assert!(lacking.is_empty(), "{FILE} lacks:\n{}", lacking.into_iter().collect::<Vec<_>>().join("\n"));
}

/// What a capture of one namespace lists; namespaces are read one by one. What `backup status` and `lint --live` read have
/// their own roles.
fn captured() -> BTreeSet<String> {
    let sources = files("crates/dr-cluster/src");
    let others = ["/recovery.rs", "/live.rs"];
    let is_other = |path: &str| others.iter().any(|other| path.ends_with(other));
    let capture = sources.iter().filter(|file| file.path.contains("/capture") && !is_other(&file.path));
    let named: String = capture.map(|file| code(&file.text)).collect();
    let listed = Kind::ALL.iter().filter(|kind| dr_house::names(&named, &format!("Kind::{kind}")));
    let listed = listed.filter(|kind| **kind != Kind::Namespace).map(|kind| format!("list {}", kind.info().resource()));
    listed.chain(["get namespaces".to_owned()]).collect()
}

#[track_caller]
fn granted_all(file: &str, wanted: &[&str]) {
    let granted = granted(file);
    let lacking: Vec<_> = wanted.iter().filter(|right| !granted.contains(**right)).collect();
    assert!(lacking.is_empty(), "{file} lacks {lacking:?}");
}

fn idle(file: &str, used: &BTreeSet<String>) -> Vec<String> {
    let granted = granted_by(file, |role| !role.ends_with("-download"));
    granted.difference(used).cloned().collect()
}

#[test]
fn the_roles_for_restore_grant_nothing_that_is_not_used() {
    let mut used = captured();
    for right in plans().iter().flat_map(rights::needed) {
        let info = right.kind.info();
        let resource = match &right.subresource {
            Some(subresource) => format!("{}/{subresource}", info.plural),
            None => info.resource(),
        };
        used.insert(format!("{} {resource}", right.verb));
    }
    let beside = [
        "create events",
        // Of an object store behind https: whose certificate is trusted.
        "get backups.velero.io",
        "get backupstoragelocations.velero.io",
        "get downloadrequests.velero.io",
        "create downloadrequests.velero.io",
        "delete downloadrequests.velero.io",
        // Of `finalize`.
        "patch restores.velero.io",
        "delete restores.velero.io",
    ];
    granted_all("docs/rbac/restore.yaml", &beside);
    used.extend(beside.map(str::to_owned));
    assert_eq!(idle("docs/rbac/restore.yaml", &used), [""; 0]);
}

#[test]
fn the_roles_for_backup_grant_nothing_that_is_not_used() {
    let mut used = captured();
    let beside = [
        "create backups.velero.io",
        // Of an object store behind https: whose certificate is trusted.
        "get backups.velero.io",
        "get backupstoragelocations.velero.io",
        "get downloadrequests.velero.io",
        "create downloadrequests.velero.io",
        "delete downloadrequests.velero.io",
        "create configmaps",
        "patch configmaps",
        "get pods/exec",
        "create pods/exec",
    ];
    granted_all("docs/rbac/backup.yaml", &beside);
    used.extend(beside.map(str::to_owned));
    assert_eq!(idle("docs/rbac/backup.yaml", &used), [""; 0]);
}

const VERIFY: &str = "docs/rbac/verify.yaml";

#[test]
fn the_roles_for_verify_grant_what_it_reads_and_asks_and_nothing_else() {
    let source = code(&read("crates/dr-cluster/src/verify.rs"));
    let named = Kind::ALL.iter().filter(|kind| dr_house::names(&source, &format!("Kind::{kind}")));
    let mut wanted: BTreeSet<String> = named.map(|kind| format!("list {}", kind.info().resource())).collect();
    let beside = [
        "get downloadrequests.velero.io",
        "create downloadrequests.velero.io",
        "delete downloadrequests.velero.io",
        // Of an object store behind https: whose certificate is trusted.
        "get backups.velero.io",
        "get backupstoragelocations.velero.io",
        // Drivers are asked for snapshots.
        "get volumesnapshotcontents.snapshot.storage.k8s.io",
        "create volumesnapshotcontents.snapshot.storage.k8s.io",
        "delete volumesnapshotcontents.snapshot.storage.k8s.io",
    ];
    wanted.extend(beside.map(str::to_owned));
    assert_eq!(granted(VERIFY), wanted);
}
