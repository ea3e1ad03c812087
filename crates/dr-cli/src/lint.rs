//! `kubectl dr lint`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use crate::exit::Exit;
use crate::flags;
use crate::report::Failure;

#[derive(Debug, Parser)]
#[command(
    name = "kubectl-dr-lint",
    bin_name = "kubectl dr lint",
    version,
    about = "Find what makes a backup worthless before it is needed",
    long_about = "Find what makes a backup worthless before it is needed.\n\nThis version has no rules yet."
)]
struct Cli {
    /// Manifests to check
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &[OsString]) -> Result<Exit, Failure> {
    let Cli { files: _ } = match flags::parse::<Cli>(Cli::command(), args) {
        Ok(cli) => cli,
        Err(exit) => return Ok(exit),
    };
    Err(Failure::usage("this version has no lint rules yet").hint("kubectl dr backup and kubectl dr restore work"))
}
