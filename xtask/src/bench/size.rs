//! How large the executables are that a person downloads.

use std::fmt::Write as _;

use anyhow::Result;

use crate::dist;

pub(super) fn measure() -> Result<String> {
    let made = dist::dist(None, dist::Pace::Whole)?;
    let mut text = "## Size\n\n`cargo xtask bench size`: profile `dist`, stripped, at most 10 MiB each.\n\n| executable | MiB |\n|---|---|\n".to_owned();
    for (name, bytes) in &made.sizes {
        let _ = writeln!(text, "| {name} | {:.1} |", dist::mebibytes(*bytes));
    }
    Ok(text)
}
