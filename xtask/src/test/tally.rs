//! What passed, what failed, and what did not run and why.

use std::process::ExitCode;
use std::time::Duration;

use super::cargo::Ended;
use super::queue::Went;

#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
    parts: Vec<String>,
}

impl Tally {
    pub(crate) fn check(&mut self, name: &str, good: bool, took: Duration) {
        self.tests(name, usize::from(good), usize::from(!good), good, took);
    }

    /// A run of tests. One that ended badly without naming a test that failed, did not build or was killed: it counts.
    pub(crate) fn tests(&mut self, name: &str, passed: usize, failed: usize, good: bool, took: Duration) {
        let failed = if good { failed } else { failed.max(1) };
        self.passed += passed;
        self.failed += failed;
        let verdict = if failed == 0 { "ok".to_owned() } else { format!("{failed} FAILED") };
        self.parts.push(format!("{:>8.1} min  {passed:>5} passed  {verdict:<10}  {name}", took.as_secs_f64() / 60.0));
    }

    /// What single tests came to, each in a process of its own.
    pub(super) fn went(&mut self, all: Vec<Went>) {
        for Went { one, ended, took } in all {
            let name = format!("{}::{}", one.suite, one.name);
            match ended {
                Ok(Ended { did_nothing: Some(why), success: true, .. }) => self.skip(&name, &why),
                Ok(Ended { success, passed, failed, .. }) => self.tests(&name, passed, failed, success, took),
                Err(error) => {
                    println!("error: {name}: {error:#}");
                    self.check(&name, false, took);
                }
            }
        }
    }

    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        self.skipped.push(format!("skipped: {name}: {reason}"));
    }

    fn last_line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len())
    }

    /// Prints all of it, the sum last.
    pub(crate) fn conclude(&self) -> ExitCode {
        println!();
        for part in &self.parts {
            println!("{part}");
        }
        for line in &self.skipped {
            println!("{line}");
        }
        println!("{}", self.last_line());
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_died_without_naming_a_test_has_failed() {
        let mut tally = Tally::default();
        tally.tests("ours", 12, 0, false, Duration::ZERO);
        tally.skip("the node", "no root");
        assert_eq!(tally.last_line(), "12 passed, 1 failed, 1 skipped");
    }
}
