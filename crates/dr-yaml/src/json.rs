//! JSON documents with the place of every key and value; as strict as Go's own scanner.

use crate::MAX_DEPTH;
use crate::problem::{Problem, What};
use crate::text::Span;
use crate::tree::{Entry, Node, NodeId, Slot, Style, Tree};

/// Reads one JSON object that begins at `start`; also says where it ends.
pub(crate) fn read(text: &str, start: usize) -> Result<(Tree, usize), Problem> {
    let mut reader = Reader { text, at: start, slots: Vec::new() };
    let root = reader.value(0)?;
    let mut tree = Tree { slots: reader.slots, root, comments: Vec::new(), problems: Vec::new() };
    tree.note_duplicates();
    Ok((tree, reader.at))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    slots: Vec<Slot>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, wanted: &str) -> Problem {
        let c = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let span = self.at..self.at + c.map_or(0, char::len_utf8);
        let found = c.map_or("the text ends".to_owned(), |c| format!("there is {c:?}"));
        Problem::unreadable(span, format!("this is not JSON: {found} where {wanted} is wanted"))
    }

    fn push(&mut self, node: Node, span: Span) -> Result<NodeId, Problem> {
        crate::parse::slot(&mut self.slots, node, span, None, false)
    }

    fn value(&mut self, depth: usize) -> Result<NodeId, Problem> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Problem::new(What::TooDeep, self.at..self.at, message));
        }
        self.blank();
        let start = self.at;
        match self.peek() {
            Some(b'{') => {
                let entries = self.object(depth)?;
                self.push(Node::Mapping { entries, flow: true }, start..self.at)
            }
            Some(b'[') => {
                let items = self.list(depth)?;
                self.push(Node::Sequence { items, flow: true }, start..self.at)
            }
            Some(b'"') => self.string(),
            Some(_) | None => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(entries);
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.wrong("a colon"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            entries.push(Entry { key, value });
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(entries);
                }
                Some(_) | None => return Err(self.wrong("a comma or a closing brace")),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<NodeId>, Problem> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(items);
                }
                Some(_) | None => return Err(self.wrong("a comma or a closing bracket")),
            }
        }
    }

    fn string(&mut self) -> Result<NodeId, Problem> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = self.text.len();
                    return Err(Problem::unreadable(start..self.at, "this is not JSON: the string has no end"));
                }
            }
        }
        self.at += 1;
        let span = start..self.at;
        let source = self.text.get(span.clone()).unwrap_or("");
        let text: String = serde_json::from_str(source)
            .map_err(|error| Problem::unreadable(span.clone(), format!("this is not a JSON string: {error}")))?;
        self.push(Node::Scalar { text: text.into(), style: Style::DoubleQuoted }, span)
    }

    fn literal(&mut self) -> Result<NodeId, Problem> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
            self.at += 1;
        }
        let span = start..self.at;
        let source = self.text.get(span.clone()).unwrap_or("");
        if !matches!(source, "true" | "false" | "null") && !is_number(source) {
            self.at = start;
            return Err(self.wrong("a value"));
        }
        self.push(Node::Scalar { text: source.into(), style: Style::Json }, span)
    }
}

/// JSON's grammar of numbers; how large one is shows when its value is asked for.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let zero_first = rest.starts_with('0') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let digits_at_dot = match rest.split_once('.') {
        None => true,
        Some((before, after)) => !before.is_empty() && after.starts_with(|c: char| c.is_ascii_digit()),
    };
    !zero_first && digits_at_dot && rest.starts_with(|c: char| c.is_ascii_digit()) && crate::number::is_yaml_float(text)
}
