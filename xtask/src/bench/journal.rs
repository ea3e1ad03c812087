//! Who the time of a run went to, from its journal.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::demo::act::seconds;
use crate::place::{Place, text};

/// Whom a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// Everything outside of steps: starting, reading the cluster, planning, the journal, the report.
    Ours,
    Velero,
    /// Opening the database and reading it through.
    Database,
    Kubernetes,
}

/// A wave of steps: from its intent to the last of its results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wave {
    pub(super) began: f64,
    pub(super) ended: f64,
    /// The step that ended last, which the others waited for.
    pub(super) last: String,
}

impl Wave {
    pub(super) fn took(&self) -> f64 {
        self.ended - self.began
    }
}

/// The waves of a run, in order.
pub(super) fn waves(place: &Place, id: &str) -> Result<Vec<Wave>> {
    let label = format!("kubectl-dr/operation={id},kubectl-dr/part=journal");
    let mut segments = place.items(&["configmaps", "-n", &place.velero_namespace, "-l", &label])?;
    segments.sort_by_key(|segment| text(segment, "/data/number").parse::<u64>().unwrap_or(u64::MAX));
    let lines = segments.iter().flat_map(|segment| text(segment, "/data/entries").lines());
    let entries = lines.map(|line| serde_json::from_str(line).with_context(|| format!("read the entry {line}")));
    folded(&entries.collect::<Result<Vec<Value>>>()?)
}

fn folded(entries: &[Value]) -> Result<Vec<Wave>> {
    let mut waves: Vec<Wave> = Vec::new();
    for entry in entries {
        let at = || seconds(text(entry, "/at"));
        if entry.pointer("/event/intent").is_some() {
            waves.push(Wave { began: at()?, ended: at()?, last: String::new() });
        } else if let Some(step) = entry.pointer("/event/done/step").and_then(Value::as_str) {
            let wave = waves.last_mut().context("a step is done that was never begun")?;
            wave.ended = at()?;
            step.clone_into(&mut wave.last);
        }
    }
    Ok(waves)
}

pub(super) fn whose(step: &str) -> Whose {
    let parts: Vec<&str> = step.split('/').collect();
    match parts.as_slice() {
        ["stage", "configuration" | "restore"] | ["back", "objects"] => Whose::Velero,
        ["verify", _, "open" | "read" | "live"] | ["back", _, "identity"] => Whose::Database,
        _ => Whose::Kubernetes,
    }
}

/// Seconds of a run that took from `began` to `ended`, by whom they were waited for.
pub(super) fn shares(waves: &[Wave], began: f64, ended: f64) -> [(Whose, f64); 4] {
    let of = |whose| waves.iter().filter(|wave| self::whose(&wave.last) == whose).map(Wave::took).sum::<f64>();
    let all: f64 = waves.iter().map(Wave::took).sum();
    [
        (Whose::Ours, ended - began - all),
        (Whose::Velero, of(Whose::Velero)),
        (Whose::Database, of(Whose::Database)),
        (Whose::Kubernetes, of(Whose::Kubernetes)),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_lies_outside_of_waves_is_ours() {
        let entry = |second: u32, event: Value| json!({ "at": format!("2026-01-02T02:00:{second:02}Z"), "epoch": 1, "event": event });
        let entries = [
            entry(1, json!({ "taken": { "by": "somebody" } })),
            entry(2, json!({ "intent": { "steps": ["stage/namespace"], "direction": "forward" } })),
            entry(3, json!({ "done": { "step": "stage/namespace", "direction": "forward", "bound": {} } })),
            entry(
                4,
                json!({ "intent": { "steps": ["verify/data/read", "verify/data/live"], "direction": "forward" } }),
            ),
            entry(5, json!({ "done": { "step": "verify/data/live", "direction": "forward", "bound": {} } })),
            entry(9, json!({ "done": { "step": "verify/data/read", "direction": "forward", "bound": {} } })),
        ];
        let waves = folded(&entries).unwrap();
        let began = seconds("2026-01-02T02:00:00Z").unwrap();
        let shares = shares(&waves, began, began + 10.0);
        let expected = [(Whose::Ours, 4.0), (Whose::Velero, 0.0), (Whose::Database, 5.0), (Whose::Kubernetes, 1.0)];
        for ((whose, found), (of, wanted)) in shares.iter().zip(expected) {
            assert!(*whose == of && (found - wanted).abs() < 1e-3, "{shares:?}");
        }
    }
}
