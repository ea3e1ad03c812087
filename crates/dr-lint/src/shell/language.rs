//! Where a file has shell in it.

use std::collections::HashSet;

use dr_yaml::{Document, Node, NodeId, Span, Style, Text, Tree};

use super::words::Char;

/// How a file holds its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A script or a Makefile: all of it.
    Script,
    /// Code between fences.
    Markdown,
    /// The strings of a CI file, and lists that are a command.
    Yaml,
}

impl Language {
    /// By the name of a file.
    pub fn of(name: &str) -> Self {
        let end = name.rsplit(['/', '\\']).next().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
        match end.map(str::to_ascii_lowercase).as_deref() {
            Some("md" | "markdown" | "mdx") => Self::Markdown,
            Some("yaml" | "yml" | "json") => Self::Yaml,
            Some(_) | None => Self::Script,
        }
    }

    /// Whether a file of a folder is looked into.
    pub fn is_likely(name: &str) -> bool {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
        let known = ["md", "markdown", "mdx", "yaml", "yml", "sh", "bash", "zsh", "mk"];
        known.iter().any(|known| end.as_deref() == Some(known))
            || ["Makefile", "GNUmakefile", "makefile", "Jenkinsfile", "justfile", "Justfile"].contains(&name)
    }

    /// The texts of a file that a shell would read, each with the place of every character.
    pub(super) fn texts(self, text: &str) -> Vec<Vec<Char>> {
        match self {
            Self::Script => vec![text.char_indices().collect()],
            Self::Markdown => fences(text),
            Self::Yaml => {
                let documents = dr_yaml::read(&Text::from(text)).documents;
                documents.iter().flat_map(|document| strings(text, document)).collect()
            }
        }
    }
}

/// The code of a Markdown file that is a shell's, by the fence's first word or for want of one.
fn fences(text: &str) -> Vec<Vec<Char>> {
    let mut found = Vec::new();
    // The fence that is open, and its code, if that is a shell's.
    let mut open: Option<(&str, Option<Vec<Char>>)> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // In a quotation or a list as well.
        let inner = line.trim_start_matches([' ', '\t', '>']);
        let fence = |mark: &str| inner.starts_with(mark);
        match open.take() {
            None => {
                let mark = ["```", "~~~"].into_iter().find(|mark| fence(mark));
                if let Some(mark) = mark {
                    let said = inner.trim_start_matches(['`', '~']).trim();
                    let language = said.split([' ', ',', '{', ':']).next().unwrap_or("").to_ascii_lowercase();
                    let known =
                        ["", "sh", "bash", "shell", "zsh", "console", "shell-session", "terminal", "makefile", "make"];
                    open = Some((mark, known.contains(&language.as_str()).then(Vec::new)));
                }
            }
            Some((mark, code)) if fence(mark) => found.extend(code),
            Some((mark, mut code)) => {
                if let Some(code) = &mut code {
                    let quoted = line.trim_start_matches(' ').starts_with('>');
                    let from = if quoted { line.len() - line.trim_start_matches([' ', '>']).len() } else { 0 };
                    let from = from + prompt(line.get(from..).unwrap_or(""));
                    let at = start + from;
                    code.extend(line.get(from..).unwrap_or("").char_indices().map(|(place, c)| (at + place, c)));
                }
                open = Some((mark, code));
            }
        }
        start += line.len();
    }
    // A fence that nobody closes reaches to the end.
    found.extend(open.and_then(|(_, code)| code));
    found
}

/// The length of `$ ` before a command.
fn prompt(line: &str) -> usize {
    let bare = line.trim_start();
    if bare.starts_with("$ ") { line.len() - bare.len() + 2 } else { 0 }
}

fn strings(text: &str, document: &Document) -> Vec<Vec<Char>> {
    let Ok(tree) = &document.tree else { return Vec::new() };
    let mut listed = HashSet::new();
    let mut found = Vec::new();
    for (_, node) in tree.nodes() {
        if let Node::Sequence { items, .. } = node
            && let Some(words) = argv(tree, items)
        {
            found.push(chars_of_list(text, &words));
            listed.extend(items.iter().copied());
        }
    }
    for (_, node) in tree.nodes() {
        if let Node::Mapping { entries, .. } = node {
            listed.extend(entries.iter().filter(|entry| is_prose(tree, entry.key)).map(|entry| entry.value));
        }
    }
    for (id, node) in tree.nodes() {
        if let Node::Scalar { text: value, style } = node
            && value.contains("velero")
            && !listed.contains(&id)
        {
            found.extend(script(text, tree.span(id), *style));
        }
    }
    found
}

/// Whether a key's value is for people to read.
fn is_prose(tree: &Tree, key: NodeId) -> bool {
    let keys = ["name", "displayName", "description", "summary", "title", "message"];
    matches!(tree.node(key), Some(Node::Scalar { text, .. }) if keys.contains(&text.as_ref()))
}

/// A list that is a command: `[velero, backup, create, …]`, by the places and texts of its items.
fn argv<'t>(tree: &'t Tree, items: &[NodeId]) -> Option<Vec<(Span, &'t str)>> {
    let words = items.iter().map(|id| match tree.node(*id)? {
        Node::Scalar { text, .. } => Some((tree.span(*id), text.as_ref())),
        Node::Sequence { .. } | Node::Mapping { .. } | Node::Alias(_) => None,
    });
    let words: Vec<(Span, &str)> = words.collect::<Option<_>>()?;
    let is_velero = words.first().is_some_and(|(_, first)| first.rsplit('/').next() == Some("velero"));
    let plain = words.iter().all(|(_, word)| !word.contains(['"', '\\', '`']));
    (is_velero && words.len() > 2 && plain).then_some(words)
}

/// As if it stood in a script: each item a word, whatever is in it.
fn chars_of_list(text: &str, words: &[(Span, &str)]) -> Vec<Char> {
    let mut chars = Vec::new();
    for (span, value) in words {
        let written = text.get(span.clone()).unwrap_or("");
        // Where the text stands as it is, each character has its place; else all have the item's.
        let inside = written.find(value).map(|at| span.start + at);
        chars.push((span.start, '"'));
        chars.extend(value.char_indices().map(|(at, c)| (inside.map_or(span.start, |start| start + at), c)));
        chars.push((span.end.saturating_sub(1), '"'));
        chars.push((span.end, ' '));
    }
    chars
}

/// A string that is a script, as it is written: lines of `|` are lines, those of `>` and of plain text one.
fn script(text: &str, span: Span, style: Style) -> Option<Vec<Char>> {
    let written = text.get(span.clone())?;
    let (from, to) = match style {
        Style::SingleQuoted if !written.get(1..)?.contains("''") => (1, written.len().checked_sub(1)?),
        Style::DoubleQuoted | Style::Json if !written.contains('\\') => (1, written.len().checked_sub(1)?),
        Style::Plain | Style::Block => (0, written.len()),
        Style::SingleQuoted | Style::DoubleQuoted | Style::Json => return None,
    };
    let folded = style != Style::Block || is_folded(text.get(..span.start)?);
    let body = written.get(from..to)?;
    let chars = body.char_indices().map(|(at, c)| {
        // A line break that is folded is a blank, but for one before a blank line.
        let rest = || body.get(at + 1..).unwrap_or("").trim_start_matches([' ', '\t', '\r']);
        let c = if folded && c == '\n' && !rest().starts_with('\n') { ' ' } else { c };
        (span.start + from + at, c)
    });
    Some(chars.collect())
}

/// Whether a block scalar is one of `>`, by the text before it.
fn is_folded(before: &str) -> bool {
    let line = before.trim_end().rsplit('\n').next().unwrap_or("");
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    line.split_whitespace().next_back().is_some_and(|header| header.starts_with('>'))
}
