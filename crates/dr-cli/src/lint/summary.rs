//! The last line: what was looked at, and what was not.

use std::fmt::Write as _;

use dr_lint::{By, File, Reading, Severity};

use super::{Report, files};

pub(super) fn of(report: &Report<'_>) -> String {
    let count = |severity| report.judgement.findings.iter().filter(|finding| finding.severity == severity).count();
    let mut parts = Vec::new();
    for (severity, one, many) in [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Info, "note", "notes"),
    ] {
        match count(severity) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {many}")),
        }
    }
    let found = if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") };
    let is_input = |file: &&File| !file.context && !file.live && file.reading != Reading::Baseline;
    let files = report.input.files.iter().filter(is_input).count();
    let mut text = format!(
        "{found} in {} of Velero's objects and {} others, {files} {}",
        report.judgement.judged,
        report.judgement.seen,
        if files == 1 { "file" } else { "files" }
    );
    let by_baseline = |by: By| matches!(by, By::Baseline(_));
    let (hidden, silenced): (Vec<_>, Vec<_>) = report.judgement.silenced.iter().partition(|one| by_baseline(one.by));
    for (silenced, how) in [(silenced, "silenced"), (hidden, "in the baseline")] {
        if !silenced.is_empty() {
            let _ = write!(text, "; {} {how}", silenced.len());
        }
    }
    for file in report.judgement.templates.iter().filter_map(|at| report.input.files.get(*at)) {
        let _ = write!(text, "\n{}: a template of Helm, left alone; lint what helm template prints", file.name);
    }
    for files::Empty { name, what } in report.passed_over {
        let _ = write!(text, "\n{name}: {what}");
    }
    if let (Some(told), Some(cluster)) = (report.live, &report.input.live) {
        text.push_str(&told.lines(cluster));
    }
    if report.judgement.judged == 0 {
        text.push_str("\nnone of Velero's objects was seen: nothing was judged but the reading itself and annotations");
    }
    text
}
