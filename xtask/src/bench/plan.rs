//! The time of a large plan, and the requests of the capture before it.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{cache, cmd};

pub(super) fn measure() -> Result<String> {
    let root = cache::checkout()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--locked", "--package", "dr-world", "--example", "large"]).current_dir(&root);
    println!("building and running the example `large` of tests/world");
    let said = cmd::output(&mut command)?;
    let found: Value = serde_json::from_str(said.trim()).context("read what the measurement says")?;
    let number = |name: &str| found.get(name).and_then(Value::as_u64).with_context(|| format!("it says no {name}"));
    let seconds = found.get("seconds").and_then(Value::as_f64).context("it says no seconds")?;
    Ok(format!(
        "## Plan\n\n`cargo xtask bench plan`: choosing a backup, planning and checking the plan, on generated facts (the best of \
         three; at most 2 s are promised), and the requests that reading such a cluster takes: kinds and pages of 500.\n\n\
         | objects | claims | time | waves | steps | plan | requests of the capture |\n|---|---|---|---|---|---|---|\n\
         | {} | {} | {seconds:.2} s | {} | {} | {} KiB of JSON | {} |\n\n\
         With {} objects and 1 claim the capture makes {} requests.",
        number("objects")?,
        number("claims")?,
        number("waves")?,
        number("steps")?,
        number("planBytes")? / 1024,
        number("requests")?,
        number("fewObjects")?,
        number("fewRequests")?,
    ))
}
