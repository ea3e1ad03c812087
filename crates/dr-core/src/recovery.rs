//! How well a namespace's data could be brought back now: its newest good recovery point against what is wanted.

mod gone;
mod plan;
mod reach;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::choose::Covering;
use crate::claims;
use crate::cover::Path;
use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::refusal::{Reason, Refusal};

pub use gone::{gone, is_held, is_held_since, unlooked};
pub use reach::{Velero, policies_named, server, takes};

/// Velero looks at its schedules every minute; a backup that is due is made by then.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// From the most dangerous to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The namespace or every claim of it is gone, and backups still hold its data: they expire.
    Gone,
    /// No backup gives all of it back.
    Nothing,
    /// What decides could not be read.
    Unknown,
    /// The newest good data is older than wanted.
    Old,
    /// A backup is due and was not made.
    Overdue,
    /// Nothing makes the next backup, and nobody said how old the data may be.
    NoSchedule,
    Good,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    pub namespace: String,
    pub standing: Standing,
    pub because: String,
    pub point: Option<Point>,
    /// How old the data may be.
    pub limit: Option<Limit>,
    pub next: Option<Run>,
}

/// The newest backup that covers every claim of the namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub backup: String,
    /// The oldest of its volumes' own points in time.
    pub taken: Timestamp,
    pub age: SignedDuration,
    pub claims: usize,
    /// None where a snapshot does not tell its size.
    pub bytes: Option<u64>,
    pub survives: Survives,
    /// Newer backups that do not give everything back, with the reason.
    pub passed_over: Vec<(String, String)>,
}

/// The largest loss after which the data is still there, as far as the cluster tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// It stays with the storage of the volumes, or in an object store inside the cluster.
    Namespace,
    /// It is in an object store that is not inside the cluster.
    Cluster,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub age: SignedDuration,
    pub because: String,
}

/// When a schedule makes its next backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub schedule: String,
    pub at: Timestamp,
    /// It was due then and was not made.
    pub overdue: bool,
}

/// Every namespace that has claims or asks for some, by what was read of all of them.
pub fn namespaces(facts: &Facts) -> Result<BTreeSet<String>, Unread> {
    let mut named: BTreeSet<String> = BTreeSet::new();
    for (kind, template) in claims::WORKLOADS {
        let asks = |object: &&Object| {
            !claims::named_in(object, &format!("{template}/spec/volumes")).is_empty()
                || (*kind == Kind::StatefulSet && !claims::of_stateful_set(object).is_empty())
        };
        named.extend(facts.all(*kind)?.iter().filter(asks).filter_map(Object::namespace).map(str::to_owned));
    }
    let claims = facts.all(Kind::PersistentVolumeClaim)?.iter();
    named.extend(claims.filter_map(Object::namespace).map(str::to_owned));
    Ok(named)
}

/// What the judgement rests on beside the facts.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What the user wants.
    pub rpo: Option<Limit>,
    /// Claims that nobody misses.
    pub leave: Vec<String>,
    pub velero: &'a Velero,
}

/// Judges the namespace of the facts. `found` is what [`crate::choose::covering`] came to; `zone` knows time zones by
/// name, and Velero's server runs in UTC.
pub fn judge(
    facts: &Facts,
    found: Result<&Covering, &Refusal>,
    asked: &Asked<'_>,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Recovery {
    judged(facts, found, asked, zone).unwrap_or_else(|unread| Recovery {
        namespace: facts.namespace.clone(),
        standing: Standing::Unknown,
        because: unread.to_string(),
        point: None,
        limit: asked.rpo.clone(),
        next: None,
    })
}

fn judged(
    facts: &Facts,
    found: Result<&Covering, &Refusal>,
    asked: &Asked<'_>,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Result<Recovery, Unread> {
    let namespace = facts.namespace.clone();
    let wanted: BTreeSet<String> = claims::wanted(facts)?.into_keys().collect();
    let missed = wanted.iter().filter(|claim| !asked.leave.contains(claim)).cloned().collect();
    let plan = plan::plan(facts, asked.velero, &missed, zone)?;
    let limit = asked.rpo.clone().or_else(|| plan.limit.clone());
    let gone = if wanted.is_empty() { Some(gone::says(facts)?) } else { None };
    let point = match found {
        Ok(covering) => point(facts, covering)?.ok_or_else(|| {
            let because = format!("backup {} holds no volume", covering.backup);
            (Standing::Nothing, because)
        }),
        Err(refusal) => Err(match unread(facts, refusal)? {
            Some(reason) => (Standing::Unknown, told(refusal, &reason)),
            None => (Standing::Nothing, refusal.reasons.first().map_or_else(String::new, |one| told(refusal, one))),
        }),
    };
    let (standing, because, point) = match (gone, point) {
        (Some((_, gone)), Ok(point)) => (Standing::Gone, gone, Some(point)),
        (Some((true, gone)), Err((_, because))) => (Standing::Gone, format!("{gone}; {because}"), None),
        (Some((false, gone)), Err((standing, because))) => (standing, format!("{gone}; {because}"), None),
        (None, Err((standing, because))) => (standing, because, None),
        (None, Ok(point)) => {
            let (standing, because) = of_age(&point, asked.rpo.is_some(), limit.as_ref(), &plan);
            (standing, because, Some(point))
        }
    };
    Ok(Recovery { namespace, standing, because, point, limit, next: plan.next })
}

/// By the age of what is there, and by what comes next.
fn of_age(point: &Point, told: bool, limit: Option<&Limit>, plan: &plan::Plan) -> (Standing, String) {
    if point.age < -PATIENCE {
        let because = format!("its data is of {}, which is still to come: a clock is wrong", point.taken);
        return (Standing::Unknown, because);
    }
    if let Some(limit) = limit.filter(|limit| point.age > limit.age) {
        let newer = point.passed_over.first();
        let newer = newer.map_or_else(String::new, |(name, why)| format!("; backup {name}: {why}"));
        return (Standing::Old, format!("{}{newer}", limit.because));
    }
    if let Some(next) = plan.next.as_ref().filter(|next| next.overdue) {
        return (Standing::Overdue, format!("schedule {} was due and made no backup", next.schedule));
    }
    match (limit, &plan.unknown) {
        (None, Some(unknown)) => (Standing::Unknown, unknown.clone()),
        // Another schedule may run more often, and then the data would be older than it may be.
        (Some(_), Some(unknown)) if !told => (Standing::Unknown, unknown.clone()),
        (None, None) => {
            let idle = plan.idle.clone();
            (Standing::NoSchedule, idle.unwrap_or_else(|| "no schedule includes it".to_owned()))
        }
        (Some(limit), _) => (Standing::Good, limit.because.clone()),
    }
}

/// What was to be read and could not be, so that there may be more than was seen. A refusal tells of a few backups
/// alone, so the documents are asked and not its words.
fn unread(facts: &Facts, refusal: &Refusal) -> Result<Option<Reason>, Unread> {
    // What comes of `Unread` is about the facts themselves.
    if let Some(reason) = refusal.reasons.iter().find(|reason| reason.subject == "facts") {
        return Ok(Some(reason.clone()));
    }
    let failed = gone::failed(facts)?;
    Ok(failed.first().map(|(backup, because)| Reason {
        subject: format!("backup {backup}"),
        because: format!("its list of volumes cannot be read from the object store: {because}"),
        hint: String::new(),
    }))
}

fn told(refusal: &Refusal, first: &Reason) -> String {
    let others = refusal.reasons.iter().filter(|one| (&one.subject, &one.because) != (&first.subject, &first.because));
    let more = others.count();
    let first = format!("{}: {}", first.subject, first.because);
    if more > 0 { format!("{first}, and {more} more reasons") } else { first }
}

fn point(facts: &Facts, covering: &Covering) -> Result<Option<Point>, Unread> {
    let Some(taken) = covering.volumes.iter().map(|volume| volume.taken).min() else {
        return Ok(None);
    };
    let key = Key::namespaced(Kind::Backup, &facts.velero_namespace, &covering.backup);
    let location = facts.get(&key)?.and_then(|backup| backup.str_at("/spec/storageLocation")).unwrap_or("default");
    let key = Key::namespaced(Kind::BackupStorageLocation, &facts.velero_namespace, location);
    let inside = facts.get(&key)?.is_none_or(is_inside);
    let copied = covering.volumes.iter().all(|volume| match volume.path {
        Path::FileSystem { .. } => true,
        Path::CsiSnapshot { .. } => false,
    });
    Ok(Some(Point {
        backup: covering.backup.clone(),
        taken,
        age: facts.taken.duration_since(taken),
        claims: covering.volumes.len(),
        bytes: covering.volumes.iter().map(|volume| volume.bytes).sum(),
        survives: if copied && !inside { Survives::Cluster } else { Survives::Namespace },
        passed_over: covering.passed_over.clone(),
    }))
}

/// The object store's address is one that only the cluster knows, or may be: a Service's short name, an address that is
/// nobody's on the internet.
fn is_inside(location: &Object) -> bool {
    let Some(url) = location.str_at("/spec/config/s3Url") else {
        return false;
    };
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or("");
    let numbers: Vec<u8> = host.split('.').map_while(|part| part.parse().ok()).collect();
    let private = match numbers.as_slice() {
        [10 | 127, _, _, _] | [192, 168, _, _] => true,
        [172, second, _, _] => (16..32).contains(second),
        _ => false,
    };
    // `service.namespace` looks like a domain; those of the internet are spoken to by TLS.
    let short = url.starts_with("http://") && host.matches('.').count() == 1;
    private || short || !host.contains('.') || host.rsplit('.').next() == Some("svc") || host.contains(".svc.")
}
