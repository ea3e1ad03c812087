//! `cargo xtask bench`: what is promised in numbers, measured and printed; nothing is asserted here.

mod coverage;
mod journal;
mod large;
mod lint;
mod plan;
mod record;
mod restore;
mod size;
mod status;
mod watched;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::node;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The outage of a restore at 50 MB and at 1 GB beside a plain scale to 0 and back, and who the time went to
    Restore(RestoreArgs),
    /// How long a plan for 10,000 objects and 1,000 claims takes, and how many requests a capture makes
    Plan(RecordArgs),
    /// How long coverage takes on a real API server with 10,000 objects, 1,000 claims and 200 backups
    Coverage(RecordArgs),
    /// How long status of all namespaces takes on a real API server with a real Velero, and as many objects
    Status(RecordArgs),
    /// How long lint takes beside kubeconform on the same files, and how much memory
    Lint(RecordArgs),
    /// How large the four executables are
    Size(RecordArgs),
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The node's name; it is brought up when it does not run
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
    /// Only the small size
    #[arg(long)]
    small: bool,
    #[command(flatten)]
    record: RecordArgs,
}

#[derive(Args)]
pub(crate) struct RecordArgs {
    /// Write the result into docs/evidence/bench.md
    #[arg(long)]
    record: bool,
}

pub(crate) fn bench(bench: Bench) -> Result<ExitCode> {
    let (section, text, write) = match bench {
        Bench::Restore(args) => ("restore", restore::measure(&args.name, args.small)?, args.record.record),
        Bench::Plan(args) => ("plan", plan::measure()?, args.record),
        Bench::Coverage(args) => ("coverage", coverage::measure()?, args.record),
        Bench::Status(args) => ("status", status::measure()?, args.record),
        Bench::Lint(args) => ("lint", lint::measure()?, args.record),
        Bench::Size(args) => ("size", size::measure()?, args.record),
    };
    println!("\n{text}");
    if write {
        record::write(section, &text)?;
    }
    Ok(ExitCode::SUCCESS)
}
