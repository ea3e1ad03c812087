//! The arguments of a command as pflag reads them: what is set, what is left, and what velero refuses to run with.

use dr_yaml::Span;

use super::Verb;
use super::flags::{self, Flag};
use super::words::{UNKNOWN, Word};
use crate::velero::Version;

/// Why velero prints an error and makes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// A flag with its value.
#[derive(Debug, Clone)]
pub(super) struct Set<'w> {
    pub(super) flag: &'static Flag,
    /// Of the flag's own word.
    pub(super) at: Span,
    pub(super) value: Value<'w>,
}

/// A value, as a part of a word or by a flag that needs none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'w> {
    Said { word: &'w Word, from: usize },
    Implied,
}

impl<'w> Value<'w> {
    pub(super) fn text(&self) -> &'w str {
        match self {
            Self::Said { word, from } => word.text.get(*from..).unwrap_or(""),
            Self::Implied => "true",
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.text().contains(UNKNOWN)
    }

    /// The place of a part of the value; of the flag where there is none.
    pub(super) fn part(&self, part: std::ops::Range<usize>, at: &Span) -> Span {
        match self {
            Self::Said { word, from } => word.part(from + part.start, from + part.end),
            Self::Implied => at.clone(),
        }
    }
}

/// A command's arguments.
#[derive(Debug, Default)]
pub(super) struct Args<'w> {
    pub(super) set: Vec<Set<'w>>,
    /// Words that are no flags and no values, `create` and its like included.
    pub(super) rest: Vec<&'w Word>,
    pub(super) refused: Vec<Refused>,
    /// More may be said than is written.
    pub(super) open: bool,
    pub(super) help: bool,
}

impl Args<'_> {
    fn refuse(&mut self, span: Span, message: String) {
        self.refused.push(Refused { span, message });
    }
}

pub(super) fn read(words: &[Word], verb: Verb, version: Version) -> Args<'_> {
    let mut args = Args::default();
    let mut left = words.iter();
    while let Some(word) = left.next() {
        if word.several {
            args.open = true;
            continue;
        }
        match word.text.as_str() {
            "--" => {
                args.rest.extend(left);
                return args;
            }
            // Two dashes that an editor made one.
            text if text.starts_with(['–', '—']) => {
                args.refuse(word.span.clone(), "this begins with a long dash and is no flag: -- is wanted".to_owned());
            }
            text if text.starts_with("--") => named(&mut args, word, &mut left, verb, version),
            text if text.len() > 1 && text.starts_with('-') => letters(&mut args, word, &mut left, verb, version),
            _ => others(&mut args, word),
        }
    }
    args
}

/// `create`, what it creates and the name. A variable beside a name may hold flags, or nothing.
fn others<'w>(args: &mut Args<'w>, word: &'w Word) {
    match args.rest.get_mut(2) {
        Some(_) if word.bare => args.open = true,
        Some(name) if name.bare => {
            *name = word;
            args.open = true;
        }
        Some(_) | None => args.rest.push(word),
    }
}

fn named<'w>(args: &mut Args<'w>, word: &'w Word, left: &mut std::slice::Iter<'w, Word>, verb: Verb, version: Version) {
    let body = word.text.get(2..).unwrap_or("");
    let name = body.split('=').next().unwrap_or("");
    if name.contains(UNKNOWN) {
        args.open = true;
        return;
    }
    let end = 2 + name.len();
    let at = word.part(0, end);
    let Some(flag) = flags::long(name, verb, version) else {
        let message = format!("{} has no flag --{name}{}", verb.command(), flags::missed(name, verb, version));
        args.refuse(at, message);
        return;
    };
    args.help |= flag.name == "help";
    let value = if end < word.text.len() {
        Value::Said { word, from: end + 1 }
    } else if flag.wants_value() {
        match left.next() {
            Some(next) => {
                args.open |= next.several;
                Value::Said { word: next, from: 0 }
            }
            None => return args.refuse(at, format!("--{name} wants a value")),
        }
    } else {
        Value::Implied
    };
    args.set.push(Set { flag, at, value });
}

/// `-l app=x`, `-lapp=x`, `-wn velero`.
fn letters<'w>(
    args: &mut Args<'w>,
    word: &'w Word,
    left: &mut std::slice::Iter<'w, Word>,
    verb: Verb,
    version: Version,
) {
    let mut at = 1;
    while let Some(letter) = word.text.get(at..).and_then(|rest| rest.chars().next()) {
        let next = at + letter.len_utf8();
        let span = word.part(at, next);
        if letter == UNKNOWN {
            args.open = true;
            return;
        }
        let Some(flag) = flags::letter(letter, verb, version) else {
            return args.refuse(word.span.clone(), format!("{} has no flag -{letter}", verb.command()));
        };
        args.help |= flag.name == "help";
        let rest = word.text.get(next..).unwrap_or("");
        if !flag.wants_value() {
            if rest.starts_with('=') {
                return args.set.push(Set { flag, at: span, value: Value::Said { word, from: next + 1 } });
            }
            args.set.push(Set { flag, at: span, value: Value::Implied });
            at = next;
            continue;
        }
        let value = if rest.is_empty() {
            match left.next() {
                Some(next) => {
                    args.open |= next.several;
                    Value::Said { word: next, from: 0 }
                }
                None => return args.refuse(span, format!("-{letter} wants a value")),
            }
        } else {
            Value::Said { word, from: next + usize::from(rest.starts_with('=')) }
        };
        return args.set.push(Set { flag, at: span, value });
    }
}
