//! What is known of the staged volumes, and live against staged.

use std::fmt::Write as _;

use colored::Colorize;
use dr_core::fingerprint::{Degree, Difference};

use crate::render::columns;
use crate::story::Proof;

/// Parts shown per volume; the rest is counted. `-o json` has them all.
const SHOWN: usize = 20;

pub(crate) fn degree(degree: Degree) -> &'static str {
    match degree {
        Degree::Moved => "moved",
        Degree::Opens => "opens, unproven",
        Degree::Proven => "proven",
    }
}

pub(crate) fn text(proofs: &[Proof]) -> String {
    let mut text = String::new();
    for proof in proofs {
        let Proof { claim, degree: known, notes, staged, live: _ } = proof;
        let known = match known {
            Degree::Proven => degree(*known).green(),
            Degree::Opens | Degree::Moved => degree(*known).yellow(),
        };
        let parts = staged.parts.len();
        let _ = writeln!(text, "  {}  {known}: {parts} parts read through, as {}", claim.bold(), staged.engine);
        for note in notes.iter().chain(&staged.notes) {
            let _ = writeln!(text, "    {note}");
        }
    }
    text
}

/// What comes back and what is lost, by volume.
pub(crate) fn comparison(proofs: &[Proof]) -> String {
    let mut text = String::new();
    for proof in proofs {
        let _ = writeln!(text, "{}", proof.claim.bold());
        match proof.differences() {
            None => text.push_str("  the live volume could not be read: what is lost is not known\n"),
            Some(all) if all.is_empty() => text.push_str("  the copy holds exactly what the live volume holds\n"),
            Some(all) => text.push_str(&rows(&all)),
        }
    }
    text
}

fn rows(all: &[Difference]) -> String {
    let mut lines = vec!["PART\tLIVE\tRESTORED\t".to_owned()];
    for difference in all.iter().take(SHOWN) {
        let Difference { part, live, staged, changed } = difference;
        let count = |count: &Option<u64>| count.map_or("not there".to_owned(), |count| count.to_string());
        let told = match (difference.brings_back(), difference.loses()) {
            (true, true) if *changed => "other content, same count".to_owned(),
            (true, _) => match (live, staged) {
                (Some(live), Some(staged)) => format!("{} come back", staged.saturating_sub(*live)),
                (None, Some(_)) => "comes back".to_owned(),
                (_, None) => String::new(),
            },
            (false, true) => match (live, staged) {
                (Some(live), Some(staged)) => format!("{} are lost", live.saturating_sub(*staged)),
                (Some(_), None) => "is lost".to_owned(),
                (None, _) => String::new(),
            },
            (false, false) => String::new(),
        };
        let told = if difference.loses() { told.red() } else { told.green() };
        lines.push(format!("{part}\t{}\t{}\t{told}", count(live), count(staged)));
    }
    let mut text = columns(&lines, "  ");
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
    text
}
