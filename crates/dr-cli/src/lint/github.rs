//! Annotations of GitHub Actions, escaped as its own toolkit does.

use std::fmt::Write as _;

use dr_lint::Severity;

use super::Report;

pub(super) fn render(report: &Report<'_>) -> String {
    let mut text = String::new();
    for finding in &report.judgement.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let file = report.file(finding);
        let (start, end) =
            (file.lines.place(&file.text, finding.span.start), file.lines.place(&file.text, finding.span.end));
        let _ = write!(text, "::{command} file={},line={}", property(&file.name), start.line);
        // Columns are taken within one line alone.
        if start.line == end.line {
            let _ = write!(text, ",col={},endColumn={}", start.column, end.column);
        } else {
            let _ = write!(text, ",endLine={}", end.line);
        }
        let _ = writeln!(text, ",title={}::{}", property(finding.rule), data(&finding.message));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_end_its_line_nor_a_property_itself() {
        assert_eq!(data("100%\r\nnext: a, b"), "100%25%0D%0Anext: a, b");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}
