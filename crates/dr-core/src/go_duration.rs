//! Durations as Go reads them (`time.ParseDuration`): the only ones that Velero's own fields take.

use std::fmt;

/// A duration in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotADuration {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

impl GoDuration {
    pub const fn seconds(self) -> i64 {
        self.0 / 1_000_000_000
    }

    /// `1h30m`, `-1.5h`, `0`; no days and no weeks.
    pub fn parse(text: &str) -> Result<Self, NotADuration> {
        let invalid = || NotADuration::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or("")),
            Some(b'+') => (false, text.get(1..).unwrap_or("")),
            Some(_) | None => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, behind) = digits(rest);
            let (fraction, behind) = match behind.strip_prefix('.') {
                None => ("", behind),
                Some(behind) => digits(behind),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
            let (unit, behind) = (behind.get(..end).unwrap_or(""), behind.get(end..).unwrap_or(""));
            if unit.is_empty() {
                return Err(NotADuration::MissingUnit(text.to_owned()));
            }
            let nanos = nanos(unit)
                .ok_or_else(|| NotADuration::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
            let part = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
            let small = part_of(fraction, nanos);
            total = part
                .and_then(|part| part.checked_mul(nanos))
                .and_then(|part| part.checked_add(small))
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= 1 << 63)
                .ok_or_else(invalid)?;
            rest = behind;
        }
        let signed = if negative { -i128::from(total) } else { i128::from(total) };
        i64::try_from(signed).map(Self).map_err(|_| invalid())
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text.get(..end).unwrap_or(""), text.get(end..).unwrap_or(""))
}

/// `leadingFraction` and what becomes of it: digits beyond 63 bits are dropped.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as Go does")]
fn part_of(fraction: &str, nanos: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|next| *next <= 1 << 63) else { break };
        value = next;
        scale *= 10.0;
    }
    if value == 0 { 0 } else { (value as f64 * (nanos as f64 / scale)) as u64 }
}

fn nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // U+00B5 and U+03BC are two letters that look alike.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `720h`, `1h30m`, `36s`: whole units, largest first.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (seconds, nanos) = (self.0.unsigned_abs() / 1_000_000_000, self.0.unsigned_abs() % 1_000_000_000);
        let parts = [(seconds / 3600, "h"), (seconds % 3600 / 60, "m"), (seconds % 60, "s"), (nanos, "ns")];
        if parts.iter().all(|(count, _)| *count == 0) {
            return f.write_str("0s");
        }
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}
