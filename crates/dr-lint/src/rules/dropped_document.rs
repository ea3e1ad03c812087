//! Something follows a document that kubectl never looks at.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "dropped-document",
    family: Family::Manifest,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "Something follows a document that kubectl never looks at.",
    costs: "The second object is not applied, and kubectl says nothing.",
    proven: "kubectl 1.34.2: `...` ends a document, and without a line `---` the rest of the stream up to the next one is dropped.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/dropped-document.md"),
    check,
};

/// Found while reading, see [`crate::judge`].
fn check(_: &Context<'_>, _: &mut Vec<Draft>) {}
