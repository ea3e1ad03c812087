//! Kubernetes quantities, read and compared exactly.
//!
//! Ported from the grammar of `k8s.io/apimachinery/pkg/api/resource/quantity.go:ParseQuantity` at v0.34: decimal and
//! binary suffixes, `m`, `u`, `n`, and exponents.

/// In billionths, so that `n` is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity such as 10Gi")]
pub struct BadQuantity(pub String);

const NANO: i128 = 1_000_000_000;

impl Quantity {
    pub const ZERO: Self = Self(0);

    /// `10Gi`, `1.5G`, `100m`, `1e3`.
    pub fn parse(text: &str) -> Result<Self, BadQuantity> {
        let bad = || BadQuantity(text.to_owned());
        let digits = text.find(|char: char| !(char.is_ascii_digit() || "+-.".contains(char))).unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(digits).ok_or_else(bad)?;
        let (multiple, divisor) = scale(suffix).ok_or_else(bad)?;
        let (sign, number) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits_alone = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 20 {
            return Err(bad());
        }
        if !digits_alone(whole) || !digits_alone(fraction) {
            return Err(bad());
        }
        let part = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i128>().map_err(|_| bad()) };
        let nanos = |value: i128, over: i128| -> Option<i128> {
            // Rounded up, as Kubernetes does below its precision.
            let scaled = value.checked_mul(multiple)?.checked_mul(NANO)?;
            let over = over.checked_mul(divisor)?;
            Some(scaled.checked_add(over - 1)? / over)
        };
        let tenth = 10i128.checked_pow(u32::try_from(fraction.len()).map_err(|_| bad())?).ok_or_else(bad)?;
        let value = nanos(part(whole)?, 1).zip(nanos(part(fraction)?, tenth)).ok_or_else(bad)?;
        Ok(Self(sign * (value.0 + value.1)))
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Rounded up to a whole one; none below zero.
    pub fn whole(self) -> Option<u128> {
        u128::try_from(self.0).ok().map(|nanos| nanos.div_ceil(NANO.unsigned_abs()))
    }
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    let power = |base: i128, exponent: u32| base.checked_pow(exponent).map(|value| (value, 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, NANO)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => power(1000, 1),
        "M" => power(1000, 2),
        "G" => power(1000, 3),
        "T" => power(1000, 4),
        "P" => power(1000, 5),
        "E" => power(1000, 6),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            let value = 10i128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, value) } else { (value, 1) })
        }
    }
}

/// The value of bytes or a count, rounded up to a whole one; none where the text is no quantity, below zero or does not
/// fit.
pub fn parse(text: &str) -> Option<u128> {
    Quantity::parse(text).ok()?.whole()
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
        for text in ["", "Gi", "1.2.3", "-1", "--1", "1.-5", "+-2", "+", "1 Gi", "1gi", "one", "1e", "1e400"] {
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
