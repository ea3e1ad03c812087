//! What a Schedule's cron expression and its retention make of the recovery points of a year, and what stands in the way:
//! an instance of Velero makes one backup at a time as long as it is not told otherwise, and reads no Schedule at all once
//! it cannot read one.

mod clock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cover::time;
use crate::cron::{self, Cron, Gaps};
use crate::facts::{Facts, Unread};
use crate::go_duration::GoDuration;
use crate::kind::Kind;
use crate::object::Object;
use crate::recovery::Limit;
use crate::schedule;
use crate::select::runs_velero;

/// How far other Schedules are looked at.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);
pub use clock::Clock;

/// What gaps are counted over.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Runs of one Schedule within that time: one every four minutes.
const RUNS: usize = 5_000;
/// How long a backup is taken to run where none has been seen.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// More recovery points than this at a time are worth a word.
const MANY: i64 = 400;

/// A Schedule that is to be written.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    pub name: &'a str,
    pub cron: &'a Cron,
    /// Of the cron expression, else the server's.
    pub zone: &'a TimeZone,
    pub ttl: SignedDuration,
    pub rpo: Option<&'a Limit>,
}

/// A reason to think again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// `overlap`, `retention`: stable.
    pub about: &'static str,
    /// The sentence, without its full stop.
    pub says: String,
}

/// Why a cron expression gives no backups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTimetable {
    #[error("Velero does not accept {text:?}: {cause}")]
    NotCron { text: String, cause: cron::NotCron },
    #[error("there is no time zone {0}, and Velero would not accept the schedule")]
    NoZone(String),
    #[error("{0:?} matches no time at all, and Velero would make a backup every minute")]
    Never(String),
}

/// Reads the expression of a Schedule, with the zone it counts by; without one of its own that is the server's.
pub fn read(
    text: &str,
    clock: &Clock,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Result<(Cron, TimeZone), NoTimetable> {
    let cron = Cron::parse(text).map_err(|cause| NoTimetable::NotCron { text: text.to_owned(), cause })?;
    let by = match cron.zone.as_deref() {
        None | Some("Local") => clock.zone.clone(),
        Some(name) => cron::zone(name, zone).ok_or_else(|| NoTimetable::NoZone(name.to_owned()))?,
    };
    if cron.ever_fires() { Ok((cron, by)) } else { Err(NoTimetable::Never(text.to_owned())) }
}

/// What is to be said of it, the worst first.
pub fn advise(
    facts: &Facts,
    planned: &Planned<'_>,
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Result<Vec<Advice>, Unread> {
    let clock = Clock::of(facts, zone);
    let mut found = Vec::new();
    let mut say = |about, says: String| found.push(Advice { about, says });
    let velero = facts.velero_namespace.as_str();
    let others: Vec<&Object> =
        facts.of(Kind::Schedule, velero)?.filter(|schedule| schedule.name() != planned.name).collect();
    let backups: Vec<&Object> = facts.of(Kind::Backup, velero)?.collect();
    if let Some(stopped) = others.iter().chain(&backups).find_map(|object| schedule::unreadable(object)) {
        say("stopped", format!("it would make no backup: {}; {}", stopped.says, stopped.fix));
    }
    if let Some(gaps) = planned.cron.gaps_in(facts.taken, planned.zone) {
        of_gaps(planned, &gaps, &mut say);
        of_retention(planned, &gaps, &mut say);
    }
    if let Some(says) = &clock.says
        && !planned.cron.is_every()
        && planned.cron.zone.as_deref().is_none_or(|zone| zone == "Local")
    {
        say("zone", says.clone());
    }
    if planned.cron.is_every() {
        let says = "@every counts from the last backup: it keeps to no time of day, and whatever delays one backup delays \
                    all after it";
        say("every", says.to_owned());
    }
    for other in others {
        if let Some(says) = overlaps(facts, planned, (other, &clock), &backups, zone) {
            say("overlap", says);
        }
    }
    Ok(found)
}

fn of_gaps(planned: &Planned<'_>, gaps: &Gaps, say: &mut impl FnMut(&'static str, String)) {
    let until = gaps.after + gaps.longest;
    let longest = shown(gaps.longest);
    let between = format!("between {} and {until} no backup begins for {longest}", gaps.after);
    if let Some(rpo) = planned.rpo
        && gaps.longest > rpo.age
    {
        say("rpo", format!("{between}, and {}", rpo.because));
    }
    if gaps.longest < gaps.shortest + gaps.shortest / 2 {
        return;
    }
    let offset = |at| planned.zone.to_offset(at);
    let changes = offset(gaps.after) != offset(until);
    let because = if changes { ": the clock of its time zone changes then" } else { "" };
    say("uneven", format!("its runs are {} to {longest} apart; {between}{because}", shown(gaps.shortest)));
}

fn of_retention(planned: &Planned<'_>, gaps: &Gaps, say: &mut impl FnMut(&'static str, String)) {
    let ttl = shown(planned.ttl);
    let longest = shown(gaps.longest);
    if planned.ttl <= gaps.longest {
        let says =
            format!("a backup is deleted after {ttl}, and the next may come only after {longest}: there would be none");
        say("retention", says);
    } else if planned.ttl < gaps.longest * 2 {
        let says = format!(
            "a backup is deleted after {ttl}, and the one after the next may come only after {}: one that fails leaves none",
            shown(gaps.longest * 2)
        );
        say("retention", says);
    } else if let Some(rpo) = planned.rpo.filter(|rpo| planned.ttl < rpo.age) {
        say("retention", format!("a backup is deleted after {ttl}, before its data is too old: {}", rpo.because));
    }
    let apart = if gaps.runs > 1 { YEAR / i32::try_from(gaps.runs).unwrap_or(i32::MAX) } else { gaps.longest };
    let kept = planned.ttl.as_secs() / apart.as_secs().max(1);
    if kept > MANY {
        say(
            "retention",
            format!("about {kept} backups are kept at a time, each for {ttl}: drivers and stores have limits"),
        );
    }
}

/// Velero makes one backup at a time (`--concurrent-backups` is 1 by default); one that is due meanwhile waits, and its data is of later than its name says.
fn overlaps(
    facts: &Facts,
    planned: &Planned<'_>,
    (other, clock): (&Object, &Clock),
    backups: &[&Object],
    zone: &impl Fn(&str) -> Option<TimeZone>,
) -> Option<String> {
    if schedule::idle(other, &facts.velero_namespace).is_some() {
        return None;
    }
    let (cron, by) = read(other.str_at("/spec/schedule")?, clock, zone).ok()?;
    let last = |schedule: &Object| time(schedule, "/status/lastBackup").filter(|last| *last < facts.taken);
    let ours = runs(planned.cron, planned.zone, facts.taken, facts.taken);
    // `@every` counts from the last one.
    let since = last(other).filter(|_| cron.is_every()).unwrap_or(facts.taken);
    let theirs = runs(&cron, &by, since, facts.taken);
    let (long, seen) = window(other.name(), backups);
    let (own, _) = window(planned.name, backups);
    let mut met = ours.iter().filter(|at| {
        let before = theirs.partition_point(|their| their <= at);
        let last = before.checked_sub(1).and_then(|index| theirs.get(index));
        let into = last.is_some_and(|last| **at < *last + long);
        into || theirs.get(before).is_some_and(|next| *next < **at + own)
    });
    let first = met.next()?;
    let all = 1 + met.count();
    let took = if seen {
        format!("its backups took up to {}", shown(long))
    } else {
        format!("with {} for a backup", shown(long))
    };
    Some(format!(
        "{all} of its {} runs in the next two weeks meet one of schedule {} ({took}), the first at {first}: the other \
         waits, unless Velero's server runs with --concurrent-backups",
        ours.len(),
        other.name()
    ))
}

/// The runs from now on, reckoned from `since`.
fn runs(cron: &Cron, zone: &TimeZone, since: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let until = now + AHEAD;
    let next = |at: &Timestamp| cron.next_in(*at, zone);
    let all = std::iter::successors(next(&since), next).take_while(|at| *at <= until).take(RUNS);
    all.filter(|at| *at > now).collect()
}

/// How long the Schedule's backups took at most, and whether any was seen.
fn window(schedule: &str, backups: &[&Object]) -> (SignedDuration, bool) {
    let of = backups.iter().filter(|backup| backup.label("velero.io/schedule-name") == Some(schedule));
    let took = of.filter_map(|backup| {
        Some(time(backup, "/status/completionTimestamp")?.duration_since(time(backup, "/status/startTimestamp")?))
    });
    took.max().map_or((WINDOW, false), |longest| (longest.max(SignedDuration::from_mins(1)), true))
}

/// `26 h`, `2 d 6 h`, `90 min`.
pub fn shown(duration: SignedDuration) -> String {
    let minutes = duration.as_mins();
    match (minutes / 60, minutes % 60) {
        (0, _) if minutes == 0 => format!("{} s", duration.as_secs()),
        (hours, 0) if hours >= 72 && hours % 24 == 0 => format!("{} days", hours / 24),
        (hours, 0) if hours >= 72 => format!("{} days {} h", hours / 24, hours % 24),
        (hours, 0) => format!("{hours} h"),
        (0, _) => format!("{minutes} min"),
        (hours, rest) => format!("{hours} h {rest} min"),
    }
}

/// What the server of this Deployment keeps a backup for where it does not say so itself: `--default-backup-ttl`.
pub fn server_ttl(deployment: &Object) -> Option<GoDuration> {
    let containers = deployment.list_at("/spec/template/spec/containers").iter().filter(|one| runs_velero(one));
    let words = |container: &Value| -> Vec<String> {
        let list = |key: &str| container.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list("command").into_iter().chain(list("args")).filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    containers.map(words).find_map(|words| {
        let mut words = words.iter();
        let flag = words.by_ref().find(|word| word.starts_with("--default-backup-ttl"))?;
        let value = match flag.split_once('=') {
            Some((_, value)) => value,
            None => words.next()?,
        };
        GoDuration::parse(value).ok()
    })
}
