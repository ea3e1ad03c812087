//! The face of the four executables: flags, printing, prompts, progress, exit codes and the error report.
//!
//! What is to be done is decided in `dr-core` and `dr-run`; what touches the cluster lies in `dr-cluster`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

mod backup;
#[cfg(test)]
#[path = "../../dr-run/tests/common/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "written for another test"
)]
mod bookstore;
mod config;
mod confirm;
mod exit;
mod flags;
mod glue;
mod hand_over;
mod interrupt;
mod json;
mod lint;
mod out;
mod progress;
mod render;
mod report;
mod restore;
#[cfg(test)]
mod samples;
mod story;

use exit::Exit;
use report::Failure;

/// `kubectl dr`.
pub fn hand_over() -> ExitCode {
    end(hand_over::run)
}

/// `kubectl dr backup`.
pub fn backup() -> ExitCode {
    end(backup::main)
}

/// `kubectl dr restore`.
pub fn restore() -> ExitCode {
    end(restore::main)
}

/// `kubectl dr lint`.
pub fn lint() -> ExitCode {
    end(lint::run)
}

fn end(command: impl FnOnce(&[OsString]) -> Result<Exit, Failure>) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if !std::io::stderr().is_terminal() {
        colored::control::set_override(false);
    }
    match command(&args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out::prose(&failure.render());
            failure.exit.into()
        }
    }
}
