//! Namespaces that are no more and that backups still hold: nobody misses them until the backups expire.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::choose::includes;
use crate::cover::time;
use crate::facts::{Document, Facts, Unread};
use crate::kind::Kind;
use crate::object::Object;

/// Namespaces of which backups hold data, as far as the cluster and the lists of volumes that were read tell, beside the
/// ones that have claims or ask for some. One that is deleted and that a backup names counts too: whether its data is
/// held the list of volumes tells.
pub fn gone(facts: &Facts, named: &BTreeSet<String>) -> Result<BTreeSet<String>, Unread> {
    let mut found = held(facts)?;
    if let Ok(namespaces) = facts.all(Kind::Namespace) {
        let there: BTreeSet<&str> = namespaces.iter().map(Object::name).collect();
        for backup in facts.of(Kind::Backup, &facts.velero_namespace)? {
            let listed = backup.list_at("/spec/includedNamespaces").iter().filter_map(Value::as_str);
            let plain = listed.filter(|name| !is_pattern(name) && !there.contains(name));
            found.extend(plain.map(str::to_owned));
        }
    }
    Ok(found.into_iter().filter(|name| !named.contains(name)).collect())
}

/// Backups that may hold any namespace, and whose list of volumes nobody read: what they hold of namespaces that are no
/// more is not known.
pub fn unlooked(facts: &Facts) -> Result<usize, Unread> {
    let read = |backup: &Object| match facts.documents.get(backup.name()).map(|documents| &documents.volume_infos) {
        Some(Document::Read(_)) => true,
        Some(Document::NotRead | Document::Failed(_)) | None => false,
    };
    let done = |backup: &Object| matches!(backup.str_at("/status/phase"), Some("Completed" | "PartiallyFailed"));
    let any = |backup: &Object| {
        let mut listed = backup.list_at("/spec/includedNamespaces").iter().filter_map(Value::as_str);
        backup.list_at("/spec/includedNamespaces").is_empty() || listed.any(is_pattern)
    };
    let backups = facts.of(Kind::Backup, &facts.velero_namespace)?;
    Ok(backups.filter(|backup| done(backup) && any(backup) && !read(backup)).count())
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{', '\\'])
}

/// Whether a backup that began at this time or later holds, or may hold, data of a namespace.
pub fn is_held_since(facts: &Facts, namespace: &str, since: Timestamp) -> Result<bool, Unread> {
    let holds = |backup: &Object| match facts.documents.get(backup.name()).map(|documents| &documents.volume_infos) {
        Some(Document::Read(infos)) => {
            infos.iter().any(|info| info.pointer("/pvcNamespace").and_then(Value::as_str) == Some(namespace))
        }
        Some(Document::Failed(_)) => true,
        Some(Document::NotRead) | None => {
            backup.list_at("/spec/includedNamespaces").iter().any(|name| name.as_str() == Some(namespace))
        }
    };
    let began = |backup: &Object| {
        time(backup, "/status/startTimestamp").or_else(|| time(backup, "/metadata/creationTimestamp"))
    };
    let mut backups = facts.of(Kind::Backup, &facts.velero_namespace)?;
    Ok(backups.any(|backup| {
        includes(backup, "/spec", namespace) && began(backup).is_none_or(|began| began >= since) && holds(backup)
    }))
}

/// Whether a backup holds, or may hold, data of the namespace of the facts.
pub fn is_held(facts: &Facts) -> Result<bool, Unread> {
    Ok(held(facts)?.contains(&facts.namespace) || !failed(facts)?.is_empty())
}

fn held(facts: &Facts) -> Result<BTreeSet<String>, Unread> {
    let copies = facts.of(Kind::PodVolumeBackup, &facts.velero_namespace)?;
    let of_pods = copies.filter_map(|copy| copy.str_at("/spec/pod/namespace"));
    let lists = facts.documents.values().filter_map(|documents| match &documents.volume_infos {
        Document::Read(infos) => Some(infos),
        Document::NotRead | Document::Failed(_) => None,
    });
    let listed = lists.flatten().filter_map(|info| info.pointer("/pvcNamespace").and_then(Value::as_str));
    Ok(of_pods.chain(listed).map(str::to_owned).collect())
}

/// Backups that include the namespace and whose list of volumes could not be read, newest name last, with the reason.
pub(super) fn failed(facts: &Facts) -> Result<Vec<(&str, &str)>, Unread> {
    let backups = facts.of(Kind::Backup, &facts.velero_namespace)?;
    let included = backups.filter(|backup| includes(backup, "/spec", &facts.namespace));
    let failed = included.filter_map(|backup| match &facts.documents.get(backup.name())?.volume_infos {
        Document::Failed(because) => Some((backup.name(), because.as_str())),
        Document::NotRead | Document::Read(_) => None,
    });
    Ok(failed.collect())
}

/// What became of the namespace that has no claim: whether a backup is known to hold its data, and the sentence.
pub(super) fn says(facts: &Facts) -> Result<(bool, String), Unread> {
    let is_held = held(facts)?.contains(&facts.namespace);
    let exists = facts.all(Kind::Namespace).map(|all| all.iter().any(|one| one.name() == facts.namespace));
    let says = match (exists, is_held) {
        (Ok(false), true) => "the namespace is gone",
        (Ok(false), false) => "there is no such namespace",
        (Ok(true) | Err(_), _) => "it has no claim any more",
    };
    Ok((is_held, says.to_owned()))
}
