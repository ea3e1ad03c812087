//! GitLab's code quality report.

use std::collections::HashMap;
use std::fmt::Write as _;

use dr_lint::Severity;
use serde_json::{Value, json};

use super::Report;

pub(super) fn of(report: &Report<'_>) -> Value {
    // GitLab shows one of several that have the same fingerprint.
    let mut seen: HashMap<String, usize> = HashMap::new();
    let findings = report.judgement.findings.iter().map(|finding| {
        let file = report.file(finding);
        let mut fingerprint = format!("{}-{}", dr_lint::fingerprint(report.input, finding), file.name);
        let before = seen.entry(fingerprint.clone()).or_default();
        if *before > 0 {
            let _ = write!(fingerprint, "-{before}");
        }
        *before += 1;
        let (start, end) =
            (file.lines.place(&file.text, finding.span.start), file.lines.place(&file.text, finding.span.end));
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": match finding.severity {
                Severity::Error => "critical",
                Severity::Warning => "major",
                Severity::Info => "info",
            },
            "location": { "path": file.name, "lines": { "begin": start.line, "end": end.line } },
        })
    });
    findings.collect()
}
