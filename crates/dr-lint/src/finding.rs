//! What a rule has found, and where.

use dr_yaml::{Path, Span};

use crate::fix::Fix;
use crate::input::Object;
use crate::rule::Severity;

/// One finding with its places.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    /// Index into the input's files.
    pub file: usize,
    pub span: Span,
    /// Index into the input's objects, where it is about one.
    pub object: Option<usize>,
    pub path: Path,
    /// What it is about beside its object and field: `namespace/claim`; empty for most.
    pub subject: String,
    pub message: String,
    pub related: Vec<Related>,
    pub fix: Option<Fix>,
}

/// Another place that a finding rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    pub file: usize,
    pub span: Span,
    /// Index into the input's objects, where it is of one, and the field there.
    pub object: Option<usize>,
    pub path: Path,
    pub message: String,
}

/// A finding that is not told.
#[derive(Debug, Clone, PartialEq)]
pub struct Silenced {
    pub finding: Finding,
    /// Empty where none is given.
    pub reason: String,
    pub by: By,
}

/// What silences a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Comment,
    Annotation,
    /// An entry of the baseline, by its place there.
    Baseline(usize),
}

impl By {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Annotation => "annotation",
            Self::Baseline(_) => "baseline",
        }
    }
}

/// Whether the key or the value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Key,
    Value,
}

/// A finding as a rule states it: by object and path.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) object: usize,
    pub(crate) path: Path,
    pub(crate) at: At,
    /// A place that no path leads to.
    pub(crate) span: Option<Span>,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) related: Vec<(usize, Path, String)>,
    pub(crate) fix: Option<Fix>,
}

impl Draft {
    pub(crate) fn related(mut self, object: &Object, path: Path, message: impl Into<String>) -> Self {
        self.related.push((object.id, path, message.into()));
        self
    }

    /// What else tells it from others of its rule, object and field.
    pub(crate) fn about(mut self, subject: String) -> Self {
        self.subject = subject;
        self
    }

    pub(crate) fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}

/// On the value at a path.
pub(crate) fn on(object: &Object, path: Path, message: impl Into<String>) -> Draft {
    Draft {
        object: object.id,
        path,
        at: At::Value,
        span: None,
        subject: String::new(),
        message: message.into(),
        related: Vec::new(),
        fix: None,
    }
}

/// On the key of the value at a path.
pub(crate) fn on_key(object: &Object, path: Path, message: impl Into<String>) -> Draft {
    Draft { at: At::Key, ..on(object, path, message) }
}

/// On a place of the object's file that is none of its fields.
pub(crate) fn on_span(object: &Object, span: Span, message: impl Into<String>) -> Draft {
    Draft { span: Some(span), ..on(object, Path::root(), message) }
}
