//! Trees of what is not written as YAML and is judged as if it were: each node has the place it comes from.

use crate::problem::Problem;
use crate::text::Span;
use crate::tree::{Entry, Node, NodeId, Slot, Style, Tree};

/// A value with the places of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    String(String, Span),
    /// `true`, `12`: read as YAML reads it without quotes.
    Plain(String, Span),
    List(Vec<Made>, Span),
    /// Keys with their places.
    Map(Vec<(String, Span, Made)>, Span),
}

impl Made {
    pub fn span(&self) -> Span {
        match self {
            Self::String(_, span) | Self::Plain(_, span) | Self::List(_, span) | Self::Map(_, span) => span.clone(),
        }
    }
}

impl Tree {
    /// The tree of a value.
    ///
    /// # Errors
    /// Places beyond 4 GiB.
    pub fn made(value: &Made) -> Result<Self, Problem> {
        let mut slots = Vec::new();
        let root = push(&mut slots, value)?;
        Ok(Self { slots, root, comments: Vec::new(), problems: Vec::new() })
    }
}

fn push(slots: &mut Vec<Slot>, value: &Made) -> Result<NodeId, Problem> {
    let scalar = |text: &str, style| Node::Scalar { text: text.into(), style };
    let node = match value {
        Made::String(text, _) => scalar(text, Style::DoubleQuoted),
        Made::Plain(text, _) => scalar(text, Style::Plain),
        Made::List(items, _) => {
            let items = items.iter().map(|item| push(slots, item)).collect::<Result<_, _>>()?;
            Node::Sequence { items, flow: true }
        }
        Made::Map(entries, _) => {
            let entries = entries.iter().map(|(key, span, value)| {
                let key = crate::parse::slot(slots, scalar(key, Style::DoubleQuoted), span.clone(), None, false)?;
                Ok(Entry { key, value: push(slots, value)? })
            });
            let entries = entries.collect::<Result<_, Problem>>()?;
            Node::Mapping { entries, flow: true }
        }
    };
    crate::parse::slot(slots, node, value.span(), None, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Path;

    #[test]
    fn what_is_made_reads_like_what_is_written_and_has_its_places() {
        let list = Made::List(vec![Made::String("yes".into(), 4..7), Made::Plain("true".into(), 8..12)], 4..12);
        let tree = Tree::made(&Made::Map(vec![("a".into(), 0..3, list)], 0..12)).unwrap();
        assert_eq!(tree.value().unwrap(), serde_json::json!({ "a": ["yes", true] }));
        let found = tree.find(&Path::keys("a").index(1)).unwrap();
        assert_eq!(tree.span(found.value), 8..12);
        assert_eq!(tree.find(&Path::keys("a")).unwrap().key.map(|key| tree.span(key)), Some(0..3));
    }
}
