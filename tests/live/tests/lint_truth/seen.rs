//! What a manifest did, as a sentence that is the same in every run.

use dr_live::backups;
use serde_json::Value;

use super::truth::{On, text};

const CLAIM: &str = "data-postgres-0";

impl On<'_> {
    pub(super) fn apply(&self) {
        self.node().kubectl(&["apply", "-f", &self.file()]);
    }

    /// Applies it and waits for the Backup of its name.
    pub(super) fn backed_up(&self) -> Value {
        self.apply();
        backups::ended(self.node(), self.name)
    }

    pub(super) fn holds_the_data(&self) -> bool {
        backups::holds(self.node(), self.name, CLAIM)
    }

    /// Whether the archive has this file; `statefulsets.apps/namespaces/@ns@/postgres` without what is around it.
    pub(super) fn archived(&self, path: &str) -> bool {
        let path = format!("resources/{path}.json").replace("@ns@", self.namespace());
        let archive = backups::unpacked(self.node(), self.name, &format!("{}.tar.gz", self.name));
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut entries = archive.entries().expect("a tar");
        entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_ok_and(|found| found.to_string_lossy() == path)))
    }

    /// Copies of pods' files that the backup made.
    pub(super) fn copies(&self) -> usize {
        let label = format!("velero.io/backup-name={}", self.name);
        let copies = self.node().get(&["podvolumebackups.velero.io", "-n", "velero", "-l", &label]);
        copies["items"].as_array().map_or(0, Vec::len)
    }
}

/// The phase of the backup, and whether the database's data is in it.
pub(super) fn data(on: &On<'_>) -> String {
    let backup = on.backed_up();
    let phase = text(&backup, "/status/phase");
    match phase {
        "FailedValidation" | "Failed" => format!("{phase}: nothing is backed up"),
        _ if on.holds_the_data() => format!("{phase}, with the data"),
        _ => format!("{phase}, without the data"),
    }
}

/// Hooks that ran and hooks that failed.
pub(super) fn hooks(on: &On<'_>) -> String {
    let backup = on.backed_up();
    let count = |field: &str| backup["status"]["hookStatus"][field].as_u64().unwrap_or(0);
    let (attempted, failed) = (count("hooksAttempted"), count("hooksFailed"));
    let phase = text(&backup, "/status/phase");
    match (attempted, failed) {
        (0, _) => format!("{phase}; no hook runs"),
        (_, 0) => format!("{phase}; the hook runs"),
        _ => format!("{phase}; the hook fails"),
    }
}
