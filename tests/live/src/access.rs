//! Whoever types `kubectl dr` in these tests holds the roles of `docs/rbac`, as written there, and nothing else.

use std::fs;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::Node;

const BACKUP: &str = include_str!("../../../docs/rbac/backup.yaml");
const COVERAGE: &str = include_str!("../../../docs/rbac/coverage.yaml");
const STATUS: &str = include_str!("../../../docs/rbac/status.yaml");
const RESTORE: &str = include_str!("../../../docs/rbac/restore.yaml");
const VERIFY: &str = include_str!("../../../docs/rbac/verify.yaml");
const LINT: &str = include_str!("../../../docs/rbac/lint.yaml");

/// The group in those files; each service account is in one that is named after its namespace.
const GROUP: &str = "name: dr-operators";

/// The role that reaches an object store which only the cluster can.
const DOWNLOAD: &str = "kubectl-dr-backup-download";

/// On a cluster of the user's own the commands are typed with the user's own rights.
fn on_current() -> bool {
    std::env::var_os("DR_CLASS").is_some()
}

/// Who types a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// May what `docs/rbac/backup.yaml` grants.
    Backup,
    /// May what `docs/rbac/coverage.yaml` grants.
    Coverage,
    /// May what `docs/rbac/status.yaml` grants, and download what the object store keeps, as that file says.
    Status,
    /// May what `docs/rbac/restore.yaml` grants.
    Restore,
    /// May what `docs/rbac/verify.yaml` grants.
    Verify,
    /// May what `docs/rbac/lint.yaml` grants.
    Lint,
}

impl As {
    const ALL: [Self; 6] = [Self::Backup, Self::Coverage, Self::Status, Self::Restore, Self::Verify, Self::Lint];

    pub(crate) fn whoever_does(args: &[&str]) -> Self {
        match args {
            ["backup", "coverage", ..] => Self::Coverage,
            ["backup", "status", ..] => Self::Status,
            ["backup", "verify", ..] => Self::Verify,
            ["backup", ..] => Self::Backup,
            ["lint", ..] => Self::Lint,
            _ => Self::Restore,
        }
    }

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Backup => "kubeconfig-backup",
            Self::Coverage => "kubeconfig-coverage",
            Self::Status => "kubeconfig-status",
            Self::Restore => "kubeconfig-restore",
            Self::Verify => "kubeconfig-verify",
            Self::Lint => "kubeconfig-lint",
        }
    }

    /// Where the service account lives.
    fn namespace(self) -> &'static str {
        match self {
            Self::Backup => "who-backs-up",
            Self::Coverage => "who-asks-for-coverage",
            Self::Status => "who-asks-for-the-status",
            Self::Restore => "who-restores",
            Self::Verify => "who-verifies",
            Self::Lint => "who-lints",
        }
    }

    fn group(self) -> String {
        format!("name: system:serviceaccounts:{}", self.namespace())
    }

    fn roles(self) -> String {
        // What those files say to add where only the cluster reaches the object store, under a name of its own.
        let and_download = |roles: &str, name: &str| {
            let download = BACKUP.split("\n---\n").filter(|document| document.contains(DOWNLOAD));
            let download = download.map(|document| document.replace(DOWNLOAD, name));
            [roles.to_owned()].into_iter().chain(download).collect::<Vec<_>>().join("\n---\n")
        };
        match self {
            Self::Backup => BACKUP.to_owned(),
            Self::Coverage => COVERAGE.to_owned(),
            Self::Status => and_download(STATUS, "kubectl-dr-status-download"),
            Self::Restore => RESTORE.to_owned(),
            Self::Verify => and_download(VERIFY, "kubectl-dr-verify-download"),
            Self::Lint => LINT.to_owned(),
        }
    }

    /// The documents of this file that are, or are not, about the namespace that is backed up or restored.
    fn documents(self, of_the_shop: bool) -> String {
        let wanted = |document: &&str| document.contains("namespace: bookstore") == of_the_shop;
        let roles = self.roles();
        let documents: Vec<String> =
            roles.split("\n---\n").filter(wanted).map(|text| text.replace(GROUP, &self.group())).collect();
        assert!(of_the_shop || !documents.is_empty(), "{self:?}: docs/rbac grants nothing");
        documents.join("\n---\n")
    }
}

/// The `RoleBinding`s of all roles for one namespace, as YAML.
pub(crate) fn bindings(namespace: &str) -> String {
    if on_current() {
        return String::new();
    }
    let replaced = |who: As| who.documents(true).replace("namespace: bookstore", &format!("namespace: {namespace}"));
    As::ALL.map(replaced).join("\n---\n")
}

/// What `docs/rbac` says of a namespace that is gone: its `RoleBinding`s went along, so the role is bound everywhere.
pub fn bind_everywhere(node: &Node) {
    if on_current() {
        return;
    }
    let name = "kubectl-dr-restore-namespace";
    let subject = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group",
        "name": format!("system:serviceaccounts:{}", As::Restore.namespace()) });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [subject],
    });
    node.apply(&binding.to_string());
}

/// Grants all roles and writes a kubeconfig for each of them into the node's home.
pub(crate) fn prepare(node: &Node) {
    static KUBECONFIGS: OnceLock<Vec<String>> = OnceLock::new();
    let kubeconfigs = KUBECONFIGS.get_or_init(|| As::ALL.map(|who| granted(node, who)).into());
    for (who, kubeconfig) in As::ALL.into_iter().zip(kubeconfigs) {
        fs::write(node.kubeconfig(who), kubeconfig).expect("write a kubeconfig");
    }
}

fn granted(node: &Node, who: As) -> String {
    if on_current() {
        return node.kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    }
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": who.namespace() } });
    node.apply(&format!("{namespace}\n---\n{}", who.documents(false)));
    let token = node.kubectl(&["create", "token", "default", "-n", who.namespace(), "--duration=24h"]);
    let kubeconfig = node.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let mut kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("a kubeconfig");
    kubeconfig["users"][0]["user"] = json!({ "token": token.trim() });
    kubeconfig.to_string()
}
