//! Numbers as Go's strconv reads and writes them.

/// `strconv.ParseInt(text, 0, 64)` without underscores.
pub(crate) fn int(text: &str) -> Option<i64> {
    let (negative, digits) = signed(text);
    let magnitude = unsigned(digits)?;
    from_magnitude(negative, magnitude)
}

/// `strconv.ParseUint(text, 0, 64)` without underscores.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let (base, digits) = match text.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, text.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, text.get(2..)?),
        [b'0', b'x' | b'X', _, ..] => (16, text.get(2..)?),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, text.get(1..)?),
        _ => (10, text),
    };
    // Rust's own parser takes a sign here, Go's does not.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// `strconv.ParseInt(text, 2, 64)`: a sign is fine behind a prefix that was cut off.
pub(crate) fn binary(text: &str) -> Option<i64> {
    let (negative, digits) = signed(text);
    if digits.starts_with(['+', '-']) {
        return None;
    }
    from_magnitude(negative, u64::from_str_radix(digits, 2).ok()?)
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        Some(_) | None => (false, text),
    }
}

fn from_magnitude(negative: bool, magnitude: u64) -> Option<i64> {
    let wide = i128::from(magnitude);
    i64::try_from(if negative { -wide } else { wide }).ok()
}

/// go-yaml's own pattern for floats: no hexadecimal, no `inf`, digits on at least one side of the dot.
pub(crate) fn is_yaml_float(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(rest);
    let (rest, fraction) = match rest.get(whole..).and_then(|rest| rest.strip_prefix('.')) {
        Some(behind) => {
            let count = digits(behind);
            (behind.get(count..).unwrap_or(""), Some(count))
        }
        None => (rest.get(whole..).unwrap_or(""), None),
    };
    if whole == 0 && fraction.unwrap_or(0) == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `strconv.ParseFloat` of what begins with a dot: underscores may stand between digits, too large is no number.
pub(crate) fn dotted_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'_' && !between(at)) {
        return None;
    }
    let plain = text.replace('_', "");
    if is_yaml_float(&plain) { float(&plain) } else { None }
}

/// A decimal float within range.
pub(crate) fn float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// `strconv.FormatFloat(value, 'g', -1, 32)`, by which sigs.k8s.io/yaml spells a key that is a float.
#[expect(clippy::cast_possible_truncation, reason = "Go formats the nearest float32 as well")]
pub(crate) fn key(value: f64) -> String {
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        Ok(_) | Err(_) => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_gos() {
        assert_eq!(int("0777"), Some(511));
        assert_eq!(int("-0x1F"), Some(-31));
        assert_eq!(int("0b101"), Some(5));
        assert_eq!(int("08"), None);
        assert_eq!(int("0x"), None);
        assert_eq!(int("+-1"), None);
        assert_eq!(int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int("9223372036854775808"), None);
        assert_eq!(binary("-1"), Some(-1));
        assert_eq!(binary("-+1"), None);
    }

    #[test]
    fn floats_are_go_yamls() {
        for yes in ["1.", ".5", "1e3", "-1.5E-3", "08", "1.5e+10"] {
            assert!(is_yaml_float(yes), "{yes}");
        }
        for no in ["", ".", "-", "e3", "1e", "1.5.2", "0x1p3", "inf", "1 "] {
            assert!(!is_yaml_float(no), "{no}");
        }
        assert_eq!(dotted_float(".5_0"), Some(0.5));
        assert_eq!(dotted_float("._5"), None);
        assert_eq!(float("1e999"), None);
    }
}
