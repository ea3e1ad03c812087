//! The roles in `docs/rbac` grant what the code asks for.

use std::collections::BTreeSet;

use dr_core::kind::Kind;
use dr_house::{code, files, read};
use serde::Deserialize;
use serde_yaml::Value;

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
    let text = read(path);
    let mut rights = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let document = Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"));
        let Some(rules) = document.get("rules") else { continue };
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

const ROLES: &[&str] = &["docs/rbac/backup.yaml", "docs/rbac/restore.yaml"];

#[test]
fn no_role_grants_everything() {
    for path in ROLES {
        let rights = granted(path);
        assert!(!rights.is_empty(), "{path} grants nothing");
        let wide: Vec<_> = rights.iter().filter(|right| right.contains('*')).collect();
        assert!(wide.is_empty(), "{path}: {wide:?}");
    }
}

#[test]
fn whatever_a_capture_reads_may_be_listed() {
    let sources = files("crates/dr-cluster/src");
    let capture = sources.iter().filter(|file| file.path.contains("/capture"));
    let named: String = capture.map(|file| code(&file.text)).collect();
    for path in ROLES {
        let rights = granted(path);
        let lacking: Vec<String> = Kind::ALL
            .iter()
            .filter(|kind| dr_house::names(&named, &format!("Kind::{kind}")))
            .map(|kind| format!("list {}", kind.info().resource()))
            .filter(|right| !rights.contains(right))
            .collect();
        assert!(lacking.is_empty(), "{path} lacks {lacking:?}");
    }
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
