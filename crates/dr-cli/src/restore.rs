//! `kubectl dr restore`: one file per subcommand.

use std::ffi::OsString;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::exit::Exit;
use crate::flags::{self, Flags};
use crate::report::Failure;
use crate::{json, out};

mod apply;
mod finalize;
mod follow;
mod input;
mod list;
pub(crate) mod plan;
mod resume;
pub(crate) mod run;
mod status;
mod turn;

/// Bring a namespace's data back: staged, verified, swapped in, and undoable
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-dr-restore",
    bin_name = "kubectl dr restore",
    version,
    override_usage = "kubectl dr restore --ns NAMESPACE [OPTIONS]\n       kubectl dr restore <COMMAND> [OPTIONS]",
    after_help = "Exit codes: 0 done, 1 failed and taken back, 2 usage, 3 refused before any change, 4 the data may not \
                  be used, 5 detached, 6 partly done, 7 stuck."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a restore would do; `-o json` saves it for `apply`
    #[command(
        override_usage = "kubectl dr restore plan --ns NAMESPACE [OPTIONS]\n       kubectl dr restore plan --facts FILE [OPTIONS]"
    )]
    Plan(plan::PlanArgs),
    /// Do what a saved plan says, if the cluster is still as it was
    Apply(apply::ApplyArgs),
    /// List the restores the cluster knows of
    List(list::ListArgs),
    /// Show what has happened in a restore, what is next and what is still old
    Status(Which),
    /// Go on with a restore that was interrupted, from any machine
    Resume(resume::ResumeArgs),
    /// Take a restore back: the application gets its former volumes again
    Undo(turn::TurnArgs),
    /// Do an undone restore again
    Redo(turn::TurnArgs),
    /// Close a restore: it can no longer be undone
    Finalize(finalize::FinalizeArgs),
}

/// The restore a command is about.
#[derive(Debug, Clone, Args)]
struct Which {
    /// The restore's id; the newest of the namespace when it is left out
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// How a run is gone on with.
#[derive(Debug, Clone, Args)]
struct Again {
    #[command(flatten)]
    going: run::Going,
    /// Take the run over from a process that seems to hold it still and is dead
    #[arg(long)]
    take_over: bool,
}

pub(crate) fn main(args: &[OsString]) -> Result<Exit, Failure> {
    let Cli { command, run, flags } = match flags::parse::<Cli>(Cli::command(), args) {
        Ok(cli) => cli,
        Err(exit) => return Ok(exit),
    };
    colour(&flags);
    if command.is_some()
        && let Some(flag) = run.given()
    {
        return Err(Failure::usage(format!("{flag} belongs behind the subcommand")).hint("kubectl dr restore --help"));
    }
    let output = flags.output;
    let ended = match command {
        None => run::main(&flags, &run),
        Some(Command::Plan(args)) => plan::main(&flags, &args),
        Some(Command::Apply(args)) => apply::main(&flags, &args),
        Some(Command::List(args)) => list::main(&flags, &args),
        Some(Command::Status(which)) => status::main(&flags, &which),
        Some(Command::Resume(args)) => resume::main(&flags, &args),
        Some(Command::Undo(args)) => turn::undo(&flags, &args),
        Some(Command::Redo(args)) => turn::redo(&flags, &args),
        Some(Command::Finalize(args)) => finalize::main(&flags, &args),
    };
    json::error::also(output, ended)
}

pub(crate) fn colour(flags: &Flags) {
    if flags.output.is_for_programs() {
        colored::control::set_override(false);
    }
    out::trace(flags.verbosity);
}
