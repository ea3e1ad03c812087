//! `kubectl dr lint`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_cli::lint()
}
