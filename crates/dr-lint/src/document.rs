//! A document of a file: what is told of it, and its tree from when somebody asks for places in it.

use std::sync::OnceLock;

use dr_yaml::{Comment, Problem, Span, Syntax, Tree};

/// Of a document that was read.
#[derive(Debug)]
pub struct Document {
    /// The document's bytes, separator lines left out.
    pub span: Span,
    read_as: ReadAs,
    noted: Option<Box<Noted>>,
    /// Made again when it is asked for: most documents have no findings, and a tree is many times its text.
    tree: OnceLock<Option<Box<Tree>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadAs {
    Manifest(Syntax),
    /// Of a command of a shell: its tree is kept.
    Command,
    /// kubectl cannot read it.
    Unreadable,
}

/// What few documents have.
#[derive(Debug, Default)]
struct Noted {
    unreadable: Option<Problem>,
    problems: Vec<Problem>,
    instructions: Vec<Instruction>,
    source: Option<String>,
}

/// A comment that is for us.
#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) comment: Comment,
    /// It stands before everything else in its document.
    pub(crate) first: bool,
}

impl Document {
    pub(crate) fn of(document: &dr_yaml::Document, syntax: Syntax) -> Self {
        let (read_as, noted) = match &document.tree {
            Ok(tree) => (ReadAs::Manifest(syntax), Noted::of(tree)),
            Err(problem) => (ReadAs::Unreadable, Some(Noted { unreadable: Some(problem.clone()), ..Noted::default() })),
        };
        Self { span: document.span.clone(), read_as, noted: noted.map(Box::new), tree: OnceLock::new() }
    }

    pub(crate) fn of_command(document: dr_yaml::Document) -> Self {
        let made = Self::of(&document, Syntax::Yaml);
        let read_as = if document.tree.is_ok() { ReadAs::Command } else { made.read_as };
        Self { read_as, tree: OnceLock::from(document.tree.ok().map(Box::new)), ..made }
    }

    /// Why kubectl cannot read it.
    pub fn unreadable(&self) -> Option<&Problem> {
        self.noted.as_ref()?.unreadable.as_ref()
    }

    /// What kubectl reads of it in silence as something else than what it looks like.
    pub(crate) fn problems(&self) -> &[Problem] {
        self.noted.as_ref().map_or(&[], |noted| &noted.problems)
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        self.noted.as_ref().map_or(&[], |noted| &noted.instructions)
    }

    /// The template it was rendered from, by Helm's `# Source:` comment.
    pub(crate) fn source(&self) -> Option<&str> {
        self.noted.as_ref()?.source.as_deref()
    }

    /// Its tree; `text` is that of its file.
    pub(crate) fn tree(&self, text: &str) -> Option<&Tree> {
        let tree = self.tree.get_or_init(|| match self.read_as {
            ReadAs::Manifest(syntax) => dr_yaml::again(text, self.span.clone(), syntax).map(Box::new),
            ReadAs::Command | ReadAs::Unreadable => None,
        });
        tree.as_deref()
    }
}

impl Noted {
    fn of(tree: &Tree) -> Option<Self> {
        let source = tree.comments.iter().find_map(|comment| comment.text.trim().strip_prefix("Source: "));
        let ours = |comment: &&Comment| crate::suppress::is_instruction(&comment.text);
        let ours: Vec<&Comment> = tree.comments.iter().filter(ours).collect();
        if source.is_none() && ours.is_empty() && tree.problems.is_empty() {
            return None;
        }
        let begin = tree.nodes().map(|(id, _)| tree.span(id).start).min();
        let instructions = ours.into_iter().map(|comment| Instruction {
            comment: comment.clone(),
            first: begin.is_none_or(|begin| comment.span.start < begin),
        });
        Some(Self {
            unreadable: None,
            problems: tree.problems.clone(),
            instructions: instructions.collect(),
            source: source.map(|source| source.trim().to_owned()),
        })
    }
}
