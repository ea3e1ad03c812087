//! What may be secret in a pod that a plan makes: the plan says where it stands, never what it is.
//!
//! A literal environment variable or argument of the live workload is a slot in the plan. It is read again by whoever
//! carries the run on, kept in memory, and written into the pod and nowhere else: not into the journal, not into a
//! ConfigMap, not into `-o json`.

use std::collections::BTreeSet;
use std::fmt;

use dr_core::claims::WORKLOADS;
use dr_core::engine::PROFILES;
use dr_core::facts::Archive;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::condition::{NotRead, Observation, Query};
use crate::plan::Plan;
use crate::slot::{Bindings, Slot, slot};

/// A text of a container that is in no plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withheld {
    pub slot: Slot,
    pub from: Origin,
    /// The workload or pod that holds it.
    pub object: Key,
    pub container: String,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The cluster.
    Live,
    /// The archive of the plan's backup.
    Archive,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Env(String),
    Command(usize),
    Args(usize),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Command(index) => write!(f, "word {index} of command"),
            Self::Args(index) => write!(f, "word {index} of args"),
        }
    }
}

/// Something that was there when the plan was made and is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("{object} has no {what} in container {container} any more")]
    Changed { object: Key, container: String, what: What },
    #[error("the archive of the backup was not read")]
    NoArchive,
    #[error(transparent)]
    NotRead(#[from] NotRead),
}

/// What must be read of the cluster before [`values`] can answer.
pub fn queries(plan: &Plan) -> BTreeSet<Query> {
    let live = plan.withheld.iter().filter(|withheld| withheld.from == Origin::Live);
    live.map(|withheld| Query::Get(withheld.object.clone())).collect()
}

/// Whether the backup's archive must be read as well.
pub fn wants_archive(plan: &Plan) -> bool {
    plan.withheld.iter().any(|withheld| withheld.from == Origin::Archive)
}

/// What stands where the plan says: for [`Run::know`](crate::run::Run::know), and never to be written down.
pub fn values(plan: &Plan, seen: &Observation, archive: Option<&Archive>) -> Result<Bindings, Lost> {
    let mut values = Bindings::new();
    for withheld in &plan.withheld {
        let Withheld { slot, from, object, container, what } = withheld;
        let found = match from {
            Origin::Live => seen.get(object)?,
            Origin::Archive => {
                let archive = archive.ok_or(Lost::NoArchive)?;
                archive.get(object.kind, object.namespace.as_deref(), &object.name)
            }
        };
        let value = found.and_then(|found| text(found, object.kind, container, what));
        let lost = || Lost::Changed { object: object.clone(), container: container.clone(), what: what.clone() };
        values.insert(slot.clone(), value.ok_or_else(lost)?.to_owned());
    }
    Ok(values)
}

fn text<'a>(object: &'a Object, kind: Kind, container: &str, what: &What) -> Option<&'a str> {
    let template = WORKLOADS.iter().find(|(known, _)| *known == kind).map_or("", |(_, template)| template);
    let named = |value: &&Value, name: &str| value.get("name").and_then(Value::as_str) == Some(name);
    let mut containers = object.list_at(&format!("{template}/spec/containers")).iter();
    let container = containers.find(|one| named(one, container))?;
    let list = |field: &str| container.get(field).and_then(Value::as_array);
    match what {
        // Of two of one name the last one counts, for the kubelet as well.
        What::Env(name) => list("env")?.iter().rfind(|entry| named(entry, name))?.get("value")?.as_str(),
        What::Command(index) => list("command")?.get(*index)?.as_str(),
        What::Args(index) => list("args")?.get(*index)?.as_str(),
    }
}

/// Takes the texts out of containers, and remembers where they stand.
pub(crate) struct Withholder {
    pub(crate) from: Origin,
    pub(crate) object: Key,
    /// Of the consumer, for the slots' names.
    pub(crate) name: String,
    pub(crate) found: Vec<Withheld>,
}

impl Withholder {
    /// The variables with a slot in place of each literal; the one that tells an engine by its path stays.
    pub(crate) fn env(&mut self, container: &str, env: &Value) -> Value {
        let list = env.as_array().into_iter().flatten().map(|entry| {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            let literal = entry.get("value").and_then(Value::as_str).filter(|literal| !literal.is_empty());
            let decides = PROFILES.iter().any(|profile| profile.reads_env.contains(&name));
            let mut entry = entry.clone();
            if literal.is_some()
                && !decides
                && let Some(value) = entry.get_mut("value")
            {
                *value = self.slot(container, What::Env(name.to_owned()), &format!("env/{name}"));
            }
            entry
        });
        list.collect()
    }

    pub(crate) fn words(&mut self, container: &str, of: fn(usize) -> What, words: &[Value]) -> Vec<Value> {
        let field = match of(0) {
            What::Command(_) => "command",
            What::Args(_) | What::Env(_) => "args",
        };
        let words = words.iter().enumerate();
        words.map(|(index, _)| self.slot(container, of(index), &format!("{field}/{index}"))).collect()
    }

    fn slot(&mut self, container: &str, what: What, suffix: &str) -> Value {
        let name = format!("withheld/{}/{container}/{suffix}", self.name);
        if !self.found.iter().any(|known| known.slot.0 == name) {
            self.found.push(Withheld {
                slot: Slot::new(name.as_str()),
                from: self.from,
                object: self.object.clone(),
                container: container.to_owned(),
                what,
            });
        }
        slot(name)
    }
}
