//! A run at rest: its plan, its journal and its record as ConfigMaps in Velero's namespace.
//!
//! Guarantees: an append happened wholly or not at all, and after every entry this process knows of; an append of ours
//! whose answer was lost is recognised. Whoever takes a run over makes every later append of older processes fail.
//! A full segment is sealed before the next is made, so that nobody can go on writing behind a seal.

mod pieces;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::journal::{Entry, Event};
use dr_run::plan::{OPERATION, Plan};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;
use crate::local_copy::LocalCopy;
use crate::request::{self, JSON, MERGE_PATCH, Selection};

pub use record::{NAMESPACE, Record};

/// A segment that would grow beyond this is sealed; etcd rewrites a ConfigMap whole at every append.
const SEGMENT: usize = 64 * 1024;

/// How long an append tries: longer than an API server's restart.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no run {id}")]
    NoSuchRun { id: String },
    #[error("there is a run {id} already")]
    Exists { id: String },
    #[error("run {id} was written by a newer version: its {what} has format {found}")]
    NewerFormat { id: String, what: &'static str, found: u64 },
    #[error("run {id} cannot be read: {because}")]
    Damaged { id: String, because: String },
    #[error("{by} has taken the run over (epoch {epoch})")]
    TakenOver { by: String, epoch: u64 },
    #[error("cannot {doing}")]
    Api {
        doing: String,
        #[source]
        cause: ApiError,
    },
}

/// Where the next append goes, and the epoch it is made in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    id: String,
    epoch: u64,
    segment: usize,
    state: Segment,
}

/// The segment as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// To be made: the one before is sealed.
    Missing,
    Open {
        uid: String,
        resource_version: String,
        text: String,
    },
}

impl Position {
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The runs in one cluster.
#[derive(Clone)]
pub struct JournalStore {
    connection: Connection,
    velero_namespace: String,
    local: Option<LocalCopy>,
}

impl JournalStore {
    pub fn new(connection: &Connection, velero_namespace: impl Into<String>) -> Self {
        Self { connection: connection.clone(), velero_namespace: velero_namespace.into(), local: None }
    }

    /// Also keeps plan and journal under the user's XDG state directory.
    pub fn with_local_copy(mut self) -> Self {
        self.local = LocalCopy::of_user(&self.connection.server);
        self
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn velero_namespace(&self) -> &str {
        &self.velero_namespace
    }

    /// Writes a new run down: the plan, an empty journal, last the record that makes it a run.
    pub async fn create(&self, plan: &Plan) -> Result<(), StoreError> {
        let record = self.key(&plan.id, "");
        if self.get(&record).await?.is_some() {
            return Err(StoreError::Exists { id: plan.id.clone() });
        }
        let mut objects = pieces::of_plan(plan).map_err(|because| damaged(&plan.id, because))?;
        objects.push(pieces::segment(&plan.id, 0, ""));
        objects.push(record::of_plan(plan));
        for mut object in objects {
            if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
                labels.insert(OPERATION.to_owned(), plan.id.clone().into());
                labels.insert(NAMESPACE.to_owned(), plan.place.namespace.clone().into());
            }
            self.create_object(&plan.id, &object).await?;
        }
        if let Some(local) = &self.local {
            local.plan(plan);
        }
        Ok(())
    }

    /// The run as it stands. The position's epoch is the newest there is; [`JournalStore::take`] makes it ours.
    pub async fn load(&self, id: &str) -> Result<(Plan, Vec<Entry>, Position), StoreError> {
        let objects = self.pieces(id).await?;
        if objects.is_empty() {
            return Err(StoreError::NoSuchRun { id: id.to_owned() });
        }
        let plan = pieces::plan(id, &objects)?;
        let (entries, position) = pieces::journal(id, &objects)?;
        Ok((plan, entries, position))
    }

    /// Takes the run: from here on every older process fails at its next append.
    pub async fn take(&self, id: &str, by: &str, now: Timestamp) -> Result<(Plan, Vec<Entry>, Position), StoreError> {
        loop {
            let (plan, mut entries, mut position) = self.load(id).await?;
            position.epoch += 1;
            let taken = Entry { at: now, epoch: position.epoch, event: Event::Taken { by: by.to_owned() } };
            match self.append(&mut position, std::slice::from_ref(&taken)).await {
                Ok(()) => {
                    entries.push(taken);
                    self.raise_epoch(id, position.epoch).await?;
                    return Ok((plan, entries, position));
                }
                // Two took it at the same moment; the later one has it.
                Err(StoreError::TakenOver { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends, all or nothing.
    pub async fn append(&self, position: &mut Position, entries: &[Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let lines = pieces::lines(entries).map_err(|because| damaged(&position.id, because))?;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(50);
        loop {
            match self.try_append(position, &lines).await {
                Ok(()) => break,
                Err(error) => {
                    let settles = matches!(error.kind, ApiErrorKind::Conflict | ApiErrorKind::AlreadyExists);
                    if !(settles || error.is_unknown()) || Instant::now() >= deadline {
                        return Err(StoreError::Api {
                            doing: format!("write the journal of {}", position.id),
                            cause: error,
                        });
                    }
                }
            }
            if self.catch_up(position, &lines, deadline).await? {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        if let Some(local) = &self.local {
            local.append(&position.id, entries);
        }
        Ok(())
    }

    /// Whether this process still holds the run. One quorum read; made after observing and before acting.
    pub async fn check(&self, id: &str, epoch: u64) -> Result<(), StoreError> {
        let record = self.record(id).await?.ok_or_else(|| StoreError::NoSuchRun { id: id.to_owned() })?;
        if record.epoch <= epoch {
            return Ok(());
        }
        let by = match self.load(id).await {
            Ok((_, entries, _)) => holder(&entries),
            Err(_) => None,
        };
        Err(StoreError::TakenOver { by: by.unwrap_or_else(|| "another process".to_owned()), epoch: record.epoch })
    }

    /// Deletes plan and journal of a finalized run; the record stays.
    pub async fn delete_pieces(&self, id: &str) -> Result<(), StoreError> {
        let record = self.key(id, "").name;
        for object in self.pieces(id).await?.iter().filter(|object| object.name() != record && is_piece(object)) {
            let key = Key::namespaced(Kind::ConfigMap, &self.velero_namespace, object.name());
            let options = json!({ "preconditions": { "uid": object.uid() } });
            let path = request::object(&key);
            match request::send(&self.connection, Method::DELETE, &path, JSON, Some(&options)).await {
                Err(error) if error.kind != ApiErrorKind::NotFound => {
                    return Err(StoreError::Api { doing: format!("delete {key}"), cause: error });
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn try_append(&self, position: &mut Position, lines: &str) -> Result<(), ApiError> {
        if let Segment::Open { text, .. } = &position.state
            && !text.is_empty()
            && text.len() + lines.len() > SEGMENT
        {
            let seal = json!({ "data": { pieces::NEXT: (position.segment + 1).to_string() } });
            self.patch_segment(position, seal).await?;
            position.segment += 1;
            position.state = Segment::Missing;
        }
        let (written, text) = match &position.state {
            Segment::Missing => {
                let object = pieces::segment(&position.id, position.segment, lines);
                let path = request::collection(Kind::ConfigMap, Some(&self.velero_namespace));
                (request::send(&self.connection, Method::POST, &path, JSON, Some(&object)).await?, lines.to_owned())
            }
            Segment::Open { text, .. } => {
                let text = format!("{text}{lines}");
                let patch = json!({ "data": { pieces::ENTRIES: text } });
                (self.patch_segment(position, patch).await?, text)
            }
        };
        position.state = pieces::open(&Object(written), text);
        Ok(())
    }

    async fn patch_segment(&self, position: &Position, mut patch: Value) -> Result<Value, ApiError> {
        let key = self.key(&position.id, &format!("-journal-{}", position.segment));
        if let (Segment::Open { uid, resource_version, .. }, Some(map)) = (&position.state, patch.as_object_mut()) {
            let guard = json!({ "uid": uid, "resourceVersion": resource_version });
            map.insert("metadata".to_owned(), guard);
        }
        request::send(&self.connection, Method::PATCH, &request::object(&key), MERGE_PATCH, Some(&patch)).await
    }

    /// After an append that may or may not have happened: true when it has. Puts the position where the journal ends.
    async fn catch_up(&self, position: &mut Position, lines: &str, deadline: Instant) -> Result<bool, StoreError> {
        let known = match &position.state {
            Segment::Missing => "",
            Segment::Open { text, .. } => text.as_str(),
        };
        let key = self.key(&position.id, &format!("-journal-{}", position.segment));
        let found = request::get(&self.connection, &key, deadline).await;
        let found = found.map_err(|cause| StoreError::Api { doing: format!("read {key}"), cause })?;
        let Some(found) = found else {
            return match &position.state {
                Segment::Missing => Ok(false),
                Segment::Open { .. } => Err(StoreError::NoSuchRun { id: position.id.clone() }),
            };
        };
        let text = pieces::text(&found);
        let sealed = pieces::is_sealed(&found);
        if text == known && !sealed {
            position.state = pieces::open(&found, text);
            return Ok(false);
        }
        if text == known {
            // Sealed, by us or by whoever took the run: what follows stands in the next segment.
            position.segment += 1;
            position.state = Segment::Missing;
            return Box::pin(self.catch_up(position, lines, deadline)).await;
        }
        let tail =
            text.strip_prefix(known).ok_or_else(|| damaged(&position.id, "its journal was rewritten".to_owned()))?;
        if tail == lines && !sealed {
            position.state = pieces::open(&found, text);
            return Ok(true);
        }
        let entries = pieces::entries(&position.id, tail)?;
        let epoch = entries.iter().map(|entry| entry.epoch).max().unwrap_or(0);
        if epoch >= position.epoch {
            let by = holder(&entries).unwrap_or_else(|| "another process".to_owned());
            return Err(StoreError::TakenOver { by, epoch });
        }
        // Only `take` gets here: an older process wrote before it learned of us.
        Err(StoreError::TakenOver { by: "an older process".to_owned(), epoch })
    }

    async fn pieces(&self, id: &str) -> Result<Vec<Object>, StoreError> {
        self.select(&format!("{OPERATION}={id}")).await
    }

    async fn select(&self, labels: &str) -> Result<Vec<Object>, StoreError> {
        let selection = Selection {
            kind: Kind::ConfigMap,
            namespace: Some(&self.velero_namespace),
            labels: labels.to_owned(),
            metadata_only: false,
        };
        request::list(&self.connection, &selection, Instant::now() + PATIENCE)
            .await
            .map_err(|cause| StoreError::Api { doing: format!("list the runs in {}", self.velero_namespace), cause })
    }

    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        request::get(&self.connection, key, Instant::now() + PATIENCE)
            .await
            .map_err(|cause| StoreError::Api { doing: format!("read {key}"), cause })
    }

    /// Creates it; one of the same content that is there already is what an earlier try left.
    async fn create_object(&self, id: &str, object: &Value) -> Result<(), StoreError> {
        let path = request::collection(Kind::ConfigMap, Some(&self.velero_namespace));
        let deadline = Instant::now() + PATIENCE;
        loop {
            match request::send(&self.connection, Method::POST, &path, JSON, Some(object)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == ApiErrorKind::AlreadyExists => {
                    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                    let key = Key::namespaced(Kind::ConfigMap, &self.velero_namespace, name);
                    let same = self.get(&key).await?.is_some_and(|found| pieces::same_content(&found.0, object));
                    return if same { Ok(()) } else { Err(StoreError::Exists { id: id.to_owned() }) };
                }
                Err(error) if error.is_unknown() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(cause) => return Err(StoreError::Api { doing: format!("write the plan of {id} down"), cause }),
            }
        }
    }

    fn key(&self, id: &str, suffix: &str) -> Key {
        Key::namespaced(Kind::ConfigMap, &self.velero_namespace, format!("dr-{id}{suffix}"))
    }
}

fn is_piece(object: &Object) -> bool {
    matches!(object.label(pieces::PART), Some("plan" | "journal"))
}

fn damaged(id: &str, because: String) -> StoreError {
    StoreError::Damaged { id: id.to_owned(), because }
}

fn holder(entries: &[Entry]) -> Option<String> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Taken { by } => Some(by.clone()),
        Event::Intent { .. }
        | Event::Done { .. }
        | Event::Failed { .. }
        | Event::Settled { .. }
        | Event::Confirmed { .. }
        | Event::Turned { .. }
        | Event::Finalized => None,
    })
}
