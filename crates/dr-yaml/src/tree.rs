//! A document as a tree of nodes with their places.

use crate::path::{Path, Step};
use crate::problem::Problem;
use crate::scalar::{self, Scalar};
use crate::text::Span;

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`.
    Block,
    /// A number, `true`, `false` or `null` of a JSON document.
    Json,
}

/// A node's index in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub(crate) u32);

/// One key of a map with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub key: NodeId,
    pub value: NodeId,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Scalar { text: Box<str>, style: Style },
    Sequence { items: Vec<NodeId>, flow: bool },
    Mapping { entries: Vec<Entry>, flow: bool },
    Alias(NodeId),
}

#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) node: Node,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The long form: `tag:yaml.org,2002:str`.
    pub(crate) tag: Option<Box<str>>,
    pub(crate) anchored: bool,
}

/// A comment with its place, `#` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub span: Span,
    /// Behind the `#`.
    pub text: String,
}

/// A document's nodes.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(crate) slots: Vec<Slot>,
    pub(crate) root: NodeId,
    pub comments: Vec<Comment>,
    /// What kubectl reads in silence as something else than what it looks like.
    pub problems: Vec<Problem>,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The key it stands under; none for the root and for items of lists.
    pub key: Option<NodeId>,
    pub value: NodeId,
    /// Reached through an alias, a merge key or an anchor: the text may stand for other places too.
    pub shared: bool,
}

impl Tree {
    pub fn root(&self) -> NodeId {
        self.root
    }

    pub(crate) fn slot(&self, id: NodeId) -> Option<&Slot> {
        self.slots.get(id.0 as usize)
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.slot(id).map(|slot| &slot.node)
    }

    /// Every node, outer ones before what they hold.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0u32..).zip(&self.slots).map(|(id, slot)| (NodeId(id), &slot.node))
    }

    /// The bytes a node is written in; empty for a value that is not written.
    pub fn span(&self, id: NodeId) -> Span {
        self.slot(id).map_or(0..0, |slot| slot.start as usize..slot.end as usize)
    }

    /// The node an alias stands for, or the node itself.
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id) {
            Some(Node::Alias(target)) => *target,
            Some(Node::Scalar { .. } | Node::Sequence { .. } | Node::Mapping { .. }) | None => id,
        }
    }

    /// The text of a scalar that is read as a string, which is what nearly all keys are.
    pub fn string(&self, id: NodeId) -> Option<&str> {
        let slot = self.slot(self.target(id))?;
        match &slot.node {
            Node::Scalar { text, style } => match scalar::resolve(slot.tag.as_deref(), text, *style) {
                Ok(Scalar::String(_)) => Some(text),
                Ok(Scalar::Null | Scalar::Bool(_) | Scalar::Int(_) | Scalar::Unsigned(_) | Scalar::Float(_))
                | Err(_) => None,
            },
            Node::Sequence { .. } | Node::Mapping { .. } | Node::Alias(_) => None,
        }
    }

    /// Where a path leads in what kubectl reads: the last of equal keys, and through aliases and merge keys.
    pub fn find(&self, path: &Path) -> Option<Found> {
        let root = Found { key: None, value: self.root, shared: false };
        path.0.iter().try_fold(root, |at, step| self.step(at, step))
    }

    fn step(&self, at: Found, step: &Step) -> Option<Found> {
        let id = self.target(at.value);
        let slot = self.slot(id)?;
        let shared = at.shared || slot.anchored || id != at.value;
        match (&slot.node, step) {
            (Node::Sequence { items, .. }, Step::Index(index)) => {
                items.get(*index).map(|value| Found { key: None, value: *value, shared })
            }
            (Node::Mapping { .. }, Step::Key(key)) => {
                let entry = self.entry(id, key, 0)?;
                Some(Found { shared: shared || entry.shared, ..entry })
            }
            (Node::Sequence { .. } | Node::Mapping { .. } | Node::Scalar { .. } | Node::Alias(_), _) => None,
        }
    }

    fn entry(&self, mapping: NodeId, key: &str, depth: usize) -> Option<Found> {
        if depth > crate::MAX_DEPTH {
            return None;
        }
        let Some(Node::Mapping { entries, .. }) = self.node(mapping) else { return None };
        entries.iter().rev().find_map(|entry| {
            if self.is_merge(entry.key) {
                let merged = |id: NodeId| {
                    self.entry(self.target(id), key, depth + 1).map(|found| Found { shared: true, ..found })
                };
                return match self.node(entry.value)? {
                    Node::Mapping { .. } | Node::Alias(_) => merged(entry.value),
                    Node::Sequence { items, .. } => items.iter().find_map(|item| merged(*item)),
                    Node::Scalar { .. } => None,
                };
            }
            let name = self.key(entry.key).ok()?;
            (name == key).then_some(Found { key: Some(entry.key), value: entry.value, shared: false })
        })
    }

    pub(crate) fn is_merge(&self, id: NodeId) -> bool {
        self.slot(id).is_some_and(|slot| match &slot.node {
            Node::Scalar { text, style } => {
                let tag = slot.tag.as_deref();
                &**text == "<<"
                    && ((*style == Style::Plain && tag.is_none())
                        || tag == Some("tag:yaml.org,2002:merge")
                        || tag == Some("!"))
            }
            Node::Sequence { .. } | Node::Mapping { .. } | Node::Alias(_) => false,
        })
    }
}
