//! The tests on real nodes: every one a process of its own, handed out to whichever node is free.
//!
//! A restore mostly waits, for Velero and for Kubernetes, so two nodes side by side take little more than half the time.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::cargo::{Cargo, Ended};
use super::minutes;
use super::time::{Given, Minutes};

/// One test and the program it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct One {
    pub(super) program: PathBuf,
    /// `crash`, the file below `tests/`.
    pub(super) suite: String,
    pub(super) name: String,
}

/// How it went on a node.
pub(super) struct Went {
    pub(super) one: One,
    pub(super) ended: Result<Ended>,
    pub(super) took: Duration,
}

impl Went {
    /// Whether it did anything.
    pub(super) fn is_done(&self) -> bool {
        self.ended.as_ref().is_ok_and(|ended| ended.did_nothing.is_none())
    }
}

/// Suites that take longest begin first: else the last one is waited for alone.
pub(super) const FIRST: &[&str] = &["crash", "lint_truth", "restore"];

/// What the package's test programs hold: what is to run, and what is ignored with its reason.
pub(super) struct Listed {
    pub(super) run: VecDeque<One>,
    pub(super) ignored: Vec<(String, String)>,
}

/// Builds the test programs of a package and asks them what they hold.
///
/// `first`: suites that are to begin before all others.
pub(super) fn list(root: &Path, package: &str, long: bool, first: &[&str]) -> Result<Listed> {
    let mut build = Cargo::tool();
    build.args(["test", "--locked", "--no-run", "--message-format=json-render-diagnostics", "--package", package]);
    let out = build.current_dir(root).stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("start cargo")?;
    anyhow::ensure!(out.status.success(), "the tests of {package} do not build");
    let mut run = Vec::new();
    let mut ignored = Vec::new();
    for (suite, program) in programs(&String::from_utf8_lossy(&out.stdout)) {
        let ask = |more: &[&str]| {
            let mut command = Command::new(&program);
            crate::cmd::output(command.args(["--list", "--format", "terse"]).args(more))
        };
        let waiting = names(&ask(&["--ignored"])?);
        for name in names(&ask(&[])?) {
            if waiting.contains(&name) && !long {
                ignored.push(name);
            } else {
                run.push(One { program: program.clone(), suite: suite.clone(), name });
            }
        }
    }
    // In turn: of those that a late run does not come to none is always the same.
    let turn = usize::try_from(crate::diff::new_seed()).unwrap_or(0) % run.len().max(1);
    run.rotate_left(turn);
    let place = |one: &One| first.iter().position(|suite| *suite == one.suite).unwrap_or(first.len());
    run.sort_by_key(place);
    let reasons = reasons(root, package, &ignored)?;
    Ok(Listed { run: run.into(), ignored: reasons })
}

/// Suite and program of each of the test programs that cargo names in its messages.
fn programs(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let is_test = message.pointer("/target/kind/0").and_then(Value::as_str) == Some("test");
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let program = message.get("executable").and_then(Value::as_str);
        if let (true, Some(name), Some(program)) = (is_test, name, program) {
            found.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    found
}

fn names(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Only a run tells the reason why a test is ignored; one that is asked for ignored tests alone runs none of them.
fn reasons(root: &Path, package: &str, ignored: &[String]) -> Result<Vec<(String, String)>> {
    if ignored.is_empty() {
        return Ok(Vec::new());
    }
    let cargo = Cargo::test().args(["--package", package, "--tests"]).behind(["--exact"]).behind(ignored);
    let mut command = cargo.command(root);
    let out = command.stdin(Stdio::null()).output().context("start cargo")?;
    let mut ended = Ended::default();
    String::from_utf8_lossy(&out.stdout).lines().for_each(|line| ended.count(line));
    Ok(ended.ignored)
}

/// Runs tests on one node until none is left, or none may begin any more; sweeps for these minutes. Without them all that
/// takes hours runs to its end.
pub(super) fn work(
    queue: &Mutex<VecDeque<One>>,
    label: &str,
    env: &[(&'static str, PathBuf)],
    given: Option<Given>,
) -> Vec<Went> {
    let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
    let mut went = Vec::new();
    while let Some(one) = next() {
        if given.is_some_and(|given| Instant::now() >= given.until) {
            let why = "the time of the whole run was over".to_owned();
            let ended = Ended { success: true, did_nothing: Some(why), ..Ended::default() };
            went.push(Went { one, ended: Ok(ended), took: Duration::ZERO });
            continue;
        }
        println!("[{label}] begins: {}::{}", one.suite, one.name);
        let sweep = given.and_then(|given| given.minutes.of(&one.suite));
        // A sweep begins with a shop and its backups, and ends with the last case that began in time.
        let limit = match sweep {
            Some(sweep) => minutes(sweep + 25),
            None if Minutes::are_for(&one.suite) => minutes(240),
            None => minutes(25),
        };
        let mut command = Command::new(&one.program);
        command.args(["--exact", &one.name, "--include-ignored", "--nocapture"]);
        command.envs(env.iter().map(|(name, value)| (*name, value)));
        command.env("RUST_BACKTRACE", "0");
        if given.is_none() {
            command.env("DR_LONG", "1");
        }
        command.envs(sweep.map(|minutes| ("DR_MINUTES", minutes.to_string())));
        let began = Instant::now();
        let ended = Cargo::run_labelled(&mut command, limit, label);
        let took = began.elapsed();
        let verdict = match &ended {
            Ok(ended) if ended.success => "ok".to_owned(),
            Ok(_) => "FAILED".to_owned(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        println!("[{label}] {verdict} after {:.1} min: {}::{}", took.as_secs_f64() / 60.0, one.suite, one.name);
        went.push(Went { one, ended, took });
    }
    went
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_those_of_the_files_below_tests() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"dr_live"},"executable":"/t/dr_live-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"crash"},"executable":"/t/crash-2"}"#,
            "\nno json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let expected = BTreeMap::from([("crash".to_owned(), PathBuf::from("/t/crash-2"))]);
        assert_eq!(programs(messages), expected);
        assert_eq!(names("one: test\ntwo: benchmark\n"), ["one"]);
    }

    #[test]
    fn each_test_runs_once_on_one_of_the_nodes() {
        let one = |name: &str| One { program: "/bin/true".into(), suite: "s".to_owned(), name: name.to_owned() };
        let queue = Mutex::new(VecDeque::from([one("a"), one("b"), one("c")]));
        let mut went: Vec<String> = std::thread::scope(|scope| {
            let both = ["x", "y"].map(|label| scope.spawn(|| work(&queue, label, &[], Some(given(60)))));
            both.into_iter().flat_map(|node| node.join().unwrap()).map(|went| went.one.name).collect()
        });
        went.sort();
        assert_eq!(went, ["a", "b", "c"]);
    }

    fn given(seconds: u64) -> Given {
        let until = Instant::now() + Duration::from_secs(seconds);
        Given { minutes: Minutes::after(Duration::ZERO), until }
    }

    #[test]
    fn what_does_not_begin_in_time_does_nothing_and_says_so() {
        let one = One { program: "/bin/true".into(), suite: "s".to_owned(), name: "late".to_owned() };
        let went = work(&Mutex::new(VecDeque::from([one])), "x", &[], Some(given(0)));
        let told: Vec<_> = went.iter().map(|went| went.ended.as_ref().unwrap().did_nothing.as_deref()).collect();
        assert_eq!(told, [Some("the time of the whole run was over")]);
    }
}
