//! What is judged: files with their documents, and the objects in them.

use dr_core::kind::Kind;
use dr_yaml::{Encoding, Lines, Node, NodeId, Path, Problem, SideBySide, Span, Text, Tree};
use serde_json::Value;

use crate::baseline::Baseline;
use crate::document::Document;
use crate::finding::Finding;
use crate::json;
use crate::live::Cluster;
use crate::shell::{self, Command, Language};
use crate::values::{self, Rendered, Template};
use crate::velero::Version;

/// What a file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Manifests,
    /// `velero … create …` lines, as the velero of a version understands them; of a YAML file its manifests as well.
    Commands(Language, Version),
    /// It is the baseline: no manifest, and here for what is found in itself.
    Baseline,
}

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
    /// No file but an object of a cluster: nothing is written there.
    pub live: bool,
    /// A template of Helm: left alone, and said so.
    pub template: bool,
    pub reading: Reading,
    /// The first of the documents that are commands of a shell.
    pub(crate) commands: usize,
}

/// A file that was read, with its objects: files may be read side by side and are added in their order.
#[derive(Debug)]
pub struct Added {
    pub(crate) file: File,
    pub(crate) objects: Vec<Object>,
    pub(crate) unreadable: Vec<(usize, Problem)>,
}

/// What kubectl reads of a document; none where it can read nothing.
pub(crate) type Decoded = Option<Result<Value, Problem>>;

/// What is made of the documents of a text, those that are commands last; and how many are not.
fn documents<T: Send>(
    text: &Text,
    reading: Reading,
    side_by_side: SideBySide<'_>,
    of: impl Fn(Document, Decoded, Option<Command>) -> T + Sync,
) -> (Vec<T>, usize) {
    let value = |document: &dr_yaml::Document| document.tree.as_ref().ok().map(Tree::value);
    let mut read = match reading {
        Reading::Manifests | Reading::Commands(Language::Yaml, _) => {
            dr_yaml::read_each(text, side_by_side, |syntax, document| {
                of(Document::of(&document, syntax), value(&document), None)
            })
        }
        Reading::Commands(Language::Script | Language::Markdown, _) | Reading::Baseline => Vec::new(),
    };
    let manifests = read.len();
    if let Reading::Commands(language, version) = reading {
        for (document, command) in shell::read(&text.text, language, version) {
            let value = value(&document);
            read.push(of(Document::of_command(document), value, Some(command)));
        }
    }
    (read, manifests)
}

/// What kubectl reads of a text, document by document.
pub(crate) fn values(text: &Text, reading: Reading) -> Vec<Decoded> {
    documents(text, reading, &one_by_one, |_, value, _| value).0
}

pub(crate) fn one_by_one(count: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..count).for_each(work);
}

/// An object as kubectl reads it.
pub type Raw = dr_core::object::Object<json::Value>;

/// One object of a document; a `List` has several.
#[derive(Debug)]
pub struct Object {
    /// Its place among the input's objects.
    pub id: usize,
    pub file: usize,
    pub document: usize,
    /// From the document's root to the object: `items[3]`, or nothing; of one that a chart makes to its values.
    pub base: Path,
    pub raw: Raw,
    pub kind: Option<Kind>,
    pub context: bool,
    /// Of a cluster, as it is there now.
    pub live: bool,
    /// It names no namespace; the one it has is where it would be applied.
    pub(crate) placed: bool,
    /// The template it was rendered from, by Helm's `# Source:` comment.
    pub source: Option<String>,
    /// Of what a command would make: what is known of that command.
    pub(crate) command: Option<Box<Command>>,
    /// Of what the Velero chart makes of its values: how.
    pub(crate) chart: Option<Template>,
}

/// Everything that is judged together.
#[derive(Debug, Default)]
pub struct Input {
    pub files: Vec<File>,
    pub objects: Vec<Object>,
    /// Documents whose values cannot be read, with what is wrong: file, document, problem.
    pub(crate) unreadable: Vec<(usize, usize, Problem)>,
    pub(crate) baseline: Option<Baseline>,
    /// What is known of the cluster, where one was read.
    pub live: Option<Cluster>,
}

impl Input {
    /// Adds a file of manifests; `context` ones are looked at when others are judged.
    pub fn add(&mut self, name: impl Into<String>, bytes: &[u8], context: bool) {
        self.push(Added::read(name, bytes, context, Reading::Manifests));
    }

    pub fn push(&mut self, added: Added) {
        let Added { file, objects, unreadable } = added;
        let at = self.files.len();
        self.objects.reserve(objects.len());
        for object in objects {
            let id = self.objects.len();
            self.objects.push(Object { id, file: at, ..object });
        }
        self.unreadable.extend(unreadable.into_iter().map(|(document, problem)| (at, document, problem)));
        self.files.push(file);
    }

    /// The file of one of its own findings.
    #[expect(clippy::indexing_slicing, reason = "findings are made for files of the input they are asked of")]
    pub fn file_of(&self, finding: &Finding) -> &File {
        &self.files[finding.file]
    }

    /// The tree an object stands in.
    pub(crate) fn tree(&self, object: &Object) -> Option<&Tree> {
        let file = self.files.get(object.file)?;
        file.documents.get(object.document)?.tree(&file.text)
    }

    /// All bytes of an object.
    pub(crate) fn whole(&self, object: &Object) -> Span {
        let Some(tree) = self.tree(object) else { return 0..0 };
        tree.find(&object.base).map_or(0..0, |found| tree.span(found.value))
    }

    /// The bytes of what a path of an object leads to; of the nearest thing around it that is written.
    pub(crate) fn span(&self, object: &Object, path: &Path, key: bool) -> Span {
        let Some(tree) = self.tree(object) else { return 0..0 };
        let mut whole = object.place(path);
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

impl Added {
    pub fn read(name: impl Into<String>, bytes: impl Into<Vec<u8>>, context: bool, reading: Reading) -> Self {
        Self::read_with(name, bytes, context, reading, &one_by_one)
    }

    /// The same, by documents that are read side by side.
    pub fn read_with(
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        context: bool,
        reading: Reading,
        side_by_side: SideBySide<'_>,
    ) -> Self {
        let (text, problem) = match Text::decode(bytes.into()) {
            Ok(text) => (text, None),
            Err(problem) => (Text::from(""), Some(problem)),
        };
        let template =
            matches!(reading, Reading::Manifests | Reading::Commands(Language::Yaml, _)) && is_template(&text.text);
        let of = |document: Document, value: Decoded, command: Option<Command>| {
            let read =
                value.map(|value| value.map(|value| objects_of(document.source(), value, context, command.as_ref())));
            (document, read)
        };
        let (read, commands) = if template { (Vec::new(), 0) } else { documents(&text, reading, side_by_side, of) };
        let mut documents = Vec::with_capacity(read.len());
        let mut objects = Vec::with_capacity(read.len());
        let mut unreadable = Vec::new();
        for (at, (document, read)) in read.into_iter().enumerate() {
            match read {
                Some(Ok(read)) => objects.extend(read.into_iter().map(|object| Object { document: at, ..object })),
                Some(Err(problem)) => unreadable.push((at, problem)),
                None => {}
            }
            documents.push(document);
        }
        let Text { text, encoding } = text;
        let lines = Lines::of(&text);
        let name = name.into();
        let live = false;
        let file = File { name, text, lines, encoding, documents, problem, context, live, template, reading, commands };
        Self { file, objects, unreadable }
    }
}

/// The objects of a document, whose place among the others they do not know.
fn objects_of(source: Option<&str>, value: Value, context: bool, command: Option<&Command>) -> Vec<Object> {
    let made = values::rendered(&value);
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
    let written = found.into_iter().map(|(base, raw)| Rendered { base, raw, template: None });
    let objects = written.chain(made).map(|Rendered { base, raw, template: chart }| {
        let raw = dr_core::object::Object(json::Value::from(raw));
        let kind = Kind::of(raw.str_at("/apiVersion").unwrap_or(""), raw.str_at("/kind").unwrap_or(""));
        let (source, command) = (source.map(str::to_owned), command.cloned().map(Box::new));
        let (live, placed) = (false, false);
        Object { id: 0, file: 0, document: 0, base, raw, kind, context, live, placed, source, command, chart }
    });
    objects.collect()
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
pub(crate) fn is_template(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        line.starts_with("{{") && line.ends_with("}}") && !line.contains(':')
    })
}

impl Object {
    /// The same for what asks of `serde_json`'s values.
    pub(crate) fn loose(&self) -> dr_core::object::Object {
        dr_core::object::Object(self.raw.0.loose())
    }

    pub fn name(&self) -> &str {
        self.raw.name()
    }

    /// `Schedule velero/nightly`.
    pub fn label(&self) -> String {
        let kind = self.raw.str_at("/kind").unwrap_or("object");
        let name = if self.name().is_empty() { "(no name)" } else { self.name() };
        // As it is written: by this it is known in another run, beside a cluster or not.
        match self.raw.namespace().filter(|_| !self.placed) {
            Some(namespace) => format!("{kind} {namespace}/{name}"),
            None => format!("{kind} {name}"),
        }
    }

    /// Where a path of it is written in its document.
    pub(crate) fn place(&self, path: &Path) -> Path {
        match self.chart {
            Some(template) => self.base.clone().join(&template.place(path)),
            None => self.base.clone().join(path),
        }
    }

    /// Whether they can be in one cluster: values of a chart lie over one another, or are each of another cluster; and a
    /// manifest of the same name may be what they are rendered to.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let values = |object: &Self| object.chart.map(|_| (object.file, object.document));
        match (values(self), values(other)) {
            (Some(own), Some(other)) => own == other,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => self.kind != other.kind || self.name() != other.name(),
        }
    }

    /// Whether what stands at these paths is known: of a command what is said by a variable is not.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.command.as_ref().is_none_or(|command| command.knows(path))
    }

    /// Whether it is of Velero's own kinds.
    pub fn is_velero(&self) -> bool {
        self.raw.str_at("/apiVersion").is_some_and(|version| version.starts_with("velero.io/"))
    }
}
