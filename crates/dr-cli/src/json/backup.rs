//! `kind: BackupResult`: what `kubectl dr backup` took, volume by volume; `kind: BackupPlan`: what it would take.

use serde::Serialize;

use crate::backup::preflight::Volume;
use crate::backup::result::{BackupResult, Kept, Method, VolumeResult};
use crate::exit::Exit;
use crate::json::VERSION;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupResultV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    backup: &'a str,
    namespace: &'a str,
    phase: &'a str,
    exit_code: u8,
    exit: Exit,
    seconds: f64,
    volumes: Vec<VolumeV1<'a>>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct VolumeV1<'a> {
    claim: &'a str,
    method: Method,
    /// Whether its data is in the backup.
    kept: bool,
    because: &'a str,
    bytes: Option<u64>,
    engine: Option<&'a str>,
    fingerprint: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupPlanV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    backup: &'a str,
    namespace: &'a str,
    storage_location: &'a str,
    volumes: Vec<PlannedV1<'a>>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
struct PlannedV1<'a> {
    claim: &'a str,
    method: Method,
    /// Null when no running pod mounts it.
    engine: Option<&'a str>,
    /// The running pod it is read in.
    pod: Option<&'a str>,
    /// Why its data would not be taken; null when it would.
    objection: Option<&'a str>,
}

impl<'a> BackupPlanV1<'a> {
    pub(crate) fn new(
        backup: &'a str,
        namespace: &'a str,
        location: &'a str,
        volumes: &'a [Volume],
        warnings: &'a [String],
    ) -> Self {
        let planned = volumes.iter().map(|volume| {
            let Volume { claim, method, driver: _, reader, engine: _, opted_in: _, objection } = volume;
            PlannedV1 {
                claim,
                method: *method,
                engine: reader.as_ref().map(|reader| reader.found.profile),
                pod: reader.as_ref().map(|reader| reader.pod.name()),
                objection: objection.as_deref(),
            }
        });
        Self {
            api_version: VERSION,
            kind: "BackupPlan",
            backup,
            namespace,
            storage_location: location,
            volumes: planned.collect(),
            warnings,
        }
    }
}

impl<'a> From<&'a BackupResult> for BackupResultV1<'a> {
    fn from(result: &'a BackupResult) -> Self {
        let BackupResult { backup, namespace, phase, took, volumes, warnings } = result;
        let exit = result.exit();
        Self {
            api_version: VERSION,
            kind: "BackupResult",
            backup,
            namespace,
            phase,
            exit_code: exit.code(),
            exit,
            seconds: took.as_secs_f64(),
            volumes: volumes.iter().map(VolumeV1::from).collect(),
            warnings,
        }
    }
}

impl<'a> From<&'a VolumeResult> for VolumeV1<'a> {
    fn from(volume: &'a VolumeResult) -> Self {
        let VolumeResult { claim, method, kept, engine, fingerprint } = volume;
        let (kept, because, bytes) = match kept {
            Kept::Yes { because, bytes } => (true, because, *bytes),
            Kept::No { because } => (false, because, None),
        };
        Self {
            claim,
            method: *method,
            kept,
            because,
            bytes,
            engine: engine.as_deref(),
            fingerprint: fingerprint.told(),
        }
    }
}
