//! What one backup can give back of one claim, and why not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::redact;

/// How a volume's bytes are kept, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    pub claim: String,
    pub path: Path,
    /// When its data was taken.
    pub taken: Timestamp,
    pub bytes: Option<u64>,
    pub because: String,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Path {
    /// node-agent copied the files of this pod's volume.
    FileSystem {
        pod: String,
        volume: String,
        snapshot: String,
        bytes: u64,
    },
    CsiSnapshot {
        driver: String,
        handle: String,
    },
}

/// A backup's answer for one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    Captured(Captured),
    Lost { because: String, hint: String },
}

fn lost(because: impl Into<String>, hint: impl Into<String>) -> Coverage {
    Coverage::Lost { because: because.into(), hint: hint.into() }
}

const LEAVE: &str = "leave this claim as it is with --leave, or choose another backup with --from";

/// Judges a claim by the backup's volume infos and the objects they point to.
///
/// `result` alone is not trusted: Velero restores an empty volume when the PodVolumeBackup is gone or has no snapshot
/// (`pkg/podvolume/util.go:getVolumeBackupInfoForPod` at v1.18.3 skips it silently).
pub fn judge(facts: &Facts, backup: &str, infos: &[Value], claim: &str) -> Result<Coverage, Unread> {
    let entry = infos.iter().find(|info| {
        text(info, "/pvcName") == Some(claim) && text(info, "/pvcNamespace") == Some(facts.namespace.as_str())
    });
    let Some(info) = entry else {
        return Ok(lost(
            "the backup has no entry for this volume: its data was not taken, or its PersistentVolume is not in the backup",
            LEAVE,
        ));
    };
    let key = Key::namespaced(Kind::Backup, &facts.velero_namespace, backup);
    let uid = facts.get(&key)?.and_then(Object::uid);
    of_entry(facts, &facts.namespace, Origin { backup, uid }, info, claim)
}

/// The backup that an object was made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) backup: &'a str,
    pub(crate) uid: Option<&'a str>,
}

impl Origin<'_> {
    /// Velero shortens names of more than 63 characters in labels (`pkg/label/label.go:GetValidName` at v1.18.3), and
    /// never uids.
    pub(crate) fn made(self, object: &Object) -> bool {
        object.label("velero.io/backup-name") == Some(self.backup)
            || (self.uid.is_some() && object.label("velero.io/backup-uid") == self.uid)
    }
}

/// The same of one entry of the list of volumes, whichever namespace it is of.
pub(crate) fn of_entry(
    facts: &Facts,
    namespace: &str,
    origin: Origin<'_>,
    info: &Value,
    claim: &str,
) -> Result<Coverage, Unread> {
    if info.pointer("/skipped").and_then(Value::as_bool) == Some(true) {
        let why = text(info, "/skippedReason").map_or_else(|| "no reason recorded".to_owned(), redact::line);
        return Ok(lost(format!("the backup skipped it: {why}"), LEAVE));
    }
    let method = text(info, "/backupMethod").unwrap_or("");
    match method {
        "PodVolumeBackup" => file_system(facts, namespace, origin, info, claim),
        "CSISnapshot" => csi(facts, info, claim),
        "VeleroNativeSnapshot" | "NativeSnapshot" => Ok(lost(
            "it is a native snapshot of the provider, which this version cannot stage beside the live volume",
            LEAVE,
        )),
        other => Ok(lost(format!("the backup took it by {other:?}, which this version does not know"), LEAVE)),
    }
}

pub(crate) fn failed(info: &Value) -> Option<String> {
    match text(info, "/result") {
        Some("succeeded") => None,
        Some(result) => Some(format!("taking its data {result}")),
        None => Some("the backup does not say whether its data was taken".to_owned()),
    }
}

fn file_system(
    facts: &Facts,
    namespace: &str,
    origin: Origin<'_>,
    info: &Value,
    claim: &str,
) -> Result<Coverage, Unread> {
    if let Some(because) = failed(info) {
        return Ok(lost(because, LEAVE));
    }
    let (Some(pod), Some(volume)) = (text(info, "/pvbInfo/podName"), text(info, "/pvbInfo/volumeName")) else {
        return Ok(lost("the backup does not say which pod's volume it copied", LEAVE));
    };
    let mut copies = facts.of(Kind::PodVolumeBackup, &facts.velero_namespace)?.filter(|copy| {
        origin.made(copy)
            && copy.str_at("/spec/pod/name") == Some(pod)
            && copy.str_at("/spec/pod/namespace") == Some(namespace)
            && copy.str_at("/spec/volume") == Some(volume)
    });
    let Some(copy) = copies.next() else {
        return Ok(lost(
            "its PodVolumeBackup object is not in the cluster, and without it Velero restores an empty volume",
            "wait for Velero's backup sync to bring it from the object store, then try again",
        ));
    };
    let phase = copy.str_at("/status/phase").unwrap_or("not started");
    if phase != "Completed" {
        return Ok(lost(format!("its PodVolumeBackup {} is {phase}", copy.name()), LEAVE));
    }
    let snapshot = copy.str_at("/status/snapshotID").unwrap_or("");
    let total = copy.i64_at("/status/progress/totalBytes").unwrap_or(0);
    let done = copy.i64_at("/status/progress/bytesDone").unwrap_or(0);
    let bytes = match u64::try_from(total) {
        Ok(bytes) if bytes > 0 && !snapshot.is_empty() => bytes,
        _ => return Ok(lost("its PodVolumeBackup is empty: zero bytes were copied", LEAVE)),
    };
    if done != total {
        return Ok(lost(format!("its PodVolumeBackup copied {done} of {total} bytes"), LEAVE));
    }
    let Some(taken) = time(copy, "/status/startTimestamp") else {
        return Ok(lost("its PodVolumeBackup does not say when it was taken", LEAVE));
    };
    Ok(Coverage::Captured(Captured {
        claim: claim.to_owned(),
        path: Path::FileSystem { pod: pod.to_owned(), volume: volume.to_owned(), snapshot: snapshot.to_owned(), bytes },
        taken,
        bytes: Some(bytes),
        because: format!("file-system backup of volume {volume} in pod {pod}: {bytes} bytes"),
    }))
}

fn csi(facts: &Facts, info: &Value, claim: &str) -> Result<Coverage, Unread> {
    if info.pointer("/snapshotDataMoved").and_then(Value::as_bool) == Some(true) {
        return Ok(lost(
            "its snapshot was moved to the object store (DataUpload), which this version cannot stage yet",
            LEAVE,
        ));
    }
    if let Some(because) = failed(info) {
        return Ok(lost(because, LEAVE));
    }
    let (Some(driver), Some(handle)) =
        (text(info, "/csiSnapshotInfo/driver"), text(info, "/csiSnapshotInfo/snapshotHandle"))
    else {
        return Ok(lost("the backup names no driver and handle for its snapshot", LEAVE));
    };
    if info.pointer("/csiSnapshotInfo/ReadyToUse").and_then(Value::as_bool) == Some(false) {
        return Ok(lost("its snapshot was not ready to use when the backup ended", LEAVE));
    }
    if !facts.all(Kind::CSIDriver)?.iter().any(|known| known.name() == driver) {
        return Ok(lost(
            format!("the CSI driver {driver} is not installed in this cluster"),
            "install the driver, or choose another backup with --from",
        ));
    }
    let has_class = facts.all(Kind::VolumeSnapshotClass)?.iter().any(|class| class.str_at("/driver") == Some(driver));
    if !has_class {
        return Ok(lost(
            format!("no VolumeSnapshotClass of driver {driver} exists, so its snapshot cannot be imported"),
            "create a VolumeSnapshotClass for the driver",
        ));
    }
    let Some(taken) = text(info, "/startTimestamp").and_then(|text| text.parse().ok()) else {
        return Ok(lost("the backup does not say when its snapshot was taken", LEAVE));
    };
    let size = info.pointer("/csiSnapshotInfo/size").and_then(Value::as_u64).filter(|size| *size > 0);
    Ok(Coverage::Captured(Captured {
        claim: claim.to_owned(),
        path: Path::CsiSnapshot { driver: driver.to_owned(), handle: handle.to_owned() },
        taken,
        bytes: size,
        because: format!("CSI snapshot {handle} of driver {driver}"),
    }))
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A timestamp field of an object.
pub fn time(object: &Object, pointer: &str) -> Option<Timestamp> {
    object.str_at(pointer).and_then(|text| text.parse().ok())
}
