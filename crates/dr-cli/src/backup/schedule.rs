//! `kubectl dr backup schedule`: a Schedule that makes the very backups that `kubectl dr backup` makes.

use std::time::Duration;

use clap::{Args, Subcommand};
use dr_core::recovery::Limit;
use dr_core::select::Version;
use jiff::SignedDuration;

use crate::backup::WayArgs;
use crate::config;
use crate::exit::Exit;
use crate::flags::{self, Flags};
use crate::glue;
use crate::report::Failure;
use crate::{out, render};

mod align;
mod create;
pub(crate) mod would;

pub(crate) use would::Would;

#[derive(Debug, Clone, Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Create a Schedule whose backups are those that kubectl dr backup makes
    #[command(
        override_usage = "kubectl dr backup schedule create --ns NAMESPACE --cron EXPRESSION [OPTIONS]",
        after_help = "Exit codes: 0 created, 1 failed, 2 usage, 3 refused before any change, 6 created, and a claim would not \
                      be taken."
    )]
    Create(CreateArgs),
    /// Show in what the Schedule differs from the one that would be written now
    #[command(
        override_usage = "kubectl dr backup schedule diff --ns NAMESPACE [OPTIONS]",
        after_help = "Exit codes: 0 no difference, 1 there is one or not all data would be taken, 2 usage, 3 nothing could be \
                      compared."
    )]
    Diff(DiffArgs),
    /// Write the difference, and keep what is not ours
    #[command(
        override_usage = "kubectl dr backup schedule align --ns NAMESPACE [OPTIONS]",
        after_help = "Exit codes: 0 aligned, or nothing to do, 1 failed, 2 usage, 3 refused before any change, 6 a claim would \
                      not be taken."
    )]
    Align(AlignArgs),
}

/// What the backups should be like.
#[derive(Debug, Clone, Args)]
pub(crate) struct WishArgs {
    /// Name of the Schedule; that of the namespace when it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    way: WayArgs,
    /// Backup storage location; that of the Schedule, or Velero's default, when it is left out
    #[arg(long, value_name = "NAME")]
    storage_location: Option<String>,
    /// How long Velero keeps each backup, such as 720h
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    ttl: Option<Duration>,
    /// How old the data may be; else what dr.yaml says
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    rpo: Option<Duration>,
    /// Velero's version, such as 1.18.3, where its image does not tell it
    #[arg(long, value_name = "VERSION")]
    velero_version: Option<Version>,
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    #[arg(
        long,
        value_name = "EXPRESSION",
        help = "When, as Velero reads it: '0 1 * * *', 'CRON_TZ=Europe/Berlin 30 3 * * *', '@every 6h'"
    )]
    cron: String,
    #[command(flatten)]
    wish: WishArgs,
    /// Show what would be created, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Args)]
struct DiffArgs {
    /// When, as Velero reads it; what the Schedule says when it is left out
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    #[command(flatten)]
    wish: WishArgs,
}

#[derive(Debug, Clone, Args)]
struct AlignArgs {
    #[command(flatten)]
    of: DiffArgs,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Show what would be written, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn main(flags: &Flags, args: &ScheduleArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace("kubectl dr backup schedule create|diff|align --ns NAMESPACE")?;
    let wish = match &args.command {
        Command::Create(args) => &args.wish,
        Command::Diff(args) | Command::Align(AlignArgs { of: args, .. }) => &args.wish,
    };
    let rpo = match (wish.rpo, config::find()?.rpo(namespace)) {
        (Some(rpo), _) => limit(rpo, "--rpo"),
        (None, Some(rpo)) => limit(rpo, "dr.yaml"),
        (None, None) => None,
    };
    if let Command::Create(args) = &args.command {
        // What is wrong with the expression is told without a cluster.
        would::timetable(&args.cron)?;
    }
    glue::block_on(async {
        let session = glue::open(flags, &format!("what namespace {namespace} is made of")).await?;
        match &args.command {
            Command::Create(args) => create::create(&session, flags, namespace, args, rpo).await,
            Command::Diff(args) => align::diff(&session, flags, namespace, args, rpo).await,
            Command::Align(args) => align::align(&session, flags, namespace, args, rpo).await,
        }
    })
}

fn limit(rpo: Duration, by: &str) -> Option<Limit> {
    let age = SignedDuration::try_from(rpo).ok()?;
    Some(Limit { age, because: format!("{by} allows {}", render::duration(age)) })
}

/// What stands against it and what should be known, to the person who asked.
fn warn(would: &Would) {
    for warning in &would.warnings {
        out::prose(&render::schedule::warning(warning));
    }
}
