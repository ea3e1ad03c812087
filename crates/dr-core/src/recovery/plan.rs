//! When the next backup that takes all data of a namespace comes, and how far apart they are.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::reach::{Reach, Takes};
use super::{Limit, PATIENCE, Run, Velero};
use crate::choose::includes;
use crate::cover::time;
use crate::cron::{self, Cron, Gaps};
use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::Object;
use crate::schedule;
use crate::timetable::Clock;

/// What a backup may take beside the time between two.
const LEAST_SLACK: SignedDuration = SignedDuration::from_mins(10);

/// What the schedules that take the namespace's data make of it.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) limit: Option<Limit>,
    pub(super) next: Option<Run>,
    /// Why one that includes it gives nothing to go back to.
    pub(super) idle: Option<String>,
    /// Why it is not known whether one takes its data.
    pub(super) unknown: Option<String>,
}

/// Only schedules that take every wanted claim count: no backup of another gives the namespace back.
pub(super) fn plan(
    facts: &Facts,
    velero: &Velero,
    wanted: &BTreeSet<String>,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Result<Plan, Unread> {
    let namespace = facts.velero_namespace.as_str();
    let all: Vec<&Object> = facts.of(Kind::Schedule, namespace)?.collect();
    let backups: Vec<&Object> = facts.of(Kind::Backup, namespace)?.collect();
    let stopped = all.iter().chain(&backups).find_map(|object| schedule::unreadable(object));
    let stopped = stopped.or_else(|| schedule::jammed(backups.iter().copied(), facts.taken, namespace));
    let reach = Reach::new(facts, velero, wanted);
    let clock = Clock::of(facts, zone);
    let mut plan = Plan::default();
    for object in all {
        let name = object.name();
        let includes = includes(object, "/spec/template", &facts.namespace);
        if !includes && names_only(object) {
            continue;
        }
        let mut idle = |says: &str| {
            if includes {
                plan.idle = Some(format!("schedule {name} takes nothing: {says}"));
            }
        };
        if let Some(found) = schedule::idle(object, namespace).as_ref().or(stopped.as_ref()) {
            idle(&format!("{} ({})", found.says, found.fix));
            continue;
        }
        let Ok(cron) = Cron::parse(object.str_at("/spec/schedule").unwrap_or("")) else {
            continue;
        };
        let own = cron.zone.as_deref().filter(|name| *name != "Local");
        let Some(zone) = own.map_or_else(|| Some(clock.zone.clone()), |name| cron::zone(name, zone)) else {
            idle(&format!("its time zone {} is not known", own.unwrap_or_default()));
            continue;
        };
        if !cron.ever_fires() {
            idle("its cron expression matches no time, and Velero makes a backup every minute");
            continue;
        }
        match reach.takes(object) {
            Takes::All => {}
            Takes::NotIncluded => continue,
            Takes::Not(why) => {
                plan.idle = Some(format!("schedule {name} does not take {why}"));
                continue;
            }
            Takes::Unknown(why) => {
                plan.unknown = Some(format!("whether schedule {name} takes its data is not known: {why}"));
                continue;
            }
        }
        if let Some(Gaps { longest, .. }) = cron.gaps_in(facts.taken, &zone) {
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

/// No version reads a pattern out of it, beside the `*` of old.
fn names_only(schedule: &Object) -> bool {
    let listed = schedule.list_at("/spec/template/includedNamespaces").iter();
    let mut all = listed.chain(schedule.list_at("/spec/template/excludedNamespaces"));
    all.all(|name| name.as_str().is_some_and(|name| !name.contains(['?', '[', '{', '\\'])))
}

/// Due is the first time after the last backup or skip (`schedule_controller.go:getNextRunTime` at v1.18.3); while one
/// is being made the next waits.
fn next(facts: &Facts, schedule: &Object, cron: &Cron, zone: &TimeZone, backups: &[&Object]) -> Option<Run> {
    let after = |since: Timestamp| cron.next_in(since, zone);
    let last = time(schedule, "/status/lastBackup").or_else(|| time(schedule, "/metadata/creationTimestamp"));
    let since = last.max(time(schedule, "/status/lastSkipped"));
    let running = backups.iter().any(|backup| {
        let new = matches!(backup.str_at("/status/phase"), None | Some("New" | "InProgress"));
        new && backup.label("velero.io/schedule-name") == Some(schedule.name())
    });
    let due = since.and_then(after).filter(|due| *due <= facts.taken && !running);
    let run = |at, overdue| Run { schedule: schedule.name().to_owned(), at, overdue };
    if let Some(due) = due.filter(|due| *due + PATIENCE < facts.taken) {
        return Some(run(due, true));
    }
    // `@every` counts from the last one, not from now.
    let to_come = since.and_then(after).filter(|at| *at > facts.taken);
    to_come.or_else(|| after(facts.taken)).map(|at| run(at, false))
}
