//! How well a namespace's data could be brought back now: its newest good recovery point against what is wanted.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::choose::{Covering, includes};
use crate::claims;
use crate::cover::{Path, time};
use crate::cron::Cron;
use crate::facts::{Document, Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::refusal::Refusal;
use crate::schedule;

/// Velero looks at its schedules every minute; a backup that is due is made by then.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// What a backup may take beside the time between two.
const LEAST_SLACK: SignedDuration = SignedDuration::from_mins(10);

/// From the most dangerous to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
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

/// Judges the namespace of the facts. `found` is what [`crate::choose::covering`] came to, `rpo` what the user wants;
/// `zone` knows time zones by name, and Velero's server runs in UTC.
pub fn judge(
    facts: &Facts,
    found: Result<&Covering, &Refusal>,
    rpo: Option<&Limit>,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Recovery {
    let namespace = facts.namespace.clone();
    let unknown = |unread: &Unread| Recovery {
        namespace: facts.namespace.clone(),
        standing: Standing::Unknown,
        because: unread.to_string(),
        point: None,
        limit: rpo.cloned(),
        next: None,
    };
    let plan = match schedules(facts, zone) {
        Ok(plan) => plan,
        Err(unread) => return unknown(&unread),
    };
    let limit = rpo.cloned().or_else(|| plan.limit.clone());
    let covering = match found {
        Ok(covering) => covering,
        Err(refusal) => {
            let standing = if unread(facts, refusal) { Standing::Unknown } else { Standing::Nothing };
            return Recovery { namespace, standing, because: told(refusal), point: None, limit, next: plan.next };
        }
    };
    let point = match point(facts, covering) {
        Ok(Some(point)) => point,
        Ok(None) => {
            let because = format!("backup {} holds no volume", covering.backup);
            return Recovery { namespace, standing: Standing::Nothing, because, point: None, limit, next: plan.next };
        }
        Err(unread) => return unknown(&unread),
    };
    let (standing, because) = match (&limit, &plan.next) {
        _ if point.age < -PATIENCE => {
            let because = format!("its data is of {}, which is still to come: a clock is wrong", point.taken);
            (Standing::Unknown, because)
        }
        (Some(limit), _) if point.age > limit.age => {
            let newer = point.passed_over.first();
            let newer = newer.map_or_else(String::new, |(name, why)| format!("; backup {name}: {why}"));
            (Standing::Old, format!("{}{newer}", limit.because))
        }
        (_, Some(next)) if next.overdue => {
            (Standing::Overdue, format!("schedule {} was due and made no backup", next.schedule))
        }
        (None, _) => (Standing::NoSchedule, plan.idle.unwrap_or_else(|| "no schedule includes it".to_owned())),
        (Some(limit), _) => (Standing::Good, limit.because.clone()),
    };
    Recovery { namespace, standing, because, point: Some(point), limit, next: plan.next }
}

/// Something that was to be read could not be, so there may be more than was seen.
fn unread(facts: &Facts, refusal: &Refusal) -> bool {
    refusal.reasons.iter().any(|reason| {
        let failed = |document: &Document<_>| match document {
            Document::Failed(_) => true,
            Document::NotRead | Document::Read(_) => false,
        };
        let mut documents = facts.documents.iter().filter(|(_, documents)| failed(&documents.volume_infos));
        // What comes of `Unread` is about the facts themselves.
        reason.subject == "facts" || documents.any(|(name, _)| reason.subject == format!("backup {name}"))
    })
}

fn told(refusal: &Refusal) -> String {
    let first = refusal.reasons.first();
    let more = refusal.reasons.len().saturating_sub(1);
    let first = first.map_or_else(String::new, |reason| format!("{}: {}", reason.subject, reason.because));
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

/// What the schedules that include the namespace make of it.
#[derive(Default)]
struct Plan {
    limit: Option<Limit>,
    next: Option<Run>,
    /// Why one that would include it takes nothing.
    idle: Option<String>,
}

fn schedules(facts: &Facts, zone: &impl Fn(&str) -> Option<TimeZone>) -> Result<Plan, Unread> {
    let velero = facts.velero_namespace.as_str();
    let all: Vec<&Object> = facts.of(Kind::Schedule, velero)?.collect();
    let backups: Vec<&Object> = facts.of(Kind::Backup, velero)?.collect();
    let stopped = all.iter().chain(&backups).find_map(|object| schedule::unreadable(object));
    let mut plan = Plan::default();
    for object in all.into_iter().filter(|object| includes(object, "/spec/template", &facts.namespace)) {
        let name = object.name();
        let mut idle = |says: &str| plan.idle = Some(format!("schedule {name} takes nothing: {says}"));
        if let Some(found) = schedule::idle(object, velero).as_ref().or(stopped.as_ref()) {
            idle(&found.says);
            continue;
        }
        let Ok(cron) = Cron::parse(object.str_at("/spec/schedule").unwrap_or("")) else {
            continue;
        };
        let Some(zone) = cron.zone.as_deref().map_or(Some(TimeZone::UTC), zone) else {
            idle(&format!("its time zone {} is not known", cron.zone.as_deref().unwrap_or("")));
            continue;
        };
        if !cron.ever_fires() {
            idle("its cron expression matches no time, and Velero makes a backup every minute");
            continue;
        }
        let now = facts.taken.to_zoned(zone.clone()).datetime();
        if let Some((_, longest)) = cron.gaps(now) {
            let age = longest + (longest / 10).max(LEAST_SLACK);
            if plan.limit.as_ref().is_none_or(|limit| age < limit.age) {
                let hours = longest.as_secs() / 3600;
                let gap = if hours > 0 { format!("{hours} h") } else { format!("{} min", longest.as_mins()) };
                plan.limit = Some(Limit { age, because: format!("schedule {name} leaves {gap} between two backups") });
            }
        }
        if let Some(run) = next(facts, object, &cron, &zone, &backups)
            && plan.next.as_ref().is_none_or(|next| (!run.overdue, run.at) < (!next.overdue, next.at))
        {
            plan.next = Some(run);
        }
    }
    Ok(plan)
}

/// Due is the first time after the last backup or skip (`schedule_controller.go:getNextRunTime` at v1.18.3); while one
/// is being made the next waits.
fn next(facts: &Facts, schedule: &Object, cron: &Cron, zone: &TimeZone, backups: &[&Object]) -> Option<Run> {
    let after = |since: Timestamp| {
        let next = cron.next(since.to_zoned(zone.clone()).datetime())?;
        Some(next.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let last = time(schedule, "/status/lastBackup").or_else(|| time(schedule, "/metadata/creationTimestamp"));
    let since = last.max(time(schedule, "/status/lastSkipped"));
    let running = backups.iter().any(|backup| {
        let new = matches!(backup.str_at("/status/phase"), None | Some("New" | "InProgress"));
        new && backup.label("velero.io/schedule-name") == Some(schedule.name())
    });
    let due = since.and_then(after).filter(|due| *due <= facts.taken && !running);
    let run = |at, overdue| Run { schedule: schedule.name().to_owned(), at, overdue };
    match due {
        Some(due) if due + PATIENCE < facts.taken => Some(run(due, true)),
        Some(_) | None => after(facts.taken).map(|at| run(at, false)),
    }
}
