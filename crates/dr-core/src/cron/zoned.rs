//! The next run by the clock of a zone: `spec.go:SpecSchedule.Next` of robfig/cron v3.0.1 and, below it, `time.Date` and
//! `Time.AddDate` of Go, with what they do where a clock is set forward or back.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::{Cron, Fields, When};

/// Within a year; one each minute is half a million.
const RUNS: usize = 600_000;

/// How far apart the runs of a year are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    pub shortest: SignedDuration,
    pub longest: SignedDuration,
    /// The run that the longest time without one follows.
    pub after: Timestamp,
    pub runs: usize,
}

impl Cron {
    /// The first run after `after` by the clock of the zone; none where there is none within five years, which Velero
    /// takes for "now".
    pub fn next_in(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.when {
            When::Every(period) => whole(after)?.checked_add(*period).ok(),
            When::Fields(fields) => {
                let at = Clock { zone, at: after.as_second().checked_add(1)? };
                // Go's second is the one below, jiff's the one nearer to 1970.
                let at = if after.subsec_nanosecond() < 0 { Clock { at: at.at - 1, ..at } } else { at };
                fields.next_in(at)
            }
        }
    }

    /// The year that follows `from`; none where there are not two runs in it and after it.
    pub fn gaps_in(&self, from: Timestamp, zone: &TimeZone) -> Option<Gaps> {
        let until = from.checked_add(SignedDuration::from_hours(365 * 24)).ok()?;
        let mut last = self.next_in(from, zone)?;
        let mut found: Option<Gaps> = None;
        for run in 1..=RUNS {
            let Some(next) = self.next_in(last, zone) else { break };
            let gap = next.duration_since(last);
            let so_far = found.unwrap_or(Gaps { shortest: gap, longest: gap, after: last, runs: 0 });
            let longer = gap > so_far.longest;
            found = Some(Gaps {
                shortest: gap.min(so_far.shortest),
                longest: gap.max(so_far.longest),
                after: if longer { last } else { so_far.after },
                runs: run,
            });
            if next > until || matches!(self.when, When::Every(_)) {
                break;
            }
            last = next;
        }
        found
    }
}

fn whole(at: Timestamp) -> Option<Timestamp> {
    let below = i64::from(at.subsec_nanosecond() < 0);
    Timestamp::from_second(at.as_second() - below).ok()
}

/// A point in time, in seconds since 1970, and a clock on the wall.
#[derive(Clone, Copy)]
struct Clock<'z> {
    zone: &'z TimeZone,
    at: i64,
}

impl Clock<'_> {
    fn offset(self, at: i64) -> Option<i64> {
        let at = Timestamp::from_second(at).ok()?;
        Some(i64::from(self.zone.to_offset(at).seconds()))
    }

    fn shown(self) -> Option<DateTime> {
        let at = Timestamp::from_second(self.at + self.offset(self.at)?).ok()?;
        Some(TimeZone::UTC.to_datetime(at))
    }

    /// `time.Date`: of a time that the clock shows twice or not at all, one that is right on one side of the change.
    fn set(self, shown: DateTime) -> Option<Self> {
        let naive = shown.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        let utc = naive - self.offset(naive)?;
        Some(Self { at: naive - self.offset(utc)?, ..self })
    }

    fn later(self, seconds: i64) -> Self {
        Self { at: self.at + seconds, ..self }
    }
}

/// What is to be looked at next.
enum Step<'z> {
    Fits(Clock<'z>),
    /// A larger field has changed: from the month again.
    Wrapped(Clock<'z>),
}

/// `AddDate(0, 1, 0)`: of January 31 it makes March 3.
fn month_later(shown: DateTime) -> Option<DateTime> {
    let next = shown.date().first_of_month().checked_add(1.month()).ok()?;
    let date = next.checked_add((i32::from(shown.day()) - 1).days()).ok()?;
    Some(date.to_datetime(shown.time()))
}

impl Fields {
    fn next_in(&self, from: Clock<'_>) -> Option<Timestamp> {
        if self.minute.bits == 0 || self.hour.bits == 0 {
            return None;
        }
        let last = from.shown()?.year() + 5;
        let mut at = from;
        // Once anything was moved on, all that is smaller begins at its least.
        let mut moved = false;
        while at.shown()?.year() <= last {
            let steps = [Self::month, Self::day, Self::hour, Self::minute];
            let mut wrapped = false;
            for step in steps {
                match step(self, at, &mut moved)? {
                    Step::Fits(next) => at = next,
                    Step::Wrapped(next) => {
                        (at, wrapped) = (next, true);
                        break;
                    }
                }
            }
            if wrapped {
                continue;
            }
            let second = i64::from(at.shown()?.second());
            if second == 0 {
                return Timestamp::from_second(at.at).ok();
            }
            // The only second that fits is 0, and that is in the next minute.
            moved = true;
            at = at.later(60 - second);
        }
        None
    }

    fn month<'z>(&self, mut at: Clock<'z>, moved: &mut bool) -> Option<Step<'z>> {
        loop {
            let shown = at.shown()?;
            if self.month.fits(shown.month()) {
                return Some(Step::Fits(at));
            }
            if !*moved {
                *moved = true;
                at = at.set(shown.date().first_of_month().to_datetime(jiff::civil::Time::midnight()))?;
            }
            at = at.set(month_later(at.shown()?)?)?;
            if at.shown()?.month() == 1 {
                return Some(Step::Wrapped(at));
            }
        }
    }

    fn day<'z>(&self, mut at: Clock<'z>, moved: &mut bool) -> Option<Step<'z>> {
        loop {
            let shown = at.shown()?;
            if self.day_fits(shown.date()) {
                return Some(Step::Fits(at));
            }
            if !*moved {
                *moved = true;
                at = at.set(shown.date().to_datetime(jiff::civil::Time::midnight()))?;
            }
            at = at.set(at.shown()?.checked_add(1.day()).ok()?)?;
            let hour = i64::from(at.shown()?.hour());
            if hour > 12 {
                at = at.later((24 - hour) * 3600);
            } else if hour > 0 {
                at = at.later(-hour * 3600);
            }
            if at.shown()?.day() == 1 {
                return Some(Step::Wrapped(at));
            }
        }
    }

    fn hour<'z>(&self, mut at: Clock<'z>, moved: &mut bool) -> Option<Step<'z>> {
        loop {
            let shown = at.shown()?;
            if self.hour.fits(shown.hour()) {
                return Some(Step::Fits(at));
            }
            if !*moved {
                *moved = true;
                at = at.set(shown.date().at(shown.hour(), 0, 0, 0))?;
            }
            at = at.later(3600);
            if at.shown()?.hour() == 0 {
                return Some(Step::Wrapped(at));
            }
        }
    }

    fn minute<'z>(&self, mut at: Clock<'z>, moved: &mut bool) -> Option<Step<'z>> {
        loop {
            let shown = at.shown()?;
            if self.minute.fits(shown.minute()) {
                return Some(Step::Fits(at));
            }
            if !*moved {
                *moved = true;
                at = at.later(-at.at.rem_euclid(60));
            }
            at = at.later(60);
            if at.shown()?.minute() == 0 {
                return Some(Step::Wrapped(at));
            }
        }
    }
}
