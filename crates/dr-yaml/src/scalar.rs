//! What a scalar is: `resolve.go:resolve` of go.yaml.in/yaml/v2 v2.4.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::number;
use crate::tree::Style;

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond [`i64`].
    Unsigned(u64),
    Float(f64),
    String(String),
}

/// The YAML types a tag can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Bool,
    Int,
    Float,
    String,
    Timestamp,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::String => "!!str",
            Self::Timestamp => "!!timestamp",
        }
    }
}

/// Go's decoder: padding is wanted, bits that do not fit are not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The value of a scalar, or why there is none.
pub(crate) fn resolve(tag: Option<&str>, text: &str, style: Style) -> Result<Scalar, String> {
    let wanted = match tag {
        None if style == Style::Json => return json(text),
        None if style != Style::Plain => return Ok(Scalar::String(text.to_owned())),
        None => None,
        Some(tag) => match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("binary") => return binary(text),
            Some("null") => Some(Type::Null),
            Some("bool") => Some(Type::Bool),
            Some("int") => Some(Type::Int),
            Some("float") => Some(Type::Float),
            Some("timestamp") => Some(Type::Timestamp),
            // !!str, and a tag that go-yaml does not know: the text as it is.
            Some(_) | None => return Ok(Scalar::String(text.to_owned())),
        },
    };
    let (found, value) = untagged(text, wanted == Some(Type::Timestamp));
    match wanted {
        None => Ok(value),
        Some(wanted) if wanted == found => Ok(value),
        Some(Type::Float) if found == Type::Int => match value {
            #[expect(clippy::cast_precision_loss, reason = "Go converts the same way")]
            Scalar::Int(int) => Ok(Scalar::Float(int as f64)),
            Scalar::Null | Scalar::Bool(_) | Scalar::Unsigned(_) | Scalar::Float(_) | Scalar::String(_) => {
                Err(format!("{text:?} is no !!float"))
            }
        },
        Some(wanted) => Err(format!("{text:?} is no {}", wanted.name())),
    }
}

fn json(text: &str) -> Result<Scalar, String> {
    Ok(match text {
        "null" => Scalar::Null,
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        number => match number.parse::<i64>() {
            Ok(int) => Scalar::Int(int),
            Err(_) => Scalar::Float(number::float(number).ok_or_else(|| format!("{number} is too large a number"))?),
        },
    })
}

fn binary(text: &str) -> Result<Scalar, String> {
    let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64.decode(compact).map_err(|_| "the !!binary value is not base64".to_owned())?;
    // Go puts one replacement character for each byte that is no UTF-8.
    let text = bytes.utf8_chunks().flat_map(|chunk| {
        let lost = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(lost)
    });
    Ok(Scalar::String(text.collect()))
}

fn untagged(text: &str, as_timestamp: bool) -> (Type, Scalar) {
    let string = || (Type::String, Scalar::String(text.to_owned()));
    let bool = |value| (Type::Bool, Scalar::Bool(value));
    let float = |value| (Type::Float, Scalar::Float(value));
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return bool(false),
        "" | "~" | "null" | "Null" | "NULL" => return (Type::Null, Scalar::Null),
        ".nan" | ".NaN" | ".NAN" => return float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => number::dotted_float(text).map_or_else(string, float),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if as_timestamp && is_timestamp(text) {
                return (Type::Timestamp, Scalar::String(text.to_owned()));
            }
            let plain = text.replace('_', "");
            if let Some(int) = number::int(&plain) {
                return (Type::Int, Scalar::Int(int));
            }
            if let Some(unsigned) = number::unsigned(&plain) {
                return (Type::Int, Scalar::Unsigned(unsigned));
            }
            if number::is_yaml_float(&plain)
                && let Some(value) = number::float(&plain)
            {
                return float(value);
            }
            if let Some(int) = plain.strip_prefix("0b").and_then(number::binary) {
                return (Type::Int, Scalar::Int(int));
            }
            string()
        }
        Some(_) | None => string(),
    }
}

/// `2006-1-2`, with a time behind `T`, `t` and a zone, or behind a blank and none.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        None => (text, None),
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at..)),
    };
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let number = |text: &str, most: usize| {
        let digits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    if !(1..=days).contains(&day) || date.find('-') != Some(4) {
        return false;
    }
    let Some(time) = time else { return true };
    let zoned = !time.starts_with(' ');
    let time = time.get(1..).unwrap_or("");
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        None => (time, ""),
        Some(at) => (time.get(..at).unwrap_or(""), time.get(at..).unwrap_or("")),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(|part| number(part, 2));
    let (Some(Some(hour)), Some(Some(minute)), Some(Some(second)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let zone_fits = match zone.as_bytes() {
        [] => !zoned,
        b"Z" => zoned,
        [b'+' | b'-', a, b, b':', c, d] => zoned && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    hour < 24
        && minute < 60
        && second < 60
        && zone_fits
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
