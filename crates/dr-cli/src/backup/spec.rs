//! The Velero Backup that is created: everything in its spec is decided here.

use std::collections::BTreeSet;
use std::time::Duration;

use dr_core::object::Object;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::backup::preflight::{Engine, Volume};
use crate::backup::result::Method;
use crate::config::{Hook, OnError};

/// The label of everything that belongs to one backup's fingerprints; the backup's name is its value.
pub(crate) const FINGERPRINT: &str = "kubectl-dr/fingerprint";

/// The label that tells whose backup or schedule it is.
pub(crate) const NAMESPACE: &str = "kubectl-dr/namespace";

/// What the command line decided.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) velero_namespace: &'a str,
    pub(crate) location: &'a str,
    pub(crate) ttl: Option<Duration>,
    /// Of `dr.yaml`, beside those of the engines.
    pub(crate) hooks: &'a [Hook],
}

/// `<namespace>-<UTC time>`, within the 63 characters that a label value (Velero labels by it) may have.
pub(crate) fn name(namespace: &str, now: Timestamp) -> String {
    let head: String = namespace.chars().take(48).collect();
    format!("{}-{}", head.trim_end_matches('-'), now.strftime("%Y%m%d%H%M%S"))
}

/// The Backup object.
pub(crate) fn backup(wanted: &Wanted<'_>, volumes: &[Volume]) -> Value {
    let Wanted { name, namespace, velero_namespace, location, ttl: _, hooks: _ } = wanted;
    json!({
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": velero_namespace,
            "labels": { NAMESPACE: namespace, "velero.io/storage-location": location },
        },
        "spec": spec(wanted, volumes),
    })
}

/// The Schedule object whose backups have the very same spec. They get its labels: Velero copies them where the template
/// has none.
pub(crate) fn schedule(wanted: &Wanted<'_>, volumes: &[Volume], cron: Option<&str>) -> Value {
    let Wanted { name, namespace, velero_namespace, location: _, ttl: _, hooks: _ } = wanted;
    let mut spec = json!({ "template": spec(wanted, volumes) });
    if let (Some(cron), Some(map)) = (cron, spec.as_object_mut()) {
        map.insert("schedule".to_owned(), cron.into());
    }
    json!({
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": {
            "name": name,
            "namespace": velero_namespace,
            "labels": { NAMESPACE: namespace },
        },
        "spec": spec,
    })
}

fn spec(wanted: &Wanted<'_>, volumes: &[Volume]) -> Value {
    let Wanted { name, namespace, velero_namespace: _, location, ttl, hooks } = wanted;
    let files = copied_by_default(volumes);
    let snapshots = volumes.iter().any(|volume| volume.method == Method::CsiSnapshot);
    let mut spec = json!({
        "includedNamespaces": [namespace],
        "storageLocation": location,
        "snapshotVolumes": snapshots,
        "snapshotMoveData": false,
        "defaultVolumesToFsBackup": files,
        "csiSnapshotTimeout": "10m0s",
        "itemOperationTimeout": "4h0m0s",
    });
    if let Some(map) = spec.as_object_mut() {
        if let Some(ttl) = ttl {
            map.insert("ttl".to_owned(), go_duration(*ttl).into());
        }
        let of_engines = of_engines(namespace, volumes).into_iter();
        let hooks: Vec<Value> = of_engines.chain(hooks.iter().map(|hook| given(namespace, hook))).collect();
        if !hooks.is_empty() {
            map.insert("hooks".to_owned(), json!({ "resources": hooks }));
        }
        if by_policy(volumes) {
            let policy = json!({ "kind": "configmap", "name": policy_name(name) });
            map.insert("resourcePolicy".to_owned(), policy);
        }
    }
    spec
}

pub(crate) fn policy_name(backup: &str) -> String {
    format!("dr-policy-{backup}")
}

/// A pod that asks for it by its annotation needs no default.
fn copied_by_default(volumes: &[Volume]) -> bool {
    volumes.iter().any(|volume| volume.method == Method::FileSystem && !volume.opted_in)
}

/// Without a policy Velero would copy the files of what is to be snapshotted.
fn by_policy(volumes: &[Volume]) -> bool {
    let default = copied_by_default(volumes);
    volumes.iter().any(|volume| volume.method == Method::CsiSnapshot && (default || volume.opted_in))
}

/// Where both ways are needed: these drivers by snapshot, everything else by copying files.
pub(crate) fn policy(wanted: &Wanted<'_>, volumes: &[Volume]) -> Option<Value> {
    if !by_policy(volumes) {
        return None;
    }
    let by_snapshot = volumes.iter().filter(|volume| volume.method == Method::CsiSnapshot);
    let drivers: BTreeSet<&str> = by_snapshot.filter_map(|volume| volume.driver.as_deref()).collect();
    let policies: Vec<Value> = drivers
        .into_iter()
        .map(|driver| json!({ "conditions": { "csi": { "driver": driver } }, "action": { "type": "snapshot" } }))
        .collect();
    // JSON is YAML, and Velero reads YAML here.
    let text = json!({ "version": "v1", "volumePolicies": policies }).to_string();
    Some(json!({
        "metadata": { "labels": { NAMESPACE: wanted.namespace } },
        "data": { "policies.yaml": text },
    }))
}

/// One hook per engine's container and the labels of its pods, named by them: the replicas of a Deployment share one, and
/// a pod that comes in another's place changes nothing. A hook that fails stops no backup.
fn of_engines(namespace: &str, volumes: &[Volume]) -> Vec<Value> {
    let mut done = BTreeSet::new();
    let mut hooks = Vec::new();
    for Volume { engine, .. } in volumes {
        let Some(Engine { pod, container, mount, care }) = engine else { continue };
        if care.pre_backup.is_none() {
            continue;
        }
        let labels = own_labels(pod);
        let digest = Sha256::digest(labels.to_string());
        let short = digest.iter().take(4).fold(0, |short: u32, byte| short << 8 | u32::from(*byte));
        let name = format!("{}-{container}-{short:08x}", care.engine);
        if !done.insert(name.clone()) {
            continue;
        }
        hooks.extend(care.hook(&name, namespace, &labels, container, mount));
    }
    hooks
}

/// A hook of `dr.yaml`.
fn given(namespace: &str, hook: &Hook) -> Value {
    let Hook { name, labels, container, pre, post, on_error, timeout } = hook;
    let on_error = match on_error {
        OnError::Continue => "Continue",
        OnError::Fail => "Fail",
    };
    let mut given = json!({
        "name": name,
        "includedNamespaces": [namespace],
        "includedResources": ["pods"],
        "labelSelector": { "matchLabels": labels },
    });
    for (phase, command) in [("pre", pre), ("post", post)] {
        let exec = json!({
            "container": container, "command": command, "onError": on_error, "timeout": go_duration(*timeout),
        });
        if let Some(map) = given.as_object_mut().filter(|_| !command.is_empty()) {
            map.insert(phase.to_owned(), json!([{ "exec": exec }]));
        }
    }
    given
}

/// The labels that tell this pod from others and that a restart does not change.
fn own_labels(pod: &Object) -> Value {
    let changing = ["pod-template-hash", "controller-revision-hash", "pod-template-generation"];
    let kept = pod.labels().into_iter().filter(|(key, _)| !changing.contains(&key.as_str()));
    Value::Object(kept.map(|(key, value)| (key, Value::String(value))).collect())
}

/// Go's spelling; it knows no days.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}h{}m{}s", seconds / 3600, seconds % 3600 / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted<'static> {
        Wanted {
            name: "shop-1",
            namespace: "shop",
            velero_namespace: "velero",
            location: "default",
            ttl: None,
            hooks: &[],
        }
    }

    fn volume(claim: &str, method: Method) -> Volume {
        let pod = Object(json!({ "metadata": { "name": "postgres-0", "labels": {
            "app": "postgres", "controller-revision-hash": "x", "statefulset.kubernetes.io/pod-name": "postgres-0",
        } } }));
        let care = dr_core::care::ENGINES.iter().find(|care| care.engine == "postgres").unwrap();
        let (container, mount) = ("postgres".into(), "/var/lib/postgresql/data".into());
        Volume {
            claim: claim.into(),
            method,
            driver: Some("csi.test".into()),
            reader: None,
            engine: Some(Engine { pod, container, mount, care }),
            opted_in: false,
            objection: None,
        }
    }

    #[test]
    fn a_namespace_of_files_is_copied_and_never_snapshotted() {
        let backup = backup(&wanted(), &[volume("data", Method::FileSystem)]);
        assert_eq!(backup.pointer("/spec/defaultVolumesToFsBackup"), Some(&json!(true)));
        assert_eq!(backup.pointer("/spec/snapshotVolumes"), Some(&json!(false)));
        assert_eq!(policy(&wanted(), &[volume("data", Method::FileSystem)]), None);
    }

    #[test]
    fn where_both_ways_are_needed_the_drivers_with_snapshots_are_named() {
        let volumes = [volume("data", Method::CsiSnapshot), volume("files", Method::FileSystem)];
        let backup = backup(&wanted(), &volumes);
        assert_eq!(backup.pointer("/spec/resourcePolicy/name"), Some(&json!("dr-policy-shop-1")));
        let policy = policy(&wanted(), &volumes).unwrap();
        insta::assert_snapshot!(
            policy.pointer("/data/policies.yaml").and_then(Value::as_str).unwrap(),
            @r#"{"version":"v1","volumePolicies":[{"action":{"type":"snapshot"},"conditions":{"csi":{"driver":"csi.test"}}}]}"#
        );
    }

    #[test]
    fn a_pod_that_asks_for_a_copy_needs_no_default_and_one_that_is_snapshotted_all_the_same_needs_a_policy() {
        let asked = |method| Volume { opted_in: true, ..volume("data", method) };
        let copied = [asked(Method::FileSystem), volume("wal", Method::CsiSnapshot)];
        let made = backup(&wanted(), &copied);
        assert_eq!(made.pointer("/spec/defaultVolumesToFsBackup"), Some(&json!(false)));
        assert_eq!(made.pointer("/spec/snapshotVolumes"), Some(&json!(true)));
        assert_eq!(policy(&wanted(), &copied), None);
        assert!(policy(&wanted(), &[asked(Method::CsiSnapshot)]).is_some());
    }

    #[test]
    fn a_database_flushes_first_once_per_pod_and_its_failure_stops_nothing() {
        let backup = backup(&wanted(), &[volume("data", Method::CsiSnapshot), volume("wal", Method::CsiSnapshot)]);
        let hooks = backup.pointer("/spec/hooks/resources").and_then(Value::as_array).unwrap();
        assert_eq!(hooks.len(), 1);
        let hook = &hooks[0];
        assert_eq!(hook.pointer("/pre/0/exec/onError"), Some(&json!("Continue")));
        assert_eq!(
            hook.pointer("/labelSelector/matchLabels"),
            Some(&json!({ "app": "postgres", "statefulset.kubernetes.io/pod-name": "postgres-0" }))
        );
    }

    #[test]
    fn a_schedule_makes_the_very_backups_that_the_command_makes() {
        let volumes = [volume("data", Method::CsiSnapshot), volume("files", Method::FileSystem)];
        let wanted = Wanted { ttl: Some(Duration::from_secs(3600)), ..wanted() };
        let schedule = schedule(&wanted, &volumes, Some("0 1 * * *"));
        assert_eq!(schedule.pointer("/spec/template"), backup(&wanted, &volumes).pointer("/spec"));
        assert_eq!(schedule.pointer("/spec/schedule"), Some(&json!("0 1 * * *")));
        assert_eq!(schedule.pointer("/metadata/labels/kubectl-dr~1namespace"), Some(&json!("shop")));
    }

    #[test]
    fn pods_of_one_deployment_share_a_hook_that_their_rollout_does_not_change() {
        let of = |pod: &str, hash: &str| {
            let mut volume = volume("data", Method::CsiSnapshot);
            let labels = json!({ "app": "postgres", "pod-template-hash": hash });
            let pod = Object(json!({ "metadata": { "name": pod, "labels": labels } }));
            volume.engine = volume.engine.map(|engine| Engine { pod, ..engine });
            volume
        };
        let hooks = |volumes: &[Volume]| backup(&wanted(), volumes).pointer("/spec/hooks/resources").cloned().unwrap();
        let before = hooks(&[of("pg-7d9c5-abcde", "7d9c5"), of("pg-7d9c5-fghij", "7d9c5")]);
        assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");
        assert_eq!(hooks(&[of("pg-66f4b-xyz", "66f4b")]), before);
        let other = hooks(&[volume("data", Method::CsiSnapshot)]);
        assert_ne!(other[0]["name"], before[0]["name"]);
    }

    #[test]
    fn hooks_of_the_configuration_are_run_beside_those_of_the_engines() {
        let hook = Hook {
            name: "dump".into(),
            labels: [("app".to_owned(), "db".to_owned())].into(),
            container: "main".into(),
            pre: vec!["dump".into()],
            post: Vec::new(),
            on_error: OnError::Fail,
            timeout: Duration::from_secs(600),
        };
        let wanted = Wanted { hooks: std::slice::from_ref(&hook), ..wanted() };
        let backup = backup(&wanted, &[volume("data", Method::CsiSnapshot)]);
        let hooks = backup.pointer("/spec/hooks/resources").and_then(Value::as_array).unwrap();
        let exec = json!({ "container": "main", "command": ["dump"], "onError": "Fail", "timeout": "0h10m0s" });
        let written = json!({
            "name": "dump", "includedNamespaces": ["shop"], "includedResources": ["pods"],
            "labelSelector": { "matchLabels": { "app": "db" } }, "pre": [{ "exec": exec }],
        });
        assert_eq!((hooks.len(), &hooks[1]), (2, &written));
    }

    #[test]
    fn a_backup_is_named_by_its_time_and_fits_a_label() {
        let now = Timestamp::constant(1_769_828_400, 0);
        assert_eq!(name("shop", now), "shop-20260131030000");
        assert!(name(&"n".repeat(63), now).len() <= 63);
    }
}
