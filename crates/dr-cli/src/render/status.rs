//! Where a run stands, in one screen.

use std::fmt::Write as _;

use colored::Colorize;
use dr_run::journal::Direction;
use dr_run::run::{Outcome, StepState};
use serde_json::Value;

use crate::glue::Record;
use crate::render::{columns, duration, evidence};
use crate::story::Story;

/// Why going back would only cost.
pub(crate) const NOTHING_GAINED: &str =
    "the restored copy holds nothing that the live volumes lack: the backup is younger than the damage";

/// What comes next can be a thousand claims; the screen is one.
const SHOWN: usize = 8;

/// With everything that carrying it on would do, and nothing of it done.
pub(crate) fn ahead(story: &Story, todo: &[String], wide: bool) -> String {
    let mut text = screen(story, wide);
    text.push_str("\nThis would be done, in this order\n");
    for sentence in todo {
        let _ = writeln!(text, "  {sentence}");
    }
    if todo.is_empty() {
        text.push_str("  nothing\n");
    }
    text
}

pub(crate) fn text(story: &Story, wide: bool) -> String {
    let mut text = screen(story, wide);
    next(&mut text, story);
    text.push_str(&way_on(story, story.outcome().as_ref()));
    text
}

fn screen(story: &Story, wide: bool) -> String {
    let plan = story.run.plan();
    let mut text = format!(
        "Restore {} of {} from backup {}\n",
        plan.id.bold(),
        plan.place.namespace.bold(),
        plan.source.backup.bold()
    );
    let outcome = story.outcome();
    let state = match &outcome {
        Some(Outcome::Undone) if !story.run.switch_touched() => "undone: the application was never touched".to_owned(),
        Some(Outcome::Undone) if plan.namespace_gone => {
            "undone: what writes was stopped; the namespace and its volumes stay".to_owned()
        }
        Some(outcome) => told(outcome),
        None => match story.run.direction() {
            Direction::Forward => "under way, or interrupted".to_owned(),
            Direction::Back => "being taken back, or interrupted".to_owned(),
        },
    };
    let _ = writeln!(text, "  {state}{}", if story.run.is_finalized() { "; closed" } else { "" });
    text.push('\n');
    text.push_str(&phases(story));
    if let Some(outage) = story.outage() {
        let _ = writeln!(text, "\nOutage {}, from the first writer stopped to the last one back", duration(outage));
    }
    let proofs = story.proofs();
    if !proofs.is_empty() {
        text.push_str("\nEvidence\n");
        text.push_str(&evidence::text(&proofs));
    }
    running_on(&mut text, story);
    if wide {
        text.push_str("\nSteps\n");
        text.push_str(&steps(story));
    }
    text
}

fn next(text: &mut String, story: &Story) {
    let ahead = story.ahead();
    if !ahead.is_empty() {
        text.push_str("\nNext\n");
        for sentence in ahead.iter().take(SHOWN) {
            let _ = writeln!(text, "  {sentence}");
        }
        if let Some(more) = ahead.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  and {more} more");
        }
    }
}

fn phases(story: &Story) -> String {
    let back = story.run.direction() == Direction::Back;
    let done = if back { "TAKEN BACK" } else { "DONE" };
    let mut lines = vec![format!("PHASE\t{done}\tTOOK")];
    for time in story.phases() {
        let took = time.took().map_or_else(|| "-".to_owned(), duration);
        lines.push(format!("{}\t{} of {}\t{took}", time.phase, time.done, time.total));
    }
    columns(&lines, "  ")
}

/// Which volume the application has, claim by claim.
fn running_on(text: &mut String, story: &Story) {
    let switched = story.run.switched();
    text.push_str("\nVolumes\n");
    for volume in &story.run.plan().volumes {
        let old = volume.old_volume.as_deref();
        let told = match (switched, story.run.switch_touched(), old) {
            (true, _, Some(old)) => format!("restored; {old} is kept"),
            (true, _, None) => "restored".to_owned(),
            (false, true, _) if story.outcome().is_none() => "between the two: the switch has begun".to_owned(),
            (false, _, Some(old)) => format!("still the old one, {old}"),
            (false, _, None) => "not there".to_owned(),
        };
        let _ = writeln!(text, "  {}: {told}", volume.claim);
    }
}

fn steps(story: &Story) -> String {
    let lines: Vec<String> = story
        .run
        .plan()
        .steps()
        .map(|step| {
            let state = match story.run.state(&step.name) {
                StepState::Pending => "-".to_owned(),
                state @ (StepState::Started(_) | StepState::Done | StepState::Failed { .. }) => state.to_string(),
            };
            format!("{}\t{}\t{state}", step.phase, step.title)
        })
        .collect();
    columns(&lines, "  ")
}

/// What the record of a closed run still tells.
pub(crate) fn closed(record: &Record, report: &Value) -> String {
    let Record { id, namespace, backup, made, outcome, closed: _ } = record;
    let mut lines = vec![
        format!("outcome\t{}, closed", outcome.unwrap_or("unknown")),
        format!("made\t{}", crate::render::plan::at(*made)),
    ];
    if let Some(seconds) = report.pointer("/outageSeconds").and_then(Value::as_f64) {
        lines.push(format!("outage\t{seconds:.1} s"));
    }
    for proof in report.pointer("/evidence").and_then(Value::as_array).into_iter().flatten() {
        let text = |field: &str| proof.get(field).and_then(Value::as_str).unwrap_or("-");
        lines.push(format!("evidence\t{}: {}", text("claim"), text("degree")));
    }
    let title = format!("Restore {} of {} from backup {}\n", id.bold(), namespace.bold(), backup.bold());
    title + &columns(&lines, "  ")
}

/// How a run ended, in one sentence.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Restored => "restored".green().to_string(),
        Outcome::Undone => "undone: the application has its former volumes".to_owned(),
        Outcome::Untidy { step, because } => {
            format!("{}: {step}: {because}", "done, but not what was to follow".yellow())
        }
        Outcome::RolledBack { because, .. } => format!("{}: {because}", "taken back".red()),
        Outcome::Stuck { step, because } => {
            format!("{}: taking back {step} has failed: {because}", "stuck".red().bold())
        }
    }
}

/// Once the switch has begun what is staged stays; before it an undo leaves nothing that could be done again. A
/// namespace that was gone is not taken away again.
fn redoable(story: &Story) -> bool {
    story.run.switch_touched() && !story.run.plan().namespace_gone
}

/// What a person can type next.
pub(crate) fn way_on(story: &Story, outcome: Option<&Outcome>) -> String {
    let id = &story.run.plan().id;
    if story.run.is_finalized() {
        return String::new();
    }
    let lines: &[(&str, &str)] = match outcome {
        None => &[("resume", "goes on"), ("undo", "takes it back")],
        Some(Outcome::Restored) => &[("undo", "takes it back"), ("finalize", "closes it")],
        Some(Outcome::Untidy { .. }) => &[("resume", "tries that again"), ("undo", "takes it back")],
        Some(Outcome::Undone) if redoable(story) => &[("redo", "does it again"), ("finalize", "closes it")],
        Some(Outcome::Undone | Outcome::RolledBack { .. }) => &[("finalize", "closes it")],
        Some(Outcome::Stuck { .. }) => &[("status -o wide", "shows every step"), ("resume", "tries again")],
    };
    let mut text = String::from("\n");
    for (command, does) in lines {
        let (verb, flags) = command.split_once(' ').unwrap_or((command, ""));
        let space = if flags.is_empty() { "" } else { " " };
        let _ = writeln!(text, "kubectl dr restore {verb} {id}{space}{flags}  {does}");
    }
    text
}

#[cfg(test)]
mod tests {
    use dr_run::journal::Turn;

    use super::*;
    use crate::samples::{self, Diary};

    fn offered(story: &Story) -> Vec<String> {
        let text = text(story, false);
        let lines = text.lines().filter_map(|line| line.strip_prefix("kubectl dr restore "));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    #[test]
    fn a_run_undone_before_the_switch_has_nothing_to_do_again() {
        let staged = samples::fingerprint(&[("shop.public.books", 1)]);
        let diary = Diary::new().up_to("stage/namespace", None, &staged).turned(Turn::UndoRequested, "asked for");
        let story = diary.taken_back().story();
        assert_eq!(story.outcome(), Some(Outcome::Undone));
        assert_eq!(offered(&story), ["finalize"]);
        assert!(text(&story, false).contains("\n  undone: the application was never touched\n"));
    }

    #[test]
    fn a_run_undone_after_the_switch_can_be_done_again() {
        let staged = samples::fingerprint(&[("shop.public.books", 1)]);
        let diary = Diary::new().up_to("quiesce/postgres", None, &staged).turned(Turn::UndoRequested, "asked for");
        let story = diary.taken_back().story();
        assert_eq!(story.outcome(), Some(Outcome::Undone));
        assert_eq!(offered(&story), ["redo", "finalize"]);
    }
}
