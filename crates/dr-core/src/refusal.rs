//! Why nothing is done: every reason at once, each with the way on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::facts::Unread;

/// One reason, about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `claim data-postgres-0`, `backup nightly-1`, `application bookstore`.
    pub subject: String,
    pub because: String,
    /// What to do about it.
    pub hint: String,
}

/// Refused before any change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub reasons: Vec<Reason>,
}

impl Refusal {
    pub fn one(subject: impl Into<String>, because: impl Into<String>, hint: impl Into<String>) -> Self {
        let mut refusal = Self::default();
        refusal.add(subject, because, hint);
        refusal
    }

    pub fn add(&mut self, subject: impl Into<String>, because: impl Into<String>, hint: impl Into<String>) {
        self.reasons.push(Reason { subject: subject.into(), because: because.into(), hint: hint.into() });
    }

    /// Refuses when there is any reason to.
    pub fn into_result(self) -> Result<(), Self> {
        if self.reasons.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        let hint = "the rights that are needed are in docs/rbac; without them the plan would rest on a guess";
        Self::one("facts", unread.to_string(), hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Reason { subject, because, hint }) in self.reasons.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{subject}: {because}")?;
            if !hint.is_empty() {
                write!(f, "\n  {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
