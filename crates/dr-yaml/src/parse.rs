//! One document: events of granit-parser into a tree.
//!
//! go-yaml reads the first document of what kubectl hands it and looks at nothing behind.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StructureStyle, Tag};

use crate::MAX_DEPTH;
use crate::problem::{Problem, What};
use crate::split::Piece;
use crate::strict;
use crate::text::Span;
use crate::tree::{Comment, Entry, Node, NodeId, Slot, Style, Tree};

/// Comments may stand in any number before a value.
const ANY: usize = 1 << 40;

/// The tree of a document; none where there is nothing but comments.
pub(crate) fn document(text: &str, span: Span) -> Result<Option<Tree>, Problem> {
    let source = text.get(span.clone()).unwrap_or("");
    if let Some(problem) = strict::characters(source, span.start) {
        return Err(problem);
    }
    let options = granit_parser::options! {
        max_buffered_comment_events: ANY,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        bom_inside_document_as_content: true,
        emit_anchor_events: true,
    };
    let mut builder = Builder { text, base: span.start, ..Builder::default() };
    for next in Parser::new_from_str_with_options(source, options) {
        match next {
            Ok((event, marks)) => {
                if builder.take(event, &marks)? {
                    break;
                }
            }
            Err(error) => {
                if builder.root.is_some() && builder.open.is_empty() {
                    builder.drop_from(at(&error, span.start, source), source);
                    break;
                }
                return Err(unreadable(&error, span.start, source));
            }
        }
    }
    if builder.root.is_none() && source.lines().any(|line| line.starts_with("...")) {
        return Err(Problem::unreadable(span, "there is an end of a document here and no document"));
    }
    Ok(builder.finish())
}

/// Whether any of the pieces can be read.
pub(crate) fn readable(text: &str, pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Json(..) => true,
        Piece::Bad(..) => false,
        Piece::Yaml(span) => matches!(document(text, span.clone()), Ok(Some(_))),
    })
}

fn at(error: &ScanError, base: usize, source: &str) -> usize {
    base + error.marker().byte_offset().unwrap_or(source.len()).min(source.len())
}

fn unreadable(error: &ScanError, base: usize, source: &str) -> Problem {
    let start = at(error, base, source);
    let rest = source.get(start - base..).unwrap_or("");
    let end = start + rest.chars().next().filter(|c| *c != '\n' && *c != '\r').map_or(0, char::len_utf8);
    if matches!(error.kind(), granit_parser::ErrorKind::RecursionLimitExceeded) {
        return Problem::new(What::TooDeep, start..end, format!("nested deeper than {MAX_DEPTH} levels"));
    }
    Problem::unreadable(start..end, error.info())
}

/// Adds a node; a document has fewer than 2^32 of them and of bytes.
pub(crate) fn slot(
    slots: &mut Vec<Slot>,
    node: Node,
    span: Span,
    tag: Option<Box<str>>,
    anchored: bool,
) -> Result<NodeId, Problem> {
    let wide = || Problem::new(What::TooDeep, span.clone(), "a file of more than 4 GiB is not read");
    let id = u32::try_from(slots.len()).map_err(|_| wide())?;
    let start = u32::try_from(span.start).map_err(|_| wide())?;
    let end = u32::try_from(span.end.max(span.start)).map_err(|_| wide())?;
    slots.push(Slot { node, start, end, tag, anchored });
    Ok(NodeId(id))
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    base: usize,
    slots: Vec<Slot>,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    root: Option<NodeId>,
    ended: bool,
    comments: Vec<Comment>,
    problems: Vec<Problem>,
}

/// A collection that has not ended yet.
struct Open {
    id: NodeId,
    key: Option<NodeId>,
    end: usize,
    flow: bool,
}

impl Builder<'_> {
    fn span(&self, marks: &Marks) -> Span {
        let range = marks.byte_range().unwrap_or(0..0);
        self.base + range.start..self.base + range.end
    }

    /// Takes one event; true once the first document and what follows is known.
    fn take(&mut self, event: Event<'_>, marks: &Marks) -> Result<bool, Problem> {
        let span = self.span(marks);
        match event {
            Event::StreamStart | Event::StreamEnd => {}
            Event::Anchor(_, name) => strict::anchor(&name, span)?,
            Event::DocumentStart(_, version) => {
                if self.ended {
                    self.drop_from(span.start, "");
                    return Ok(true);
                }
                if let Some(version) = version
                    && (version.major, version.minor) != (1, 1)
                {
                    return Err(Problem::unreadable(
                        span,
                        "kubectl reads YAML 1.1 and refuses another %YAML directive",
                    ));
                }
            }
            Event::DocumentEnd => self.ended = true,
            Event::Comment(text, _) => self.comments.push(Comment { span, text: text.into_owned() }),
            Event::UnresolvedAlias(name) => {
                return Err(Problem::unreadable(span, format!("no anchor &{name} stands before this alias")));
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err(Problem::unreadable(span, "no anchor stands before this alias"));
                };
                let id = slot(&mut self.slots, Node::Alias(target), span, None, false)?;
                self.place(id);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                self.check_tag(marks)?;
                let flow = self.open.last().is_some_and(|open| open.flow);
                strict::scalar(self.text, span.clone(), style, &text, flow)?;
                // The lines of a block, without the blank ones and the indentation that follow.
                let span = match style {
                    Style::Block => {
                        let source = self.text.get(span.clone()).unwrap_or("");
                        span.start..span.start + source.trim_end().len()
                    }
                    Style::Plain | Style::SingleQuoted | Style::DoubleQuoted | Style::Json => span,
                };
                let node = Node::Scalar { text: text.into(), style };
                let id = slot(&mut self.slots, node, span, long(tag.as_deref()), anchor != 0)?;
                self.anchor(anchor, id);
                self.place(id);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let node = Node::Sequence { items: Vec::new(), flow: style == StructureStyle::Flow };
                self.begin(node, marks, anchor, tag.as_deref())?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let node = Node::Mapping { entries: Vec::new(), flow: style == StructureStyle::Flow };
                self.begin(node, marks, anchor, tag.as_deref())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            other => {
                // The parser's list of events may grow; what it is must not be guessed.
                return Err(Problem::unreadable(span, format!("the parser tells of something unknown: {other:?}")));
            }
        }
        Ok(false)
    }

    fn anchor(&mut self, anchor: usize, id: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
    }

    fn check_tag(&self, marks: &Marks) -> Result<(), Problem> {
        let range = marks.tag_span().and_then(|span| span.byte_range());
        range.map_or(Ok(()), |range| strict::tag(self.text, self.base + range.start..self.base + range.end))
    }

    fn begin(&mut self, node: Node, marks: &Marks, anchor: usize, tag: Option<&Tag>) -> Result<(), Problem> {
        self.check_tag(marks)?;
        let span = self.span(marks);
        let flow = match &node {
            Node::Sequence { flow, .. } | Node::Mapping { flow, .. } => *flow,
            Node::Scalar { .. } | Node::Alias(_) => false,
        };
        if !flow {
            strict::block(self.text, span.clone())?;
        }
        let end = span.end;
        let id = slot(&mut self.slots, node, span, long(tag), anchor != 0)?;
        self.anchor(anchor, id);
        self.place(id);
        self.open.push(Open { id, key: None, end, flow });
        Ok(())
    }

    fn end(&mut self, span: &Span) {
        let Some(open) = self.open.pop() else { return };
        let Some(slot) = self.slots.get_mut(open.id.0 as usize) else { return };
        let end = if open.flow { span.end } else { open.end };
        slot.end = slot.end.max(u32::try_from(end).unwrap_or(slot.end));
        let end = slot.end as usize;
        if let Some(outer) = self.open.last_mut() {
            outer.end = outer.end.max(end);
        }
    }

    /// Puts a node where it belongs: into the innermost open collection, or as the document's root.
    fn place(&mut self, id: NodeId) {
        let end = self.slots.get(id.0 as usize).map_or(0, |slot| slot.end as usize);
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(id);
            return;
        };
        open.end = open.end.max(end);
        let Some(collection) = self.slots.get_mut(open.id.0 as usize) else { return };
        match &mut collection.node {
            Node::Sequence { items, .. } => items.push(id),
            Node::Mapping { entries, .. } => match open.key.take() {
                None => open.key = Some(id),
                Some(key) => entries.push(Entry { key, value: id }),
            },
            Node::Scalar { .. } | Node::Alias(_) => {}
        }
    }

    fn drop_from(&mut self, at: usize, source: &str) {
        let rest = source.get(at.saturating_sub(self.base)..).unwrap_or("");
        if !source.is_empty() && rest.trim().is_empty() {
            return;
        }
        let message = "kubectl stops reading here: what follows is dropped in silence, as no --- line stands before it";
        self.problems.push(Problem::new(What::Dropped, at..at, message));
    }

    fn finish(self) -> Option<Tree> {
        let root = self.root?;
        let mut tree = Tree { slots: self.slots, root, comments: self.comments, problems: self.problems };
        tree.note_duplicates();
        Some(tree)
    }
}

/// `tag:yaml.org,2002:str` for `!!str`.
fn long(tag: Option<&Tag>) -> Option<Box<str>> {
    tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()).into())
}
