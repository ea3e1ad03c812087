//! Velero's cron expressions: `ParseStandard` of robfig/cron v3.0.1, and when they fire next.

mod zoned;

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use zoned::Gaps;

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

    /// Whether it matches any time at all: a date that does not exist, or a field that is empty, never does.
    pub fn ever_fires(&self) -> bool {
        match &self.when {
            When::Every(_) => true,
            When::Fields(fields) => fields.ever_fires(),
        }
    }

    /// `@every`: it counts from the run before.
    pub fn is_every(&self) -> bool {
        matches!(self.when, When::Every(_))
    }
}

/// The time zone that a `TZ=` names to a server that runs in UTC. `get` knows zones by name. Go finds one by its
/// exact name alone, which it takes for the path of a file (`time.LoadLocation`).
pub fn zone(name: &str, get: &impl Fn(&str) -> Option<TimeZone>) -> Option<TimeZone> {
    if matches!(name, "" | "UTC" | "Local") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['/', '\\']) || name.ends_with('/') || name.contains("..") {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let name = parts.join("/");
    get(&name).filter(|zone| zone.iana_name().is_none_or(|known| known == name))
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
    fn day_fits(&self, date: Date) -> bool {
        let day = self.day.fits(date.day());
        let weekday = self.weekday.fits(date.weekday().to_sunday_zero_offset());
        if self.day.star || self.weekday.star { day && weekday } else { day || weekday }
    }

    fn ever_fires(&self) -> bool {
        if self.minute.bits == 0 || self.hour.bits == 0 {
            return false;
        }
        // Every day of the year falls on every weekday within 28 years that hold no century.
        let mut date = jiff::civil::date(2024, 1, 1);
        let end = jiff::civil::date(2052, 1, 1);
        while date < end {
            if self.month.fits(date.month()) && self.day_fits(date) {
                return true;
            }
            let Ok(next) = date.tomorrow() else { return false };
            date = next;
        }
        false
    }
}
