//! Files of our own: maps whose keys are all known, and the place of whatever is wrong in them.

use dr_yaml::{Node, NodeId, Span, Style, Text, Tree};

/// What is wrong in a file of ours, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub span: Span,
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// A text with the place it is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    pub span: Span,
}

/// One key of a map with its value; an alias is what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Field<'t> {
    tree: &'t Tree,
    /// `rules.cron-invalid`, `overrides[0].paths`.
    pub(crate) path: String,
    pub(crate) key: &'t str,
    key_span: Span,
    value: NodeId,
}

/// The one document of a file; none where it holds nothing.
pub(crate) fn document(text: &Text) -> Result<Option<Tree>, Mistake> {
    let mut documents = dr_yaml::read(text).documents.into_iter();
    let Some(first) = documents.next() else { return Ok(None) };
    if let Some(second) = documents.next() {
        return Err(Mistake::new(second.span.start..second.span.start, "a second document: there can be one"));
    }
    let wrong = |problem: &dr_yaml::Problem| Mistake::new(problem.span.clone(), problem.message.clone());
    let tree = first.tree.map_err(|problem| wrong(&problem))?;
    match tree.problems.first() {
        Some(problem) => Err(wrong(problem)),
        None => Ok(Some(tree)),
    }
}

/// The fields of the whole file.
pub(crate) fn root<'t>(tree: &'t Tree, known: &[&str]) -> Result<Vec<Field<'t>>, Mistake> {
    let root = Field { tree, path: String::new(), key: "", key_span: tree.span(tree.root()), value: tree.root() };
    root.fields(known)
}

impl<'t> Field<'t> {
    fn node(&self) -> Option<&'t Node> {
        self.tree.node(self.tree.target(self.value))
    }

    /// Where the value is written, or where it is missing.
    pub(crate) fn span(&self) -> Span {
        let span = self.tree.span(self.value);
        if span.is_empty() { self.key_span.clone() } else { span }
    }

    /// The first key of a map, otherwise the whole value.
    pub(crate) fn head(&self) -> Span {
        match self.node() {
            Some(Node::Mapping { entries, .. }) => entries
                .first()
                .map_or_else(|| self.span(), |first| self.tree.span(first.key).start..self.tree.span(first.value).end),
            Some(Node::Scalar { .. } | Node::Sequence { .. } | Node::Alias(_)) | None => self.span(),
        }
    }

    pub(crate) fn key_span(&self) -> Span {
        self.key_span.clone()
    }

    pub(crate) fn wrong(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.span(), message)
    }

    fn wants(&self, what: &str) -> Mistake {
        let name = if self.path.is_empty() { "the file" } else { self.path.as_str() };
        self.wrong(format!("{name} must be {what}"))
    }

    /// The entries of a map, each of whose keys is known.
    pub(crate) fn fields(&self, known: &[&str]) -> Result<Vec<Self>, Mistake> {
        let fields = self.entries()?;
        match fields.iter().find(|field| !known.contains(&field.key)) {
            Some(field) => {
                let of = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
                let message = format!("there is no key {:?}{of}; {}", field.key, nearest(field.key, known));
                Err(Mistake::new(field.key_span.clone(), message))
            }
            None => Ok(fields),
        }
    }

    /// The entries of a map whose keys somebody else knows.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, Mistake> {
        let Some(Node::Mapping { entries, .. }) = self.node() else {
            return Err(self.wants("a map of keys and values"));
        };
        let field = |entry: &dr_yaml::tree::Entry| {
            let key_span = self.tree.span(entry.key);
            let key = self.tree.string(entry.key);
            let key = key.ok_or_else(|| Mistake::new(key_span.clone(), "a key must be text: quote it"))?;
            let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
            Ok(Self { tree: self.tree, path, key, key_span, value: entry.value })
        };
        entries.iter().map(field).collect()
    }

    /// The items of a list; each has the list's key as its own.
    pub(crate) fn items(&self) -> Result<Vec<Self>, Mistake> {
        let Some(Node::Sequence { items, .. }) = self.node() else { return Err(self.wants("a list")) };
        let item = |(at, value): (usize, &NodeId)| Self {
            tree: self.tree,
            path: format!("{}[{at}]", self.path),
            key: self.key,
            key_span: self.key_span.clone(),
            value: *value,
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// Text that says something.
    pub(crate) fn text(&self) -> Result<Written, Mistake> {
        match self.tree.string(self.value) {
            Some("") => Err(self.wrong(format!("{} is empty", self.path))),
            Some(text) => Ok(Written { text: text.to_owned(), span: self.span() }),
            None => match self.node() {
                Some(Node::Scalar { text, .. }) if self.is_written() => {
                    Err(self.wants(&format!("text: write \"{text}\" in quotes")))
                }
                Some(Node::Scalar { .. } | Node::Sequence { .. } | Node::Mapping { .. } | Node::Alias(_)) | None => {
                    Err(self.wants("text"))
                }
            },
        }
    }

    pub(crate) fn texts(&self) -> Result<Vec<Written>, Mistake> {
        self.items()?.iter().map(Self::text).collect()
    }

    /// Not the nothing behind a key.
    fn is_written(&self) -> bool {
        !self.tree.span(self.tree.target(self.value)).is_empty()
    }

    /// A scalar as it is written, whatever readers of YAML make of it.
    pub(crate) fn plain(&self) -> Option<(&'t str, Style)> {
        match self.node()? {
            Node::Scalar { text, style } => self.is_written().then_some((text, *style)),
            Node::Sequence { .. } | Node::Mapping { .. } | Node::Alias(_) => None,
        }
    }
}

/// `the nearest is "…"` where one is near, otherwise all there are.
pub(crate) fn nearest(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
    match near {
        Some((distance, near)) if distance <= 4 && distance < near.len().max(name.len()) / 2 + 1 => {
            format!("the nearest is {near:?}")
        }
        Some(_) | None => format!("known: {}", known.join(", ")),
    }
}
