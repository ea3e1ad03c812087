//! Follows a running backup until Velero is done with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::schedule;
use dr_run::condition::{Listing, Observation, Query};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::glue::Session;
use crate::progress::{Progress, Waiting};

const PAUSE: Duration = Duration::from_secs(1);
/// A Velero that runs takes a new backup up within seconds.
const TAKEN_UP: Duration = Duration::from_secs(60);

/// How following ended.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The Backup as it was when Velero was done with it.
    Ended(Box<Object>),
    /// The time is over, or somebody pressed Ctrl-C.
    Left { phase: String },
    /// The object is not there any more.
    Gone,
}

pub(crate) async fn follow(session: &Session, backup: &Key, timeout: Duration, progress: &Progress) -> Followed {
    let copies = Listing {
        kind: Kind::PodVolumeBackup,
        namespace: backup.namespace.clone(),
        labels: BTreeMap::from([("velero.io/backup-name".to_owned(), backup.name.clone())]),
    };
    let queries = BTreeSet::from([Query::Get(backup.clone()), Query::List(copies.clone())]);
    let began = Instant::now();
    let mut phase = String::from("New");
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() || session.interrupted() {
            return Followed::Left { phase };
        }
        match session.observe(&queries).await {
            Err(because) => tell(progress, &because, left, None),
            Ok(seen) => {
                let Ok(Some(found)) = seen.get(backup) else { return Followed::Gone };
                found.str_at("/status/phase").unwrap_or("New").clone_into(&mut phase);
                if ended(&phase) {
                    return Followed::Ended(Box::new(found.clone()));
                }
                let because = match phase.as_str() {
                    "New" if began.elapsed() > TAKEN_UP => {
                        format!("{phase}: Velero has not taken it up; does its server run?")
                    }
                    "Queued" if began.elapsed() > TAKEN_UP => ahead(session, backup).await,
                    _ => items(&phase, found),
                };
                tell(progress, &because, left, bytes(&seen, &copies));
            }
        }
        session.pause(PAUSE.min(left)).await;
    }
}

/// What a backup that is queued waits for.
async fn ahead(session: &Session, backup: &Key) -> String {
    let all = Listing { kind: Kind::Backup, namespace: backup.namespace.clone(), labels: BTreeMap::new() };
    let seen = match session.observe(&BTreeSet::from([Query::List(all.clone())])).await {
        Ok(seen) => seen,
        Err(because) => return because,
    };
    let Ok(backups) = seen.list(&all) else { return "Queued".to_owned() };
    let velero = backup.namespace.as_deref().unwrap_or_default();
    if let Some(idle) = schedule::jammed(backups.iter(), Timestamp::now(), velero) {
        return format!("Queued: {}; {}", idle.says, idle.fix);
    }
    let runs = |other: &&Object| matches!(other.str_at("/status/phase"), Some("InProgress" | "ReadyToStart"));
    let names: Vec<&str> = backups.iter().filter(runs).map(Object::name).collect();
    if names.is_empty() { "Queued".to_owned() } else { format!("Queued behind {}", names.join(", ")) }
}

fn ended(phase: &str) -> bool {
    matches!(phase, "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation" | "Deleting")
}

fn items(phase: &str, backup: &Object) -> String {
    let done = backup.i64_at("/status/progress/itemsBackedUp");
    let total = backup.i64_at("/status/progress/totalItems");
    match (done, total) {
        (Some(done), Some(total)) => format!("{phase}, {done} of {total} objects"),
        _ => phase.to_owned(),
    }
}

/// Bytes copied of bytes to copy, once node-agent has counted.
fn bytes(seen: &Observation, copies: &Listing) -> Option<(u64, u64)> {
    let copies = seen.list(copies).ok()?;
    let sum = |pointer: &str| copies.iter().filter_map(|copy| copy.i64_at(pointer)).sum::<i64>();
    let total = u64::try_from(sum("/status/progress/totalBytes")).ok().filter(|total| *total > 0)?;
    Some((u64::try_from(sum("/status/progress/bytesDone")).ok()?, total))
}

fn tell(progress: &Progress, because: &str, left: Duration, bytes: Option<(u64, u64)>) {
    progress.waiting(&Waiting { step: "backup", title: "Velero takes the backup", because, left: Some(left), bytes });
}
