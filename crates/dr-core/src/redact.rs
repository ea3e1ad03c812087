//! Facts without what is nobody's business, so that they can be handed on: what is decided on them stays the same.
//!
//! What goes: the content of Secrets and ConfigMaps, literal environment variables, the applied manifests that kubectl
//! keeps in annotations, commands of hooks, everything of foreign kinds that no decision reads, and whatever looks like
//! a password in any other text. Equal values stay equal, so that a difference is still one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

use crate::engine::PROFILES;
use crate::facts::{Archive, Document, Documents, Facts, Listed};
use crate::kind::Kind;
use crate::object::Object;

/// What stands where a secret stood.
pub const REDACTED: &str = "(redacted)";

/// Labels of the ConfigMaps that are ours: counts, digests and times.
const OURS: [&str; 2] = ["kubectl-dr/fingerprint", "kubectl-dr/operation"];

const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The same facts as far as anything is decided on them.
pub fn facts(facts: &Facts) -> Facts {
    let Facts {
        format,
        taken,
        context,
        server,
        server_version,
        cluster_uid,
        namespace,
        velero_namespace,
        objects,
        documents,
    } = facts;
    let mut values = Values::default();
    let objects = objects.iter().map(|(kind, listed)| (*kind, values.listed(*kind, listed))).collect();
    let documents = documents.iter().map(|(backup, of)| (backup.clone(), values.documents(of))).collect();
    Facts {
        format: *format,
        taken: *taken,
        context: context.clone(),
        server: text(server),
        server_version: server_version.clone(),
        cluster_uid: cluster_uid.clone(),
        namespace: namespace.clone(),
        velero_namespace: velero_namespace.clone(),
        objects,
        documents,
    }
}

/// One object, the same way.
pub fn value(value: &Value) -> Value {
    Values::default().value(value)
}

/// The values of environment variables seen so far, each with its number.
#[derive(Default)]
struct Values(BTreeMap<String, usize>);

impl Values {
    fn listed(&mut self, kind: Kind, listed: &Listed) -> Listed {
        match listed {
            Listed::Objects(objects) => {
                Listed::Objects(objects.iter().map(|object| self.object(Some(kind), object)).collect())
            }
            Listed::NotServed => Listed::NotServed,
            Listed::Forbidden(reason) => Listed::Forbidden(text(reason)),
        }
    }

    fn documents(&mut self, documents: &Documents) -> Documents {
        let Documents { volume_infos, archive } = documents;
        let volume_infos = match volume_infos {
            Document::NotRead => Document::NotRead,
            Document::Failed(because) => Document::Failed(text(because)),
            Document::Read(infos) => Document::Read(infos.iter().map(|info| self.value(info)).collect()),
        };
        let archive = match archive {
            Document::NotRead => Document::NotRead,
            Document::Failed(because) => Document::Failed(text(because)),
            Document::Read(Archive { items, objects }) => {
                let objects = objects.iter().map(|object| {
                    let api_version = object.str_at("/apiVersion").unwrap_or("");
                    self.object(Kind::of(api_version, object.str_at("/kind").unwrap_or("")), object)
                });
                Document::Read(Archive { items: items.clone(), objects: objects.collect() })
            }
        };
        Documents { volume_infos, archive }
    }

    fn object(&mut self, kind: Option<Kind>, object: &Object) -> Object {
        if kind == Some(Kind::ConfigMap) && OURS.iter().any(|label| object.label(label).is_some()) {
            return object.clone();
        }
        let mut kept = match kind.and_then(read_of) {
            Some(pointers) => only(object, pointers),
            None => object.0.clone(),
        };
        if let Some(map) = kept.as_object_mut() {
            for content in ["data", "binaryData", "stringData"] {
                map.remove(content);
            }
        }
        // Of a Backup or Restore, and of a Schedule's template.
        for spec in ["/spec", "/spec/template"] {
            if let Some(spec) = kept.pointer_mut(spec).and_then(Value::as_object_mut) {
                spec.remove("hooks");
            }
        }
        if let Some(metadata) = kept.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            // A claim is made again with all its annotations; an applied claim says nothing that the claim does not.
            if kind != Some(Kind::PersistentVolumeClaim)
                && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            {
                annotations.remove(APPLIED);
            }
        }
        Object(self.value(&kept))
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(string) => Value::String(text(string)),
            Value::Array(list) => self.list(list),
            Value::Object(map) => Value::Object(self.map(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn map(&mut self, map: &Map<String, Value>) -> Map<String, Value> {
        map.iter()
            .map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("env", Value::Array(list)) => list.iter().map(|entry| self.variable(entry)).collect(),
                    _ => self.value(value),
                };
                (key.clone(), value)
            })
            .collect()
    }

    fn variable(&mut self, entry: &Value) -> Value {
        let mut entry = entry.clone();
        let name = entry.get("name").and_then(Value::as_str).unwrap_or("");
        let decides = PROFILES.iter().any(|profile| profile.reads_env.contains(&name));
        if let Some(value) = entry.get_mut("value")
            && !decides
            && let Some(literal) = value.as_str().filter(|literal| !literal.is_empty())
        {
            let next = self.0.len() + 1;
            let number = *self.0.entry(literal.to_owned()).or_insert(next);
            *value = json!(format!("(redacted {number})"));
        }
        entry
    }

    /// `--password hunter2` is two words of a command.
    fn list(&mut self, list: &[Value]) -> Value {
        let mut after_flag = false;
        list.iter()
            .map(|value| {
                let word = value.as_str();
                let is_flag = word.is_some_and(|word| FLAG.is_match(word));
                let secret = std::mem::replace(&mut after_flag, is_flag) && word.is_some() && !is_flag;
                if secret { json!(REDACTED) } else { self.value(value) }
            })
            .collect()
    }
}

/// Of kinds that are others', only what a decision reads.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other kind is kept whole, but for what `object` removes")]
fn read_of(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Application => Some(&["/spec/destination/namespace", "/spec/syncPolicy", "/status/resources"]),
        Kind::Kustomization | Kind::HelmRelease => Some(&["/spec/targetNamespace", "/spec/suspend"]),
        Kind::ScaledObject | Kind::ScaledJob => Some(&["/spec/scaleTargetRef"]),
        _ => None,
    }
}

fn only(object: &Object, pointers: &[&str]) -> Value {
    let mut kept = json!({});
    for pointer in ["/apiVersion", "/kind", "/metadata"].iter().chain(pointers) {
        if let Some(value) = object.at(pointer) {
            put(&mut kept, pointer, value.clone());
        }
    }
    kept
}

fn put(into: &mut Value, pointer: &str, value: Value) {
    let mut at = into;
    for key in pointer.split('/').skip(1) {
        let Value::Object(map) = at else { return };
        at = map.entry(key).or_insert_with(|| json!({}));
    }
    *at = value;
}

fn pattern(text: &'static str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are literals; a test compiles each")]
    Regex::new(text).expect("a literal pattern")
}

/// `postgres://shop:hunter2@db/books`: the password of a URL.
static URL: LazyLock<Regex> = LazyLock::new(|| pattern(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)\S*@"));

/// `password=hunter2`, `"token": "abc"`, `--api-key=abc`.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)((?:passw(?:or)?d|passphrase|pwd|token|secret|credential|signature|api[-_]?key|access[-_]?key)[\w.-]*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&"']+)"#,
    )
});

/// `--password hunter2`, within one text.
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(--?[\w-]*(?:passw(?:or)?d|passphrase|token|secret|api-?key|access-?key)[\w-]*\s+)[^\s-]\S*")
});

/// `--password`, a word of its own.
static FLAG: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^--?[\w-]*(?:passw(?:or)?d|passphrase|token|secret|api-?key|access-?key)[\w-]*$"));

/// `Authorization: Basic …`, `Bearer …`.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(authorization\W{1,4}(?:basic|bearer)\s+)\S+|\b(bearer\s+)[A-Za-z0-9._~+/=-]{16,}")
});

/// What others wrote, as one line for a person: without control characters, and without what looks like a password.
pub fn line(others: &str) -> String {
    let spaced: String = others.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    text(spaced.replace(char::is_control, "").trim())
}

/// The same text without what looks like a password: in URLs, behind names such as `password`, in authorization headers.
pub fn text(text: &str) -> String {
    let hidden = |found: &Captures<'_>| {
        let kept = found.get(1).or_else(|| found.get(2)).map_or("", |kept| kept.as_str());
        format!("{kept}{REDACTED}")
    };
    let without = URL.replace_all(text, |found: &Captures<'_>| format!("{}@", hidden(found)));
    let without = HEADER.replace_all(&without, hidden);
    let without = WORDS.replace_all(&without, hidden);
    PAIR.replace_all(&without, hidden).into_owned()
}
