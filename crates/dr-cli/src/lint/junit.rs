//! `JUnit`: one test case per file; what reaches the threshold is a failure.

use std::fmt::Write as _;

use dr_lint::{File, Reading};

use super::Report;

pub(super) fn render(report: &Report<'_>) -> String {
    let failing = |at: usize| report.failing().filter(move |finding| finding.file == at);
    // The baseline is no manifest, and a case only where something is wrong with it.
    let case =
        |at: usize, file: &File| !file.context && (file.reading != Reading::Baseline || failing(at).next().is_some());
    let files: Vec<_> = report.input.files.iter().enumerate().filter(|(at, file)| case(*at, file)).collect();
    let failures = files.iter().filter(|(at, _)| failing(*at).next().is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites tests=\"{}\" failures=\"{failures}\">", files.len());
    let _ = writeln!(text, "  <testsuite name=\"kubectl dr lint\" tests=\"{}\" failures=\"{failures}\">", files.len());
    for (at, file) in files {
        let _ = write!(text, "    <testcase classname=\"kubectl dr lint\" name=\"{}\"", escaped(&file.name));
        let mut any = false;
        for finding in failing(at) {
            if !any {
                text.push_str(">\n");
            }
            any = true;
            let place = file.lines.place(&file.text, finding.span.start);
            let _ = writeln!(
                text,
                "      <failure type=\"{}\" message=\"{}\">{}:{}:{}</failure>",
                finding.rule,
                escaped(&finding.message),
                escaped(&file.name),
                place.line,
                place.column
            );
        }
        text.push_str(if any { "    </testcase>\n" } else { "/>\n" });
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text of an attribute or an element; characters that XML has no place for become a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_message_is_taken_for_markup() {
        assert_eq!(escaped("a<b> & \"c\"\n\u{1}"), "a&lt;b&gt; &amp; &quot;c&quot; ?");
    }
}
