//! `kubectl dr backup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_cli::backup()
}
