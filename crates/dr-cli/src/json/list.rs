//! `kind: RunList`.

use jiff::Timestamp;
use serde::Serialize;

use crate::glue::Record;
use crate::json::VERSION;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunListV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<RecordV1<'a>>,
}

#[derive(Debug, Serialize)]
struct RecordV1<'a> {
    id: &'a str,
    namespace: &'a str,
    backup: &'a str,
    made: Timestamp,
    outcome: Option<&'static str>,
    closed: bool,
}

impl<'a> From<&'a [Record]> for RunListV1<'a> {
    fn from(records: &'a [Record]) -> Self {
        let items = records.iter().map(RecordV1::from).collect();
        Self { api_version: VERSION, kind: "RunList", items }
    }
}

impl<'a> From<&'a Record> for RecordV1<'a> {
    fn from(record: &'a Record) -> Self {
        let Record { id, namespace, backup, made, outcome, closed } = record;
        Self { id, namespace, backup, made: *made, outcome: *outcome, closed: *closed }
    }
}
