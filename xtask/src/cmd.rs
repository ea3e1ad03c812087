//! Running other programs: an error names the command, its exit status and the end of what it wrote.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Runs `command` to its end and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("start {}", name(command)))?;
    checked(command, &out)
}

/// Runs `command` with `input` on its standard input and returns its standard output.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", name(command)))?;
    let mut stdin = child.stdin.take().context("the child has no standard input")?;
    let written = thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.write_all(input));
        let out = child.wait_with_output();
        (writer.join(), out)
    });
    let out = written.1.with_context(|| format!("wait for {}", name(command)))?;
    checked(command, &out)
}

/// Runs a program with arguments to its end, for the commands that need nothing else.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String> {
    output(Command::new(program).args(args))
}

fn checked(command: &Command, out: &Output) -> Result<String> {
    if !out.status.success() {
        let text = [String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout)].concat();
        bail!("{} ended with {}: {}", name(command), out.status, tail(&text, 12));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The last `lines` lines of `text`.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

fn name(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args().take(12) {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// Asks `ready` again and again until it answers, and fails with its last reason after `limit`.
pub(crate) fn wait<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let last = match ready() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if began.elapsed() > limit {
            let error = last.unwrap_or_else(|| anyhow::anyhow!("it never came"));
            return Err(error.context(format!("waited {} s for {what}", limit.as_secs())));
        }
        thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}
