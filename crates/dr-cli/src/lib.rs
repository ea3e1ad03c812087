//! Printing, prompts, exit codes.
use std::process::ExitCode;
/// `kubectl dr`.
pub fn hand_over() -> ExitCode { ExitCode::SUCCESS }
/// `kubectl dr backup`.
pub fn backup() -> ExitCode { ExitCode::SUCCESS }
/// `kubectl dr restore`.
pub fn restore() -> ExitCode { ExitCode::SUCCESS }
/// `kubectl dr lint`.
pub fn lint() -> ExitCode { ExitCode::SUCCESS }
