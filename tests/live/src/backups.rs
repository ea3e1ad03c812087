//! Backups that nobody made through `kubectl dr`.

use std::fs::File;
use std::io::Read as _;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::{Node, until};

/// Of a backup that is queued while none runs.
const JAMMED: Duration = Duration::from_secs(60);

/// The Backup in its last phase. Velero 1.18 can count a backup that failed validation as running after it has forgotten
/// it, and starts no other until its server starts anew: that is done here, and told.
pub fn ended(node: &Node, name: &str) -> Value {
    let phase = |backup: &Value| backup["status"]["phase"].as_str().unwrap_or_default().to_owned();
    let mut queued: Option<Instant> = None;
    let mut anew = false;
    // The server has two minutes of them to start anew.
    until(&format!("backup {name} has ended"), 420, || {
        let backup = node.get(&["backups.velero.io", name, "-n", "velero"]);
        queued = (phase(&backup) == "Queued").then(|| queued.unwrap_or_else(Instant::now));
        if !anew && queued.is_some_and(|since| since.elapsed() >= JAMMED) {
            anew = true;
            println!("  Velero starts {name} not, and none runs: its server is started anew");
            node.kubectl(&["rollout", "restart", "deployment/velero", "-n", "velero"]);
            node.kubectl(&["rollout", "status", "deployment/velero", "-n", "velero", "--timeout=120s"]);
        }
        matches!(phase(&backup).as_str(), "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation")
            .then_some(backup)
    })
}

/// Takes a backup away for good: one whose object alone is deleted comes back out of the object store.
pub fn removed(node: &Node, name: &str) {
    let out = node.velero(&["backup", "delete", name, "--confirm"]);
    assert!(out.status.success(), "velero backup delete {name}: {}", String::from_utf8_lossy(&out.stderr));
    until(&format!("backup {name} is gone"), 180, || {
        let there = node.get(&["backups.velero.io", "-n", "velero"]);
        let named = |backup: &Value| backup["metadata"]["name"] == name;
        (!there["items"].as_array().is_some_and(|items| items.iter().any(named))).then_some(())
    });
}

/// One of the files that Velero wrote of a backup into the object store, by the end of its name.
pub fn unpacked(node: &Node, backup: &str, suffix: &str) -> Vec<u8> {
    let files = node.bucket(&format!("backups/{backup}"));
    let file = files.iter().find(|file| file.to_string_lossy().ends_with(suffix));
    let file = file.unwrap_or_else(|| panic!("{backup} has no {suffix}: {files:?}"));
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(file).expect("open")).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// Whether a backup holds the data of a claim, by what Velero itself wrote into the object store.
pub fn holds(node: &Node, backup: &str, claim: &str) -> bool {
    let infos: Value = serde_json::from_slice(&unpacked(node, backup, "-volumeinfo.json.gz")).expect("JSON");
    let ids =
        ["/csiSnapshotInfo/snapshotHandle", "/pvbInfo/snapshotHandle", "/snapshotDataMovementInfo/snapshotHandle"];
    let handle =
        |info: &Value| ids.iter().any(|id| info.pointer(id).and_then(Value::as_str).is_some_and(|id| !id.is_empty()));
    infos
        .as_array()
        .into_iter()
        .flatten()
        .any(|info| info["pvcName"] == claim && info["skipped"] != true && handle(info))
}
