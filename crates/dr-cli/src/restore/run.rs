//! `kubectl dr restore --ns N`: plan, confirm, stage, verify, swap, writers back.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dr_core::choose;
use jiff::Timestamp;

use crate::confirm::Asker;
use crate::exit::Exit;
use crate::flags::{self, Flags, Output};
use crate::report::Failure;
use crate::restore::{follow, plan};
use crate::{config, glue, out, render};

/// Which data comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "What comes back")]
pub(crate) struct Selection {
    /// The backup to restore from; the newest that covers the volumes when it is left out
    #[arg(long, value_name = "BACKUP", conflicts_with_all = ["schedule", "at"])]
    pub(crate) from: Option<String>,
    /// Take the newest backup of this schedule
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule: Option<String>,
    /// Take the newest backup that began no later than this time
    #[arg(long, value_name = "TIME", value_parser = flags::instant)]
    pub(crate) at: Option<Timestamp>,
    /// Restore this claim and no other; may be repeated
    #[arg(long = "claim", value_name = "NAME", conflicts_with = "leave")]
    pub(crate) claims: Vec<String>,
    /// Leave this claim as it is; may be repeated
    #[arg(long = "leave", value_name = "NAME")]
    pub(crate) leave: Vec<String>,
    /// Also bring back the objects that the cluster lacks
    #[arg(long, value_name = "WHICH", value_parser = ["missing"])]
    pub(crate) objects: Option<String>,
    /// Go on although nothing proves that the copy is whole
    #[arg(long)]
    pub(crate) accept_unproven: bool,
}

impl Selection {
    pub(crate) fn choice(&self, left_by_config: Vec<String>) -> choose::Request {
        let Self { from, schedule, at, claims, leave, objects: _, accept_unproven: _ } = self.clone();
        let mut leave = leave;
        leave.extend(left_by_config.into_iter().filter(|claim| !claims.contains(claim)));
        leave.sort();
        leave.dedup();
        choose::Request { backup: from, schedule, at, claims, leave }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) facts_out: FactsOut,
    #[command(flatten)]
    pub(crate) going: Going,
}

/// What is kept of what was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct FactsOut {
    /// Write what was read of the cluster to this file, without secrets: for a bug report, or for `plan --facts`
    #[arg(long, value_name = "FILE")]
    pub(crate) facts_out: Option<PathBuf>,
}

/// How it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "How it is done")]
pub(crate) struct Going {
    /// Ask nothing
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Show what would be done and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Detach after this time, never while the application is stopped; the restore can be resumed
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    pub(crate) timeout: Option<Duration>,
}

impl Going {
    /// Who answers; none where only is shown what would be done.
    pub(crate) fn asker(&self, output: Output) -> Result<Option<Asker>, Failure> {
        if self.dry_run { Ok(None) } else { Asker::find(self.yes, output).map(Some) }
    }
}

impl RunArgs {
    /// A flag that was given although a subcommand follows.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self { selection, facts_out, going } = self;
        if *selection != Selection::default() {
            return Some("what comes back (--from, --schedule, --at, --claim, --leave, --objects, --accept-unproven)");
        }
        if *facts_out != FactsOut::default() {
            return Some("--facts-out");
        }
        (*going != Going::default()).then_some("--yes, --dry-run or --timeout")
    }
}

pub(crate) fn main(flags: &Flags, args: &RunArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace("kubectl dr restore --ns NAMESPACE [--from BACKUP]")?;
    let RunArgs { selection, facts_out, going } = args;
    let Some(asker) = going.asker(flags.output)? else {
        return plan::show(flags, namespace, selection, facts_out);
    };
    let config = config::find()?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let plan = plan::make(&session, namespace, selection, &config, facts_out).await?;
        out::prose(&render::plan::text(&plan, flags.output == Output::Wide));
        follow::begin(&session, plan, asker, flags, going.timeout).await
    })
}
