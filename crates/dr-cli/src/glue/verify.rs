//! What `kubectl dr backup verify` reads of the cluster and the object store, each within the time that is left.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dr_cluster::documents::{Documents, FetchError};
use dr_core::facts::Facts;
use dr_core::verify::{Asked, Fetched, Held, Snapshot};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Session, new_id};
use crate::report::Failure;
use crate::{out, render};

/// How long one driver is waited for; csi-snapshotter asks it as soon as it sees the question.
const QUESTION: Duration = Duration::from_secs(30);
/// How often a long download is told of.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Until when everything has to be read, and whether a person watches.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) within: Duration,
    pub(crate) until: Instant,
    pub(crate) watched: bool,
}

impl Reading {
    pub(crate) fn new(within: Duration, watched: bool) -> Self {
        Self { within, until: Instant::now() + within, watched }
    }

    fn say(self, text: &str) {
        if self.watched {
            out::prose(text);
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
        let facts = dr_cluster::verify::facts(&self.connection, &self.velero_namespace, Timestamp::now()).await;
        facts.map_err(|error| Failure::failed("cannot read what is known of the backup", error))
    }

    /// What the object store holds of the backup.
    pub(crate) async fn held(&self, backup: &str, results: bool, reading: Reading) -> Held {
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        let name = || format!("dr-{}", new_id());
        reading.say("reading the backup's list of volumes");
        let infos = reading.fetch(documents.volume_infos(backup, &name())).await;
        // A Velero that does not answer is not asked four times: it would take minutes.
        if let Fetched::Unread(because) = &infos {
            let because = because.clone();
            let results = results.then(|| Fetched::Unread(because.clone()));
            return Held { infos, archive: Fetched::Unread(because), results };
        }
        let results = if results { Some(reading.fetch(documents.backup_results(backup, &name())).await) } else { None };
        let listed = reading.fetch(documents.item_list(backup, &name())).await;
        reading.say("reading the archive");
        let bytes = Arc::new(AtomicU64::new(0));
        let archive_name = name();
        let contents = documents.contents(backup, listed, Arc::clone(&bytes), &archive_name);
        let told = async {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                reading.say(&format!("reading the archive: {} so far", render::bytes(bytes.load(Ordering::Relaxed))));
            }
        };
        let archive = tokio::select! {
            archive = reading.fetch(contents) => archive,
            () = told => Fetched::Unread("it was let go of".to_owned()),
        };
        Held { infos, archive, results }
    }

    /// Asks drivers whether they still have the backup's snapshots.
    pub(crate) async fn ask_for(
        &self,
        facts: &Facts,
        snapshots: &BTreeSet<Snapshot>,
        reading: Reading,
    ) -> BTreeMap<Snapshot, Asked> {
        if snapshots.is_empty() {
            return BTreeMap::new();
        }
        reading.say(&format!("asking drivers for {} snapshots", snapshots.len()));
        let name = format!("dr-asks-{}", new_id());
        dr_cluster::verify::ask(&self.connection, facts, snapshots, &name, (QUESTION, reading.until)).await
    }
}
