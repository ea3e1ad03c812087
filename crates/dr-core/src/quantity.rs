//! Kubernetes quantities of bytes and counts, exactly.

/// The value, rounded up to a whole one; none where the text is no quantity or does not fit.
///
/// Ported from the grammar of `k8s.io/apimachinery/pkg/api/resource/quantity.go` at v0.34: decimal and binary suffixes,
/// `m`, `u`, `n`, and exponents.
pub fn parse(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let (factor, divisor) = scale(suffix)?;
    let divisor = divisor.checked_mul(10_u128.checked_pow(places)?)?;
    Some(digits.checked_mul(factor)?.div_ceil(divisor))
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let (factor, divisor) = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let tens = 10_u128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, tens) } else { (tens, 1) }
        }
    };
    Some((factor, divisor))
}

/// Bytes as the largest binary unit that says them exactly.
pub fn binary(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut rest = bytes;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while rest > 0
        && rest.is_multiple_of(1024)
        && let Some(next) = units.next()
    {
        rest /= 1024;
        unit = Some(next);
    }
    format!("{rest}{}", unit.copied().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_server_reads_them() {
        for (text, value) in [
            ("0", 0),
            ("1Gi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("500M", 500_000_000),
            ("1e3", 1_000),
            ("2E3", 2_000),
            ("2E", 2_000_000_000_000_000_000),
            ("1500m", 2),
            (".5k", 500),
            ("+5", 5),
            ("1e-1", 1),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for text in ["", "Gi", "1.2.3", "-1", "1 Gi", "1gi", "one", "1e", "1e400"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit_that_is_exact() {
        assert_eq!(binary(0), "0");
        assert_eq!(binary(20 << 30), "20Gi");
        assert_eq!(binary((20 << 30) + 1), "21474836481");
        assert_eq!(binary(1536 << 20), "1536Mi");
    }
}
