//! Velero's cron expressions: `ParseStandard` and the search of `SpecSchedule.Next` of robfig/cron v3.0.1.
//!
//! Times here are civil and without a zone: a schedule with a zone moves by an hour twice a year, which nothing that is
//! decided on this turns on.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, ToSpan as _};

use crate::go_duration::GoDuration;

/// An expression that Velero accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// `TZ=` or `CRON_TZ=` in front of it; whether such a zone exists is not looked at.
    pub zone: Option<String>,
    when: When,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Every(SignedDuration),
    Fields(Fields),
}

/// One bit per value that fits; `star` for `*` and `?` without a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    star: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// Why Velero does not accept it: the Schedule's phase becomes `FailedValidation`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotCron(String);

struct Bounds {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Bounds = Bounds { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Bounds =
    Bounds { name: "day of week", min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Cron {
    /// # Errors
    /// In words; what robfig panics about (a zone and nothing behind it) is an error too, as Velero makes it one.
    pub fn parse(text: &str) -> Result<Self, NotCron> {
        if text.is_empty() {
            return Err(NotCron("the expression is empty".into()));
        }
        let mut rest = text;
        let mut zone = None;
        if let Some(behind) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
            let Some((name, behind)) = behind.split_once(' ') else {
                return Err(NotCron("there is no expression behind the time zone".into()));
            };
            zone = Some(name.to_owned());
            rest = behind.trim();
        }
        let when = if rest.starts_with('@') { descriptor(rest)? } else { When::Fields(fields(rest)?) };
        Ok(Self { zone, when })
    }

    /// The first time after `after`; none where there is none within five years, which Velero takes for "now".
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        match &self.when {
            When::Every(period) => after.checked_add(*period).ok(),
            When::Fields(fields) => fields.next(after),
        }
    }

    /// Whether it matches any time at all: a date that does not exist, or a field that is empty, never does.
    pub fn ever_fires(&self) -> bool {
        match &self.when {
            When::Every(_) => true,
            When::Fields(fields) => fields.ever_fires(),
        }
    }

    /// Shortest and longest time between two runs in the year that follows `from`; none where there are not two.
    pub fn gaps(&self, from: DateTime) -> Option<(SignedDuration, SignedDuration)> {
        if let When::Every(period) = &self.when {
            return Some((*period, *period));
        }
        let until = from.checked_add(1.year()).ok()?;
        let mut last = self.next(from)?;
        let mut found: Option<(SignedDuration, SignedDuration)> = None;
        // A run each minute makes half a million; a week of those tells all there is to tell.
        for _ in 0..20_000 {
            let Some(next) = self.next(last) else { break };
            let gap = next.duration_since(last);
            found = Some(found.map_or((gap, gap), |(short, long)| (short.min(gap), long.max(gap))));
            if next > until && found.is_some() {
                break;
            }
            last = next;
        }
        found
    }
}

fn descriptor(text: &str) -> Result<When, NotCron> {
    let fixed = |minute, hour, day, month, weekday| {
        let all = |bounds: &Bounds| Field { bits: bits(bounds.min, bounds.max, 1), star: true };
        let one = |at: Option<u32>, bounds: &Bounds| {
            at.map_or_else(|| all(bounds), |at| Field { bits: 1 << at, star: false })
        };
        When::Fields(Fields {
            minute: one(minute, &MINUTE),
            hour: one(hour, &HOUR),
            day: one(day, &DAY),
            month: one(month, &MONTH),
            weekday: one(weekday, &WEEKDAY),
        })
    };
    Ok(match text {
        "@yearly" | "@annually" => fixed(Some(0), Some(0), Some(1), Some(1), None),
        "@monthly" => fixed(Some(0), Some(0), Some(1), None, None),
        "@weekly" => fixed(Some(0), Some(0), None, None, Some(0)),
        "@daily" | "@midnight" => fixed(Some(0), Some(0), None, None, None),
        "@hourly" => fixed(Some(0), None, None, None, None),
        _ => {
            let Some(period) = text.strip_prefix("@every ") else {
                return Err(NotCron(format!(
                    "{text} is not known; Velero has @hourly, @daily, @weekly, @monthly, @yearly, @every"
                )));
            };
            let period = GoDuration::parse(period).map_err(|error| NotCron(error.to_string()))?;
            // Whole seconds, and no less than one.
            When::Every(SignedDuration::from_secs(period.seconds().max(1)))
        }
    })
}

fn fields(text: &str) -> Result<Fields, NotCron> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = parts.as_slice() else {
        return Err(NotCron(format!("it has {} fields, Velero wants 5: minute hour day month weekday", parts.len())));
    };
    Ok(Fields {
        minute: field(minute, &MINUTE)?,
        hour: field(hour, &HOUR)?,
        day: field(day, &DAY)?,
        month: field(month, &MONTH)?,
        weekday: field(weekday, &WEEKDAY)?,
    })
}

fn field(text: &str, bounds: &Bounds) -> Result<Field, NotCron> {
    let mut all = Field { bits: 0, star: false };
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let one = range(part, bounds)?;
        all = Field { bits: all.bits | one.bits, star: all.star || one.star };
    }
    Ok(all)
}

fn range(text: &str, bounds: &Bounds) -> Result<Field, NotCron> {
    let wrong = |what: &str| NotCron(format!("{text:?} as {}: {what}", bounds.name));
    let mut steps = text.split('/');
    let mut ends = steps.next().unwrap_or("").split('-');
    let (low, high, third) = (ends.next().unwrap_or(""), ends.next(), ends.next());
    let (mut star, start, mut end) = if matches!(low, "*" | "?") {
        (true, bounds.min, bounds.max)
    } else {
        let start = number(low, bounds).ok_or_else(|| wrong("there is no such value"))?;
        let end = match (high, third) {
            (None, _) => start,
            (Some(high), None) => number(high, bounds).ok_or_else(|| wrong("there is no such value"))?,
            (Some(_), Some(_)) => return Err(wrong("too many hyphens")),
        };
        (false, start, end)
    };
    let step = match (steps.next(), steps.next()) {
        (None, _) => 1,
        (Some(step), None) => {
            let step = integer(step).ok_or_else(|| wrong("the step is no number"))?;
            if high.is_none() {
                end = bounds.max;
            }
            if step > 1 {
                star = false;
            }
            step
        }
        (Some(_), Some(_)) => return Err(wrong("too many slashes")),
    };
    if start < bounds.min {
        return Err(wrong(&format!("the least is {}", bounds.min)));
    }
    if end > bounds.max {
        let sunday = if bounds.name == WEEKDAY.name { "; Sunday is 0" } else { "" };
        return Err(wrong(&format!("the most is {}{sunday}", bounds.max)));
    }
    if start > end {
        return Err(wrong("it ends before it begins"));
    }
    if step == 0 {
        return Err(wrong("the step is 0"));
    }
    Ok(Field { bits: bits(start, end, step), star })
}

fn number(text: &str, bounds: &Bounds) -> Option<u32> {
    let lower = text.to_lowercase();
    let named = bounds.names.iter().position(|name| *name == lower);
    match named.and_then(|at| u32::try_from(at).ok()) {
        Some(at) => Some(at + bounds.min),
        None => integer(text),
    }
}

fn integer(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn bits(start: u32, end: u32, step: u32) -> u64 {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    (start..=end).step_by(step.max(1)).fold(0, |all, at| all | 1 << at)
}

impl Field {
    fn fits(self, value: impl Into<i64>) -> bool {
        u32::try_from(value.into()).is_ok_and(|value| value < 64 && self.bits & (1 << value) != 0)
    }
}

impl Fields {
    fn fits(&self, date: Date) -> bool {
        let day = self.day.fits(date.day());
        let weekday = self.weekday.fits(date.weekday().to_sunday_zero_offset());
        let both = if self.day.star || self.weekday.star { day && weekday } else { day || weekday };
        self.month.fits(date.month()) && both
    }

    fn ever_fires(&self) -> bool {
        if self.minute.bits == 0 || self.hour.bits == 0 {
            return false;
        }
        // Every day of the year falls on every weekday within 28 years that hold no century.
        let mut date = jiff::civil::date(2024, 1, 1);
        let end = jiff::civil::date(2052, 1, 1);
        while date < end {
            if self.fits(date) {
                return true;
            }
            let Ok(next) = date.tomorrow() else { return false };
            date = next;
        }
        false
    }

    fn next(&self, after: DateTime) -> Option<DateTime> {
        if self.minute.bits == 0 || self.hour.bits == 0 {
            return None;
        }
        let from = after.checked_add(1.second()).ok()?;
        let last = from.year() + 5;
        let mut date = from.date();
        let mut at = (from.hour(), from.minute() + i8::from(from.second() > 0));
        while date.year() <= last {
            if self.fits(date)
                && let Some((hour, minute)) = self.time(at)
            {
                return Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?));
            }
            date = date.tomorrow().ok()?;
            at = (0, 0);
        }
        None
    }

    /// The first time of day no earlier than this.
    fn time(&self, (from_hour, from_minute): (i8, i8)) -> Option<(i8, i8)> {
        (from_hour..24).find_map(|hour| {
            let first = if hour == from_hour { from_minute } else { 0 };
            let minute = (first..60).find(|minute| self.minute.fits(*minute))?;
            self.hour.fits(hour).then_some((hour, minute))
        })
    }
}
