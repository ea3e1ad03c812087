//! `kubectl dr backup`: takes a backup of a namespace and proves what it took.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::backup::preflight::Wish;
use crate::exit::Exit;
use crate::flags::{self, Flags};
use crate::report::Failure;
use crate::{json, restore};

mod coverage;
pub(crate) mod covered;
mod fingerprint;
mod follow;
pub(crate) mod manifest;
pub(crate) mod preflight;
pub(crate) mod result;
mod run;
pub(crate) mod schedule;
mod spec;
pub(crate) mod status;
pub(crate) mod verify;

/// Back a namespace up through Velero, with proof of what was taken
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-dr-backup",
    bin_name = "kubectl dr backup",
    version,
    override_usage = "kubectl dr backup --ns NAMESPACE [OPTIONS]\n       kubectl dr backup <COMMAND> [OPTIONS]",
    after_help = "Exit codes: 0 every volume is in the backup, 1 failed, 2 usage, 3 refused before any change, 5 timed \
                  out and still running, 6 some volumes are in the backup."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    args: BackupArgs,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a backup or schedule would hold of a namespace now, how each volume is captured, and why
    #[command(
        override_usage = "kubectl dr backup coverage --ns NAMESPACE [OPTIONS]",
        after_help = "Exit codes: 0 the data of every claim is captured, 1 it is not or not known to be, 2 usage, 3 \
                      nothing could be judged."
    )]
    Coverage(coverage::CoverageArgs),
    /// Show the newest recovery point of each namespace that gives all its data back, most endangered first
    #[command(
        override_usage = "kubectl dr backup status [-A | --ns NAMESPACE] [OPTIONS]",
        after_help = "Exit codes: 0 every namespace is good, 1 one is not or not known to be, 2 usage, 3 nothing could \
                      be judged."
    )]
    Status(status::StatusArgs),
    /// Tell what can really be restored from a backup now, volume by volume, and why
    #[command(
        override_usage = "kubectl dr backup verify BACKUP [--ns NAMESPACE] [OPTIONS]",
        after_help = "Exit codes: 0 everything can be restored, 1 something cannot or is not known to be, 2 usage, 3 \
                      nothing could be judged."
    )]
    Verify(verify::VerifyArgs),
    /// Create, compare or align a Schedule that makes the very backups that this command makes
    #[command(override_usage = "kubectl dr backup schedule create|diff|align --ns NAMESPACE [OPTIONS]")]
    Schedule(schedule::ScheduleArgs),
}

/// How the data is taken.
#[derive(Debug, Clone, Args)]
struct WayArgs {
    /// Copy the files of every volume through node-agent
    #[arg(long, conflicts_with = "csi")]
    fs_backup: bool,
    /// Take CSI snapshots of every volume
    #[arg(long)]
    csi: bool,
}

impl WayArgs {
    fn wish(&self) -> Wish {
        match (self.fs_backup, self.csi) {
            (true, _) => Wish::FileSystem,
            (false, true) => Wish::Csi,
            (false, false) => Wish::Best,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArgs {
    /// Name of the backup; namespace and time when it is left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    way: WayArgs,
    /// Backup storage location; Velero's default when it is left out
    #[arg(long, value_name = "NAME")]
    storage_location: Option<String>,
    /// How long Velero keeps the backup
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    ttl: Option<Duration>,
    /// Stop following after this time; the backup goes on
    #[arg(long, value_name = "DURATION", value_parser = flags::duration, default_value = "1h")]
    timeout: Duration,
    /// Show what would be taken and how, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn main(args: &[OsString]) -> Result<Exit, Failure> {
    let Cli { command, args, flags } = match flags::parse::<Cli>(Cli::command(), args) {
        Ok(cli) => cli,
        Err(exit) => return Ok(exit),
    };
    restore::colour(&flags);
    let ended = match (command, args.given()) {
        (None, _) => run::main(&flags, &args),
        (Some(_), Some(flag)) => {
            let message = format!("{flag} is for a backup that is taken, not for a subcommand");
            Err(Failure::usage(message).hint("kubectl dr backup --help"))
        }
        (Some(Command::Coverage(args)), None) => coverage::main(&flags, &args),
        (Some(Command::Status(args)), None) => status::main(&flags, &args),
        (Some(Command::Verify(args)), None) => verify::main(&flags, &args),
        (Some(Command::Schedule(args)), None) => schedule::main(&flags, &args),
    };
    json::error::also(flags.output, ended)
}

impl BackupArgs {
    /// A flag that was given.
    fn given(&self) -> Option<&'static str> {
        let Self { name, way: WayArgs { fs_backup, csi }, storage_location, ttl, timeout, dry_run } = self;
        let given = [
            ("--name", name.is_some()),
            ("--fs-backup", *fs_backup),
            ("--csi", *csi),
            ("--storage-location", storage_location.is_some()),
            ("--ttl", ttl.is_some()),
            ("--timeout", *timeout != Duration::from_secs(3600)),
            ("--dry-run", *dry_run),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}
