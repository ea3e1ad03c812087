//! Several cases on one shop: each is told with its time, and one that fails does not hide those after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Panics when it is dropped if one of its cases did.
#[derive(Default)]
pub struct Cases {
    failed: Vec<String>,
}

impl Cases {
    pub fn case(&mut self, name: &str, case: impl FnOnce()) {
        println!("{name} …");
        let began = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(case)).is_ok();
        let verdict = if passed { "as it should be" } else { "FAILED" };
        println!("  {verdict} after {:.1} s", began.elapsed().as_secs_f64());
        if !passed {
            self.failed.push(name.to_owned());
        }
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.failed.is_empty(), "{} failed: {}", self.failed.len(), self.failed.join("; "));
        }
    }
}
