//! What a restore needs whatever the volume: the backup's phase and life, its location, archive, items, errors, hooks.

use jiff::SignedDuration;
use serde_json::Value;

use super::{Aspect, Check, Fetched, Finding, Held};
use crate::cover::time;
use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::redact;

/// A backup that expires within this time may be deleted while it is being restored: Velero looks every hour
/// (`gc_controller.go:defaultGCFrequency` at v1.18.3).
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_hours(1);

const OTHER: &str = "restore from another backup: kubectl dr backup status";

/// Whether Velero's errors and warnings are worth the download.
pub fn wants_results(backup: &Object) -> bool {
    let some = |field| backup.i64_at(field).is_some_and(|count| count > 0);
    some("/status/errors") || some("/status/warnings") || backup.str_at("/status/phase") == Some("PartiallyFailed")
}

/// Why nothing of it is to be read yet.
pub fn running(backup: &Object) -> Option<String> {
    match backup.str_at("/status/phase").unwrap_or("New") {
        phase @ ("New"
        | "Queued"
        | "ReadyToStart"
        | "InProgress"
        | "WaitingForPluginOperations"
        | "Finalizing"
        | "WaitingForPluginOperationsPartiallyFailed"
        | "FinalizingPartiallyFailed") => Some(format!("it is still running ({phase})")),
        _ => None,
    }
}

pub(super) fn all(facts: &Facts, backup: &Object, held: &Held) -> Vec<Check> {
    let or_unread = |found: Result<Finding, Unread>| {
        found.unwrap_or_else(|unread| Finding::unknown(unread.to_string(), "docs/rbac/verify.yaml grants it"))
    };
    let findings = [
        (Aspect::Phase, phase(backup)),
        (Aspect::Kept, or_unread(kept(facts, backup))),
        (Aspect::Location, or_unread(location(facts, backup))),
        (Aspect::Archive, archive(held)),
        (Aspect::Items, items(held)),
        (Aspect::VolumeList, or_unread(volume_list(facts, held))),
        (Aspect::Errors, errors(backup, held)),
        (Aspect::Hooks, hooks(backup, held)),
    ];
    findings.into_iter().map(|(aspect, finding)| Check { aspect, finding }).collect()
}

fn phase(backup: &Object) -> Finding {
    if let Some(because) = running(backup) {
        return Finding::not(because, "wait for it and verify it then");
    }
    match backup.str_at("/status/phase").unwrap_or("New") {
        phase @ ("Completed" | "PartiallyFailed") => Finding::restorable(phase),
        "Deleting" => Finding::not("it is being deleted", OTHER),
        phase @ ("Failed" | "FailedValidation") => {
            let why = backup.str_at("/status/failureReason").or_else(|| backup.str_at("/status/validationErrors/0"));
            let why = why.map(|why| format!(": {}", redact::line(why))).unwrap_or_default();
            Finding::not(format!("its phase is {phase}{why}"), OTHER)
        }
        phase => Finding::unknown(format!("its phase is {phase}, which is not known here"), OTHER),
    }
}

fn kept(facts: &Facts, backup: &Object) -> Result<Finding, Unread> {
    let deleting = facts.of(Kind::DeleteBackupRequest, &facts.velero_namespace)?.any(|request| {
        request.str_at("/spec/backupName") == Some(backup.name())
            && request.str_at("/status/phase") != Some("Processed")
    });
    if deleting || backup.is_terminating() {
        return Ok(Finding::not("its deletion was requested", OTHER));
    }
    let Some(text) = backup.str_at("/status/expiration") else {
        // `gc_controller.go:Reconcile` at v1.18.3 passes over a backup without one.
        return Ok(Finding::restorable("it does not expire"));
    };
    let raise = "raise its ttl, or restore from a younger one: kubectl dr backup status";
    Ok(match time(backup, "/status/expiration") {
        None => Finding::unknown(format!("its expiration {text:?} is no time"), ""),
        Some(at) if at < facts.taken => Finding::not(format!("it expired at {at}, and Velero deletes it"), raise),
        Some(at) if at < facts.taken + EXPIRY_MARGIN => {
            Finding::not(format!("it expires at {at}, and Velero may delete it during a restore"), raise)
        }
        Some(at) => Finding::restorable(format!("until {at}")),
    })
}

/// The location's name; Velero writes it into every spec that it takes on.
pub(super) fn location_of(backup: &Object) -> &str {
    backup.str_at("/spec/storageLocation").unwrap_or("default")
}

fn location(facts: &Facts, backup: &Object) -> Result<Finding, Unread> {
    let name = location_of(backup);
    let look = format!("kubectl -n {} get backupstoragelocation {name} -o yaml", facts.velero_namespace);
    let key = Key::namespaced(Kind::BackupStorageLocation, &facts.velero_namespace, name);
    let Some(location) = facts.get(&key)? else {
        return Ok(Finding::not(format!("the backup storage location {name} does not exist"), look));
    };
    let message = location.str_at("/status/message").map(|told| format!(": {}", redact::line(told)));
    let message = message.unwrap_or_default();
    Ok(match location.str_at("/status/phase") {
        Some("Available") => Finding::restorable(format!("{name} is Available")),
        Some("Unavailable") => Finding::not(format!("{name} is Unavailable{message}"), look),
        Some(phase) => Finding::unknown(format!("{name} is {phase}{message}"), look),
        None => Finding::unknown(format!("Velero has not looked at {name} yet"), look),
    })
}

fn archive(held: &Held) -> Finding {
    match &held.archive {
        Fetched::Read(contents) => {
            let (items, bytes) = (contents.items(), contents.bytes);
            if items == 0 {
                return Finding::not("it is readable and holds nothing", OTHER);
            }
            Finding::restorable(format!("read to its end: {items} items, {bytes} bytes"))
        }
        Fetched::Worthless(because) => Finding::not(because.clone(), OTHER),
        Fetched::Unread(because) => Finding::unknown(because.clone(), "verify again when it can be read"),
    }
}

fn items(held: &Held) -> Finding {
    let contents = match &held.archive {
        Fetched::Read(contents) => contents,
        Fetched::Worthless(_) | Fetched::Unread(_) => return Finding::unknown("the archive was not read", ""),
    };
    match &contents.missing {
        Fetched::Read(missing) if missing.count == 0 => {
            Finding::restorable(format!("all that Velero lists are in the archive: {}", contents.items()))
        }
        Fetched::Read(missing) => {
            let first = missing.named.join(", ");
            let more = if missing.count > 1 { format!("{} items that", missing.count) } else { "1 item that".into() };
            let because = format!("{more} Velero lists are not in the archive: {first}");
            Finding::not(because, "they failed on the way, or a plugin dropped them: velero backup logs tells")
        }
        Fetched::Worthless(because) | Fetched::Unread(because) => {
            let because = format!("whether one is missing nobody can tell: Velero's list of items: {because}");
            Finding::unknown(because, "")
        }
    }
}

fn volume_list(facts: &Facts, held: &Held) -> Result<Finding, Unread> {
    // It is held against what node-agent says it copied.
    facts.all(Kind::PodVolumeBackup)?;
    facts.all(Kind::DataUpload)?;
    Ok(match &held.infos {
        Fetched::Read(infos) => Finding::restorable(format!("{} volumes", infos.len())),
        Fetched::Worthless(because) => Finding::unknown(
            because.clone(),
            "without it Velero guesses how each volume was taken: restore from another backup",
        ),
        Fetched::Unread(because) => Finding::unknown(because.clone(), "verify again when it can be read"),
    })
}

fn errors(backup: &Object, held: &Held) -> Finding {
    let count = |field| backup.i64_at(field).unwrap_or(0);
    let (errors, warnings) = (count("/status/errors"), count("/status/warnings"));
    let told = match &held.results {
        Some(Fetched::Read(results)) => first(results, if errors > 0 { "errors" } else { "warnings" })
            .map(|text| format!("; the first: {}", redact::line(&text))),
        Some(Fetched::Worthless(because) | Fetched::Unread(because)) => {
            Some(format!("; their text cannot be read: {because}"))
        }
        None => None,
    };
    let told = told.unwrap_or_default();
    let partly = backup.str_at("/status/phase") == Some("PartiallyFailed");
    match (errors > 0 || partly, warnings) {
        (true, _) => Finding::unknown(
            format!("Velero had {errors} errors{told}"),
            "what they cost is told below as far as it can be; velero backup logs tells them all",
        ),
        (false, 0) => Finding::restorable("none, and no warnings"),
        (false, warnings) => Finding::restorable(format!("none; {warnings} warnings{told}")),
    }
}

/// The first message, of Velero itself, the cluster's scope, or a namespace.
fn first(results: &Value, of: &str) -> Option<String> {
    let all = results.get(of)?;
    let texts = |value: Option<&Value>| value.and_then(Value::as_array).and_then(|list| list.first()).cloned();
    let of_namespaces =
        || all.get("namespaces").and_then(Value::as_object)?.values().find_map(|list| texts(Some(list)));
    let found = texts(all.get("velero")).or_else(|| texts(all.get("cluster"))).or_else(of_namespaces)?;
    found.as_str().map(|text| text.chars().take(300).collect())
}

/// How many of the failed hooks are told.
const HOOKS: usize = 5;

/// The hooks that failed, each by its pod and Velero's words: its log tells an error for each
/// (`internal/hook/item_hook_handler.go:HandleHooks` and `pkg/util/logging/log_counter_hook.go:Fire` at v1.18.3). Which
/// of a pod's hooks it was stands in the log alone.
pub fn failed_hooks(results: &Value) -> Vec<String> {
    let of_namespaces = results.pointer("/errors/namespaces").and_then(Value::as_object).into_iter().flatten();
    let all = of_namespaces.flat_map(|(namespace, told)| {
        let told = told.as_array().into_iter().flatten().filter_map(Value::as_str);
        told.filter_map(move |text| {
            let (pod, rest) = text.split_once(" message: /Error executing hook")?;
            let pod = pod.rsplit_once("name: /").map_or(pod, |(_, name)| name);
            let why = rest.trim_start().strip_prefix("error: /").unwrap_or(rest);
            let why: String = redact::line(why).chars().take(300).collect();
            Some(format!("pod {namespace}/{pod}: {why}"))
        })
    });
    all.collect()
}

/// Velero counts hooks in the status and says there for none of them how it ended.
fn hooks(backup: &Object, held: &Held) -> Finding {
    let asked = !backup.list_at("/spec/hooks/resources").is_empty();
    let Some(status) = backup.at("/status/hookStatus").filter(|status| status.is_object()) else {
        let because = "the backup asks for some and does not say how they ended";
        return if asked { Finding::unknown(because, "") } else { Finding::restorable("none were asked for") };
    };
    let count = |field: &str| status.get(field).and_then(Value::as_u64).unwrap_or(0);
    match (count("hooksAttempted"), count("hooksFailed")) {
        (0, 0) if asked => Finding::unknown(
            "the backup asks for some, and none ran: they fit no pod that it holds",
            format!(
                "nothing brought the applications to rest: kubectl dr backup coverage --ns NAMESPACE --backup {} tells \
                 which hooks fit nothing",
                backup.name()
            ),
        ),
        (0, 0) => Finding::restorable("none ran, and none were asked for"),
        (attempted, 0) => Finding::restorable(format!("all {attempted} ended well")),
        (attempted, failed) => {
            let named = match &held.results {
                Some(Fetched::Read(results)) => failed_hooks(results),
                Some(Fetched::Worthless(_) | Fetched::Unread(_)) | None => Vec::new(),
            };
            let more = named.len().saturating_sub(HOOKS);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let named: Vec<String> = named.into_iter().take(HOOKS).collect();
            let named = if named.is_empty() { String::new() } else { format!(" ({}{more})", named.join("; ")) };
            Finding::unknown(
                format!(
                    "{failed} of {attempted} failed{named}: a file copy may be that of a running engine, and what a \
                     hook was to write is missing or old"
                ),
                format!("velero backup logs {} tells each with its hook and container", backup.name()),
            )
        }
    }
}
