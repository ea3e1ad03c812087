//! `kind: Error`: with `-o json`, a command that has no result says why.

use dr_core::refusal::Reason;
use serde::Serialize;

use crate::exit::Exit;
use crate::flags::Output;
use crate::json::VERSION;
use crate::out;
use crate::report::Failure;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    exit_code: u8,
    exit: Exit,
    /// What we were doing.
    message: String,
    causes: Vec<String>,
    reasons: Vec<ReasonV1<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ReasonV1<'a> {
    subject: &'a str,
    because: &'a str,
    hint: &'a str,
}

impl<'a> From<&'a Failure> for ErrorV1<'a> {
    fn from(failure: &'a Failure) -> Self {
        let Failure { exit, error, reasons, hint } = failure;
        Self {
            api_version: VERSION,
            kind: "Error",
            exit_code: exit.code(),
            exit: *exit,
            message: error.to_string(),
            causes: failure.causes(),
            reasons: reasons.iter().map(ReasonV1::from).collect(),
            hint: hint.as_deref(),
        }
    }
}

impl<'a> From<&'a Reason> for ReasonV1<'a> {
    fn from(reason: &'a Reason) -> Self {
        let Reason { subject, because, hint } = reason;
        Self { subject, because, hint }
    }
}

/// With `-o json` or `-o yaml` the failure is the result, too; the prose still goes to stderr.
pub(crate) fn also(output: Output, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
    if let Err(failure) = &ended {
        match output {
            Output::Json => out::json(&ErrorV1::from(failure))?,
            Output::Yaml => out::yaml(&ErrorV1::from(failure))?,
            Output::Table | Output::Wide | Output::Name => {}
        }
    }
    ended
}
