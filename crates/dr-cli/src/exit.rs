//! The exit codes: an interface like any other, one enum for all four executables.

use std::process::ExitCode;

use dr_run::journal::Turn;
use dr_run::run::Outcome;
use serde::Serialize;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Exit {
    Done,
    /// Failed, and whatever was begun was taken back.
    Failed,
    /// The command line, a plan file or a configuration file is not one we can read.
    Usage,
    /// Refused before any change.
    Refused,
    /// Restored or staged, but the data may not be used; undone or held, the message says which.
    NotVerified,
    /// Timed out or detached; it goes on in the cluster, or can be resumed.
    Detached,
    /// Done in part.
    Partly,
    /// Taking back has failed too: a person must look.
    Stuck,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotVerified => 4,
            Self::Detached => 5,
            Self::Partly => 6,
            Self::Stuck => 7,
        }
    }

    /// The code a child ended with, where a process cannot replace itself.
    #[cfg(not(unix))]
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Failed,
            Self::Usage,
            Self::Refused,
            Self::NotVerified,
            Self::Detached,
            Self::Partly,
            Self::Stuck,
        ];
        all.into_iter().find(|exit| exit.code() == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Restored | Outcome::Undone => Self::Done,
            Outcome::Untidy { .. } => Self::Partly,
            Outcome::RolledBack { why, .. } => match why {
                Turn::NotVerified => Self::NotVerified,
                Turn::Declined => Self::Refused,
                Turn::StepFailed | Turn::UndoRequested | Turn::RedoRequested => Self::Failed,
            },
            Outcome::Stuck { .. } => Self::Stuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(outcome: &Outcome) -> u8 {
        Exit::from(outcome).code()
    }

    #[test]
    fn a_restore_that_ended_where_it_should_is_no_failure() {
        assert_eq!(exit(&Outcome::Restored), 0);
        assert_eq!(exit(&Outcome::Undone), 0);
    }

    #[test]
    fn data_that_is_not_what_was_backed_up_has_a_code_of_its_own() {
        let because = "4 rows are missing".to_owned();
        assert_eq!(exit(&Outcome::RolledBack { why: Turn::NotVerified, because: because.clone() }), 4);
        assert_eq!(exit(&Outcome::RolledBack { why: Turn::StepFailed, because: because.clone() }), 1);
        assert_eq!(exit(&Outcome::RolledBack { why: Turn::Declined, because }), 3);
    }

    #[test]
    fn an_undo_that_failed_is_never_mistaken_for_a_failure_that_was_undone() {
        let step = dr_run::action::StepName("swap/data/delete-claim".into());
        assert_eq!(exit(&Outcome::Stuck { step, because: "forbidden".into() }), 7);
    }
}
