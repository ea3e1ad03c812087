//! Reads what the backups of a cluster are judged by, before the night they are made: kinds × pages requests, however many
//! namespaces.

use dr_core::claims::WORKLOADS;
use dr_core::facts::Facts;
use dr_core::kind::Kind;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{CaptureError, PATIENCE, facts_of, listed_all, of_velero, select, served_groups};
use crate::connect::Connection;
use crate::request::Selection;

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
    let workloads = WORKLOADS.iter().map(|(kind, _)| *kind).chain([Kind::PersistentVolumeClaim, Kind::Pod]);
    let mut selections: Vec<Selection<'_>> = workloads.map(|kind| select(kind, namespace, "")).collect();
    selections.extend(EVERYWHERE.iter().map(|kind| select(*kind, None, "")));
    selections.extend(OF_VELERO.iter().map(|kind| select(*kind, Some(velero), "")));
    if namespace.is_some_and(|namespace| namespace != velero) {
        // Velero's server and its node-agents.
        let kinds = [Kind::Deployment, Kind::DaemonSet, Kind::Pod];
        selections.extend(kinds.map(|kind| select(kind, Some(velero), "")));
    }
    let objects = of_velero(velero, listed_all(connection, &groups, &selections, deadline).await?)?;
    Ok(facts_of(connection, namespace, velero, now, objects))
}
