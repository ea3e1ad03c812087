//! What `kubectl dr backup verify` reads of the cluster and the object store, each within the time that is left.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dr_cluster::documents::{Documents, FetchError};
use dr_cluster::verify::Limits;
use dr_core::facts::Facts;
use dr_core::verify::{Asked, Fetched, Held, Snapshot};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Session, new_id, not_read};
use crate::exit::Exit;
use crate::progress::{Progress, Waiting};
use crate::render;
use crate::report::Failure;

/// How long one driver is waited for; csi-snapshotter asks it as soon as it sees the question.
const QUESTION: Duration = Duration::from_secs(30);
/// How often what is waited for is looked at; how often it is told, progress knows.
const LOOK: Duration = Duration::from_secs(1);

/// Until when everything has to be read, and where it is told.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    within: Duration,
    until: Instant,
    progress: &'a Progress,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(within: Duration, progress: &'a Progress) -> Self {
        Self { within, until: Instant::now() + within, progress }
    }

    /// Says what is done, and from time to time how far it is.
    async fn told<T>(self, title: &str, how_far: impl Fn() -> String, doing: impl Future<Output = T>) -> T {
        self.progress.say(title);
        self.progress.begin(title, title);
        let telling = async {
            loop {
                tokio::time::sleep(LOOK).await;
                let left = Some(self.until.saturating_duration_since(Instant::now()));
                self.progress.waiting(&Waiting { step: title, title, because: &how_far(), left, bytes: None });
            }
        };
        tokio::select! {
            done = doing => done,
            never = telling => never,
        }
    }

    async fn fetch<T>(self, asked: impl Future<Output = Result<T, FetchError>>) -> Fetched<T> {
        match tokio::time::timeout_at(self.until, asked).await {
            Ok(Ok(read)) => Fetched::Read(read),
            Ok(Err(error)) => {
                let is_final = error.is_final();
                let because = Failure::failed("", error).causes().join(": ");
                if is_final { Fetched::Worthless(because) } else { Fetched::Unread(because) }
            }
            Err(_) => Fetched::Unread(format!("it was not read within {}", render::seconds(self.within.as_secs()))),
        }
    }
}

impl Session {
    pub(crate) async fn verification(&self) -> Result<Facts, Failure> {
        let reading = dr_cluster::verify::facts(&self.connection, &self.velero_namespace, Timestamp::now());
        self.told(reading).await.map_err(|error| not_read("cannot read what is known of the backup", error))
    }

    /// What the object store holds of the backup.
    pub(crate) async fn held(&self, backup: &str, results: bool, reading: Reading<'_>) -> Held {
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        let name = || format!("dr-{}", new_id());
        let waits = || "Velero has not sent it".to_owned();
        let request = name();
        let infos = reading.fetch(documents.volume_infos(backup, &request));
        let infos = reading.told("reading the backup's list of volumes", waits, infos).await;
        // A Velero that does not answer is not asked four times: it would take minutes.
        if let Fetched::Unread(because) = &infos {
            let because = because.clone();
            let results = results.then(|| Fetched::Unread(because.clone()));
            return Held { infos, archive: Fetched::Unread(because), results };
        }
        let results = if results {
            let request = name();
            let read = reading.fetch(documents.backup_results(backup, &request));
            Some(reading.told("reading the errors and warnings", waits, read).await)
        } else {
            None
        };
        let request = name();
        let listed = reading.fetch(documents.item_list(backup, &request));
        let listed = reading.told("reading the list of items", waits, listed).await;
        let bytes = Arc::new(AtomicU64::new(0));
        let archive_name = name();
        let contents = documents.contents(backup, listed, Arc::clone(&bytes), &archive_name);
        let so_far = || format!("{} so far", render::bytes(bytes.load(Ordering::Relaxed)));
        let archive = reading.told("reading the archive", so_far, reading.fetch(contents)).await;
        Held { infos, archive, results }
    }

    /// The hooks of a backup that failed, as far as Velero's results can be read.
    pub(crate) async fn failed_hooks(&self, backup: &str) -> Vec<String> {
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        match documents.backup_results(backup, &format!("dr-{}", new_id())).await {
            Ok(results) => dr_core::verify::failed_hooks(&results),
            Err(error) => {
                tracing::info!("the results of backup {backup} are not read: {error}");
                Vec::new()
            }
        }
    }

    /// Asks drivers whether they still have the backup's snapshots; from here on Ctrl-C takes back what is asked.
    pub(crate) async fn ask_for(
        &self,
        facts: &Facts,
        snapshots: &BTreeSet<Snapshot>,
        reading: Reading<'_>,
    ) -> Result<BTreeMap<Snapshot, Asked>, Failure> {
        self.listen_for_interrupts();
        let name = format!("dr-asks-{}", new_id());
        let limits = Limits { each: QUESTION, all: reading.until, cancel: &self.interrupt.token };
        let asked = dr_cluster::verify::ask(&self.connection, facts, snapshots, &name, limits);
        let asked = if snapshots.is_empty() {
            asked.await
        } else {
            let title = format!("asking drivers for the snapshots, {} in all", snapshots.len());
            reading.told(&title, || "not all have answered".to_owned(), asked).await
        };
        if self.interrupted() {
            return Err(Failure::new(Exit::Failed, "interrupted: the backup is not verified"));
        }
        Ok(asked)
    }
}
