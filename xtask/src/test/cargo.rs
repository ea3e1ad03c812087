//! Runs cargo, passes on what it prints, counts its tests, and ends it when its time is up.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// What a command left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Test and reason.
    pub(crate) ignored: Vec<(String, String)>,
    /// Why a test that began did nothing, as it says itself.
    pub(crate) did_nothing: Option<String>,
    /// What a test that passed did not come to, as it says itself.
    pub(crate) left: Vec<String>,
    /// What a test that failed told of the moment.
    pub(crate) at_failure: Vec<String>,
}

/// A `cargo test` to be.
pub(crate) struct Cargo {
    args: Vec<OsString>,
    behind: Vec<OsString>,
    env: Vec<(String, PathBuf)>,
}

impl Cargo {
    pub(crate) fn test() -> Self {
        let args = ["test", "--locked", "--no-fail-fast"].map(OsString::from).into();
        Self { args, behind: Vec::new(), env: Vec::new() }
    }

    pub(crate) fn tool() -> Command {
        Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// What the test programs themselves are told.
    pub(crate) fn behind<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.behind.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn envs(mut self, env: &[(&str, PathBuf)]) -> Self {
        self.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self
    }

    pub(crate) fn command(&self, root: &Path) -> Command {
        let mut command = Self::tool();
        command.args(&self.args).arg("--").args(&self.behind).current_dir(root);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end or for `limit`, passing every line on.
    pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Ended> {
        Self::run_to(command, limit, |line| println!("{line}"))
    }

    /// The same beside others: each line says whose it is, what goes to standard error among them.
    pub(crate) fn run_labelled(command: &mut Command, limit: Duration, label: &str) -> Result<Ended> {
        let (errors, writer) = std::io::pipe().context("make a pipe")?;
        command.stderr(writer);
        let name = label.to_owned();
        let reader = thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                println!("[{name}] {line}");
            }
        });
        let ended = Self::run_to(command, limit, |line| println!("[{label}] {line}"));
        // The pipe ends when nobody holds its other end any more; the command here is one of them.
        command.stderr(Stdio::null());
        // Nor is it waited for somebody who was left behind and holds one too.
        let patience = Instant::now() + Duration::from_secs(2);
        while !reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(20));
        }
        ended
    }

    fn run_to(command: &mut Command, limit: Duration, mut tell: impl FnMut(&str)) -> Result<Ended> {
        let name = command.get_program().to_string_lossy().into_owned();
        let began = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("start {name}"))?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut ended = Ended::default();
        loop {
            match lines.recv_timeout(limit.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    tell(&line);
                    ended.count(&line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    end(child.id());
                    child.wait().with_context(|| format!("wait for {name}"))?;
                    bail!("{name} did not end within {} min and was ended", limit.as_secs() / 60);
                }
            }
        }
        ended.success = child.wait().with_context(|| format!("wait for {name}"))?.success();
        Ok(ended)
    }
}

/// Ends a process and all that it started.
fn end(process: u32) {
    for child in children(process) {
        end(child);
    }
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended meanwhile needs no ending.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

impl Ended {
    /// Counts a line in the format of Rust's own test runner.
    pub(crate) fn count(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            let number = |what: &str| {
                let mut parts = result.split([';', '.']).map(str::trim);
                parts.find_map(|part| part.strip_suffix(what)?.trim().parse::<usize>().ok()).unwrap_or(0)
            };
            self.passed += number("passed");
            self.failed += number("failed");
        } else if let Some((_, why)) = line.split_once("SKIPPED: ") {
            self.did_nothing = Some(why.to_owned());
        } else if let Some((_, what)) = line.split_once("LEFT: ") {
            self.left.push(what.to_owned());
        } else if let Some((_, line)) = line.split_once("AT FAILURE: ") {
            self.at_failure.push(line.to_owned());
        } else if let Some((name, reason)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored"))
        {
            let reason = reason.trim_start_matches(", ").trim();
            let reason = if reason.is_empty() { "no reason is given" } else { reason };
            self.ignored.push((name.to_owned(), reason.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_are_added_and_reasons_are_kept() {
        let mut ended = Ended::default();
        for line in [
            "running 3 tests",
            "test a::works ... ok",
            "test a::waits ... ignored, needs a node",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.25s",
        ] {
            ended.count(line);
        }
        let ignored = vec![("a::waits".to_owned(), "needs a node".to_owned())];
        assert_eq!(ended, Ended { success: false, passed: 7, failed: 1, ignored, ..Ended::default() });
        ended.count("test b ... SKIPPED: there is no node");
        assert_eq!(ended.did_nothing.as_deref(), Some("there is no node"));
        ended.count("LEFT: 3 of 17 cases: the time for them was over");
        assert_eq!(ended.left, ["3 of 17 cases: the time for them was over"]);
        ended.count("AT FAILURE: pod shop/postgres-0: Pending");
        assert_eq!(ended.at_failure, ["pod shop/postgres-0: Pending"]);
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 77.125 & sleep 77.125; echo never"]);
        let began = Instant::now();
        let result = Cargo::run(&mut command, Duration::from_millis(300));
        assert!(result.unwrap_err().to_string().contains("did not end"));
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
