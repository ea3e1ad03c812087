//! What is judged: files with their documents, and the objects in them.

use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_yaml::{Document, Encoding, Lines, Node, NodeId, Path, Problem, Span, Text, Tree};
use serde_json::Value;

use crate::finding::Finding;

/// One file, or standard input.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub text: String,
    pub lines: Lines,
    pub encoding: Encoding,
    pub documents: Vec<Document>,
    /// Why nothing was read of it at all.
    pub problem: Option<Problem>,
    /// It is looked at and not judged.
    pub context: bool,
    /// A template of Helm: left alone, and said so.
    pub template: bool,
}

/// One object of a document; a `List` has several.
#[derive(Debug)]
pub struct Object {
    /// Its place among the input's objects.
    pub id: usize,
    pub file: usize,
    pub document: usize,
    /// From the document's root to the object: `items[3]`, or nothing.
    pub base: Path,
    pub raw: Raw,
    pub kind: Option<Kind>,
    pub context: bool,
    /// The template it was rendered from, by Helm's `# Source:` comment.
    pub source: Option<String>,
}

/// Everything that is judged together.
#[derive(Debug, Default)]
pub struct Input {
    pub files: Vec<File>,
    pub objects: Vec<Object>,
    /// Documents whose values cannot be read, with what is wrong: file, document, problem.
    pub(crate) unreadable: Vec<(usize, usize, Problem)>,
}

impl Input {
    /// Adds a file; `context` ones are looked at when others are judged.
    pub fn add(&mut self, name: impl Into<String>, bytes: &[u8], context: bool) {
        let file = self.files.len();
        let (text, problem) = match Text::decode(bytes) {
            Ok(text) => (text, None),
            Err(problem) => (Text::from(""), Some(problem)),
        };
        let template = is_template(&text.text);
        let documents = if template { Vec::new() } else { dr_yaml::read(&text).documents };
        for (at, document) in documents.iter().enumerate() {
            let Ok(tree) = &document.tree else { continue };
            match tree.value() {
                Ok(value) => self.objects_of(file, at, tree, value, context),
                Err(problem) => self.unreadable.push((file, at, problem)),
            }
        }
        let Text { text, encoding } = text;
        let lines = Lines::of(&text);
        self.files.push(File { name: name.into(), text, lines, encoding, documents, problem, context, template });
    }

    fn objects_of(&mut self, file: usize, document: usize, tree: &Tree, value: Value, context: bool) {
        let source = tree
            .comments
            .iter()
            .find_map(|comment| comment.text.trim().strip_prefix("Source: ").map(|source| source.trim().to_owned()));
        let mut open = vec![(Path::root(), value)];
        let mut found = Vec::new();
        while let Some((base, value)) = open.pop() {
            let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
            match value {
                Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
                    let Some(Value::Array(items)) = map.remove("items") else { continue };
                    let items = items.into_iter().enumerate();
                    open.extend(items.map(|(at, item)| (base.clone().key("items").index(at), item)));
                }
                Value::Object(map) => found.push((base, Value::Object(map))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
            }
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (base, value) in found {
            let raw = Raw(value);
            let kind = Kind::of(raw.str_at("/apiVersion").unwrap_or(""), raw.str_at("/kind").unwrap_or(""));
            let id = self.objects.len();
            self.objects.push(Object { id, file, document, base, raw, kind, context, source: source.clone() });
        }
    }

    /// The file of one of its own findings.
    #[expect(clippy::indexing_slicing, reason = "findings are made for files of the input they are asked of")]
    pub fn file_of(&self, finding: &Finding) -> &File {
        &self.files[finding.file]
    }

    /// The tree an object stands in.
    pub(crate) fn tree(&self, object: &Object) -> Option<&Tree> {
        self.files.get(object.file)?.documents.get(object.document)?.tree.as_ref().ok()
    }

    /// The bytes of what a path of an object leads to; of the nearest thing around it that is written.
    pub(crate) fn span(&self, object: &Object, path: &Path, key: bool) -> Span {
        let Some(tree) = self.tree(object) else { return 0..0 };
        let mut whole = object.base.clone().join(path);
        let mut key = key;
        loop {
            if let Some(found) = tree.find(&whole) {
                let value = tree.span(found.value);
                return match found.key {
                    Some(id) if key || value.is_empty() || !one_line(tree, found.value) => tree.span(id),
                    Some(_) | None => head(tree, found.value),
                };
            }
            if whole.0.pop().is_none() {
                return 0..0;
            }
            key = true;
        }
    }
}

/// Long values are shown by their key.
fn one_line(tree: &Tree, id: NodeId) -> bool {
    match tree.node(id) {
        Some(Node::Mapping { flow, entries }) => *flow && entries.len() < 4,
        Some(Node::Sequence { flow, items }) => *flow && items.len() < 4,
        Some(Node::Scalar { style, .. }) => *style != dr_yaml::Style::Block,
        Some(Node::Alias(_)) | None => true,
    }
}

/// Of a map in block style its first key, of everything else all of it.
fn head(tree: &Tree, id: NodeId) -> Span {
    match tree.node(id) {
        Some(Node::Mapping { entries, flow: false }) => {
            entries.first().map_or(tree.span(id), |first| tree.span(first.key))
        }
        Some(Node::Mapping { .. } | Node::Sequence { .. } | Node::Scalar { .. } | Node::Alias(_)) | None => {
            tree.span(id)
        }
    }
}

/// Whether a file is a template of Helm: a line that holds nothing but `{{ … }}` is no YAML that anybody means.
fn is_template(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        line.starts_with("{{") && line.ends_with("}}") && !line.contains(':')
    })
}

impl Object {
    pub fn name(&self) -> &str {
        self.raw.name()
    }

    /// `Schedule velero/nightly`.
    pub fn label(&self) -> String {
        let kind = self.raw.str_at("/kind").unwrap_or("object");
        let name = if self.name().is_empty() { "(no name)" } else { self.name() };
        match self.raw.namespace() {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        }
    }

    /// Whether it is of Velero's own kinds.
    pub fn is_velero(&self) -> bool {
        self.raw.str_at("/apiVersion").is_some_and(|version| version.starts_with("velero.io/"))
    }
}
