//! What `kubectl dr backup verify` tells: the verdict, what speaks against it, then every volume, worst first.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use dr_core::verify::{Check, Judged, Method, Verdict};

use crate::backup::verify::Answer;
use crate::render::{bytes, columns, plan, table};
use crate::report::Failure;

pub(crate) fn text(answer: &Answer, wide: bool) -> Result<String, Failure> {
    let verified = &answer.verified;
    let of = answer.namespace.as_deref().map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
    let volumes = verified.volumes.len();
    let good = volumes - answer.doubtful().count();
    let told = match verified.verdict() {
        Verdict::Restorable => "everything can be restored",
        Verdict::Unknown => "whether everything can be restored is not known",
        Verdict::NotRestorable => "not everything can be restored",
    };
    let mut text = format!("backup {}{of}: {told}; {good} of {volumes} volumes can\n\n", verified.backup);
    let checks = std::iter::once("CHECK\tVERDICT\tWHY".to_owned()).chain(verified.checks.iter().map(check));
    text.push_str(&table(&checks.collect::<Vec<_>>())?);
    text.push('\n');
    if volumes > 0 {
        let more = if wide { "\tHINT" } else { "" };
        let head = format!("VOLUME\tVERDICT\tBY\tDATA OF\tSIZE\tWHY{more}");
        let lines = std::iter::once(head).chain(verified.volumes.iter().map(|judged| volume(judged, wide)));
        text.push('\n');
        text.push_str(&table(&lines.collect::<Vec<_>>())?);
        text.push('\n');
    }
    let hints = hints(answer);
    if !hints.is_empty() {
        text.push_str("\nWhat to do\n");
        text.push_str(&columns(&hints, "  "));
    }
    Ok(text)
}

fn check(check: &Check) -> String {
    format!("{}\t{}\t{}", check.aspect.name(), verdict(check.finding.verdict), check.finding.because)
}

fn volume(judged: &Judged, wide: bool) -> String {
    let none = || "-".to_owned();
    let method = match judged.method {
        None => "-",
        Some(Method::FileSystem) => "file copy",
        Some(Method::CsiSnapshot) => "CSI snapshot",
        Some(Method::Moved) => "CSI, moved",
        Some(Method::NativeSnapshot) => "native snapshot",
    };
    let mut line = format!(
        "{}\t{}\t{method}\t{}\t{}\t{}",
        judged.volume,
        verdict(judged.finding.verdict),
        judged.taken.map_or_else(none, plan::at),
        judged.bytes.map_or_else(none, bytes),
        judged.finding.because
    );
    if wide {
        let hint = if judged.finding.hint.is_empty() { "-" } else { &judged.finding.hint };
        let _ = write!(line, "\t{hint}");
    }
    line
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotRestorable => "NOT RESTORABLE",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Restorable => "restorable",
    }
}

/// Each hint once, with what it is about.
fn hints(answer: &Answer) -> Vec<String> {
    let checks = answer.verified.checks.iter().map(|check| (check.aspect.name().to_owned(), &check.finding.hint));
    let volumes = answer.verified.volumes.iter().map(|judged| (judged.volume.to_string(), &judged.finding.hint));
    let mut told = BTreeSet::new();
    let all = checks.chain(volumes).filter(|(_, hint)| !hint.is_empty());
    all.filter(|(_, hint)| told.insert(*hint)).map(|(of, hint)| format!("{of}\t{hint}")).collect()
}

#[cfg(test)]
mod tests;
