//! What one act of the demo did, and when.

use anyhow::{Context as _, Result};
use dr_live::Attempt;
use jiff::Timestamp;
use serde_json::Value;

use crate::place::text;

/// A named stretch of time, in seconds since the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) began: f64,
    pub(crate) ended: f64,
}

impl Span {
    pub(crate) fn new(name: &str, began: f64, ended: f64) -> Self {
        Self { name: name.to_owned(), began, ended }
    }
}

/// One loss and one way back from it.
pub(crate) struct Act {
    pub(crate) what: String,
    /// The books before and after.
    pub(crate) lost: String,
    pub(crate) found: String,
    /// How the command ended, in its own words.
    pub(crate) said: String,
    /// Of the command, in seconds.
    pub(crate) took: f64,
    /// Last order that went through before to the first after, in seconds, by the writer's own log.
    pub(crate) outage: Option<f64>,
    pub(crate) began: f64,
    pub(crate) ended: f64,
    pub(crate) spans: Vec<Span>,
    pub(crate) attempts: Vec<Attempt>,
}

/// Seconds since the epoch of a time as our JSON writes it.
pub(crate) fn seconds(timestamp: &str) -> Result<f64> {
    let at: Timestamp = timestamp.parse().with_context(|| format!("read the time {timestamp:?}"))?;
    Ok(at.as_duration().as_secs_f64())
}

/// The phases of a `RunStatus` as spans.
pub(crate) fn phases(status: &Value) -> Result<Vec<Span>> {
    let phases = status.get("phases").and_then(Value::as_array).context("the status lists no phases")?;
    let mut spans = Vec::new();
    for phase in phases {
        let (began, ended) = (text(phase, "/began"), text(phase, "/ended"));
        if !began.is_empty() && !ended.is_empty() {
            spans.push(Span::new(text(phase, "/phase"), seconds(began)?, seconds(ended)?));
        }
    }
    spans.sort_by(|a, b| a.began.total_cmp(&b.began));
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn phases_come_in_the_order_of_their_times_and_what_never_ended_is_left_out() {
        let status = json!({ "phases": [
            { "phase": "swap", "began": "2026-01-02T02:00:10Z", "ended": "2026-01-02T02:00:11.5Z" },
            { "phase": "stage", "began": "2026-01-02T02:00:00Z", "ended": "2026-01-02T02:00:09Z" },
            { "phase": "keep", "began": "2026-01-02T02:00:12Z", "ended": null },
        ] });
        let spans = phases(&status).unwrap();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["stage", "swap"]);
        let swap = spans.last().unwrap();
        assert!((swap.ended - swap.began - 1.5).abs() < 1e-6);
    }
}
