//! `velero … create …` in scripts, Makefiles, CI files and runbooks, judged as the objects they would make.
//!
//! A value that only a run can tell is unknown, and nothing is said that hangs on it.

use dr_yaml::{Comment, Document, Path, Tree};

use crate::velero::Version;
use args::Refused;
use words::{Item, Word};

pub(crate) mod args;
mod build;
mod flags;
mod language;
mod selector;
mod words;

pub use language::Language;

/// What a command makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Backup,
    Schedule,
    Restore,
}

impl Verb {
    const fn kind(self) -> &'static str {
        match self {
            Self::Backup => "Backup",
            Self::Schedule => "Schedule",
            Self::Restore => "Restore",
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Backup => "velero backup create",
            Self::Schedule => "velero schedule create",
            Self::Restore => "velero restore create",
        }
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "backup" => Some(Self::Backup),
            "schedule" => Some(Self::Schedule),
            "restore" => Some(Self::Restore),
            _ => None,
        }
    }
}

/// What is known of a command beside its object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Paths whose values nobody knows before it runs.
    pub(crate) unknown: Vec<Path>,
    /// More may be said than is written: what is not there is not known either.
    pub(crate) open: bool,
    pub(crate) refused: Vec<Refused>,
    /// Flags that stand twice where only the last one counts.
    pub(crate) replaced: Vec<Refused>,
}

/// The commands of a text, as documents in its order.
pub(crate) fn read(text: &str, language: Language, version: Version) -> Vec<(Document, Command)> {
    // Most files of a repository have none.
    if !text.contains("velero") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for chars in language.texts(text) {
        let mut comments: Vec<Comment> = Vec::new();
        let mut last_end = None;
        for item in words::items(&chars) {
            match item {
                Item::Comment(span, said) => {
                    let comment = Comment { span, text: said };
                    let behind = last_end.take().is_some_and(|end: usize| {
                        text.get(end..comment.span.start).is_some_and(|between| !between.contains('\n'))
                    });
                    match found.last_mut() {
                        Some((Document { tree: Ok(tree), .. }, _)) if behind => tree.comments.push(comment),
                        Some(_) | None => comments.push(comment),
                    }
                }
                Item::Command(words) => {
                    last_end = None;
                    let above = std::mem::take(&mut comments);
                    if let Some((document, command)) = command(&words, above, version) {
                        last_end = Some(document.span.end);
                        found.push((document, command));
                    }
                }
            }
        }
    }
    // Substitutions are complete before the command they stand in.
    found.sort_by_key(|(document, _)| document.span.start);
    found
}

/// The word that runs velero, behind whatever runs it: `sudo`, `kubectl exec … --`.
fn starts(words: &[Word]) -> Option<usize> {
    const TALK: [&str; 8] = ["echo", "printf", "grep", "man", "which", "command", "alias", "type"];
    // Of a recipe in a Makefile.
    fn bare(word: &Word) -> &str {
        word.text.trim_start_matches(['@', '-', '+'])
    }
    if words.first().is_some_and(|first| TALK.contains(&bare(first))) {
        return None;
    }
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        let name = if at == 0 { bare(word) } else { word.text.as_str() };
        // `-n velero` and `deploy/velero` are others of that name.
        let value = matches!(before, "-n" | "--namespace" | "-c" | "--container" | "-l" | "--selector");
        let path = name.rsplit_once(['/', '\\']);
        let path_of_its_own = path.is_none_or(|(folder, _)| {
            folder.is_empty() || folder.starts_with(['/', '.', '~', words::UNKNOWN]) || folder.contains(':')
        });
        let file = path.map_or(name, |(_, file)| file);
        if !value && path_of_its_own && matches!(file, "velero" | "velero.exe") {
            return Some(at);
        }
        before = &word.text;
    }
    None
}

/// Behind `xargs` or `parallel` a command has more words than are written, and `{}` stands for some.
fn repeated(before: &[Word], velero: &[Word]) -> Option<Vec<Word>> {
    let runs = |word: &Word| matches!(word.text.rsplit('/').next(), Some("xargs" | "parallel"));
    let options = before.get(before.iter().position(runs)?..)?;
    let mut holes = vec!["{}".to_owned()];
    for (at, word) in options.iter().enumerate() {
        match word.text.strip_prefix("-I").or_else(|| word.text.strip_prefix("--replace=")) {
            Some("") => holes.extend(options.get(at + 1).map(|next| next.text.clone())),
            Some(hole) => holes.push(hole.to_owned()),
            None => {}
        }
    }
    holes.retain(|hole| !hole.is_empty());
    let own = velero.iter().take_while(|word| !word.text.starts_with(":::"));
    let mut words: Vec<Word> = own.map(|word| word.filled(&holes)).collect();
    words.push(Word::appended(words.last()?.span.end));
    Some(words)
}

/// The simple commands of a script, those in its substitutions as well, with what is not known as a character of its own.
pub(crate) fn simple_commands(script: &str) -> Vec<Vec<String>> {
    let chars: Vec<words::Char> = script.char_indices().collect();
    let items = words::items(&chars).into_iter();
    let commands = items.filter_map(|item| match item {
        Item::Command(words) => Some(words.into_iter().map(|word| word.text).collect()),
        Item::Comment(..) => None,
    });
    commands.collect()
}

fn command(words: &[Word], comments: Vec<Comment>, version: Version) -> Option<(Document, Command)> {
    let start = starts(words)?;
    let (before, velero) = words.split_at_checked(start)?;
    let repeated = repeated(before, velero);
    let (head, rest) = repeated.as_deref().unwrap_or(velero).split_first()?;
    // In a synopsis brackets stand for what may be left out.
    if rest.iter().any(|word| word.text.starts_with('[') || matches!(word.text.as_str(), "..." | "…")) {
        return None;
    }
    // Which flags there are hangs on the command, and which words are its own hangs on the flags: all three have those
    // that may stand in between.
    let path = args::read(rest, Verb::Restore, version).rest;
    let verb = match (path.first()?.text.as_str(), path.get(1)?.text.as_str()) {
        ("create", what) | (what, "create") => Verb::of(what)?,
        _ => return None,
    };
    let args = args::read(rest, verb, version);
    if args.help {
        return None;
    }
    let second = args.rest.get(1)?;
    let span = head.span.start..rest.last()?.span.end.max(second.span.end);
    let built = build::object(verb, &(head.span.start..second.span.end.max(head.span.start)), &args);
    let mut tree = Tree::made(&built.object).ok()?;
    tree.comments = comments;
    let mut replaced = Vec::new();
    for (at, set) in args.set.iter().enumerate() {
        let list = matches!(set.flag.takes, flags::Takes::List | flags::Takes::Selector | flags::Takes::Selectors);
        let later = args.set.iter().skip(at + 1).find(|later| later.flag.name == set.flag.name);
        if list && later.is_some() {
            let message = format!("a second --{} takes the place of this one: only the last counts", set.flag.name);
            replaced.push(Refused { span: set.at.clone(), message });
        }
    }
    let command = Command { unknown: built.unknown, open: args.open, refused: built.refused, replaced };
    Some((Document { span, tree: Ok(tree) }, command))
}

impl Command {
    /// Whether a finding at this path would rest on what nobody knows.
    pub(crate) fn hides(&self, path: &Path, tree: &Tree) -> bool {
        let within = |outer: &Path, inner: &Path| inner.0.starts_with(&outer.0);
        if self.unknown.iter().any(|unknown| within(unknown, path) || within(path, unknown)) {
            return true;
        }
        let said = tree.find(path).and_then(|found| tree.node(found.value));
        self.open && !matches!(said, Some(dr_yaml::Node::Scalar { .. }))
    }

    /// Whether a field is as it stands there.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        !self.open
            && !self.unknown.iter().any(|unknown| path.0.starts_with(&unknown.0) || unknown.0.starts_with(&path.0))
    }
}
