//! Whether a copy is as large as those before it.

use jiff::Timestamp;

use crate::cover::time;
use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::Object;

/// With how many of the newest earlier good copies a copy is compared: with the largest of them.
///
/// One alone would forget a loss with the next backup; all of them would doubt a database for as long as backups are
/// kept after somebody tidied it up. Five nightly ones outlive a weekend.
pub const COMPARED: usize = 5;

/// A copy below this part of the largest of them is not taken for the whole data.
///
/// Databases grow, and compaction or retention rarely takes more than half between two backups. A claim that was made
/// anew, a mount that was missing, a table that was dropped take nearly all.
pub const LEAST_PERCENT: u64 = 50;

/// The largest of the last good copies of a volume that were taken before.
pub(super) fn largest_before(
    facts: &Facts,
    kind: Kind,
    of_volume: impl Fn(&Object) -> bool,
    before: Timestamp,
) -> Result<Option<u64>, Unread> {
    let mut earlier: Vec<(Timestamp, u64)> = facts
        .of(kind, &facts.velero_namespace)?
        .filter(|copy| copy.str_at("/status/phase") == Some("Completed") && of_volume(copy))
        .filter_map(|copy| {
            let taken = time(copy, "/status/startTimestamp").filter(|taken| *taken < before)?;
            let bytes = copy.i64_at("/status/progress/totalBytes").and_then(|bytes| u64::try_from(bytes).ok())?;
            (bytes > 0).then_some((taken, bytes))
        })
        .collect();
    earlier.sort_unstable_by(|a, b| b.cmp(a));
    Ok(earlier.into_iter().take(COMPARED).map(|(_, bytes)| bytes).max())
}

/// Why a copy is too small to be believed.
pub(super) fn implausible(bytes: u64, largest: Option<u64>) -> Option<String> {
    let largest = largest?;
    let percent = u128::from(bytes) * 100 / u128::from(largest.max(1));
    (percent < u128::from(LEAST_PERCENT)).then(|| {
        format!(
            "it holds {bytes} bytes, {percent} % of the largest of the last {COMPARED} good copies ({largest} bytes): \
             nobody can tell whether that is all of the data"
        )
    })
}
