//! What tells whether a backup can be restored, beside its documents: Velero's objects, and drivers that are asked for
//! snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::verify::{self, Answer, Asked, PROBE, Snapshot};
use futures::stream::{self, StreamExt as _};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api_error::ApiErrorKind;
use crate::capture::{CaptureError, PATIENCE, facts_of, listed_all, of_velero, select, served_groups};
use crate::connect::Connection;
use crate::request::{self, JSON, Selection};

/// Whole, of every namespace.
const EVERYWHERE: &[Kind] = &[Kind::CSIDriver, Kind::VolumeSnapshotClass];

/// Whole, of Velero's namespace.
const OF_VELERO: &[Kind] = &[
    Kind::Backup,
    Kind::BackupRepository,
    Kind::BackupStorageLocation,
    Kind::DataUpload,
    Kind::DeleteBackupRequest,
    Kind::PodVolumeBackup,
];

/// How many snapshots are asked for at once.
const QUESTIONS: usize = 16;

/// What an ended process left of a question is not another's that is still open.
const LEFT_OVER: SignedDuration = SignedDuration::from_mins(15);

/// The facts' namespace is left to whoever asks.
pub async fn facts(connection: &Connection, velero: &str, now: Timestamp) -> Result<Facts, CaptureError> {
    let deadline = Instant::now() + PATIENCE;
    let groups = served_groups(connection, deadline).await?;
    let everywhere = EVERYWHERE.iter().map(|kind| select(*kind, None, ""));
    let selections: Vec<Selection<'_>> =
        everywhere.chain(OF_VELERO.iter().map(|kind| select(*kind, Some(velero), ""))).collect();
    let objects = of_velero(velero, listed_all(connection, &groups, &selections, deadline).await?)?;
    Ok(facts_of(connection, None, velero, now, objects))
}

/// How long drivers are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    pub each: Duration,
    pub all: Instant,
    /// Whoever cancels it waits no longer; what is open is deleted all the same.
    pub cancel: &'a CancellationToken,
}

/// Asks the drivers for the snapshots. What is made for it is deleted again; what an earlier process could not delete any
/// more goes, too, also where there is nothing to ask. `name` is one that nothing has.
pub async fn ask(
    connection: &Connection,
    facts: &Facts,
    snapshots: &BTreeSet<Snapshot>,
    name: &str,
    limits: Limits<'_>,
) -> BTreeMap<Snapshot, Asked> {
    tokio::select! {
        () = remove_leftovers(connection, facts.taken) => {}
        () = limits.cancel.cancelled() => {}
    }
    let questions: Vec<_> = snapshots
        .iter()
        .enumerate()
        .map(|(number, snapshot)| async move {
            let asked = question(connection, facts, snapshot, &format!("{name}-{number}"), limits).await;
            (snapshot.clone(), asked)
        })
        .collect();
    stream::iter(questions).buffer_unordered(QUESTIONS).collect().await
}

async fn question(
    connection: &Connection,
    facts: &Facts,
    snapshot: &Snapshot,
    name: &str,
    limits: Limits<'_>,
) -> Asked {
    let interrupted = || Asked::NoAnswer("it was interrupted".to_owned());
    if limits.cancel.is_cancelled() {
        return interrupted();
    }
    let within = limits.each.min(limits.all.saturating_duration_since(Instant::now()));
    if within.is_zero() {
        return Asked::NoAnswer("the time given was over before its driver was asked".to_owned());
    }
    let key = Key::cluster(Kind::VolumeSnapshotContent, name);
    let content = verify::probe(facts, snapshot, name);
    let path = request::collection(key.kind, None);
    if let Err(error) = request::send(connection, Method::POST, &path, JSON, Some(&content)).await {
        let hint = if error.kind == ApiErrorKind::Forbidden { " (docs/rbac/verify.yaml grants it)" } else { "" };
        // It may have been made all the same.
        if error.is_unknown() {
            delete(connection, &key).await;
        }
        return Asked::NoAnswer(format!("its driver cannot be asked: {error}{hint}"));
    }
    let asked = tokio::select! {
        asked = answered(connection, &key, within) => asked,
        () = limits.cancel.cancelled() => interrupted(),
    };
    delete(connection, &key).await;
    asked
}

async fn answered(connection: &Connection, key: &Key, within: Duration) -> Asked {
    let deadline = Instant::now() + within;
    let mut pause = Duration::from_millis(100);
    loop {
        let open = match request::get(connection, key, deadline).await {
            Ok(Some(content)) => match verify::answer(&content) {
                Answer::Settled(asked) => return asked,
                Answer::Open(because) => because,
            },
            Ok(None) => return Asked::NoAnswer("the question was deleted by somebody else".to_owned()),
            Err(error) => error.to_string(),
        };
        if Instant::now() + pause >= deadline {
            return Asked::NoAnswer(format!("no answer within {} s: {open}", within.as_secs()));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// The policy Retain leaves the snapshot alone.
async fn delete(connection: &Connection, key: &Key) {
    match request::send(connection, Method::DELETE, &request::object(key), JSON, None).await {
        Ok(_) => {}
        Err(error) if error.kind == ApiErrorKind::NotFound => {}
        Err(error) => tracing::warn!("{key} is left until the next backup verify: {error}"),
    }
}

async fn remove_leftovers(connection: &Connection, now: Timestamp) {
    let selection = select(Kind::VolumeSnapshotContent, None, PROBE);
    let left = match request::list(connection, &selection, Instant::now() + PATIENCE).await {
        Ok(left) => left,
        Err(error) => {
            tracing::debug!("cannot look for what is left of earlier questions: {error}");
            return;
        }
    };
    let old = |content: &&Object| {
        dr_core::cover::time(content, "/metadata/creationTimestamp").is_some_and(|made| made + LEFT_OVER < now)
    };
    for content in left.iter().filter(old) {
        delete(connection, &Key::cluster(Kind::VolumeSnapshotContent, content.name())).await;
    }
}

#[cfg(test)]
mod tests;
