//! What `kubectl dr backup coverage` tells.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dr_core::select::{
    Capture, HookTrouble, ItemRef, Phase, Place, Reason, Rule, Shown, Verdict, VolumeRef, VolumeVerdict,
};

use crate::backup::covered::{Covered, Judged, Line, Standing};
use crate::render::table;
use crate::report::Failure;

/// Names that are shown of many, without `-o wide`.
const FEW: usize = 3;

/// What nothing takes, worst first; then what is captured, and what was taken for granted.
pub(crate) fn text(covered: &Covered, wide: bool) -> Result<String, Failure> {
    let mut text = format!("{}\n", headline(covered));
    for by in &covered.judged {
        trouble(by, &mut text);
    }
    let captured = |line: &Line<'_>| line.standing() == Standing::Captured;
    let (held, lost): (Vec<Line<'_>>, Vec<Line<'_>>) = covered.volumes().into_iter().partition(captured);
    let shown = |line: &&Line<'_>| wide || line.verdict.volume.claim.is_some();
    part(&volumes("VOLUME\tDATA\tBY\tWHY\tTO CHANGE", lost.iter().filter(shown))?, &mut text);
    let mut beside = String::new();
    let of_pods = lost.iter().filter(|line| line.verdict.volume.claim.is_none()).count();
    if of_pods > 0 && !wide {
        let volumes = if of_pods == 1 { "1 volume that lives" } else { &format!("{of_pods} volumes that live") };
        let _ = writeln!(beside, "not captured: {volumes} with a pod (-o wide)");
    }
    left_out(covered, wide, &mut beside);
    part(&beside, &mut text);
    part(&volumes("VOLUME\tDATA\tBY\tWHY", held.iter().filter(shown))?, &mut text);
    let mut unknown = String::new();
    not_read(covered, wide, &mut unknown);
    for says in &covered.assumed {
        let _ = writeln!(unknown, "taken for granted: {says}");
    }
    part(&unknown, &mut text);
    Ok(text.trim_end().to_owned())
}

/// A part of the answer, with an empty line before it.
fn part(part: &str, text: &mut String) {
    if !part.is_empty() {
        let _ = write!(text, "\n{}\n", part.trim_end());
    }
}

fn volumes<'a>(head: &str, lines: impl Iterator<Item = &'a Line<'a>>) -> Result<String, Failure> {
    let rows: Vec<String> = lines.map(row).collect();
    if rows.is_empty() {
        return Ok(String::new());
    }
    table(&std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>())
}

fn headline(covered: &Covered) -> String {
    let namespace = &covered.namespace;
    let claims = covered.claims();
    let count = |wanted: &dyn Fn(Standing) -> bool| claims.iter().filter(|line| wanted(line.standing())).count();
    let unknown = count(&|standing| standing == Standing::Unknown);
    let lost = count(&|standing| standing < Standing::Unknown);
    let by = match covered.judged.as_slice() {
        [only] => format!("{} {}", only.kind.to_lowercase(), only.name),
        many => format!("any of {} schedules", many.len()),
    };
    if covered.claims_unread() {
        return format!("UNKNOWN: the claims of namespace {namespace} were not read");
    }
    if !covered.takes_any() {
        return format!("NOT CAPTURED: nothing of namespace {namespace} is taken by {by}");
    }
    let of = |count: usize| format!("{count} of {} claims of namespace {namespace}", claims.len());
    match (claims.len(), lost, unknown) {
        (0, _, _) => format!("namespace {namespace} has no claims"),
        (all, 0, 0) => format!("captured: {}, by {by}", of(all)),
        (_, 0, unknown) => format!("UNKNOWN: {}, by {by}", of(unknown)),
        (_, lost, 0) => format!("NOT CAPTURED: {}, by {by}", of(lost)),
        (_, lost, unknown) => format!("NOT CAPTURED: {}, by {by}; UNKNOWN: {unknown}", of(lost)),
    }
}

/// What is wrong with the backup as a whole.
fn trouble(by: &Judged, text: &mut String) {
    if let Some(idle) = &by.idle {
        let _ = writeln!(text, "{} takes nothing: {} ({})", of(by), idle.says, idle.fix);
    }
    for HookTrouble { hook: _, reason, fix } in &by.hooks {
        let _ = writeln!(text, "{}: {reason} ({fix})", of(by));
    }
    let how = match by.selection.phase {
        Phase::Completed => return,
        Phase::PartiallyFailed => "would end PartiallyFailed",
        Phase::FailedValidation => "would end FailedValidation, with nothing in it",
        Phase::InProgress => "would never end, with nothing in it, and hold up those after it",
    };
    let _ = writeln!(text, "{} {how}", of(by));
    for reason in by.selection.refused.iter().chain(&by.selection.errors) {
        let _ = writeln!(text, "  {reason} ({})", place(&reason.place));
    }
}

fn left_out(covered: &Covered, wide: bool, text: &mut String) {
    let mut grouped: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
    for left in covered.left_out() {
        let because = match (left.idle, left.verdict.chain.last()) {
            (Some(idle), _) => format!("{}: {}", of(left.by), idle.says),
            // It is the same object under another name.
            (None, Some(reason)) if reason.rule == Rule::TypeTakenElsewhere => continue,
            (None, Some(reason)) => format!("{} ({})", reason.rule.means(), place(&reason.place)),
            (None, None) => "no reason is known".to_owned(),
        };
        let name = format!("{}/{}", left.verdict.item.resource, left.verdict.item.name);
        grouped.entry((left.idle.is_none(), because)).or_default().push(name);
    }
    for ((_, because), items) in grouped {
        let _ = writeln!(text, "left out: {}: {because}", few(&items, wide));
    }
}

fn not_read(covered: &Covered, wide: bool, text: &mut String) {
    let mut grouped: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (resource, why) in covered.cluster.not_read() {
        // "… cannot list resource "secrets" in …": the same sentence with another name.
        let why = if why.contains("forbidden") { "forbidden" } else { why.as_str() };
        grouped.entry(why).or_default().push(resource.clone());
    }
    for (why, resources) in grouped {
        let _ = writeln!(text, "not read, and not judged: {}: {why}", few(&resources, wide));
    }
}

fn few(names: &[String], wide: bool) -> String {
    let shown = if wide { names.len() } else { names.len().min(FEW) };
    let more = names.len() - shown;
    let names = names.iter().take(shown).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn row(line: &Line<'_>) -> String {
    let (why, fix) = match (&line.by.idle, line.standing()) {
        (Some(idle), Standing::Idle) => (idle.says.clone(), idle.fix.clone()),
        (
            Some(_) | None,
            Standing::Silent
            | Standing::Idle
            | Standing::Warning
            | Standing::Error
            | Standing::Unlisted
            | Standing::Unknown
            | Standing::Captured,
        ) => {
            let deciding = line.verdict.unlisted.as_ref().or(line.verdict.deciding());
            let why = deciding.map_or_else(String::new, |reason| reason.says.clone());
            (why, line.verdict.fix.clone().unwrap_or_default())
        }
    };
    format!("{}\t{}\t{}\t{why}\t{fix}", volume(&line.verdict.volume), data(line), of(line.by))
}

fn of(by: &Judged) -> String {
    format!("{} {}", by.kind.to_lowercase(), by.name)
}

fn volume(volume: &VolumeRef) -> String {
    match (&volume.claim, &volume.pod) {
        (Some(claim), _) => format!("claim {claim}"),
        (None, Some((pod, name))) => format!("pod {pod}: {name}"),
        (None, None) => String::new(),
    }
}

/// How the data is captured, or how loud its loss is.
fn data(line: &Line<'_>) -> String {
    match line.standing() {
        Standing::Silent | Standing::Idle => "NOT CAPTURED, silently".to_owned(),
        Standing::Warning => "NOT CAPTURED, with a warning".to_owned(),
        Standing::Error => "NOT CAPTURED, with an error".to_owned(),
        Standing::Unlisted => "TAKEN, but not listed".to_owned(),
        Standing::Unknown => "UNKNOWN".to_owned(),
        Standing::Captured => captured(line.verdict),
    }
}

fn captured(verdict: &VolumeVerdict) -> String {
    match &verdict.capture {
        Capture::FileSystem { pod, .. } => format!("copied from pod {pod}"),
        Capture::CsiSnapshot { class } => format!("CSI snapshot ({class})"),
        Capture::CsiMoved { class } => format!("CSI snapshot ({class}), moved"),
        Capture::NativeSnapshot { location } => format!("native snapshot ({location})"),
        Capture::Unknown => "UNKNOWN".to_owned(),
        Capture::None => match verdict.shown {
            Shown::Silent => "NOT CAPTURED, silently".to_owned(),
            Shown::Warning => "NOT CAPTURED, with a warning".to_owned(),
            Shown::Error => "NOT CAPTURED, with an error".to_owned(),
        },
    }
}

pub(crate) fn place(place: &Place) -> String {
    match place {
        Place::Backup { field } => field.clone(),
        Place::Policy { field } => format!("resource policies: {field}"),
        Place::Object { item, field } => format!("{item}: {field}"),
        Place::Server { flag } => format!("Velero's server: {flag}"),
        Place::Velero => "Velero itself".to_owned(),
    }
}

/// The chain of one object as sentences, and of a claim or pod also that of its data.
pub(crate) fn why(covered: &Covered, item: &ItemRef) -> String {
    let mut text = String::new();
    for (by, verdict) in covered.of_item(item) {
        let told = match (verdict.verdict, verdict.by_accident) {
            (Verdict::Included, false) => "is in the backup",
            (Verdict::Included, true) => "is in the backup, only because something else brings it along",
            (Verdict::Excluded, _) => "is not in the backup",
        };
        let _ = writeln!(text, "{}: {item} {told}", of(by));
        chain(&verdict.chain, &mut text);
        let mut fixes: Vec<String> = verdict.fix().into_iter().collect();
        for line in Covered::volumes_of(by, item) {
            let name = match &line.verdict.volume.pod {
                Some((_, volume)) => format!("volume {volume}"),
                None => "its data".to_owned(),
            };
            let _ = writeln!(text, "  {name}: {}", captured(line.verdict));
            let reasons: Vec<Reason> = line.verdict.chain.iter().chain(&line.verdict.unlisted).cloned().collect();
            chain(&reasons, &mut text);
            if let Some(fix) = line.verdict.fix.clone().filter(|fix| !fixes.contains(fix)) {
                // Of a claim that is not there itself, its data's line says the same.
                if line.verdict.volume.claim.is_some() {
                    fixes.clear();
                }
                fixes.push(fix);
            }
        }
        for fix in fixes {
            let _ = writeln!(text, "  to change it: {fix}");
        }
        if let Some(idle) = &by.idle {
            let _ = writeln!(text, "  and {} takes nothing: {}\n  to change it: {}", of(by), idle.says, idle.fix);
        }
    }
    text
}

fn chain(reasons: &[Reason], text: &mut String) {
    for (index, reason) in reasons.iter().enumerate() {
        let _ = writeln!(text, "  {}. {reason}", index + 1);
        let _ = writeln!(text, "     {} ({}, {})", place(&reason.place), reason.rule.id(), reason.rule.source());
    }
}

#[cfg(test)]
mod tests;
