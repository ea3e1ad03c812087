//! Reads what tells how well namespaces could be brought back: kinds × pages requests, however many namespaces.

use std::collections::BTreeMap;

use dr_core::claims::WORKLOADS;
use dr_core::facts::{self, Facts, Listed};
use dr_core::kind::Kind;
use dr_run::plan::OPERATION;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{AT_ONCE, CaptureError, PATIENCE, listed, merge, select, served_groups};
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
    let reads: Vec<_> = selections
        .iter()
        .map(|selection| async {
            let listed = listed(connection, &groups, selection, deadline).await?;
            Ok::<_, CaptureError>((selection.kind, listed))
        })
        .collect();
    let answers: Vec<(Kind, Listed)> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let mut objects: BTreeMap<Kind, Listed> = BTreeMap::new();
    for (kind, listed) in answers {
        let listed = match objects.remove(&kind) {
            Some(first) => merge(first, listed),
            None => listed,
        };
        objects.insert(kind, listed);
    }
    Ok(Facts {
        format: facts::FORMAT,
        taken: now,
        context: connection.context.clone(),
        server: connection.server.clone(),
        // Nothing that is decided on these facts turns on either.
        server_version: String::new(),
        cluster_uid: String::new(),
        namespace: namespace.unwrap_or_default().to_owned(),
        velero_namespace: velero.to_owned(),
        objects,
        documents: BTreeMap::new(),
    })
}
