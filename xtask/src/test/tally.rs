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
    /// What failed on a node, and what the node looked like then.
    failures: Vec<String>,
    nodes_failures: usize,
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
                Ok(Ended { success, passed, failed, left, at_failure, .. }) => {
                    if !success {
                        self.failed_on_a_node(&name, &at_failure);
                    }
                    for what in left {
                        self.skip(&name, &what);
                    }
                    self.tests(&name, passed, failed, success, took);
                }
                Err(error) => {
                    self.failed_on_a_node(&name, &[format!("{error:#}")]);
                    self.check(&name, false, took);
                }
            }
        }
    }

    /// The first failures are told whole: those that come after often come of them.
    fn failed_on_a_node(&mut self, name: &str, at_failure: &[String]) {
        const WHOLE: usize = 2;
        self.nodes_failures += 1;
        let told = if self.nodes_failures <= WHOLE { at_failure } else { at_failure.get(..1).unwrap_or_default() };
        self.failures.push(format!("failed: {name}"));
        self.failures.extend(told.iter().map(|line| format!("    {line}")));
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
        for line in self.failures.iter().chain(&self.skipped) {
            println!("{line}");
        }
        println!("{}", self.last_line());
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::One;
    use super::*;

    #[test]
    fn a_run_that_died_without_naming_a_test_has_failed() {
        let mut tally = Tally::default();
        tally.tests("ours", 12, 0, false, Duration::ZERO);
        tally.skip("the node", "no root");
        assert_eq!(tally.last_line(), "12 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn what_a_sweep_did_not_come_to_is_skipped_and_not_passed() {
        let mut tally = Tally::default();
        let one = One { program: "/bin/true".into(), suite: "crash".to_owned(), name: "killed".to_owned() };
        let left = vec!["3 of 17 cases: the time for them was over".to_owned()];
        let ended = Ok(Ended { success: true, passed: 1, left, ..Ended::default() });
        tally.went(vec![Went { one, ended, took: Duration::ZERO }]);
        assert_eq!(tally.skipped, ["skipped: crash::killed: 3 of 17 cases: the time for them was over"]);
        assert_eq!(tally.last_line(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn the_first_failures_on_a_node_are_told_whole_and_the_others_in_a_line() {
        let mut tally = Tally::default();
        let told = ["it did not come", "pod shop/postgres-0: Pending"].map(str::to_owned);
        for name in ["a", "b", "c"] {
            tally.failed_on_a_node(name, &told);
        }
        let whole = |name: &str| {
            vec![
                format!("failed: {name}"),
                "    it did not come".to_owned(),
                "    pod shop/postgres-0: Pending".to_owned(),
            ]
        };
        let last = vec!["failed: c".to_owned(), "    it did not come".to_owned()];
        assert_eq!(tally.failures, [whole("a"), whole("b"), last].concat());
    }
}
