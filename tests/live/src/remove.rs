//! What is in a cluster of one shop, and how all of it goes.

use crate::{Shop, eventually};

impl Shop<'_> {
    /// The ids of all runs of this namespace, by their records.
    fn runs(&self) -> Vec<String> {
        let records =
            self.node.get(&["configmaps", "-n", "velero", "-l", &format!("kubectl-dr/namespace={}", self.namespace)]);
        let records = records["items"].as_array().into_iter().flatten();
        records.filter_map(|it| it["metadata"]["labels"]["kubectl-dr/operation"].as_str()).map(str::to_owned).collect()
    }

    /// Velero's Restore objects of this namespace.
    fn restores(&self) -> Vec<String> {
        let restores = self.node.get(&["restores.velero.io", "-n", "velero"]);
        let ours = serde_json::json!([self.namespace]);
        let ours = restores["items"].as_array().into_iter().flatten().filter(|item| {
            item["spec"]["includedNamespaces"] == ours || item["spec"]["namespaceMapping"][&self.namespace].is_string()
        });
        ours.filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect()
    }

    /// Backups that hold this namespace and no other.
    fn backups(&self) -> Vec<String> {
        let backups = self.node.get(&["backups.velero.io", "-n", "velero"]);
        let ours = serde_json::json!([self.namespace]);
        let ours =
            backups["items"].as_array().into_iter().flatten().filter(|item| item["spec"]["includedNamespaces"] == ours);
        ours.filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect()
    }

    /// Whatever this namespace has in Velero's: what a refused command must not have added to.
    pub fn recorded(&self) -> Vec<String> {
        let label = format!("kubectl-dr/namespace={}", self.namespace);
        let listed = self.node.kubectl(&["get", "configmaps,secrets", "-n", "velero", "-l", &label, "-o", "name"]);
        let mut all: Vec<String> = listed.lines().map(str::to_owned).collect();
        all.extend(self.restores());
        all
    }

    /// Everything of this namespace goes: staging, runs, backups, volumes. Nobody waits for it.
    pub(crate) fn remove(&self) {
        let namespace = &self.namespace;
        let mut gone = self.staging();
        gone.push(namespace.clone());
        let delete = |args: &[&str]| {
            let always = ["delete", "--ignore-not-found", "--wait=false"];
            self.node.try_kubectl(&always.iter().chain(args).copied().collect::<Vec<_>>());
        };
        for name in gone {
            delete(&["namespace", &name]);
        }
        for run in self.runs() {
            let label = format!("kubectl-dr/operation={run}");
            delete(&["configmaps,secrets,restores.velero.io", "-n", "velero", "-l", &label]);
        }
        delete(&["configmaps,secrets", "-n", "velero", "-l", &format!("kubectl-dr/namespace={namespace}")]);
        delete(&["lease", "-n", "velero", &format!("kubectl-dr-{namespace}")]);
        for restore in self.restores() {
            delete(&["restores.velero.io", "-n", "velero", &restore]);
        }
        for backup in self.backups() {
            self.node.velero(&["backup", "delete", &backup, "--confirm"]);
        }
        let volumes = self.node.get(&["persistentvolumes"]);
        for volume in volumes["items"].as_array().into_iter().flatten() {
            if volume["spec"]["claimRef"]["namespace"] == *namespace && volume["status"]["phase"] != "Bound" {
                delete(&["pv", volume["metadata"]["name"].as_str().unwrap_or_default()]);
            }
        }
    }

    /// What an earlier run of the same test left is gone.
    pub(crate) fn wait_until_removed(&self) {
        eventually("what an earlier test left is gone", 300, || {
            let namespace = self.node.get(&["namespace", &self.namespace]);
            let rest = (self.staging(), self.backups(), self.restores());
            match (namespace.is_null(), rest.0.is_empty() && rest.1.is_empty() && rest.2.is_empty()) {
                (true, true) => Ok(()),
                (gone, _) => Err(format!("namespace gone: {gone}; {rest:?}")),
            }
        });
    }
}

impl Drop for Shop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("DR_KEEP").is_some() {
            println!("kept for a look: namespace {}", self.namespace);
            return;
        }
        self.remove();
    }
}
