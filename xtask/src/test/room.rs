//! The disk that a whole run takes: measured on a run from nothing, it ends with about 12 GiB more than it began with.

use std::path::Path;

use anyhow::{Context as _, Result};

/// Build output 6 GiB, two nodes with their images, volumes and buckets 3 GiB each.
const TAKES_GIB: u64 = 12;
const GIB: u64 = 1 << 30;

/// Says before anything begins that the disk may not last; what follows would tell it in pods that are evicted.
pub(super) fn tell(places: [&Path; 2]) -> Result<()> {
    for place in places {
        let disk = rustix::fs::statvfs(place).with_context(|| format!("look at the disk of {}", place.display()))?;
        if let Some(says) = lacking(disk.f_bavail.saturating_mul(disk.f_frsize)) {
            println!("warning: {}: {says}", place.display());
        }
    }
    Ok(())
}

/// What there is to say about so many free bytes.
fn lacking(free: u64) -> Option<String> {
    (free < TAKES_GIB * GIB).then(|| {
        format!("{} GiB are free, a run takes about {TAKES_GIB}; when they are gone, pods are evicted", free / GIB)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_would_not_last_is_told_in_numbers() {
        assert_eq!(lacking(12 * GIB), None);
        let expected = "9 GiB are free, a run takes about 12; when they are gone, pods are evicted";
        assert_eq!(lacking(10 * GIB - 1).as_deref(), Some(expected));
    }
}
