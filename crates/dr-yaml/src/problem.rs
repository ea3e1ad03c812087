//! What a text has that kubectl cannot read, or reads in silence as something else.

use crate::text::Span;

/// The kinds of problem, by what kubectl makes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The bytes are no text.
    NotText,
    /// kubectl cannot read the document, and stops there.
    Unreadable,
    /// It is beyond the bounds of this crate; kubectl may read it.
    TooDeep,
    /// kubectl reads the document and drops what follows, in silence.
    Dropped,
    /// kubectl takes the last of several equal keys, in silence.
    DuplicateKey,
}

/// One problem with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub what: What,
    pub span: Span,
    pub message: String,
    /// The other place it is about: the first of two equal keys.
    pub other: Option<Span>,
}

impl Problem {
    pub(crate) fn new(what: What, span: Span, message: impl Into<String>) -> Self {
        Self { what, span, message: message.into(), other: None }
    }

    pub(crate) fn unreadable(span: Span, message: impl Into<String>) -> Self {
        Self::new(What::Unreadable, span, message)
    }
}
