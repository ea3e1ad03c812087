//! Whether a copy is as large as those before it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Volume;
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

/// Every good copy in the object store, by all the names that its volume goes by; or why they could not be read.
pub(super) struct Copies(Result<BTreeMap<Volume, Vec<(Timestamp, u64)>>, Unread>);

impl Copies {
    pub(super) fn of(facts: &Facts, kind: Kind, named: impl Fn(&Object) -> Vec<Volume>) -> Self {
        Self(facts.of(kind, &facts.velero_namespace).map(|copies| {
            let mut all: BTreeMap<Volume, Vec<(Timestamp, u64)>> = BTreeMap::new();
            for copy in copies.filter(|copy| copy.str_at("/status/phase") == Some("Completed")) {
                let bytes = copy.i64_at("/status/progress/totalBytes").and_then(|bytes| u64::try_from(bytes).ok());
                let taken = time(copy, "/status/startTimestamp");
                if let (Some(bytes @ 1..), Some(taken)) = (bytes, taken) {
                    for volume in named(copy) {
                        all.entry(volume).or_default().push((taken, bytes));
                    }
                }
            }
            all
        }))
    }

    /// The largest of the last good copies that were taken before, whichever of its names the volume had then.
    pub(super) fn largest_before(&self, names: &[Volume], before: Timestamp) -> Result<Option<u64>, Unread> {
        let all = self.0.as_ref().map_err(Clone::clone)?;
        let earlier = names.iter().filter_map(|volume| all.get(volume)).flatten();
        // One copy goes by several names.
        let mut earlier: Vec<(Timestamp, u64)> = earlier.filter(|(taken, _)| *taken < before).copied().collect();
        earlier.sort_unstable_by(|a, b| b.cmp(a));
        earlier.dedup();
        Ok(earlier.into_iter().take(COMPARED).map(|(_, bytes)| bytes).max())
    }
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
