//! The baseline: findings that were there before anybody looked, one entry each, and are told no more.
//!
//! Guarantees: an entry hides at most one finding. One of another file is hidden only where the entry's own file is gone.
//! That a document cannot be read is never hidden: nothing was judged of it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Write as _;

use dr_yaml::{Encoding, Lines, Path, Span, Text};
use serde_json::json;

use crate::closed::{self, Field, Mistake};
use crate::finding::{By, Finding, Silenced};
use crate::fingerprint::{self, fingerprint};
use crate::input::{File, Input, Reading};
use crate::judge::Chosen;
use crate::rules::RULES;
use crate::suppress::nearest;

const UNUSED: &str = "unused-baseline-entry";
/// Of an unreadable or dropped document nothing is judged, and what stands twice is told apart by nothing that stays.
const NEVER: [&str; 4] = ["unreadable-document", "dropped-document", "duplicate-key", UNUSED];
const API: &str = "dr/v1";
const KIND: &str = "LintBaseline";

/// One entry: by its fingerprint, the rest is for readers but for rule and file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub rule: String,
    /// Empty where the finding is about none.
    pub object: String,
    pub file: String,
    pub fingerprint: String,
    /// Other files that it rests on.
    pub beside: Vec<String>,
    /// May be empty.
    pub reason: String,
    /// Where it stands.
    pub span: Span,
}

/// Where an entry's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Among the files of the input, by its place there.
    Read(usize),
    /// It is there, and was not asked for.
    Elsewhere,
    Gone,
}

/// The entries of an input, with the file they are in.
#[derive(Debug)]
pub(crate) struct Baseline {
    file: usize,
    pub(crate) entries: Vec<(Entry, Whereabouts)>,
    /// Those of which another file that they rest on is there and was not read.
    apart: HashSet<usize>,
}

/// What a file says.
pub fn read(text: &Text) -> Result<Vec<Entry>, Mistake> {
    let nothing =
        || Mistake { span: 0..0, message: format!("a baseline begins with apiVersion: {API} and kind: {KIND}") };
    let Some(tree) = closed::document(text)? else { return Err(nothing()) };
    let (mut api, mut kind, mut entries) = (false, false, None);
    for field in closed::root(&tree, &["apiVersion", "kind", "findings"])? {
        match field.key {
            "apiVersion" => api = says(&field, API)?,
            "kind" => kind = says(&field, KIND)?,
            _ => entries = Some(field.items()?.iter().map(entry).collect::<Result<Vec<_>, _>>()?),
        }
    }
    match entries {
        Some(entries) if api && kind => Ok(entries),
        Some(_) | None if !(api && kind) => Err(nothing()),
        Some(_) | None => Err(Mistake { span: 0..0, message: "there is no key \"findings\"".into() }),
    }
}

fn says(field: &Field<'_>, what: &str) -> Result<bool, Mistake> {
    let said = field.text()?.text;
    if said == what { Ok(true) } else { Err(field.wrong(format!("{} is {said:?}; known: {what}", field.path))) }
}

fn entry(item: &Field<'_>) -> Result<Entry, Mistake> {
    let empty = String::new;
    let (mut rule, mut object, mut file, mut print, mut reason) = (empty(), empty(), empty(), empty(), empty());
    let mut beside = Vec::new();
    for field in item.fields(&["rule", "object", "file", "beside", "fingerprint", "reason"])? {
        if field.key == "beside" {
            beside = field.items()?.iter().map(|file| Ok(file.text()?.text)).collect::<Result<_, _>>()?;
            continue;
        }
        let text = field.text()?.text;
        match field.key {
            "rule" => rule = text,
            "object" => object = text,
            "file" => file = text,
            "fingerprint" => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
                if !digits || text.len() != fingerprint::DIGITS {
                    let wants = format!("{} must be {} hexadecimal digits", field.path, fingerprint::DIGITS);
                    return Err(field.wrong(wants));
                }
                print = text;
            }
            _ => reason = text,
        }
    }
    for (key, said) in [("rule", &rule), ("file", &file), ("fingerprint", &print)] {
        if said.is_empty() {
            return Err(item.wrong(format!("{} has no {key}", item.path)));
        }
    }
    Ok(Entry { rule, object, file, fingerprint: print, beside, reason, span: item.head() })
}

impl Input {
    /// Has these entries hide findings, in place of those before; `name` and `text` are those of the file they are in.
    /// `whereabouts` of an entry's own file, `apart` whether a file that it rests on is there and was not read.
    pub fn hide(
        &mut self,
        name: impl Into<String>,
        text: &str,
        entries: Vec<Entry>,
        whereabouts: impl Fn(&str) -> Whereabouts,
        apart: impl Fn(&str) -> bool,
    ) {
        let rests = entries.iter().enumerate().filter(|(_, entry)| entry.beside.iter().any(|file| apart(file)));
        let rests: HashSet<usize> = rests.map(|(at, _)| at).collect();
        let entries = entries.into_iter().map(|entry| {
            let at = whereabouts(&entry.file);
            (entry, at)
        });
        let at = self.baseline.as_ref().map_or(self.files.len(), |before| before.file);
        self.baseline = Some(Baseline { file: at, entries: entries.collect(), apart: rests });
        let file = File {
            name: name.into(),
            text: text.to_owned(),
            lines: Lines::of(text),
            encoding: Encoding::Utf8,
            documents: Vec::new(),
            problem: None,
            context: false,
            live: false,
            template: false,
            reading: Reading::Baseline,
            commands: 0,
        };
        match self.files.get_mut(at) {
            Some(before) => *before = file,
            None => self.files.push(file),
        }
    }

    /// Whether everything of a file was judged.
    fn is_whole(&self, file: usize) -> bool {
        let judged = |file: &File| {
            !file.template
                && file.problem.is_none()
                && file.documents.iter().all(|document| document.unreadable().is_none())
        };
        self.files.get(file).is_some_and(judged) && !self.unreadable.iter().any(|(at, ..)| *at == file)
    }
}

/// Findings that are left, those that are hidden, and the entries that hid nothing though they could have.
pub(crate) struct Applied {
    pub(crate) left: Vec<Finding>,
    pub(crate) hidden: Vec<Silenced>,
    pub(crate) stale: Vec<usize>,
}

/// `findings` by file and place; those about entries come last.
pub(crate) fn apply(input: &Input, findings: Vec<Finding>, chosen: &Chosen<'_>) -> Applied {
    let Some(baseline) = &input.baseline else {
        return Applied { left: findings, hidden: Vec::new(), stale: Vec::new() };
    };
    // Findings that wait for an entry, by fingerprint: in their own file, and anywhere.
    let mut here: HashMap<(String, usize), VecDeque<usize>> = HashMap::new();
    let mut anywhere: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, finding) in findings.iter().enumerate().filter(|(_, finding)| can_be_hidden(input, finding)) {
        let print = fingerprint(input, finding);
        here.entry((print.clone(), finding.file)).or_default().push_back(at);
        anywhere.entry(print).or_default().push_back(at);
    }
    let mut by = vec![None; findings.len()];
    let mut used = vec![false; baseline.entries.len()];
    let mut hide = |entry: usize, finding: usize| {
        if let (Some(by), Some(used)) = (by.get_mut(finding), used.get_mut(entry)) {
            (*by, *used) = (Some(entry), true);
        }
    };
    let mut taken = vec![false; findings.len()];
    for (entry, (Entry { fingerprint, .. }, at)) in baseline.entries.iter().enumerate() {
        if let Whereabouts::Read(file) = at
            && let Some(finding) = here.get_mut(&(fingerprint.clone(), *file)).and_then(VecDeque::pop_front)
        {
            hide(entry, finding);
            taken.get_mut(finding).into_iter().for_each(|taken| *taken = true);
        }
    }
    for (entry, (Entry { fingerprint, .. }, _)) in
        baseline.entries.iter().enumerate().filter(|(_, (_, at))| *at == Whereabouts::Gone)
    {
        let waiting = anywhere.get_mut(fingerprint);
        let free = |at: &usize| !taken.get(*at).copied().unwrap_or(true);
        if let Some(finding) = waiting.and_then(|waiting| std::iter::from_fn(|| waiting.pop_front()).find(free)) {
            hide(entry, finding);
        }
    }
    let (mut left, mut hidden) = (Vec::new(), Vec::new());
    for (finding, by) in findings.into_iter().zip(by) {
        match by.and_then(|by| Some((by, baseline.entries.get(by)?))) {
            Some((by, (entry, _))) => {
                hidden.push(Silenced { finding, reason: entry.reason.clone(), by: By::Baseline(by) });
            }
            None => left.push(finding),
        }
    }
    let unused = baseline.entries.iter().enumerate().zip(used).filter(|(_, used)| !used).map(|(entry, _)| entry);
    let stale: Vec<usize> = unused
        .filter(|(at, _)| !baseline.apart.contains(at))
        .filter(|(_, (entry, at))| could(input, chosen, entry, *at))
        .map(|(at, _)| at)
        .collect();
    if let Some(severity) = chosen.severity_of(UNUSED, baseline.file) {
        for (entry, at) in stale.iter().filter_map(|at| baseline.entries.get(*at)) {
            left.push(Finding {
                rule: UNUSED,
                severity,
                file: baseline.file,
                span: entry.span.clone(),
                object: None,
                path: Path::root(),
                subject: String::new(),
                message: message(entry, *at),
                related: Vec::new(),
                fix: None,
            });
        }
    }
    Applied { left, hidden, stale }
}

/// A cluster has no files; annotations silence what is in it.
fn can_be_hidden(input: &Input, finding: &Finding) -> bool {
    !NEVER.contains(&finding.rule) && !input.file_of(finding).live
}

/// Whether an entry would have hidden something, were it there: its file was read, or is gone, and its rule ran.
fn could(input: &Input, chosen: &Chosen<'_>, entry: &Entry, at: Whereabouts) -> bool {
    let known = RULES.iter().find(|rule| rule.id == entry.rule && !NEVER.contains(&rule.id));
    let ran = |file: usize| known.is_none_or(|rule| chosen.severity(rule, file).is_some());
    match at {
        Whereabouts::Read(file) => ran(file) && input.is_whole(file),
        // No file is chosen for otherwise that is not there.
        Whereabouts::Gone => ran(usize::MAX),
        Whereabouts::Elsewhere => false,
    }
}

fn message(entry: &Entry, at: Whereabouts) -> String {
    let Entry { rule, object, file, .. } = entry;
    if !RULES.iter().any(|known| known.id == rule) {
        return format!("there is no rule {rule:?}{}", nearest(rule));
    }
    if NEVER.contains(&rule.as_str()) {
        return format!("what {rule} finds is never hidden");
    }
    let of = if object.is_empty() { String::new() } else { format!(" of {object}") };
    let gone = if at == Whereabouts::Gone { ", which is gone" } else { "" };
    format!("nothing is hidden by this entry any more: {rule}{of} in {file}{gone}")
}

/// What a baseline has to hold for nothing to be told the next time: findings that are left, and entries that hide
/// something, or might in a run over their files. Reasons stay. `file` says how it calls a file of the input.
pub fn renewed(input: &Input, judgement: &crate::Judgement, file: impl Fn(&str) -> String) -> Vec<Entry> {
    let entry = |finding: &Finding, reason: &str| Entry {
        rule: finding.rule.to_owned(),
        object: finding.object.and_then(|id| input.objects.get(id)).map(crate::Object::label).unwrap_or_default(),
        file: file(&input.file_of(finding).name),
        fingerprint: fingerprint(input, finding),
        beside: beside(input, finding).into_iter().map(&file).collect(),
        reason: reason.to_owned(),
        span: 0..0,
    };
    let mut known: HashSet<usize> = judgement.stale.iter().copied().collect();
    let mut entries = Vec::new();
    for silenced in &judgement.silenced {
        if let By::Baseline(at) = silenced.by {
            known.insert(at);
            entries.push(entry(&silenced.finding, &silenced.reason));
        }
    }
    let left = judgement.findings.iter().filter(|finding| can_be_hidden(input, finding));
    entries.extend(left.map(|finding| entry(finding, "")));
    let before = input.baseline.iter().flat_map(|baseline| baseline.entries.iter().enumerate());
    let asleep = before.filter(|(at, _)| !known.contains(at));
    entries.extend(asleep.map(|(_, (entry, _))| entry.clone()));
    entries
}

/// The other files that a finding rests on.
fn beside<'i>(input: &'i Input, finding: &Finding) -> BTreeSet<&'i str> {
    let others = finding.related.iter().filter(|related| related.file != finding.file);
    others
        .filter_map(|related| input.files.get(related.file))
        .filter(|file| !file.live)
        .map(|file| file.name.as_str())
        .collect()
}

/// The text of a baseline: the same entries are the same text, in whatever order they come.
pub fn write(entries: &[Entry]) -> String {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    let key = |entry: &Entry| {
        let Entry { file, object, rule, fingerprint, beside, reason, span: _ } = entry;
        ([file, object, rule, fingerprint, reason].map(Clone::clone), beside.clone())
    };
    entries.sort_by_cached_key(|entry| key(entry));
    let mut text = format!(
        "# Each entry hides one finding of kubectl dr lint. --write-baseline writes this file anew; reasons stay.\n\
         apiVersion: {API}\nkind: {KIND}\n"
    );
    text.push_str(if entries.is_empty() { "findings: []\n" } else { "findings:\n" });
    for Entry { rule, object, file, fingerprint, beside, reason, span: _ } in entries {
        let _ = writeln!(text, "- rule: {}", scalar(rule));
        for (key, said) in [("object", object), ("file", file)] {
            if !said.is_empty() {
                let _ = writeln!(text, "  {key}: {}", scalar(said));
            }
        }
        if !beside.is_empty() {
            let beside: Vec<String> = beside.iter().map(|file| escaped(file)).collect();
            let _ = writeln!(text, "  beside: [{}]", beside.join(", "));
        }
        let _ = writeln!(text, "  fingerprint: {}", json!(fingerprint));
        if !reason.is_empty() {
            let _ = writeln!(text, "  reason: {}", scalar(reason));
        }
    }
    text
}

/// Plain where no reader of YAML could take it for anything else.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(' ')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._/-(),".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { escaped(text) }
}

/// In double quotes, with everything escaped that YAML might take for the end of a line, or for no text.
fn escaped(text: &str) -> String {
    let quoted = json!(text).to_string();
    let mut escaped = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(file: &str, reason: &str) -> Entry {
        Entry {
            rule: "cron-invalid".into(),
            object: "Schedule velero/a".into(),
            file: file.into(),
            fingerprint: "0e10".repeat(8),
            beside: Vec::new(),
            reason: reason.into(),
            span: 0..0,
        }
    }

    #[test]
    fn what_is_written_is_for_people_too() {
        let text = write(&[entry("b.yaml", "no: it's \"quoted\""), entry("a.yaml", "")]);
        let want =
            "# Each entry hides one finding of kubectl dr lint. --write-baseline writes this file anew; reasons stay.
apiVersion: dr/v1
kind: LintBaseline
findings:
- rule: cron-invalid
  object: Schedule velero/a
  file: a.yaml
  fingerprint: \"0e100e100e100e100e100e100e100e10\"
- rule: cron-invalid
  object: Schedule velero/a
  file: b.yaml
  fingerprint: \"0e100e100e100e100e100e100e100e10\"
  reason: \"no: it's \\\"quoted\\\"\"
";
        assert_eq!(text, want);
        assert_eq!(read(&Text::from(write(&[]).as_str())).unwrap(), []);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in prop::collection::vec(("\\PC{1,12}|.{1,8}|[ynoYNOfl~0-9.e:# -]{1,5}", ".{0,9}"), 0..4)) {
            let entries: Vec<Entry> = texts.iter().map(|(file, reason)| entry(file, reason)).collect();
            let text = write(&entries);
            let read = read(&Text::from(text.as_str())).map_err(|mistake| TestCaseError::fail(format!("{mistake:?} {text}")))?;
            prop_assert_eq!(write(&read), text);
            let names = |entries: &[Entry]| {
                let mut names: Vec<_> = entries.iter().map(|entry| (entry.file.clone(), entry.reason.clone())).collect();
                names.sort();
                names
            };
            prop_assert_eq!(names(&read), names(&entries));
        }
    }
}
