//! The error report: what we were doing, what went wrong (once), what to do about it.

use std::fmt::Write as _;

use colored::Colorize;
use dr_core::refusal::{Reason, Refusal};

use crate::exit::Exit;

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Outermost: what we were doing.
    pub(crate) error: anyhow::Error,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, error: anyhow::Error::msg(message.into()), reasons: Vec::new(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Something below us went wrong while we were `doing` this.
    pub(crate) fn failed(doing: impl Into<String>, error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: error.into().context(doing.into()), reasons: Vec::new(), hint: None }
    }

    pub(crate) fn from_refusal(doing: impl Into<String>, refusal: Refusal) -> Self {
        Self { reasons: refusal.reasons, ..Self::refused(doing) }
    }

    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The chain below the first message. Some errors print their own source; what was said already is left out.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut said = self.error.to_string();
        for cause in self.error.chain().skip(1) {
            let text = cause.to_string();
            if !said.contains(&text) {
                said.clone_from(&text);
                causes.push(text);
            }
        }
        causes
    }

    pub(crate) fn render(&self) -> String {
        let mut text = format!("{} {}", "error:".red().bold(), self.error);
        for cause in self.causes() {
            let _ = write!(text, "\n  because {}", indented(&cause));
        }
        for Reason { subject, because, hint } in &self.reasons {
            let _ = write!(text, "\n  {}: {}", subject.bold(), indented(because));
            if !hint.is_empty() {
                let _ = write!(text, "\n    {} {}", "hint:".cyan(), indented(hint));
            }
        }
        if self.exit == Exit::Refused {
            text.push_str("\nnothing was changed");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n{} {hint}", "hint:".cyan().bold());
        }
        text
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot list claims in shop: {0}")]
    struct SaysItsSource(#[source] std::io::Error);

    #[test]
    fn a_cause_that_its_error_has_already_told_is_not_told_twice() {
        colored::control::set_override(false);
        let failure = Failure::failed("cannot plan", SaysItsSource(std::io::Error::other("forbidden")));
        insta::assert_snapshot!(failure.render(), @r"
        error: cannot plan
          because cannot list claims in shop: forbidden
        ");
    }

    #[test]
    fn a_refusal_names_every_reason_with_its_way_on() {
        colored::control::set_override(false);
        let mut refusal = Refusal::one("claim data", "the backup skipped it", "use --leave data");
        refusal.add("claim cache", "its class is gone", "");
        let failure = Failure::from_refusal("cannot restore shop", refusal).hint("kubectl dr restore --help");
        insta::assert_snapshot!(failure.render(), @r"
        error: cannot restore shop
          claim data: the backup skipped it
            hint: use --leave data
          claim cache: its class is gone
        nothing was changed
        hint: kubectl dr restore --help
        ");
    }
}
