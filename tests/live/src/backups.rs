//! Backups that nobody made through `kubectl dr`.

use serde_json::Value;

use crate::{Node, until};

/// Of a backup that is queued while none runs.
const JAMMED: u32 = 60;

/// The Backup in its last phase. Velero 1.18 can count a backup that failed validation as running after it has forgotten
/// it, and starts no other until its server starts anew: that is done here, and told.
pub fn ended(node: &Node, name: &str) -> Value {
    let phase = |backup: &Value| backup["status"]["phase"].as_str().unwrap_or_default().to_owned();
    let mut queued = 0;
    until(&format!("backup {name} has ended"), 240, || {
        let backup = node.get(&["backups.velero.io", name, "-n", "velero"]);
        queued = if phase(&backup) == "Queued" { queued + 1 } else { 0 };
        if queued == JAMMED {
            println!("  Velero starts {name} not, and none runs: its server is started anew");
            node.kubectl(&["rollout", "restart", "deployment/velero", "-n", "velero"]);
            node.kubectl(&["rollout", "status", "deployment/velero", "-n", "velero", "--timeout=120s"]);
        }
        matches!(phase(&backup).as_str(), "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation")
            .then_some(backup)
    })
}
