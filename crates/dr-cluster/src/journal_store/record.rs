//! The record of a run: what is left of it for good, and what `list` shows.

use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::plan::{OPERATION, Plan};
use dr_run::run::{Exchange, Outcome};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::pieces::PART;
use super::{JournalStore, PATIENCE, StoreError, damaged};
use crate::api_error::ApiErrorKind;
use crate::request::{self, MERGE_PATCH};

/// The label with the namespace a run restores.
pub const NAMESPACE: &str = "kubectl-dr/namespace";

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: String,
    pub namespace: String,
    pub backup: String,
    pub made: Timestamp,
    /// Of the process that holds it; 0 before anybody took it.
    pub epoch: u64,
    /// None while it is under way.
    pub outcome: Option<Outcome>,
    /// What was reported of it at the end.
    pub report: Option<Value>,
}

pub(super) fn of_plan(plan: &Plan) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("dr-{}", plan.id), "labels": { PART: "record" } },
        "data": {
            "format": FORMAT.to_string(),
            "namespace": plan.place.namespace,
            "backup": plan.source.backup,
            "made": plan.made.to_string(),
            "epoch": "0",
        },
    })
}

fn read(object: &Object) -> Result<Record, StoreError> {
    let id = object.label(OPERATION).unwrap_or_default().to_owned();
    let text = |field: &str| {
        object
            .at("/data")
            .and_then(|data| data.get(field))
            .and_then(Value::as_str)
            .ok_or_else(|| damaged(&id, format!("its record says no {field}")))
    };
    let bad = |field: &str, error: &dyn std::fmt::Display| damaged(&id, format!("{field} of its record: {error}"));
    let format: u64 = text("format")?.parse().map_err(|error| bad("format", &error))?;
    if format > u64::from(FORMAT) {
        return Err(StoreError::NewerFormat { id, what: "record", found: format });
    }
    let json = |field: &str| text(field).ok().map(str::to_owned);
    Ok(Record {
        namespace: text("namespace")?.to_owned(),
        backup: text("backup")?.to_owned(),
        made: text("made")?.parse().map_err(|error| bad("made", &error))?,
        epoch: text("epoch")?.parse().map_err(|error| bad("epoch", &error))?,
        outcome: json("outcome")
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| bad("outcome", &error))?,
        report: json("report")
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| bad("report", &error))?,
        id,
    })
}

impl JournalStore {
    pub async fn record(&self, id: &str) -> Result<Option<Record>, StoreError> {
        self.get(&self.key(id, "")).await?.as_ref().map(read).transpose()
    }

    /// Every run there is a record of, oldest first; of one namespace when it is named.
    pub async fn list(&self, namespace: Option<&str>) -> Result<Vec<Record>, StoreError> {
        let labels = match namespace {
            Some(namespace) => format!("{PART}=record,{NAMESPACE}={namespace}"),
            None => format!("{PART}=record"),
        };
        let mut records = self.select(&labels).await?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        records.sort_by(|a, b| a.made.cmp(&b.made).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    /// Writes down how the run ended (none: it goes on again) and what was reported of it.
    pub async fn set_record(
        &self,
        id: &str,
        outcome: Option<&Outcome>,
        report: Option<&Value>,
    ) -> Result<(), StoreError> {
        let outcome = outcome.map(serde_json::to_string).transpose();
        let report = report.map(serde_json::to_string).transpose();
        let written = |text: Result<Option<String>, serde_json::Error>| {
            text.map_err(|error| damaged(id, format!("its record cannot be written: {error}")))
        };
        let patch = json!({ "data": { "outcome": written(outcome)?, "report": written(report)? } });
        self.patch_record(id, &patch).await
    }

    /// Writes down when volumes were being exchanged: `dr_core::choose` passes over backups of that time.
    pub async fn set_exchanges(&self, id: &str, exchanges: &[Exchange]) -> Result<(), StoreError> {
        let text = serde_json::to_string(exchanges);
        let text = text.map_err(|error| damaged(id, format!("its record cannot be written: {error}")))?;
        self.patch_record(id, &json!({ "data": { "exchanges": text } })).await
    }

    /// Never lowers it.
    pub(super) async fn raise_epoch(&self, id: &str, epoch: u64) -> Result<(), StoreError> {
        let key = self.key(id, "");
        loop {
            let found = self.get(&key).await?.ok_or_else(|| StoreError::NoSuchRun { id: id.to_owned() })?;
            if read(&found)?.epoch >= epoch {
                return Ok(());
            }
            let patch = json!({
                "metadata": { "resourceVersion": found.resource_version() },
                "data": { "epoch": epoch.to_string() },
            });
            match self.patch_record(id, &patch).await {
                Err(StoreError::Api { cause, .. }) if cause.kind == ApiErrorKind::Conflict => {}
                other => return other,
            }
        }
    }

    async fn patch_record(&self, id: &str, patch: &Value) -> Result<(), StoreError> {
        let key: Key = self.key(id, "");
        debug_assert_eq!(key.kind, Kind::ConfigMap);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let result =
                request::send(self.connection(), Method::PATCH, &request::object(&key), MERGE_PATCH, Some(patch)).await;
            match result {
                Ok(_) => return Ok(()),
                Err(error) if error.is_unknown() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(cause) => return Err(StoreError::Api { doing: format!("write {key}"), cause }),
            }
        }
    }
}
