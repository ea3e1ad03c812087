//! `kind: BackupSchedule`: a Schedule as it would be written, and in what it differs from the one that is there.

use dr_core::drift;
use dr_core::redact;
use dr_core::timetable::Advice;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::backup::schedule::Would;
use crate::exit::Exit;
use crate::json::VERSION;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Did {
    Nothing,
    Created,
    Aligned,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    did: Did,
    exit_code: u8,
    exit: Exit,
    exists: bool,
    /// Fields that differed before anything was done. Hooks of others may hold a password: what looks like one is left
    /// out here and in the manifest.
    drift: Vec<DriftV1>,
    schedule: &'a str,
    gaps: Option<GapsV1>,
    kept_seconds: i64,
    warnings: Vec<WarningV1<'a>>,
    undo: &'a [String],
    manifest: Value,
    policy: Option<Value>,
}

#[derive(Debug, Serialize)]
struct DriftV1 {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GapsV1 {
    shortest_seconds: i64,
    longest_seconds: i64,
    longest_after: Timestamp,
}

#[derive(Debug, Serialize)]
struct WarningV1<'a> {
    about: &'static str,
    says: &'a str,
}

impl<'a> ScheduleV1<'a> {
    pub(crate) fn new(would: &'a Would, did: Did, exit: Exit, undo: &'a [String]) -> Self {
        let told = |(field, before, after): (String, Option<Value>, Option<Value>)| DriftV1 {
            field,
            before: before.as_ref().map(redact::value),
            after: after.as_ref().map(redact::value),
        };
        let mut drift: Vec<DriftV1> = Vec::new();
        if let Some(live) = &would.live {
            drift.extend(
                drift::fields(
                    &drift::without_kept_commands(live, &would.object),
                    &drift::without_kept_commands(&would.object, live),
                )
                .into_iter()
                .map(told),
            );
            if let Some(policy) = would.policy.as_ref().filter(|policy| policy.differs()) {
                let before = policy.live_data().map(|data| json!(data));
                let field = format!("configmaps/{}.data", policy.name);
                drift.push(told((field, before, Some(json!(policy.data())))));
            }
        }
        Self {
            api_version: VERSION,
            kind: "BackupSchedule",
            namespace: &would.namespace,
            name: &would.name,
            did,
            exit_code: exit.code(),
            exit,
            exists: would.live.is_some(),
            drift,
            schedule: &would.cron,
            gaps: would.gaps.map(|gaps| GapsV1 {
                shortest_seconds: gaps.shortest.as_secs(),
                longest_seconds: gaps.longest.as_secs(),
                longest_after: gaps.after,
            }),
            kept_seconds: would.ttl.as_secs(),
            warnings: would.warnings.iter().map(|Advice { about, says }| WarningV1 { about, says }).collect(),
            undo,
            manifest: redact::value(&match &would.live {
                Some(live) => drift::without_kept_commands(&would.object, live),
                None => would.object.clone(),
            }),
            policy: would.policy.as_ref().map(|policy| redact::value(&policy.object)),
        }
    }
}
