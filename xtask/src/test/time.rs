//! How long what can be cut short may take, and until when a test on a node may begin, so that a whole run keeps its time:
//! with nothing cached the servers of a node are built first, and some days a machine is half as fast.

use std::time::{Duration, Instant};

/// A whole run, in minutes: no test on a node begins later.
const WHOLE: u64 = 66;
/// So long tests on nodes may begin in any run.
const AT_LEAST: u64 = 4;
/// What comes once the node is up and cannot be cut short, on two nodes side by side.
const REST: u64 = 25;

/// The minutes after which no further case of a sweep begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minutes {
    pub(super) crash: u64,
    pub(super) lint_truth: u64,
    /// Of random backups on a control plane beside the nodes.
    pub(super) diff: u64,
}

/// What tests on a node are given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) minutes: Minutes,
    /// None begins later.
    pub(super) until: Instant,
}

impl Given {
    /// In a run that began then.
    pub(super) fn in_run(began: Instant) -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        // However late it is, two may begin.
        let until = (began + minutes(WHOLE)).max(Instant::now() + minutes(AT_LEAST));
        Self { minutes: Minutes::after(began.elapsed()), until }
    }

    /// Whether there is no more time than what cannot be cut short takes.
    pub(super) fn is_late(self) -> bool {
        self.minutes == Minutes { diff: self.minutes.diff, ..Minutes::after(Duration::from_secs(WHOLE * 60)) }
    }
}

impl Minutes {
    /// Where so much of the run is over when the nodes come up.
    pub(super) fn after(elapsed: Duration) -> Self {
        let left = WHOLE.saturating_sub(elapsed.as_secs() / 60);
        let spare = left.saturating_sub(REST);
        Self { crash: spare.clamp(5, 20), lint_truth: (spare * 4 / 5).clamp(4, 20), diff: left.clamp(10, 25) }
    }

    /// Whether a suite sweeps over many cases.
    pub(super) fn are_for(suite: &str) -> bool {
        Self::after(Duration::ZERO).of(suite).is_some()
    }

    /// Of a suite that sweeps over many cases.
    pub(super) fn of(self, suite: &str) -> Option<u64> {
        match suite {
            "crash" => Some(self.crash),
            "lint_truth" => Some(self.lint_truth),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_all_it_wants_with_warm_caches_and_a_few_cases_when_it_is_late() {
        let after = |minutes: u64| Minutes::after(Duration::from_secs(minutes * 60));
        assert_eq!(after(15), Minutes { crash: 20, lint_truth: 20, diff: 25 });
        assert_eq!(after(31), Minutes { crash: 10, lint_truth: 8, diff: 25 });
        assert_eq!(after(45), Minutes { crash: 5, lint_truth: 4, diff: 21 });
        assert_eq!(after(90), Minutes { crash: 5, lint_truth: 4, diff: 10 });
        let until = Instant::now();
        let late = [15, 31, 45].map(|minutes| Given { minutes: after(minutes), until }.is_late());
        assert_eq!(late, [false, false, true]);
    }
}
