//! Reads what tells how well namespaces could be brought back: kinds × pages requests, however many namespaces.

use dr_core::claims::WORKLOADS;
use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_run::plan::OPERATION;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{CaptureError, PATIENCE, facts_of, listed_all, of_velero, select, served_groups};
use crate::archive::FINGERPRINT;
use crate::connect::Connection;
use crate::request::Selection;

/// Whole, of every namespace.
const EVERYWHERE: &[Kind] =
    &[Kind::Namespace, Kind::PersistentVolume, Kind::StorageClass, Kind::CSIDriver, Kind::VolumeSnapshotClass];

/// Whole, of Velero's namespace.
const OF_VELERO: &[Kind] = &[
    Kind::Backup,
    Kind::Schedule,
    Kind::BackupStorageLocation,
    Kind::VolumeSnapshotLocation,
    Kind::PodVolumeBackup,
    Kind::DeleteBackupRequest,
];

/// Of one namespace, or of all: what [`dr_core::recovery::judge`] decides on, and nothing that a restore would need
/// beside it. The facts' namespace is left to whoever asks.
pub async fn recovery(
    connection: &Connection,
    namespace: Option<&str>,
    velero: &str,
    now: Timestamp,
) -> Result<Facts, CaptureError> {
    let deadline = Instant::now() + PATIENCE;
    let groups = served_groups(connection, deadline).await?;
    let workloads = WORKLOADS.iter().map(|(kind, _)| *kind).chain([Kind::PersistentVolumeClaim, Kind::Pod]);
    let mut selections: Vec<Selection<'_>> = workloads.map(|kind| select(kind, namespace, "")).collect();
    selections.extend(EVERYWHERE.iter().map(|kind| select(*kind, None, "")));
    selections.extend(OF_VELERO.iter().map(|kind| select(*kind, Some(velero), "")));
    if namespace.is_some_and(|namespace| namespace != velero) {
        // Velero's server and its node-agents.
        let kinds = [Kind::Deployment, Kind::DaemonSet, Kind::Pod];
        selections.extend(kinds.map(|kind| select(kind, Some(velero), "")));
    }
    selections.push(select(Kind::ConfigMap, Some(velero), &format!("{OPERATION},!{FINGERPRINT}")));
    let objects = of_velero(velero, listed_all(connection, &groups, &selections, deadline).await?)?;
    Ok(facts_of(connection, namespace, velero, now, objects))
}
