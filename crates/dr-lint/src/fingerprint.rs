//! By what a finding is known again: rule, object, field and value, and the other objects it is about. Neither lines nor
//! the file, the order of documents, and how something is worded.

use dr_yaml::Path;
use sha2::{Digest as _, Sha256};

use crate::finding::Finding;
use crate::input::{Input, Object};
use crate::json::Value;

/// Digits of a fingerprint.
pub(crate) const DIGITS: usize = 32;

/// Two findings have the same one where nothing tells them apart but their place.
pub fn fingerprint(input: &Input, finding: &Finding) -> String {
    let object = finding.object.and_then(|id| input.objects.get(id));
    let value = match object {
        // Never what a hash of would help to guess.
        Some(_) if finding.rule == "credentials-in-the-clear" => String::new(),
        Some(object) => value(object, &finding.path),
        None => input.files.get(finding.file).and_then(|file| file.text.get(finding.span.clone())).unwrap_or("").into(),
    };
    let label = object.map(identity).unwrap_or_default();
    let mut others: Vec<String> = finding
        .related
        .iter()
        .filter(|related| related.object != finding.object)
        .filter_map(|related| Some((input.objects.get(related.object?)?, &related.path)))
        .map(|(object, path)| format!("{} {path}", identity(object)))
        .collect();
    others.sort_unstable();
    let subject = Some(&finding.subject).filter(|subject| !subject.is_empty());
    others.extend(subject.map(|subject| format!("about {subject}")));
    let path = finding.path.to_string();
    let mut hasher = Sha256::new();
    for part in [finding.rule, &label, &path, &value].into_iter().chain(others.iter().map(String::as_str)) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// `velero.io Schedule velero/nightly`: versions of a group are the same object.
fn identity(object: &Object) -> String {
    let group =
        object.raw.str_at("/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    format!("{group} {}", object.label())
}

/// What stands there, where it is no map: whatever else changes in one leaves a finding about it what it was.
fn value(object: &Object, path: &Path) -> String {
    let plain = |value: &Value| !value.is_object() && !value.is_array();
    match object.raw.0.within(path) {
        Some(Value::Array(items)) if items.iter().all(plain) => Value::Array(items.clone()).to_string(),
        Some(value) if plain(value) => value.to_string(),
        Some(_) | None => String::new(),
    }
}
