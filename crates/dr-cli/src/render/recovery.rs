//! What `kubectl dr backup status` tells.

use std::fmt::Write as _;

use dr_core::recovery::{Recovery, Standing, Survives};
use dr_core::verify::Verdict;

use crate::backup::status::Answer;
use crate::render::{bytes, duration, plan, table};
use crate::report::Failure;

pub(crate) fn text(answer: &Answer, wide: bool) -> Result<String, Failure> {
    let head = "NAMESPACE\tSTATE\tDATA OF\tAGE\tMAY BE\tBACKUP\tVERIFIED\tNEXT\tSURVIVES LOSS OF\tWHY";
    let more = if wide { "\tCLAIMS\tSIZE\tPASSED OVER" } else { "" };
    let lines: Vec<String> = std::iter::once(format!("{head}{more}"))
        .chain(answer.namespaces.iter().map(|one| row(one, answer, wide)))
        .collect();
    let mut text = table(&lines)?;
    if !answer.notes.is_empty() {
        text.truncate(text.trim_end().len());
        text.push_str("\n\n");
    }
    for note in &answer.notes {
        let _ = writeln!(text, "note: {note}");
    }
    Ok(text)
}

/// One line per namespace whose state or newest recovery point is another than before; all of them at first.
pub(crate) fn changes(before: Option<&Answer>, now: &Answer) -> Vec<String> {
    let at = plan::at(now.taken);
    let point = |one: &Recovery| one.point.as_ref().map(|point| (point.backup.clone(), point.taken));
    let of = |one: &Recovery| {
        let backup = one.point.as_ref().map_or_else(String::new, |point| format!(", backup {}", point.backup));
        format!("{}{backup}: {}", state(one.standing), one.because)
    };
    let mut lines = Vec::new();
    for one in &now.namespaces {
        let was = before.and_then(|before| before.namespaces.iter().find(|other| other.namespace == one.namespace));
        match was {
            None => lines.push(format!("{at}  {}: {}", one.namespace, of(one))),
            Some(was) if was.standing != one.standing => {
                lines.push(format!("{at}  {}: {} -> {}", one.namespace, state(was.standing), of(one)));
            }
            Some(was) if point(was) != point(one) => lines.push(format!("{at}  {}: {}", one.namespace, of(one))),
            Some(_) => {}
        }
    }
    for was in before.into_iter().flat_map(|before| &before.namespaces) {
        if now.namespaces.iter().all(|one| one.namespace != was.namespace) {
            lines.push(format!(
                "{at}  {}: {} -> no longer there, and no backup holds it",
                was.namespace,
                state(was.standing)
            ));
        }
    }
    lines
}

fn row(one: &Recovery, answer: &Answer, wide: bool) -> String {
    let now = answer.taken;
    let none = || "-".to_owned();
    let point = one.point.as_ref();
    let of = point.map_or_else(none, |point| plan::at(point.taken));
    let age = point.map_or_else(none, |point| duration(point.age));
    let limit = one.limit.as_ref().map_or_else(none, |limit| duration(limit.age));
    let backup = point.map_or("-", |point| point.backup.as_str());
    let verified = match (point, answer.verified.get(&one.namespace)) {
        (None, _) => none(),
        (Some(_), None) => "no".to_owned(),
        (Some(_), Some(found)) => {
            let ago = duration(now.duration_since(found.at));
            match found.verdict {
                Verdict::Restorable => format!("{ago} ago"),
                Verdict::Unknown => format!("UNKNOWN, {ago} ago"),
                Verdict::NotRestorable => format!("NOT RESTORABLE, {ago} ago"),
            }
        }
    };
    let next = one.next.as_ref().map_or_else(none, |next| {
        let distance = duration(next.at.duration_since(now).abs());
        if next.overdue { format!("{distance} ago, missed") } else { format!("in {distance}") }
    });
    let survives = point.map_or("-", |point| survives(point.survives));
    let mut row = format!(
        "{}\t{}\t{of}\t{age}\t{limit}\t{backup}\t{verified}\t{next}\t{survives}\t{}",
        one.namespace,
        state(one.standing),
        one.because
    );
    if wide {
        let claims = point.map_or_else(none, |point| point.claims.to_string());
        let size = point.and_then(|point| point.bytes).map_or_else(none, bytes);
        let passed = point.map_or_else(none, |point| {
            let told = point.passed_over.iter().map(|(backup, why)| format!("{backup}: {why}"));
            let told: Vec<String> = told.collect();
            if told.is_empty() { none() } else { told.join("; ") }
        });
        let _ = write!(row, "\t{claims}\t{size}\t{passed}");
    }
    row
}

fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Gone => "GONE",
        Standing::Nothing => "NOTHING",
        Standing::Unknown => "UNKNOWN",
        Standing::Old => "OLD",
        Standing::Overdue => "OVERDUE",
        Standing::NoSchedule => "NO SCHEDULE",
        Standing::Good => "good",
    }
}

fn survives(survives: Survives) -> &'static str {
    match survives {
        Survives::Namespace => "namespace",
        Survives::Cluster => "cluster",
    }
}

#[cfg(test)]
mod tests;
