//! `app=x,tier in (a,b),!old` as a label selector: `labels.Parse` and `metav1.ParseToLabelSelector` of apimachinery.

use dr_yaml::{Made, Span};

type Part = std::ops::Range<usize>;

/// The selector of a text, with the places that `place` gives its parts; or what velero says against it.
pub(super) fn parse(text: &str, place: &dyn Fn(Part) -> Span) -> Result<Made, String> {
    let mut labels = Vec::new();
    let mut expressions = Vec::new();
    for part in requirements(text) {
        let whole = text.get(part.clone()).unwrap_or("");
        let trimmed = trim(text, part.clone());
        if trimmed.is_empty() {
            if text.trim().is_empty() {
                break;
            }
            return Err(format!("there is a comma too many in {text:?}"));
        }
        let written = text.get(trimmed.clone()).unwrap_or("");
        let string = |part: Part| {
            let part = trim(text, part);
            Made::String(text.get(part.clone()).unwrap_or("").to_owned(), place(part))
        };
        let mut expression = |key: Part, operator: &str, values: Option<Vec<Made>>| -> Result<(), String> {
            let span = place(trimmed.clone());
            let key = trim(text, key);
            check_key(text.get(key.clone()).unwrap_or(""))?;
            let mut entries = vec![
                ("key".to_owned(), place(key.clone()), string(key)),
                ("operator".to_owned(), span.clone(), Made::String(operator.to_owned(), span.clone())),
            ];
            if let Some(values) = values {
                entries.push(("values".to_owned(), span.clone(), Made::List(values, span.clone())));
            }
            expressions.push(Made::Map(entries, span));
            Ok(())
        };
        if let Some(rest) = written.strip_prefix('!') {
            expression(trimmed.end - rest.len()..trimmed.end, "DoesNotExist", None)?;
            continue;
        }
        if let Some(at) = whole.find("!=") {
            return Err(format!(
                "\"!=\" is not taken here, by {}",
                text.get(part.start..part.start + at).unwrap_or("")
            ));
        }
        if let Some(at) = whole.find('=') {
            let at = part.start + at;
            let value = if text.get(at..at + 2) == Some("==") { at + 2 } else { at + 1 };
            let key = trim(text, part.start..at);
            check_key(text.get(key.clone()).unwrap_or(""))?;
            let value = trim(text, value..part.end);
            let shown = text.get(value.clone()).unwrap_or("");
            check_value(shown)?;
            let name = text.get(key.clone()).unwrap_or("").to_owned();
            // A later one of the same key takes the place of the earlier.
            labels.retain(|(other, _, _): &(String, Span, Made)| *other != name);
            labels.push((name, place(key), string(value)));
            continue;
        }
        if written.contains(['<', '>']) {
            return Err("< and > are not taken in label selectors".to_owned());
        }
        if let Some((operator, key, values)) = set(text, &trimmed) {
            for value in &values {
                check_value(text.get(value.clone()).unwrap_or(""))?;
            }
            expression(key, operator, Some(values.into_iter().map(string).collect()))?;
            continue;
        }
        expression(trimmed.clone(), "Exists", None)?;
    }
    let span = place(0..text.len());
    let mut fields = Vec::new();
    if !labels.is_empty() {
        fields.push(("matchLabels".to_owned(), span.clone(), Made::Map(labels, span.clone())));
    }
    if !expressions.is_empty() {
        fields.push(("matchExpressions".to_owned(), span.clone(), Made::List(expressions, span.clone())));
    }
    Ok(Made::Map(fields, span))
}

/// The parts between commas that stand in no brackets.
fn requirements(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(start..text.len());
    found
}

/// `key in (a, b)` and `key notin (a)`.
fn set(text: &str, part: &Part) -> Option<(&'static str, Part, Vec<Part>)> {
    let written = text.get(part.clone())?;
    let (open, close) = (written.find('(')?, written.rfind(')')?);
    let head = written.get(..open)?.trim_end();
    let (key, word) = head.rsplit_once(char::is_whitespace)?;
    let operator = match word {
        "in" => "In",
        "notin" => "NotIn",
        _ => return None,
    };
    let mut values = Vec::new();
    let mut start = part.start + open + 1;
    for value in written.get(open + 1..close)?.split(',') {
        values.push(trim(text, start..start + value.len()));
        start += value.len() + 1;
    }
    // apimachinery keeps them in order.
    values.sort_by(|a, b| text.get(a.clone()).cmp(&text.get(b.clone())));
    Some((operator, part.start..part.start + key.len(), values))
}

fn trim(text: &str, part: Part) -> Part {
    let written = text.get(part.clone()).unwrap_or("");
    let start = part.start + (written.len() - written.trim_start().len());
    let trimmed = written.trim();
    start..start + trimmed.len()
}

/// `validation.IsQualifiedName`, in short.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let good = is_name(name) && !name.is_empty() && prefix.is_none_or(|prefix| is_name(prefix) && !prefix.is_empty());
    if good { Ok(()) } else { Err(format!("{key:?} is no key of a label")) }
}

fn check_value(value: &str) -> Result<(), String> {
    if is_name(value) && value.len() <= 63 { Ok(()) } else { Err(format!("{value:?} is no value of a label")) }
}

/// Letters, digits, `-`, `_` and `.`, the first and last one a letter or digit.
fn is_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && end(text.chars().next())
        && end(text.chars().next_back())
}
