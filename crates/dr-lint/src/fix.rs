//! Fixes: edits that change exactly what they say.

use std::collections::{BTreeMap, HashMap};

use dr_yaml::edit::{self, Edit};
use dr_yaml::{Path, Step, Text, Tree};
use serde_json::{Value, json};

use crate::finding::Finding;
use crate::input::{self, Decoded, Input, Object, Reading};

/// A change that would end a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in a few words.
    pub title: String,
    /// The file says afterwards what was meant before.
    pub safe: bool,
    pub change: Change,
}

/// What changes, by paths of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another string in place of a scalar.
    Set {
        path: Path,
        to: String,
    },
    Remove {
        path: Path,
    },
    /// Another name for the key at a path.
    Rename {
        path: Path,
        to: String,
    },
    /// A further entry of a map.
    Insert {
        map: Path,
        key: String,
        value: Value,
    },
}

fn edit(input: &Input, object: &Object, fix: &Fix) -> Option<Edit> {
    // What a shell reads has other quotes.
    if object.command.is_some() {
        return None;
    }
    let tree = input.tree(object)?;
    let text = &input.files.get(object.file)?.text;
    let whole = |path: &Path| object.place(path);
    match &fix.change {
        Change::Set { path, to } => edit::set(tree, &whole(path), to),
        Change::Remove { path } => edit::remove(tree, text, &whole(path)),
        Change::Rename { path, to } => edit::rename(tree, &whole(path), to),
        Change::Insert { map, key, value } => edit::insert(tree, text, &whole(map), key, value),
    }
}

/// Whether a fix can be made in the text as it is written.
pub(crate) fn fits(input: &Input, object: &Object, fix: &Fix) -> bool {
    edit(input, object, fix).is_some()
}

/// The edit of a finding's fix, as bytes of its file.
pub fn edit_of(input: &Input, finding: &Finding) -> Option<Edit> {
    let object = input.objects.get(finding.object?)?;
    edit(input, object, finding.fix.as_ref()?)
}

/// The command that makes the fix of a finding about an object of a cluster: nothing is written there by us.
pub fn command(input: &Input, finding: &Finding) -> Option<String> {
    let object = input.objects.get(finding.object?).filter(|object| object.live)?;
    let change = &finding.fix.as_ref()?.change;
    let operation = match change {
        Change::Set { path, to } => json!({ "op": "replace", "path": pointer(path), "value": to }),
        Change::Remove { path } => json!({ "op": "remove", "path": pointer(path) }),
        Change::Rename { path, to } => {
            json!({ "op": "move", "from": pointer(path), "path": pointer(&path.parent().key(to.as_str())) })
        }
        Change::Insert { map, key, value } => {
            json!({ "op": "add", "path": pointer(&map.clone().key(key.as_str())), "value": value })
        }
    };
    let namespace = object.raw.namespace().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let (resource, name) = (object.kind?.info().resource(), object.name());
    // A single quote ends and begins again what the shell is handed.
    let patch = json!([operation]).to_string().replace('\'', r"'\''");
    Some(format!("kubectl{namespace} patch {resource} {name} --type=json -p '{patch}'"))
}

/// `/spec/template/ttl`.
fn pointer(path: &Path) -> String {
    let steps = path.0.iter().map(|step| match step {
        Step::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Step::Index(index) => format!("/{index}"),
    });
    steps.collect()
}

/// One fix with what it does to the text.
#[derive(Clone)]
struct Tried<'i> {
    object: &'i Object,
    change: &'i Change,
    edit: Edit,
}

/// A file with the fixes of these findings, and how many were made. One that would change anything else than it says, or
/// that meets another, is left out.
pub fn apply(input: &Input, file: usize, findings: &[&Finding]) -> Option<(String, usize)> {
    let text = &input.files.get(file)?.text;
    let mut by_document: BTreeMap<usize, Vec<Tried<'_>>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.file == file) {
        let Some(fix) = &finding.fix else { continue };
        let Some(object) = finding.object.and_then(|id| input.objects.get(id)) else { continue };
        let Some(edit) = edit(input, object, fix) else { continue };
        by_document.entry(object.document).or_default().push(Tried { object, change: &fix.change, edit });
    }
    // Each document is read for itself; what all of them come to once more at the end.
    let mut groups: Vec<Vec<Tried<'_>>> = Vec::new();
    for (document, tried) in by_document {
        let mut taken = Vec::new();
        fitting(&tried, &mut taken, &|tried| document_as_meant(input, file, document, tried));
        groups.push(taken);
    }
    let mut taken = Vec::new();
    fitting(&groups, &mut taken, &|groups| file_as_meant(input, file, groups));
    let taken = taken.concat();
    let result = edited(text, 0, &taken)?;
    Some((result, taken.len()))
}

/// As many of these as go together, the first ones first: all at once where nothing is wrong, by halves where something is.
fn fitting<T: Clone>(items: &[T], taken: &mut Vec<T>, fit: &impl Fn(&[T]) -> bool) {
    if items.is_empty() {
        return;
    }
    let before = taken.len();
    taken.extend_from_slice(items);
    if fit(taken) {
        return;
    }
    taken.truncate(before);
    if items.len() > 1 {
        let (first, second) = items.split_at(items.len() / 2);
        fitting(first, taken, fit);
        fitting(second, taken, fit);
    }
}

/// A text that begins at a byte of its file, with edits by bytes of that file.
fn edited(text: &str, base: usize, tried: &[Tried<'_>]) -> Option<String> {
    let edits: Option<Vec<Edit>> = tried
        .iter()
        .map(|Tried { edit, .. }| {
            let (start, end) = (edit.start.checked_sub(base)?, edit.end.checked_sub(base)?);
            Some(Edit { start, end, with: edit.with.clone() })
        })
        .collect();
    edit::apply(text, &edits?)
}

/// Whether the new text of a document reads as the old one with the changes and nothing else.
fn document_as_meant(input: &Input, file: usize, document: usize, tried: &[Tried<'_>]) -> bool {
    let Some(file) = input.files.get(file) else { return false };
    let Some(old) = file.documents.get(document) else { return false };
    let text = file.text.get(old.span.clone()).unwrap_or("");
    let Some(new) = edited(text, old.span.start, tried) else { return false };
    let mut read = input::values(&Text { text: new, encoding: file.encoding }, Reading::Manifests);
    match (read.pop(), read.pop()) {
        (Some(new), None) => same(new, old.tree(&file.text).map(Tree::value), tried),
        (Some(_) | None, _) => false,
    }
}

/// The same of a whole file, with the changes by document.
fn file_as_meant(input: &Input, file: usize, groups: &[Vec<Tried<'_>>]) -> bool {
    let Some(file) = input.files.get(file) else { return false };
    let Some(new) = edited(&file.text, 0, &groups.concat()) else { return false };
    let read = |text| input::values(&Text { text, encoding: file.encoding }, file.reading);
    let (new, old) = (read(new), read(file.text.clone()));
    if new.len() != old.len() {
        return false;
    }
    let of: HashMap<usize, &[Tried<'_>]> =
        groups.iter().filter_map(|group| Some((group.first()?.object.document, group.as_slice()))).collect();
    new.into_iter()
        .zip(old)
        .enumerate()
        .all(|(at, (new, old))| same(new, old, of.get(&at).copied().unwrap_or_default()))
}

fn same(new: Decoded, old: Decoded, tried: &[Tried<'_>]) -> bool {
    let (new, old) = match (new, old) {
        (Some(new), Some(old)) => (new, old),
        (None, None) => return true,
        (Some(_), None) | (None, Some(_)) => return false,
    };
    let (Ok(new), Ok(mut want)) = (new, old) else { return false };
    tried.iter().all(|Tried { object, change, .. }| change_value(&mut want, object, change)) && new == want
}

/// Whether there was what it changes, and room for what it adds: of equal keys kubectl reads the last one, so that two
/// would not be seen in what it reads.
fn change_value(value: &mut Value, object: &Object, change: &Change) -> bool {
    let whole = |path: &Path| object.place(path);
    match change {
        Change::Set { path, to } => {
            let Some(place) = at(value, &whole(path)) else { return false };
            *place = Value::String(to.clone());
            true
        }
        Change::Remove { path } => {
            let path = whole(path);
            let (Some(Step::Key(key)), Some(Value::Object(map))) = (path.0.last(), at(value, &path.parent())) else {
                return false;
            };
            map.remove(key).is_some()
        }
        Change::Rename { path, to } => {
            let path = whole(path);
            let (Some(Step::Key(key)), Some(Value::Object(map))) = (path.0.last(), at(value, &path.parent())) else {
                return false;
            };
            match map.remove(key) {
                Some(value) => map.insert(to.clone(), value).is_none(),
                None => false,
            }
        }
        Change::Insert { map, key, value: new } => {
            let Some(Value::Object(map)) = at(value, &whole(map)) else { return false };
            map.insert(key.clone(), new.clone()).is_none()
        }
    }
}

fn at<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn tried(count: usize, bad: &[usize]) -> (Vec<usize>, usize) {
        let items: Vec<usize> = (0..count).collect();
        let (mut taken, looks) = (Vec::new(), Cell::new(0));
        fitting(&items, &mut taken, &|some| {
            looks.set(looks.get() + 1);
            !some.iter().any(|item| bad.contains(item))
        });
        (taken, looks.get())
    }

    #[test]
    fn what_goes_together_is_looked_at_once_and_what_does_not_is_found_by_halves() {
        assert_eq!(tried(10_000, &[]), ((0..10_000).collect(), 1));
        let (taken, looks) = tried(10_000, &[4_711]);
        assert_eq!(taken.len(), 9_999);
        assert!(looks < 40, "{looks}");
        assert_eq!(tried(3, &[0, 2]).0, [1]);
        assert_eq!(tried(0, &[]).0, [0; 0]);
    }

    /// Finding of this change of the one object of a text.
    fn finding(change: Change) -> Finding {
        let fix = Some(Fix { title: "mend it".to_owned(), safe: false, change });
        let (path, subject, message) = (Path::root(), String::new(), String::new());
        let (rule, severity, related) = ("a-rule", crate::Severity::Error, Vec::new());
        Finding { rule, severity, file: 0, span: 0..0, object: Some(0), path, subject, message, related, fix }
    }

    #[test]
    fn of_two_that_come_to_the_same_key_one_is_made() {
        let mut input = Input::default();
        input.add("f.yaml", b"a: 1\nspec:\n  x: 1\n  y: 2\n", false);
        let insert = |value: Value| finding(Change::Insert { map: Path::keys("spec"), key: "z".to_owned(), value });
        let rename = |from: &str| finding(Change::Rename { path: Path::keys("spec").key(from), to: "z".to_owned() });
        let made = |findings: &[Finding]| {
            let (text, count) = apply(&input, 0, &findings.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!((count, text.matches("z:").count()), (1, 1), "{text}");
        };
        // In either order: of equal keys the last one of the text is read, and that may be the one that is meant.
        made(&[insert("a".into()), insert("b".into())]);
        made(&[insert("b".into()), insert("a".into())]);
        made(&[rename("x"), rename("y")]);
        made(&[rename("y"), insert("a".into())]);
    }

    #[test]
    fn a_key_that_is_there_is_not_written_again() {
        let mut input = Input::default();
        input.add("f.yaml", b"spec:\n  z: 1\n  y: 1\n", false);
        let map = Path::keys("spec");
        for change in [
            Change::Insert { map: map.clone(), key: "z".to_owned(), value: json!(1) },
            Change::Rename { path: map.clone().key("y"), to: "z".to_owned() },
        ] {
            let (text, count) = apply(&input, 0, &[&finding(change)]).unwrap();
            assert_eq!((count, text.as_str()), (0, input.files[0].text.as_str()));
        }
    }

    #[test]
    fn of_two_that_do_not_go_together_the_first_is_taken() {
        let mut taken = Vec::new();
        fitting(&[3, 1, 4, 1, 5], &mut taken, &|some| !(some.contains(&3) && some.contains(&4)));
        assert_eq!(taken, [3, 1, 1, 5]);
    }
}
