//! GitLab's code quality report.

use dr_lint::Severity;
use serde_json::{Value, json};

use super::{Report, sarif};

pub(super) fn of(report: &Report<'_>) -> Value {
    let findings = report.judgement.findings.iter().map(|finding| {
        let file = report.file(finding);
        let (start, end) =
            (file.lines.place(&file.text, finding.span.start), file.lines.place(&file.text, finding.span.end));
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": sarif::fingerprint(report, finding),
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
