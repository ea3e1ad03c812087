//! `kubectl dr`: hands over to the sibling executable that the first word names.

use std::process::ExitCode;

fn main() -> ExitCode {
    dr_cli::hand_over()
}
