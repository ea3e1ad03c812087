//! Reads what the backups of a cluster are judged by, before the night they are made: kinds × pages requests, however many
//! namespaces.

use dr_core::facts::Facts;
use dr_core::kind::Kind;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{CaptureError, PATIENCE, facts_of, judged_by, listed_all, of_velero, served_groups};
use crate::connect::Connection;

/// Whole, of every namespace.
const EVERYWHERE: &[Kind] = &[Kind::Namespace, Kind::PersistentVolume, Kind::StorageClass, Kind::VolumeSnapshotClass];

/// Whole, of Velero's namespace.
const OF_VELERO: &[Kind] =
    &[Kind::Backup, Kind::Schedule, Kind::Restore, Kind::BackupStorageLocation, Kind::VolumeSnapshotLocation];

/// Workloads and claims of one namespace, or of all; what Velero is told to do with them; and Velero itself.
pub async fn live(
    connection: &Connection,
    namespace: Option<&str>,
    velero: &str,
    now: Timestamp,
) -> Result<Facts, CaptureError> {
    let deadline = Instant::now() + PATIENCE;
    let groups = served_groups(connection, deadline).await?;
    let selections = judged_by(namespace, velero, EVERYWHERE, OF_VELERO);
    let objects = of_velero(velero, listed_all(connection, &groups, &selections, deadline).await?)?;
    Ok(facts_of(connection, namespace, velero, now, objects))
}
