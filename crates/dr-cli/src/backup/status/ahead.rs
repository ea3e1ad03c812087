//! Lists of volumes that will be wanted anyway, downloaded side by side: one takes Velero a moment, and a cluster has
//! many namespaces.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::choose::{self, Newest, Request};
use dr_core::facts::{Document, Facts};
use futures::StreamExt as _;
use futures::stream;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::look::Look;
use crate::report::Failure;
use crate::{out, render};

/// As many as Velero signs without falling behind.
const AT_ONCE: usize = 8;

impl Look<'_> {
    /// Reads the lists that tell each namespace's newest backup with all of its data.
    pub(super) async fn read_ahead(
        &self,
        facts: &mut Facts,
        names: impl Iterator<Item = &String>,
        until: Instant,
    ) -> Result<(), Failure> {
        let request = |name: &String| Request { leave: self.left(name), ..Request::default() };
        let mut open: BTreeMap<&String, Request> = names.map(|name| (name, request(name))).collect();
        loop {
            let mut wanted = BTreeSet::new();
            open.retain(|name, request| {
                name.as_str().clone_into(&mut facts.namespace);
                match choose::covering(facts, request) {
                    Ok(Newest::Fetch { backup }) => {
                        wanted.insert(backup);
                        true
                    }
                    Ok(Newest::Found(_)) | Err(_) => false,
                }
            });
            if wanted.is_empty() || Instant::now() >= until {
                return Ok(());
            }
            if self.is_watched() {
                let held = match (wanted.len(), wanted.first()) {
                    (1, Some(backup)) => format!("backup {backup} holds"),
                    (count, _) => format!("{count} backups hold"),
                };
                out::prose(&format!("reading what {held}"));
            }
            let read = stream::iter(wanted).map(|backup| async {
                let list = self.list(&backup, until).await?;
                Ok::<_, Failure>((backup, list))
            });
            let read: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
            for read in read {
                let (backup, list) = read?;
                facts.documents.entry(backup).or_default().volume_infos = list;
            }
        }
    }

    /// The list of one backup; one that does not come in time is a fact, too.
    pub(super) async fn list(&self, backup: &str, until: Instant) -> Result<Document<Vec<Value>>, Failure> {
        if Instant::now() < until
            && let Ok(list) = timeout_at(until, self.session.volume_infos(backup)).await
        {
            return list;
        }
        let patience = SignedDuration::try_from(self.args.timeout).unwrap_or(SignedDuration::MAX);
        Ok(Document::Failed(format!(
            "not read within {}, the time for all lists (--timeout)",
            render::duration(patience)
        )))
    }
}
