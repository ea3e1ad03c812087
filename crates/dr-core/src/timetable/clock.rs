//! The clock that Velero's server counts by: a cron expression that names no zone is read by the server's own.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cron;
use crate::facts::Facts;
use crate::kind::Kind;
use crate::object::Object;
use crate::select::runs_velero;

const LOCAL_TIME: &str = "/etc/localtime";

/// By what an expression without a zone is counted.
#[derive(Debug, Clone)]
pub struct Clock {
    pub zone: TimeZone,
    /// What is worth a word: another zone than UTC, or a setting that is not what it seems.
    pub says: Option<String>,
}

impl Clock {
    /// Images of Velero have no local time of their own.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, says: None }
    }

    /// Of the server in these facts; UTC where no Deployment of it was read. `get` knows zones by name.
    pub fn of(facts: &Facts, get: &impl Fn(&str) -> Option<TimeZone>) -> Self {
        let mut deployments = facts.of(Kind::Deployment, &facts.velero_namespace).into_iter().flatten();
        deployments.find_map(|deployment| Self::of_server(deployment, get)).unwrap_or_else(Self::utc)
    }

    /// Go reads `TZ` as it is (`time/zoneinfo_unix.go:initLocal`): a leading colon is nothing, none of it is UTC, and a
    /// name that it cannot load is UTC, too. None where the Deployment runs no server.
    fn of_server(deployment: &Object, get: &impl Fn(&str) -> Option<TimeZone>) -> Option<Self> {
        let container =
            deployment.list_at("/spec/template/spec/containers").iter().find(|container| runs_velero(container))?;
        let mut env = container.get("env").and_then(Value::as_array).into_iter().flatten();
        // Of two the last counts.
        let set = env.rfind(|one| one.get("name").and_then(Value::as_str) == Some("TZ"));
        let of = format!("Deployment {}", deployment.name());
        let list = |key: &str| container.get(key).and_then(Value::as_array).into_iter().flatten();
        // Without TZ Go reads the file.
        let mounts_one = || list("volumeMounts").any(|mount| mount.get("mountPath").is_some_and(|at| at == LOCAL_TIME));
        let elsewhere = match set {
            Some(set) if set.get("valueFrom").is_some_and(|from| !from.is_null()) => Some(format!("TZ in {of}")),
            None if list("envFrom").next().is_some() => Some(format!("TZ may be in what envFrom of {of} names, and")),
            None if mounts_one() => Some(format!("{LOCAL_TIME} of {of}")),
            Some(_) | None => None,
        };
        if let Some(elsewhere) = elsewhere {
            let says = format!(
                "the time zone of Velero's server is not known: {elsewhere} comes from elsewhere, and is taken for UTC"
            );
            return Some(Self { zone: TimeZone::UTC, says: Some(says) });
        }
        let Some(set) = set else {
            return Some(Self::utc());
        };
        let text = set.get("value").and_then(Value::as_str).unwrap_or_default();
        let name = text.strip_prefix(':').unwrap_or(text);
        // The path of a file of the image, which is not looked into; those of the usual folder have the zones' names.
        let name = name.strip_prefix("/usr/share/zoneinfo/").unwrap_or(name);
        if matches!(name, "" | "UTC") {
            return Some(Self::utc());
        }
        let found = (name != "Local").then(|| cron::zone(name, get)).flatten();
        let says = match &found {
            Some(_) => format!("Velero's server counts by {name} (TZ in {of})"),
            None => format!("Velero's server counts by UTC: TZ in {of} is {text:?}, and it can load no such time zone"),
        };
        Some(Self { zone: found.unwrap_or(TimeZone::UTC), says: Some(says) })
    }
}
