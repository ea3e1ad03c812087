//! What `finalize` does and what it leaves.

use std::fmt::Write as _;

use colored::Colorize;
use dr_run::finalize::Closing;
use dr_run::plan::Plan;

/// Before, or with `--dry-run` instead.
pub(crate) fn intended(plan: &Plan, todo: &Closing) -> String {
    let Closing { steps, kept } = todo;
    let mut text = format!("Closing restore {} of {}\n", plan.id.bold(), plan.place.namespace.bold());
    for step in steps {
        let _ = writeln!(text, "  {}", step.title);
    }
    for volume in kept {
        let _ = writeln!(text, "  {volume}");
    }
    text
}

/// After.
pub(crate) fn done(plan: &Plan, todo: &Closing, left: &[String]) -> String {
    let mut text = format!("restore {} of {} is closed\n", plan.id, plan.place.namespace);
    for volume in &todo.kept {
        let _ = writeln!(text, "  {volume}");
    }
    for because in left {
        let _ = writeln!(text, "  {} {because}", "not tidied up:".yellow());
    }
    text
}
