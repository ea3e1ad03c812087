//! What a verification came to, as it is kept for whoever asks later.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fetched, Held, Verdict, Verified};

/// By namespace, the newest of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier(BTreeMap<String, OfNamespace>);

/// What was found of a namespace's volumes and of what carries them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfNamespace {
    pub at: Timestamp,
    pub verdict: Verdict,
    /// The first of what is worst; nothing where all is well.
    pub because: String,
    /// Claims and volumes of pods.
    pub volumes: usize,
}

impl Earlier {
    pub fn of(&self, namespace: &str) -> Option<&OfNamespace> {
        self.0.get(namespace)
    }

    /// Those whose volumes the backup holds.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, found)| found.volumes > 0).map(|(name, _)| name.as_str())
    }

    /// Adds what was found now, of one namespace or of all that the backup holds.
    pub fn add(&mut self, at: Timestamp, verified: &Verified, held: &Held, only: Option<&str>) {
        let of_volumes = verified.volumes.iter().filter_map(|judged| judged.volume.namespace());
        let of_archive = match &held.archive {
            Fetched::Read(contents) => contents.namespaces.keys().map(String::as_str).collect(),
            Fetched::Worthless(_) | Fetched::Unread(_) => Vec::new(),
        };
        // What was found before of namespaces that nobody could look at now is not true any more either.
        let before: Vec<String> = self.0.keys().cloned().collect();
        let before = before.iter().map(String::as_str);
        let names = of_volumes.chain(of_archive).chain(before).filter(|name| only.is_none_or(|only| only == *name));
        let found: BTreeMap<String, OfNamespace> =
            names.map(|name| (name.to_owned(), found(at, verified, name))).collect();
        for (name, mut new) in found {
            if let Some(old) = self.0.get(&name) {
                // Who could see nothing has not seen it better; and what it holds does not change.
                if (new.verdict, old.verdict) == (Verdict::Unknown, Verdict::NotRestorable) {
                    continue;
                }
                if new.volumes == 0 {
                    new.volumes = old.volumes;
                }
            }
            self.0.insert(name, new);
        }
    }
}

fn found(at: Timestamp, verified: &Verified, namespace: &str) -> OfNamespace {
    let of_namespace = || verified.volumes.iter().filter(|judged| judged.volume.namespace() == Some(namespace));
    let checks =
        verified.checks.iter().map(|check| (check.finding.verdict, check.aspect.name().to_owned(), &check.finding));
    let volumes = of_namespace().map(|judged| (judged.finding.verdict, judged.volume.to_string(), &judged.finding));
    let worst = checks.chain(volumes).min_by_key(|(verdict, _, _)| *verdict);
    let (verdict, because) = match worst {
        None => (Verdict::Unknown, String::new()),
        Some((Verdict::Restorable, _, _)) => (Verdict::Restorable, String::new()),
        Some((verdict, of, finding)) => (verdict, format!("{of}: {}", finding.because)),
    };
    OfNamespace { at, verdict, because, volumes: of_namespace().count() }
}
