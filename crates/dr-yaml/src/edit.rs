//! Edits of a text by spans: what is not meant stays as it was, comments, order, quotes and line ends included.
//!
//! An edit that cannot be made cleanly is none: flow style with comments in between, block scalars, text that stands for
//! several places.

use serde_json::Value;

use crate::text::Span;
use crate::tree::{Entry, Node, NodeId, Style, Tree};
use crate::{Found, Path, write};

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    pub start: usize,
    pub end: usize,
    pub with: String,
}

impl Edit {
    fn new(span: Span, with: impl Into<String>) -> Self {
        Self { start: span.start, end: span.end, with: with.into() }
    }
}

/// The text with all edits made; none if two of them touch the same place or one is outside.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits = edits.to_vec();
    edits.sort();
    edits.dedup();
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in &edits {
        if edit.start < at {
            return None;
        }
        result.push_str(text.get(at..edit.start)?);
        result.push_str(&edit.with);
        text.get(edit.start..edit.end)?;
        at = edit.end;
    }
    result.push_str(text.get(at..)?);
    Some(result)
}

/// Another string in place of the scalar at a path, quoted as it was.
pub fn set(tree: &Tree, path: &Path, to: &str) -> Option<Edit> {
    let Found { value, shared, .. } = tree.find(path)?;
    if shared { None } else { scalar(tree, value, to) }
}

/// Another name for the key at a path, quoted as it was.
pub fn rename(tree: &Tree, path: &Path, to: &str) -> Option<Edit> {
    let Found { key, shared, .. } = tree.find(path)?;
    if shared { None } else { scalar(tree, key?, to) }
}

fn scalar(tree: &Tree, id: NodeId, to: &str) -> Option<Edit> {
    let span = tree.span(id);
    let Node::Scalar { style, .. } = tree.node(id)? else { return None };
    if span.is_empty() {
        return None;
    }
    let written = match style {
        Style::Plain if is_plain(to) => to.to_owned(),
        Style::SingleQuoted if !to.contains(char::is_control) => format!("'{}'", to.replace('\'', "''")),
        Style::Plain | Style::DoubleQuoted | Style::SingleQuoted | Style::Json => quoted(to),
        Style::Block => return None,
    };
    Some(Edit::new(span, written))
}

/// Without the entry a path leads to, its line or lines included; block style alone, and never the only one of its map.
pub fn remove(tree: &Tree, text: &str, path: &Path) -> Option<Edit> {
    let Found { key, value, shared } = tree.find(path)?;
    let parent = tree.find(&path.parent())?;
    let (entries, flow) = entries(tree, parent.value)?;
    if shared || flow || entries.len() < 2 {
        return None;
    }
    remove_entry(tree, text, Entry { key: key?, value })
}

/// The same for one of several equal keys.
pub fn remove_entry(tree: &Tree, text: &str, entry: Entry) -> Option<Edit> {
    let start = line_start(text, tree.span(entry.key).start);
    let before = text.get(start..tree.span(entry.key).start)?;
    if !before.chars().all(|c| c == ' ') {
        return None;
    }
    let end = tree.span(entry.value).end.max(tree.span(entry.key).end);
    let end = line_end(text, end)?;
    Some(Edit::new(start..end, ""))
}

/// A further entry behind the last one of the block map at a path: a string in its line, whatever else in block style.
pub fn insert(tree: &Tree, text: &str, map: &Path, key: &str, value: &Value) -> Option<Edit> {
    let Found { value: id, shared, .. } = tree.find(map)?;
    let (entries, flow) = entries(tree, id)?;
    if shared || flow {
        return None;
    }
    let (first, last) = (entries.first()?, entries.last()?);
    let start = tree.span(first.key).start;
    let column = text.get(line_start(text, start)..start)?.chars().count();
    let end = line_end(text, tree.span(last.value).end.max(tree.span(last.key).end))?;
    // Of the line before; looking through the whole text would cost as much for each of many edits.
    let before = text.get(..end)?;
    let newline = if before.rfind('\n').is_some_and(|at| before.get(..at).is_some_and(|line| line.ends_with('\r'))) {
        "\r\n"
    } else {
        "\n"
    };
    let entry = match value {
        Value::String(value) if is_plain(value) => format!("{key}: {value}"),
        Value::String(value) => format!("{key}: {}", quoted(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            write(&Value::Object([(key.to_owned(), value.clone())].into_iter().collect()))
        }
    };
    let indent = " ".repeat(column);
    let lines = entry.trim_end_matches('\n').split('\n');
    let lines = lines.map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    let lines = lines.collect::<Vec<_>>().join(newline);
    let open = !before.ends_with('\n');
    // A block may end with text to which its line break belongs.
    let end_of_text = if open && value.is_string() { "" } else { newline };
    let written = format!("{}{lines}{end_of_text}", if open { newline } else { "" });
    Some(Edit::new(end..end, written))
}

fn entries(tree: &Tree, id: NodeId) -> Option<(&[Entry], bool)> {
    match tree.node(id)? {
        Node::Mapping { entries, flow } => Some((entries, *flow)),
        Node::Scalar { .. } | Node::Sequence { .. } | Node::Alias(_) => None,
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Behind the line break that follows, where nothing but a comment stands before it.
fn line_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let line = rest.split_inclusive('\n').next().unwrap_or("");
    let trimmed = line.trim();
    (trimmed.is_empty() || trimmed.starts_with('#')).then_some(at + line.len())
}

/// Whether it can stand without quotes, in any position, and is a string to every reader of YAML.
pub(crate) fn is_plain(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let number = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| "hms".contains(c));
    let middle = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    let string = matches!(crate::scalar::resolve(None, text, Style::Plain), Ok(crate::scalar::Scalar::String(_)));
    (first || number) && middle && string
}

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    fn tree(text: &str) -> Tree {
        crate::read(&Text::from(text)).documents.remove(0).tree.unwrap()
    }

    #[track_caller]
    fn check(text: &str, edit: impl Fn(&Tree) -> Option<Edit>, want: Option<&str>) {
        let edit = edit(&tree(text));
        assert_eq!(edit.and_then(|edit| apply(text, &[edit])).as_deref(), want, "{text:?}");
    }

    #[test]
    fn a_value_keeps_its_quotes_its_comment_and_its_line_end() {
        let to = |tree: &Tree| set(tree, &Path::keys("a.b"), "720h");
        check("a:\r\n  b: 30d # c\r\n", to, Some("a:\r\n  b: 720h # c\r\n"));
        check("a: {b: \"30d\"}\n", to, Some("a: {b: \"720h\"}\n"));
        check("a: {b: '30d'}\n", to, Some("a: {b: '720h'}\n"));
        check("{\"a\": {\"b\": 3}}\n", to, Some("{\"a\": {\"b\": \"720h\"}}\n"));
        check("a:\n  b: |\n    x\n", to, None);
        check("x: &x {b: 30d}\na: *x\n", to, None);
        check("a:\n  b:\n", to, None);
        check("a: {b: x}\n", |tree| set(tree, &Path::keys("a.b"), "yes"), Some("a: {b: \"yes\"}\n"));
    }

    #[test]
    fn an_entry_goes_with_its_lines_and_never_leaves_a_map_empty() {
        let away = |text: &'static str| move |tree: &Tree| remove(tree, text, &Path::keys("a.b"));
        let text = "a:\n  b: {} # c\n  c: 1\n";
        check(text, away(text), Some("a:\n  c: 1\n"));
        let text = "a:\n  c: 1\n  b:\n    - 1\n    - 2\nd: 1\n";
        check(text, away(text), Some("a:\n  c: 1\nd: 1\n"));
        let text = "a:\n  b: |\n    x\n  c: 1\n";
        check(text, away(text), Some("a:\n  c: 1\n"));
        let text = "a:\n  b: 1\n";
        check(text, away(text), None);
        let text = "a: {b: 1, c: 2}\n";
        check(text, away(text), None);
    }

    #[test]
    fn a_key_gets_another_name_and_keeps_its_quotes() {
        let other = |tree: &Tree| rename(tree, &Path::keys("a.b"), "c");
        check("a: # x\n  b: 1 # y\n", other, Some("a: # x\n  c: 1 # y\n"));
        check("a: {'b': 1}\n", other, Some("a: {'c': 1}\n"));
        check("{\"a\": {\"b\": 1}}", other, Some("{\"a\": {\"c\": 1}}"));
        check("x: &x {b: 1}\na: *x\n", other, None);
    }

    #[test]
    fn an_entry_comes_behind_the_last_one_in_its_column() {
        let more =
            |text: &'static str| move |tree: &Tree| insert(tree, text, &Path::keys("a").index(0), "k", &"Fail".into());
        let text = "a:\n- b: 1\n  c: 2\nd: 3\n";
        check(text, more(text), Some("a:\n- b: 1\n  c: 2\n  k: Fail\nd: 3\n"));
        let text = "a:\n  - b: 1";
        check(text, more(text), Some("a:\n  - b: 1\n    k: Fail"));
        let text = "a:\r\n- b: 1\r\nd: 3\r\n";
        check(text, more(text), Some("a:\r\n- b: 1\r\n  k: Fail\r\nd: 3\r\n"));
        let text = "a:\r\n- b: 1";
        check(text, more(text), Some("a:\r\n- b: 1\r\n  k: Fail"));
        let text = "a: [{b: 1}]\n";
        check(text, more(text), None);
    }

    #[test]
    fn what_is_no_string_comes_in_block_style_with_the_text_s_own_line_ends() {
        let value = serde_json::json!({ "d": ["x"], "e": "1\n\n2\n" });
        let more = |text: &'static str| {
            let value = value.clone();
            move |tree: &Tree| insert(tree, text, &Path::keys("a"), "k", &value)
        };
        let text = "a:\n  b: 1\nc: 2\n";
        check(text, more(text), Some("a:\n  b: 1\n  k:\n    d:\n    - x\n    e: |\n      1\n\n      2\nc: 2\n"));
        let text = "a:\r\n  b: 1";
        let block = "a:\r\n  b: 1\r\n  k:\r\n    d:\r\n    - x\r\n    e: |\r\n      1\r\n\r\n      2\r\n";
        check(text, more(text), Some(block));
        let text = "a: {b: 1}\n";
        check(text, more(text), None);
    }

    #[test]
    fn edits_that_touch_are_not_made() {
        let edit = |start, end| Edit { start, end, with: "x".into() };
        assert_eq!(apply("abc", &[edit(0, 2), edit(1, 3)]), None);
        assert_eq!(apply("abc", &[edit(0, 1), edit(0, 1), edit(2, 3)]).as_deref(), Some("xbx"));
        assert_eq!(apply("abc", &[edit(2, 9)]), None);
    }
}
