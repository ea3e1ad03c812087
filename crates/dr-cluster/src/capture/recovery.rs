//! Reads what tells how well namespaces could be brought back: kinds × pages requests, however many namespaces.

use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_run::plan::OPERATION;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{CaptureError, PATIENCE, facts_of, judged_by, listed_all, of_velero, select, served_groups};
use crate::archive::FINGERPRINT;
use crate::connect::Connection;

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
    let mut selections = judged_by(namespace, velero, EVERYWHERE, OF_VELERO);
    selections.push(select(Kind::ConfigMap, Some(velero), &format!("{OPERATION},!{FINGERPRINT}")));
    let objects = of_velero(velero, listed_all(connection, &groups, &selections, deadline).await?)?;
    Ok(facts_of(connection, namespace, velero, now, objects))
}
