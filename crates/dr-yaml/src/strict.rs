//! What granit reads and go-yaml's scanner refuses, or reads otherwise: refused here as well.
//!
//! Each check stands for a group of cases in `tests/golden.jsonl`.

use crate::problem::Problem;
use crate::text::Span;
use crate::tree::Style;

/// Characters that libyaml does not take, and line breaks of YAML 1.1 that nobody sees as such.
pub(crate) fn characters(source: &str, base: usize) -> Option<Problem> {
    let bad = |c: char| match c {
        '\t' | '\n' | '\r' => false,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => false,
    };
    let (at, c) = source.char_indices().find(|(_, c)| bad(*c))?;
    let span = base + at..base + at + c.len_utf8();
    let message = match c {
        '\u{85}' | '\u{2028}' | '\u{2029}' => {
            format!(
                "U+{:04X} is a line break to kubectl; write it as \\u{:04X} in double quotes",
                u32::from(c),
                u32::from(c)
            )
        }
        _ => format!("control characters are not allowed: U+{:04X}", u32::from(c)),
    };
    Some(Problem::unreadable(span, message))
}

/// A scalar as it is written, in a flow collection or not.
pub(crate) fn scalar(file: &str, span: Span, style: Style, text: &str, flow: bool) -> Result<(), Problem> {
    let source = file.get(span.clone()).unwrap_or("");
    match style {
        Style::DoubleQuoted => escapes(source, span.start),
        Style::Plain if flow && (text.contains('?') || text.starts_with(':')) => {
            let message = "kubectl takes ? and a leading : in {} and [] for syntax; quote this value";
            Err(Problem::unreadable(span, message))
        }
        Style::Block => {
            // The span is that of the lines below the head.
            let before = file.get(..span.start).unwrap_or("");
            let head = before.rfind(['|', '>']).and_then(|at| before.get(at + 1..)).unwrap_or("");
            let counted = head.starts_with(|c: char| c.is_ascii_digit())
                || head.strip_prefix(['+', '-']).is_some_and(|head| head.starts_with(|c: char| c.is_ascii_digit()));
            if !counted && text.trim_start_matches('\n').starts_with('\t') {
                let message = "a tab stands where the indentation of a block should be; kubectl cannot read it";
                return Err(Problem::unreadable(span, message));
            }
            Ok(())
        }
        Style::Plain | Style::SingleQuoted | Style::Json => Ok(()),
    }
}

/// `\/` and pairs of surrogates are JSON's; go-yaml knows neither.
fn escapes(source: &str, base: usize) -> Result<(), Problem> {
    let bytes = source.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'\\' {
            at += 1;
            continue;
        }
        let wrong = match bytes.get(at + 1) {
            Some(b'/') => Some((2, "\\/ is JSON and no YAML: write / alone")),
            Some(b'u')
                if matches!(
                    bytes.get(at + 2..at + 4),
                    Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'])
                ) =>
            {
                Some((6, "kubectl reads no pairs of \\ud… here: write the character, or \\U and eight digits"))
            }
            Some(_) | None => None,
        };
        if let Some((len, message)) = wrong {
            let end = (at + len).min(source.len());
            return Err(Problem::unreadable(base + at..base + end, message));
        }
        at += 2;
    }
    Ok(())
}

/// libyaml's anchors are letters, digits, `_` and `-`.
pub(crate) fn anchor(name: &str, span: Span) -> Result<(), Problem> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Ok(());
    }
    Err(Problem::unreadable(span, "kubectl wants an anchor of letters, digits, _ and - alone"))
}

/// A tag ends with a blank.
pub(crate) fn tag(text: &str, span: Span) -> Result<(), Problem> {
    let next = text.get(span.end..).and_then(|rest| rest.chars().next());
    if next.is_none_or(char::is_whitespace) {
        return Ok(());
    }
    Err(Problem::unreadable(span, "kubectl wants a blank behind a tag"))
}

/// A map or list that begins on a line behind `-` and a tab.
pub(crate) fn block(text: &str, span: Span) -> Result<(), Problem> {
    let before = text.get(..span.start).unwrap_or("");
    let line = before.rsplit('\n').next().unwrap_or("");
    if line.contains('\t') && line.trim_start().starts_with(['-', '?']) {
        return Err(Problem::unreadable(span, "a tab stands where indentation should be; kubectl cannot read it"));
    }
    Ok(())
}
