//! Whether a Schedule or Backup takes anything at all, whatever its spec selects
//! (`pkg/controller/schedule_controller.go:Reconcile` at v1.18.3).

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cover::time;
use crate::cron::Cron;
use crate::go_duration::GoDuration;
use crate::object::Object;
use crate::select::{ItemRef, Place};

/// Why nothing is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The sentence, without its full stop.
    pub says: String,
    pub place: Place,
    /// The one line to change.
    pub fix: String,
}

/// Why this Schedule makes no backup, or this Backup is never looked at, by what it says itself.
pub fn idle(object: &Object, velero: &str) -> Option<Idle> {
    let place = |field: &str| Place::Backup { field: field.to_owned() };
    if let Some(namespace) = object.namespace().filter(|namespace| *namespace != velero) {
        return Some(Idle {
            says: format!("it is for namespace {namespace}, and Velero reads only what lies in {velero}"),
            place: place("metadata.namespace"),
            fix: format!("set metadata.namespace: {velero}"),
        });
    }
    if object.str_at("/kind") != Some("Schedule") {
        return None;
    }
    let text = object.str_at("/spec/schedule").unwrap_or("");
    if let Err(error) = Cron::parse(text) {
        return Some(Idle {
            says: format!("Velero does not accept its cron expression {text:?}: {error}"),
            place: place("spec.schedule"),
            fix: "correct spec.schedule".to_owned(),
        });
    }
    (object.bool_at("/spec/paused") == Some(true)).then(|| Idle {
        says: "it is paused".to_owned(),
        place: place("spec.paused"),
        fix: "remove spec.paused: true".to_owned(),
    })
}

/// Why this Schedule or Backup keeps Velero from reading any of its kind: a duration that Go cannot read. The API server
/// takes it, and from then on every list of the kind fails, in every version.
pub fn unreadable(object: &Object) -> Option<Idle> {
    unreadable_as(object.str_at("/kind")?, object)
}

/// The same of an object of a list, which does not say its kind.
pub fn unreadable_as(kind: &str, object: &Object) -> Option<Idle> {
    let (resource, at) = match kind {
        "Schedule" => ("schedules.velero.io", &["spec", "template"][..]),
        "Backup" => ("backups.velero.io", &["spec"][..]),
        _ => return None,
    };
    let (field, text, error) = DURATIONS.iter().find_map(|pattern| {
        let steps: Vec<&str> = at.iter().copied().chain(pattern.split('.')).collect();
        places(&object.0, &steps, String::new()).into_iter().find_map(|(field, value)| {
            let text = value.as_str()?;
            Some((field, text, GoDuration::parse(text).err()?))
        })
    })?;
    let item = ItemRef::new(resource, object.namespace(), object.name());
    Some(Idle {
        says: format!("with {field} {text:?} of {kind} {} Velero can read no {kind} at all: {error}", object.name()),
        fix: format!("write {field} of {kind} {} in hours, such as 720h", object.name()),
        place: Place::object(&item, field),
    })
}

/// A queue that works starts the first of those that wait once a minute, and whenever a backup ends.
const STARTED_WITHIN: SignedDuration = SignedDuration::from_secs(130);

/// Why Velero starts no backup any more, by its Backups: one is queued and none runs. Velero 1.18 can count a backup that
/// failed validation as running after it has forgotten it (`backup_queue_controller.go:Reconcile` notes `ReadyToStart`
/// after the patch that starts the other controller, at v1.18.3); seen on a real cluster.
pub fn jammed<'o>(backups: impl Iterator<Item = &'o Object> + Clone, now: Timestamp, velero: &str) -> Option<Idle> {
    let phase = |backup: &Object, wanted: &str| backup.str_at("/status/phase") == Some(wanted);
    if backups.clone().any(|backup| phase(backup, "InProgress") || phase(backup, "ReadyToStart")) {
        return None;
    }
    let queued = backups.clone().filter(|backup| phase(backup, "Queued"));
    let made = |backup: &'o Object| Some((time(backup, "/metadata/creationTimestamp")?, backup));
    let (since, first) = queued.filter_map(made).min_by_key(|(made, _)| *made)?;
    if now.duration_since(since) < STARTED_WITHIN {
        return None;
    }
    let refused = backups.filter(|backup| phase(backup, "FailedValidation"));
    let refused = refused.filter_map(made).filter(|(made, _)| *made <= since).max_by_key(|(made, _)| *made);
    let after = refused.map_or_else(String::new, |(_, backup)| {
        format!("; it counts one as running that failed validation, {} perhaps", backup.name())
    });
    let item = ItemRef::new("backups.velero.io", first.namespace(), first.name());
    Some(Idle {
        says: format!(
            "Velero starts no backup any more: {} has been queued since {since:.0}, and none runs{after}",
            first.name()
        ),
        place: Place::object(&item, "status.phase"),
        fix: format!("start its server anew: kubectl -n {velero} rollout restart deployment/velero"),
    })
}

/// The fields of type `metav1.Duration` of a `BackupSpec`; `*` is every item of a list.
const DURATIONS: [&str; 5] = [
    "ttl",
    "csiSnapshotTimeout",
    "itemOperationTimeout",
    "hooks.resources.*.pre.*.exec.timeout",
    "hooks.resources.*.post.*.exec.timeout",
];

fn places<'v>(value: &'v Value, steps: &[&str], field: String) -> Vec<(String, &'v Value)> {
    match (steps, value) {
        ([], value) => vec![(field, value)],
        (["*", rest @ ..], Value::Array(items)) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| places(item, rest, format!("{field}[{index}]"))).collect()
        }
        ([key, rest @ ..], value) => {
            let field = if field.is_empty() { (*key).to_owned() } else { format!("{field}.{key}") };
            value.get(*key).map(|value| places(value, rest, field)).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(spec: &Value) -> Object {
        let metadata = json!({"name": "nightly", "namespace": "velero"});
        Object(json!({"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": metadata, "spec": spec}))
    }

    fn says(spec: &Value) -> Option<String> {
        idle(&schedule(spec), "velero").map(|idle| idle.says)
    }

    #[test]
    fn a_schedule_that_runs_is_not_idle() {
        assert_eq!(says(&json!({"schedule": "0 1 * * *"})), None);
        assert_eq!(says(&json!({"schedule": "@every 6h", "paused": false})), None);
    }

    #[test]
    fn what_is_paused_or_has_no_cron_expression_takes_nothing() {
        assert_eq!(says(&json!({"schedule": "0 1 * * *", "paused": true})).as_deref(), Some("it is paused"));
        let bad = says(&json!({"schedule": "0 25 * * *"})).unwrap();
        assert!(bad.starts_with("Velero does not accept its cron expression \"0 25 * * *\": "), "{bad}");
        assert_eq!(
            says(&json!({})).as_deref(),
            Some("Velero does not accept its cron expression \"\": the expression is empty")
        );
    }

    #[test]
    fn velero_reads_only_its_own_namespace() {
        let found = idle(&schedule(&json!({"schedule": "0 1 * * *"})), "backup").unwrap();
        assert_eq!(found.says, "it is for namespace velero, and Velero reads only what lies in backup");
        assert_eq!(found.fix, "set metadata.namespace: backup");
    }

    fn made(name: &str, minute: u32, phase: &str) -> Object {
        let metadata = json!({"name": name, "creationTimestamp": format!("2026-01-02T03:{minute:02}:00Z")});
        Object(json!({"metadata": metadata, "status": {"phase": phase}}))
    }

    #[test]
    fn a_backup_that_is_queued_while_none_runs_means_that_velero_starts_none() {
        let now: Timestamp = "2026-01-02T03:10:00Z".parse().unwrap();
        let said = |backups: &[Object]| jammed(backups.iter(), now, "velero").map(|idle| (idle.says, idle.fix));
        let refused = made("refused", 1, "FailedValidation");
        let (says, fix) = said(&[refused.clone(), made("second", 3, "Queued"), made("first", 2, "Queued")]).unwrap();
        assert_eq!(
            says,
            "Velero starts no backup any more: first has been queued since 2026-01-02T03:02:00Z, and none runs; it \
             counts one as running that failed validation, refused perhaps"
        );
        assert_eq!(fix, "start its server anew: kubectl -n velero rollout restart deployment/velero");
        let (says, _) = said(&[made("late", 4, "FailedValidation"), made("first", 2, "Queued")]).unwrap();
        assert!(says.ends_with("and none runs"), "{says}");
    }

    #[test]
    fn a_backup_that_waits_for_another_or_came_just_now_is_only_waiting() {
        let now: Timestamp = "2026-01-02T03:10:00Z".parse().unwrap();
        for running in ["InProgress", "ReadyToStart"] {
            assert_eq!(jammed([made("a", 1, running), made("b", 2, "Queued")].iter(), now, "velero"), None);
        }
        assert_eq!(jammed([made("b", 8, "Queued")].iter(), now, "velero"), None);
        assert_eq!(jammed([made("b", 2, "Completed")].iter(), now, "velero"), None);
    }

    #[test]
    fn one_duration_in_days_stops_every_schedule() {
        let found = unreadable(&schedule(&json!({"template": {"ttl": "30d"}}))).unwrap();
        assert_eq!(
            found.says,
            "with spec.template.ttl \"30d\" of Schedule nightly Velero can read no Schedule at all: time: unknown unit \
             \"d\" in duration \"30d\""
        );
        assert_eq!(found.fix, "write spec.template.ttl of Schedule nightly in hours, such as 720h");
        assert_eq!(unreadable(&schedule(&json!({"template": {"ttl": "720h0m0s"}}))), None);
    }

    #[test]
    fn durations_of_hooks_count_too() {
        let hooks = json!({"resources": [{"pre": [{"exec": {"timeout": "30s"}}, {"exec": {"timeout": "1 minute"}}]}]});
        let found = unreadable(&schedule(&json!({"template": {"hooks": hooks}}))).unwrap();
        assert!(
            found.says.contains("spec.template.hooks.resources[0].pre[1].exec.timeout \"1 minute\""),
            "{}",
            found.says
        );
    }
}
