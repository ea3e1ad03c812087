//! Fixes: edits that change exactly what they say.

use dr_yaml::edit::{self, Edit};
use dr_yaml::{Path, Step};
use serde_json::Value;

use crate::finding::Finding;
use crate::input::{Input, Object};

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
    /// A further entry of a map.
    Insert {
        map: Path,
        key: String,
        value: String,
    },
}

fn edit(input: &Input, object: &Object, fix: &Fix) -> Option<Edit> {
    // What a shell reads has other quotes.
    if object.command.is_some() {
        return None;
    }
    let tree = input.tree(object)?;
    let text = &input.files.get(object.file)?.text;
    let whole = |path: &Path| object.base.clone().join(path);
    match &fix.change {
        Change::Set { path, to } => edit::set(tree, &whole(path), to),
        Change::Remove { path } => edit::remove(tree, text, &whole(path)),
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

/// A file with the fixes of these findings, and how many were made. One that would change anything else than it says, or
/// that meets another, is left out.
pub fn apply(input: &Input, file: usize, findings: &[&Finding]) -> Option<(String, usize)> {
    let text = &input.files.get(file)?.text;
    let mut edits: Vec<Edit> = Vec::new();
    let mut changed: Vec<(&Object, &Change)> = Vec::new();
    let mut result = text.clone();
    for finding in findings.iter().filter(|finding| finding.file == file) {
        let Some(fix) = &finding.fix else { continue };
        let Some(object) = finding.object.and_then(|id| input.objects.get(id)) else { continue };
        let Some(edit) = edit(input, object, fix) else { continue };
        let mut tried = edits.clone();
        tried.push(edit);
        let mut all = changed.clone();
        all.push((object, &fix.change));
        let Some(new) = edit::apply(text, &tried) else { continue };
        if as_meant(input, file, &new, &all) {
            (edits, changed, result) = (tried, all, new);
        }
    }
    Some((result, changed.len()))
}

/// Whether the new text reads as the old one with the changes and nothing else.
fn as_meant(input: &Input, file: usize, new: &str, changes: &[(&Object, &Change)]) -> bool {
    let Some(old) = input.files.get(file) else { return false };
    let text = dr_yaml::Text { text: new.to_owned(), encoding: old.encoding };
    let documents = crate::input::documents(&text, old.reading).documents;
    if documents.len() != old.documents.len() {
        return false;
    }
    documents.iter().zip(&old.documents).enumerate().all(|(at, (new, old))| {
        let (Ok(new), Ok(old)) = (&new.tree, &old.tree) else { return new.tree.is_err() == old.tree.is_err() };
        let (Ok(new), Ok(mut want)) = (new.value(), old.value()) else { return false };
        for (object, change) in changes.iter().filter(|(object, _)| object.document == at) {
            change_value(&mut want, &object.base, change);
        }
        new == want
    })
}

fn change_value(value: &mut Value, base: &Path, change: &Change) {
    let whole = |path: &Path| base.clone().join(path);
    match change {
        Change::Set { path, to } => {
            if let Some(place) = at(value, &whole(path)) {
                *place = Value::String(to.clone());
            }
        }
        Change::Remove { path } => {
            let path = whole(path);
            if let (Some(Step::Key(key)), Some(Value::Object(map))) = (path.0.last(), at(value, &path.parent())) {
                map.remove(key);
            }
        }
        Change::Insert { map, key, value: new } => {
            if let Some(Value::Object(map)) = at(value, &whole(map)) {
                map.insert(key.clone(), Value::String(new.clone()));
            }
        }
    }
}

fn at<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}
