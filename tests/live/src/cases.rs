//! Several cases on one shop: each is told with its time, and one that fails does not hide those after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Panics when it is dropped if one of its cases did.
pub struct Cases {
    began: Instant,
    /// No case begins after that time; those that are left are told as such.
    at_most: Option<Duration>,
    ran: usize,
    left: usize,
    failed: Vec<String>,
}

impl Default for Cases {
    fn default() -> Self {
        Self { began: Instant::now(), at_most: None, ran: 0, left: 0, failed: Vec::new() }
    }
}

impl Cases {
    /// For a sweep that takes long: as many as fit into `DR_MINUTES`, and all where it is not set.
    ///
    /// # Panics
    /// If `DR_MINUTES` is no number.
    pub fn in_the_minutes_given() -> Self {
        let minutes = std::env::var("DR_MINUTES").ok();
        let minutes = minutes.map(|minutes| minutes.parse().expect("DR_MINUTES is a number of minutes"));
        let mut cases = Self::default();
        cases.at_most = minutes.map(|minutes: u64| Duration::from_secs(minutes * 60));
        cases
    }

    pub fn case(&mut self, name: &str, case: impl FnOnce()) {
        if self.at_most.is_some_and(|at_most| self.began.elapsed() >= at_most) {
            self.left += 1;
            return;
        }
        println!("{name} …");
        self.ran += 1;
        let began = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
        let verdict = if passed { "as it should be" } else { "FAILED" };
        println!("  {verdict} after {:.1} s", began.elapsed().as_secs_f64());
        if !passed {
            self.failed.push(name.to_owned());
        }
    }

    /// Whether each had its time.
    pub fn none_left(&self) -> bool {
        self.left == 0
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        if self.left > 0 {
            println!("LEFT: {} of {} cases: the time for them was over", self.left, self.left + self.ran);
        }
        if !std::thread::panicking() {
            assert!(self.failed.is_empty(), "{} failed: {}", self.failed.len(), self.failed.join("; "));
        }
    }
}

/// What a run chooses by: `DR_SEED`, or the second it begins in. It is printed, so that the same can be chosen again.
pub fn seed() -> u64 {
    let given = std::env::var("DR_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = given.unwrap_or(now);
    println!("DR_SEED={seed}");
    seed
}

/// In turn: another begins in each run, so that over the runs none is always left.
pub fn in_turn<T>(mut all: Vec<T>, seed: u64) -> Vec<T> {
    if !all.is_empty() {
        let first = seed % all.len() as u64;
        all.rotate_left(usize::try_from(first).unwrap_or(0));
    }
    all
}
