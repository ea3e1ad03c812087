//! `cargo xtask fuzz`: lint on bytes that nobody wrote, led by libFuzzer to where they make a difference.
//!
//! `tests/fuzz` is a workspace of its own, built with coverage by flags that the stable compiler takes. What is found is
//! a file below `target/fuzz/found`; what was worth keeping is in `tests/fuzz/corpus`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{cache, cmd};

const TARGETS: [&str; 2] = ["lint", "shell"];
/// Of one input, in seconds: a thousand times what it takes.
const HANG: u32 = 10;
/// Of the whole process, in MiB.
const MEMORY: u32 = 768;
/// In bytes.
const LONGEST: u32 = 8192;
/// So many inputs of a target are committed: the smallest lead far enough.
const COMMITTED: usize = 600;
/// Coverage without a sanitizer; the code is safe Rust.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// How many inputs each target sees
    #[arg(long, default_value_t = 20_000)]
    runs: u64,
    /// Only this one
    #[arg(long, value_parser = TARGETS)]
    target: Option<String>,
    /// Put what opens new paths into the corpus that is committed
    #[arg(long)]
    keep: bool,
    /// Write what was run into docs/evidence
    #[arg(long)]
    record: bool,
}

struct Ran {
    target: &'static str,
    runs: u64,
    corpus: usize,
    paths: u64,
    memory: u64,
    seconds: u64,
}

pub(crate) fn fuzz(args: &FuzzArgs) -> Result<()> {
    let targets = TARGETS.into_iter().filter(|target| args.target.as_deref().is_none_or(|only| only == *target));
    let ran = targets.map(|target| run(target, args.runs)).collect::<Result<Vec<_>>>()?;
    if args.keep {
        for ran in &ran {
            keep(ran.target)?;
        }
    }
    if args.record {
        let page = cache::checkout()?.join("docs/evidence/fuzz.md");
        fs::write(&page, text(&ran)).with_context(|| format!("write {}", page.display()))?;
    }
    Ok(())
}

/// What every run of the tests does.
pub(crate) fn short() -> Result<()> {
    fuzz(&FuzzArgs { runs: 20_000, target: None, keep: false, record: false })
}

fn folder() -> Result<PathBuf> {
    Ok(cache::checkout()?.join("tests/fuzz"))
}

/// The program of a target, built with coverage.
fn program(target: &str) -> Result<PathBuf> {
    let root = cache::checkout()?;
    let (built, host) = (crate::dist::target(&root)?.join("fuzz"), host()?);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--release", "--quiet", "--bin", target, "--manifest-path"])
        .arg(folder()?.join("Cargo.toml"))
        // With a target of its own, build scripts and macros are not built with these flags.
        .args(["--target", &host])
        .env("CARGO_TARGET_DIR", &built)
        .env("RUSTFLAGS", FLAGS);
    cmd::output(&mut cargo).with_context(|| format!("build the fuzz target {target}"))?;
    Ok(built.join(host).join("release").join(target))
}

fn host() -> Result<String> {
    let said = cmd::output(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).with_context(|| format!("rustc -vV names no host: {said}"))
}

fn run(target: &'static str, runs: u64) -> Result<Ran> {
    let program = program(target)?;
    let (found, grown) = (place("found", target)?, place("corpus", target)?);
    let mut fuzz = Command::new(&program);
    fuzz.arg(format!("-runs={runs}"))
        .args([format!("-timeout={HANG}"), format!("-rss_limit_mb={MEMORY}"), format!("-max_len={LONGEST}")])
        .arg(format!("-dict={}", folder()?.join("velero.dict").display()))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-print_final_stats=1", "-verbosity=1", "-use_value_profile=0"])
        .arg(&grown)
        .args(seeds(target)?);
    let began = Instant::now();
    let mut child = fuzz.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().context("start the fuzz target")?;
    let lines = BufReader::new(child.stderr.take().context("its output")?).lines();
    let (mut last, mut stats, mut told) = (String::new(), Vec::new(), Vec::new());
    for line in lines {
        let line = line.context("read its output")?;
        if line.contains("cov: ") {
            last.clone_from(&line);
        } else if let Some((name, value)) = line.strip_prefix("stat::").and_then(|line| line.split_once(':')) {
            stats.push((name.trim().to_owned(), value.trim().parse().unwrap_or(0)));
        } else {
            told.push(line);
        }
    }
    if !child.wait().context("wait for the fuzz target")?.success() {
        let tail = told.iter().rev().take(60).rev().cloned().collect::<Vec<_>>().join("\n");
        bail!("the fuzz target {target} has found something, see {}:\n{tail}", found.display());
    }
    let stat = |name: &str| stats.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value);
    let runs = stat("number_of_executed_units");
    let paths = last.split("cov: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0);
    let corpus = last.split("corp: ").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok()).unwrap_or(0);
    let ran = Ran { target, runs, corpus, paths, memory: stat("peak_rss_mb"), seconds: began.elapsed().as_secs() };
    println!(
        "{target}: {runs} inputs in {} s, {paths} places reached, {} MiB at most, nothing found",
        ran.seconds, ran.memory
    );
    Ok(ran)
}

/// A folder below the target folder.
fn place(what: &str, target: &str) -> Result<PathBuf> {
    let place = crate::dist::target(&cache::checkout()?)?.join("fuzz").join(what).join(target);
    fs::create_dir_all(&place).with_context(|| format!("create {}", place.display()))?;
    Ok(place)
}

/// The corpus that is committed, and what people have written for the same code.
fn seeds(target: &str) -> Result<Vec<PathBuf>> {
    let root = cache::checkout()?;
    let written = if target == "lint" { "crates/dr-lint/tests/cases" } else { "docs" };
    let all = [root.join("tests/fuzz/corpus").join(target), root.join(written)];
    Ok(all.into_iter().filter(|folder| folder.is_dir()).collect())
}

/// The smallest set of inputs that reaches what the grown corpus reaches and people's files do not.
fn keep(target: &str) -> Result<()> {
    let committed = folder()?.join("corpus").join(target);
    fs::create_dir_all(&committed).with_context(|| format!("create {}", committed.display()))?;
    let mut merge = Command::new(program(target)?);
    merge.args(["-merge=1", &format!("-max_len={LONGEST}"), &format!("-timeout={HANG}")]).arg(&committed);
    merge.arg(place("corpus", target)?);
    cmd::output(&mut merge)?;
    let inputs = fs::read_dir(&committed)?.map(|entry| {
        let entry = entry?;
        Ok((entry.metadata()?.len(), entry.path()))
    });
    let mut inputs: Vec<_> = inputs.collect::<std::io::Result<_>>()?;
    inputs.sort();
    for (_, path) in inputs.iter().skip(COMMITTED) {
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    println!("{}: {} inputs, the smallest of {}", committed.display(), inputs.len().min(COMMITTED), inputs.len());
    Ok(())
}

fn text(ran: &[Ran]) -> String {
    let mut text = format!(
        "# Lint on bytes that nobody wrote\n\nWritten by `cargo xtask fuzz --record`. libFuzzer makes inputs of up to \
         {LONGEST} bytes from the cases of the rules, this documentation and `tests/fuzz/corpus`, and keeps those that \
         reach new code. `lint` reads, judges with all rules and makes every fix until there is none, and each fixed text \
         must be readable; `shell` looks for command lines, as in a script, in Markdown and in YAML. A panic, an overflow, \
         {HANG} s for one input or {MEMORY} MiB would have ended it.\n\n\
         | target | inputs | places reached | inputs kept | memory at most | seconds |\n|---|---|---|---|---|---|\n"
    );
    for ran in ran {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} MiB | {} |",
            ran.target, ran.runs, ran.paths, ran.corpus, ran.memory, ran.seconds
        );
    }
    text
}
