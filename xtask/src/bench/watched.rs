//! A command that is looked at while it runs: how long, how soon, how large, and how often it asks the API server.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) struct Run {
    /// Seconds.
    pub(super) took: f64,
    pub(super) first: f64,
    /// MiB.
    pub(super) peak: u64,
}

/// The first output is the first byte on either stream.
pub(super) fn run(command: &mut Command) -> Result<Run> {
    let began = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start the command")?;
    let status = format!("/proc/{}/status", child.id());
    // Its highest mark; what it adds in the last moments before its end is not seen.
    let memory = thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = fs::read_to_string(&status).ok().as_deref().and_then(high_mark) {
            peak = now;
            thread::sleep(Duration::from_millis(2));
        }
        peak
    });
    let stderr = child.stderr.take().context("no standard error")?;
    let told = thread::spawn(move || read(stderr, began));
    let (said, _) = read(child.stdout.take().context("no standard output")?, began)?;
    let ended = child.wait()?;
    let took = began.elapsed().as_secs_f64();
    let (told, text) = told.join().map_err(|_| anyhow::anyhow!("nobody read its standard error"))??;
    // Good or not is not what is measured; that it was judged is.
    if !matches!(ended.code(), Some(0 | 1)) {
        bail!("the command ended with {ended}: {text}");
    }
    let first = said.into_iter().chain(told).reduce(f64::min).context("it printed nothing")?;
    let peak = memory.join().map_err(|_| anyhow::anyhow!("nobody watched the memory"))? / 1024;
    Ok(Run { took, first, peak })
}

/// When the first byte came, and all of them.
fn read(mut stream: impl std::io::Read, began: Instant) -> Result<(Option<f64>, String)> {
    let mut byte = [0];
    let first = (stream.read(&mut byte)? > 0).then(|| began.elapsed().as_secs_f64());
    let mut all = byte.to_vec();
    stream.read_to_end(&mut all)?;
    Ok((first, String::from_utf8_lossy(&all).into_owned()))
}

fn high_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// How often the API server is asked, by the command's own trace.
pub(super) fn requests(command: &mut Command) -> Result<usize> {
    let out = command.args(["-v", "5"]).stdin(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&out.stderr);
    let asks = |line: &str| {
        let asked = line.split_once("dr_cluster::request: ").map(|(_, asked)| asked);
        asked.is_some_and(|asked| METHODS.iter().any(|method| asked.starts_with(&format!("{method} "))))
    };
    match told.lines().filter(|line| asks(line)).count() {
        0 => bail!("its trace names no request: {told}"),
        count => Ok(count),
    }
}
