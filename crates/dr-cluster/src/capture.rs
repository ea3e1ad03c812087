//! Reads everything a plan is decided on: kinds × pages requests, a few at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dr_core::claims::WORKLOADS;
use dr_core::facts::{self, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::plan::OPERATION;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::archive::FINGERPRINT;
use crate::connect::Connection;
use crate::request::{self, JSON, Selection};

pub mod live;
pub mod recovery;

pub(crate) const AT_ONCE: usize = 8;
/// Of the whole capture; pages of thousands of objects take seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A server that does not answer the first question is not there.
const FIRST: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("cannot reach the cluster at {server}")]
    Unreachable {
        server: String,
        #[source]
        cause: ApiError,
    },
    #[error("cannot read {what}")]
    Read {
        what: String,
        #[source]
        cause: ApiError,
    },
    #[error("Velero is not in this cluster: its kinds are not served")]
    NoVelero,
    #[error("Velero is not in namespace {0}: there is no BackupStorageLocation, and no backup")]
    NotThere(String),
    #[error("no namespace holds a BackupStorageLocation: Velero has nowhere to restore from")]
    NoStorageLocation,
    #[error("Velero is in several namespaces: {}", .0.join(", "))]
    SeveralVeleros(Vec<String>),
}

/// Whole, of the namespace that is asked about.
const OF_NAMESPACE: &[Kind] = &[
    Kind::Pod,
    Kind::PersistentVolumeClaim,
    Kind::StatefulSet,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::HorizontalPodAutoscaler,
    Kind::Service,
    Kind::ServiceAccount,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::NetworkPolicy,
    Kind::ScaledObject,
    Kind::ScaledJob,
];

/// Whole, of every namespace: what owns an application may live elsewhere.
const EVERYWHERE: &[Kind] = &[
    Kind::Application,
    Kind::Kustomization,
    Kind::HelmRelease,
    Kind::Node,
    Kind::PersistentVolume,
    Kind::StorageClass,
    Kind::CSIDriver,
    Kind::CSIStorageCapacity,
    Kind::VolumeSnapshotClass,
    Kind::VolumeAttachment,
];

/// Whole, of Velero's namespace.
const OF_VELERO: &[Kind] = &[
    Kind::Backup,
    Kind::Restore,
    Kind::Schedule,
    Kind::BackupStorageLocation,
    Kind::PodVolumeBackup,
    Kind::DataUpload,
    Kind::DeleteBackupRequest,
    Kind::Deployment,
    Kind::DaemonSet,
    Kind::Pod,
];

/// Reads the cluster as far as one namespace's restore needs it. A namespace that does not exist is a fact.
pub async fn capture(
    connection: &Connection,
    namespace: &str,
    velero_namespace: Option<&str>,
    now: Timestamp,
) -> Result<Facts, CaptureError> {
    let unreachable = |cause| CaptureError::Unreachable { server: connection.server.clone(), cause };
    let version = request::read(connection, "/version", JSON, Instant::now() + FIRST).await.map_err(unreachable)?;
    let deadline = Instant::now() + PATIENCE;
    let groups = served_groups(connection, deadline).await?;
    let velero_namespace = match velero_namespace {
        Some(named) => named.to_owned(),
        None => find_velero(connection, &groups, deadline).await?,
    };
    let selections = selections(namespace, &velero_namespace);
    let mut objects = of_velero(&velero_namespace, listed_all(connection, &groups, &selections, deadline).await?)?;
    let (namespaces, cluster_uid) = namespaces(connection, namespace, &velero_namespace, deadline).await?;
    objects.insert(Kind::Namespace, namespaces);
    Ok(Facts {
        server_version: version.get("gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned(),
        cluster_uid,
        ..facts_of(connection, Some(namespace), &velero_namespace, now, objects)
    })
}

/// All that is selected, by kind.
pub(crate) async fn listed_all(
    connection: &Connection,
    groups: &BTreeSet<String>,
    selections: &[Selection<'_>],
    deadline: Instant,
) -> Result<BTreeMap<Kind, Listed>, CaptureError> {
    connection.tally.begin(selections.len());
    let reads: Vec<_> = selections
        .iter()
        .map(|selection| async {
            let listed = listed(connection, groups, selection, deadline).await?;
            connection.tally.kind();
            Ok::<_, CaptureError>((selection.kind, listed))
        })
        .collect();
    let answers: Vec<(Kind, Listed)> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let mut objects: BTreeMap<Kind, Listed> = BTreeMap::new();
    for (kind, listed) in answers {
        let merged = match objects.remove(&kind) {
            Some(before) => merge(before, listed),
            None => listed,
        };
        objects.insert(kind, merged);
    }
    Ok(objects)
}

/// A kind that went away meanwhile, or the wrong namespace, must not look like a Velero that made no backups.
pub(crate) fn of_velero(velero: &str, objects: BTreeMap<Kind, Listed>) -> Result<BTreeMap<Kind, Listed>, CaptureError> {
    let none = |kind| matches!(objects.get(&kind), Some(Listed::Objects(found)) if found.is_empty());
    match objects.get(&Kind::Backup) {
        Some(Listed::NotServed) => Err(CaptureError::NoVelero),
        Some(Listed::Objects(_)) if none(Kind::Backup) && none(Kind::BackupStorageLocation) => {
            Err(CaptureError::NotThere(velero.to_owned()))
        }
        Some(Listed::Objects(_) | Listed::Forbidden(_)) | None => Ok(objects),
    }
}

/// Facts of kinds that no decision about a restore turns on: neither the server's version nor the cluster's uid is known.
pub(crate) fn facts_of(
    connection: &Connection,
    namespace: Option<&str>,
    velero: &str,
    now: Timestamp,
    objects: BTreeMap<Kind, Listed>,
) -> Facts {
    Facts {
        format: facts::FORMAT,
        taken: now,
        context: connection.context.clone(),
        server: connection.server.clone(),
        server_version: String::new(),
        cluster_uid: String::new(),
        namespace: namespace.unwrap_or_default().to_owned(),
        velero_namespace: velero.to_owned(),
        objects,
        documents: BTreeMap::new(),
    }
}

/// The API groups the server serves; the core group is `""`.
pub(crate) async fn served_groups(
    connection: &Connection,
    deadline: Instant,
) -> Result<BTreeSet<String>, CaptureError> {
    let read = |cause| CaptureError::Read { what: "the API groups".to_owned(), cause };
    let answer = request::read(connection, "/apis", JSON, deadline).await.map_err(read)?;
    let groups = answer.get("groups").and_then(Value::as_array).into_iter().flatten();
    let named = groups.filter_map(|group| group.get("name").and_then(Value::as_str)).map(str::to_owned);
    Ok(named.chain([String::new()]).collect())
}

async fn find_velero(
    connection: &Connection,
    groups: &BTreeSet<String>,
    deadline: Instant,
) -> Result<String, CaptureError> {
    if !groups.contains(Kind::BackupStorageLocation.info().group) {
        return Err(CaptureError::NoVelero);
    }
    let everywhere = select(Kind::BackupStorageLocation, None, "");
    let found = request::list(connection, &everywhere, deadline).await.map_err(|cause| CaptureError::Read {
        what: "the BackupStorageLocations of all namespaces (--velero-namespace names Velero's)".to_owned(),
        cause,
    })?;
    let namespaces: BTreeSet<&str> = found.iter().filter_map(Object::namespace).collect();
    let mut namespaces = namespaces.into_iter().map(str::to_owned);
    match (namespaces.next(), namespaces.next()) {
        (None, _) => Err(CaptureError::NoStorageLocation),
        (Some(only), None) => Ok(only),
        (Some(first), Some(second)) => {
            Err(CaptureError::SeveralVeleros([first, second].into_iter().chain(namespaces).collect()))
        }
    }
}

pub(crate) fn select<'a>(kind: Kind, namespace: Option<&'a str>, labels: &str) -> Selection<'a> {
    Selection { kind, namespace, labels: labels.to_owned(), metadata_only: false }
}

/// Workloads, claims and pods of one namespace, or of all, with Velero's own where that is another one; and whole kinds,
/// of every namespace and of Velero's.
fn judged_by<'a>(
    namespace: Option<&'a str>,
    velero: &'a str,
    everywhere: &[Kind],
    of_velero: &[Kind],
) -> Vec<Selection<'a>> {
    let workloads = WORKLOADS.iter().map(|(kind, _)| *kind).chain([Kind::PersistentVolumeClaim, Kind::Pod]);
    let mut selections: Vec<Selection<'_>> = workloads.map(|kind| select(kind, namespace, "")).collect();
    selections.extend(everywhere.iter().map(|kind| select(*kind, None, "")));
    selections.extend(of_velero.iter().map(|kind| select(*kind, Some(velero), "")));
    if namespace.is_some_and(|namespace| namespace != velero) {
        // Velero's server and its node-agents.
        let kinds = [Kind::Deployment, Kind::DaemonSet, Kind::Pod];
        selections.extend(kinds.map(|kind| select(kind, Some(velero), "")));
    }
    selections
}

fn selections<'a>(namespace: &'a str, velero: &'a str) -> Vec<Selection<'a>> {
    let mut selections: Vec<Selection<'a>> = Vec::new();
    selections.extend(OF_NAMESPACE.iter().map(|kind| select(*kind, Some(namespace), "")));
    // Their content is nobody's business; fingerprints of ours are read whole.
    for (kind, labels) in [(Kind::Secret, String::new()), (Kind::ConfigMap, format!("!{FINGERPRINT}"))] {
        selections.push(Selection { kind, namespace: Some(namespace), labels, metadata_only: true });
    }
    selections.push(select(Kind::ConfigMap, Some(namespace), FINGERPRINT));
    selections.extend(EVERYWHERE.iter().map(|kind| select(*kind, None, "")));
    if velero == namespace {
        let more = OF_VELERO.iter().filter(|kind| !OF_NAMESPACE.contains(kind));
        selections.extend(more.map(|kind| select(*kind, Some(velero), "")));
    } else {
        selections.extend(OF_VELERO.iter().map(|kind| select(*kind, Some(velero), "")));
        selections.push(select(Kind::ConfigMap, Some(velero), FINGERPRINT));
        selections.push(select(Kind::ConfigMap, Some(velero), &format!("{OPERATION},!{FINGERPRINT}")));
    }
    selections
}

pub(crate) async fn listed(
    connection: &Connection,
    groups: &BTreeSet<String>,
    selection: &Selection<'_>,
    deadline: Instant,
) -> Result<Listed, CaptureError> {
    let info = selection.kind.info();
    if !groups.contains(info.group) {
        return Ok(Listed::NotServed);
    }
    match request::list(connection, selection, deadline).await {
        Ok(objects) => Ok(Listed::Objects(objects)),
        Err(error) => match error.kind {
            ApiErrorKind::NotFound => Ok(Listed::NotServed),
            ApiErrorKind::Forbidden => Ok(Listed::Forbidden(error.message)),
            ApiErrorKind::Conflict
            | ApiErrorKind::AlreadyExists
            | ApiErrorKind::Invalid
            | ApiErrorKind::Timeout
            | ApiErrorKind::Unreachable
            | ApiErrorKind::Other => Err(CaptureError::Read { what: info.resource(), cause: error }),
        },
    }
}

/// Of two namespaces; what could not be read of one is not known at all.
fn merge(first: Listed, second: Listed) -> Listed {
    match (first, second) {
        (Listed::Forbidden(reason), _) | (_, Listed::Forbidden(reason)) => Listed::Forbidden(reason),
        (Listed::NotServed, other) | (other, Listed::NotServed) => other,
        (Listed::Objects(mut objects), Listed::Objects(more)) => {
            objects.extend(more);
            Listed::Objects(objects)
        }
    }
}

/// The namespaces a plan speaks of, and the uid that stands for the cluster.
async fn namespaces(
    connection: &Connection,
    namespace: &str,
    velero: &str,
    deadline: Instant,
) -> Result<(Listed, String), CaptureError> {
    let mut found = Vec::new();
    let mut cluster_uid = String::new();
    for name in BTreeSet::from([namespace, velero, "kube-system"]) {
        let key = Key::cluster(Kind::Namespace, name);
        let read = |cause| CaptureError::Read { what: key.to_string(), cause };
        if let Some(object) = request::get(connection, &key, deadline).await.map_err(read)? {
            if name == "kube-system" {
                object.uid().unwrap_or_default().clone_into(&mut cluster_uid);
            }
            found.push(object);
        }
    }
    Ok((Listed::Objects(found), cluster_uid))
}
