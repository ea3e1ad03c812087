//! How values look to a person.

use std::io::Write as _;

use jiff::SignedDuration;
use tabwriter::TabWriter;

use crate::report::Failure;

pub(crate) mod backup;
pub(crate) mod closing;
pub(crate) mod coverage;
pub(crate) mod evidence;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod recovery;
pub(crate) mod schedule;
pub(crate) mod status;
pub(crate) mod verify;

/// `4.7 s`, `2m 10s`, `5h 12m`, `3d 4h`: the two largest units.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let two = |large: i64, a: &str, small: i64, b: &str| {
        if small == 0 { format!("{large}{a}") } else { format!("{large}{a} {small}{b}") }
    };
    match seconds {
        ..0 => format!("-{}", self::duration(-duration)),
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Whole seconds that were counted or estimated, not measured.
pub(crate) fn seconds(seconds: u64) -> String {
    if seconds < 60 {
        return format!("{seconds} s");
    }
    duration(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// Lines of tab-separated cells as columns, kubectl's way.
pub(crate) fn table(lines: &[String]) -> Result<String, Failure> {
    let aligned = || -> std::io::Result<Vec<u8>> {
        let mut writer = TabWriter::new(Vec::new()).padding(3).ansi(true);
        for line in lines {
            writeln!(writer, "{line}")?;
        }
        writer.flush()?;
        writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
    };
    let bytes = aligned().map_err(|error| Failure::failed("cannot lay out a table", error))?;
    let text = String::from_utf8(bytes).map_err(|error| Failure::failed("cannot lay out a table", error))?;
    Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// The same where a layout that fails is better shown unaligned than not at all.
pub(crate) fn columns(lines: &[String], indent: &str) -> String {
    let text = table(lines).unwrap_or_else(|_| lines.join("\n"));
    text.lines().fold(String::new(), |mut all, line| {
        all.push_str(indent);
        all.push_str(line);
        all.push('\n');
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_two_units_at_most() {
        let shown = |seconds: i64| duration(SignedDuration::from_secs(seconds));
        assert_eq!(shown(0), "0.0 s");
        assert_eq!(duration(SignedDuration::from_millis(4_700)), "4.7 s");
        assert_eq!(shown(130), "2m 10s");
        assert_eq!(shown(3_600), "1h");
        assert_eq!(shown(18_732), "5h 12m");
        assert_eq!(shown(273_600), "3d 4h");
        assert_eq!(shown(-90), "-1m 30s");
    }

    #[test]
    fn columns_are_aligned_and_have_no_trailing_blanks() {
        let lines = ["NAME\tAGE".to_owned(), "a-long-name\t1\t".to_owned()];
        assert_eq!(columns(&lines, "  "), "  NAME          AGE\n  a-long-name   1\n");
    }
}
