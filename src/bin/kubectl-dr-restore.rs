//! `kubectl dr restore`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_cli::restore()
}
