//! The pod that opens a staged volume: the live image and configuration, cut off from everything else.

use std::collections::BTreeSet;

use dr_core::engine::{self, Profile};
use dr_core::kind::Kind;
use serde_json::{Value, json};

use super::Context;
use super::consumer::Consumer;
use crate::withheld::{What, Withheld, Withholder};

/// A staged pod, with what must be copied beside it.
pub(super) struct Examiner {
    pub name: String,
    pub manifest: Value,
    /// Secrets and ConfigMaps its containers cannot start without.
    pub needs: BTreeSet<(Kind, String)>,
    /// In the order of `spec.containers`.
    pub containers: usize,
    pub withheld: Vec<Withheld>,
}

/// Never reachable and never reaching: no token, no service names, no nameserver that answers.
///
/// `dnsPolicy: None` wants a nameserver; 127.0.0.1 is accepted.
pub(super) fn cut_off() -> Value {
    json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "serviceAccountName": "default",
        "dnsPolicy": "None",
        "dnsConfig": { "nameservers": ["127.0.0.1"] },
    })
}

pub(super) fn name(consumer: &Consumer) -> String {
    let mut name = format!("dr-{}", consumer.name);
    name.truncate(63);
    name.trim_end_matches('-').to_owned()
}

pub(super) fn build(context: &Context<'_>, consumer: &Consumer) -> Examiner {
    let spec = consumer.pod.at("/spec").cloned().unwrap_or_else(|| json!({}));
    let mut needs = BTreeSet::new();
    let (from, object) = consumer.source.clone();
    let mut withholder = Withholder { from, object, name: consumer.name.clone(), found: Vec::new() };
    let kept_volumes = volumes(&spec, consumer);
    let kept: BTreeSet<&str> =
        kept_volumes.iter().filter_map(|volume| volume.get("name").and_then(Value::as_str)).collect();
    let mut containers = Vec::new();
    let mut looks = Vec::new();
    for container in spec.get("containers").and_then(Value::as_array).into_iter().flatten() {
        let container_name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut uses = consumer.uses.values().map(|(_, found)| found).filter(|found| found.container == container_name);
        let Some(first) = uses.next() else { continue };
        // An engine in the container decides how it is started, whatever else it mounts.
        let profile = std::iter::once(first)
            .chain(uses)
            .filter_map(|found| engine::named(found.profile))
            .find(|profile| profile.server.is_some());
        needs.extend(references(container));
        containers.push(staged_container(container, profile, &kept, &mut withholder));
        if let Some(look) = profile.and_then(|profile| profile.look) {
            looks.push(look_container(container, look, &kept, &mut withholder));
        }
    }
    for secret in spec.get("imagePullSecrets").and_then(Value::as_array).into_iter().flatten() {
        needs.extend(secret.get("name").and_then(Value::as_str).map(|name| (Kind::Secret, name.to_owned())));
    }
    // `volumes` keeps only what some container may mount; Secrets that only dropped containers mount are not needed.
    let mounted: BTreeSet<String> = containers.iter().chain(&looks).flat_map(mounted_volumes).collect();
    let kept_volumes: Vec<Value> = kept_volumes
        .iter()
        .filter(|volume| volume.get("name").and_then(Value::as_str).is_some_and(|name| mounted.contains(name)))
        .cloned()
        .collect();
    needs.extend(kept_volumes.iter().flat_map(volume_references));

    let mut manifest_spec = cut_off();
    for field in ["securityContext", "nodeSelector", "tolerations", "runtimeClassName", "imagePullSecrets"] {
        if let Some(value) = spec.get(field).filter(|value| !value.is_null()) {
            insert(&mut manifest_spec, field, value.clone());
        }
    }
    if let Some(affinity) = spec.pointer("/affinity/nodeAffinity") {
        insert(&mut manifest_spec, "affinity", json!({ "nodeAffinity": affinity }));
    }
    insert(&mut manifest_spec, "restartPolicy", "Never".into());
    insert(&mut manifest_spec, "terminationGracePeriodSeconds", consumer.grace_seconds.into());
    insert(&mut manifest_spec, "initContainers", looks.into());
    let count = containers.len();
    insert(&mut manifest_spec, "containers", containers.into());
    insert(&mut manifest_spec, "volumes", kept_volumes.into());
    let name = name(consumer);
    let mut labels = context.label();
    insert(&mut labels, "velero.io/exclude-from-backup", "true".into());
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": context.staging(), "labels": labels },
        "spec": manifest_spec,
    });
    Examiner { name, manifest, needs, containers: count, withheld: withholder.found }
}

fn insert(value: &mut Value, key: &str, to: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), to);
    }
}

/// The claims that are restored, and what can be had in the staging namespace; an empty directory for a claim that is not.
fn volumes(spec: &Value, consumer: &Consumer) -> Vec<Value> {
    let mut kept = Vec::new();
    for volume in spec.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        let name = volume.get("name").cloned().unwrap_or(Value::Null);
        if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            kept.push(if consumer.uses.contains_key(claim) {
                json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } })
            } else {
                json!({ "name": name, "emptyDir": {} })
            });
        } else if ["secret", "configMap", "emptyDir", "downwardAPI"].iter().any(|kind| volume.get(*kind).is_some()) {
            kept.push(volume.clone());
        } else if let Some(sources) = volume.pointer("/projected/sources").and_then(Value::as_array) {
            let sources: Vec<&Value> =
                sources.iter().filter(|source| source.get("serviceAccountToken").is_none()).collect();
            kept.push(json!({ "name": name, "projected": { "sources": sources } }));
        }
    }
    kept
}

fn mounts(container: &Value, kept: &BTreeSet<&str>, read_only: bool) -> Value {
    let list = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let kept = list.filter(|mount| mount.get("name").and_then(Value::as_str).is_some_and(|name| kept.contains(name)));
    kept.cloned()
        .map(|mut mount| {
            if read_only {
                insert(&mut mount, "readOnly", true.into());
            }
            mount
        })
        .collect::<Vec<_>>()
        .into()
}

fn mounted_volumes(container: &Value) -> Vec<String> {
    let list = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|mount| mount.get("name").and_then(Value::as_str)).map(str::to_owned).collect()
}

fn staged_container(
    container: &Value,
    profile: Option<&Profile>,
    kept: &BTreeSet<&str>,
    withholder: &mut Withholder,
) -> Value {
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut staged = json!({ "terminationMessagePolicy": "FallbackToLogsOnError", "imagePullPolicy": "IfNotPresent" });
    for field in ["name", "image", "envFrom", "securityContext", "resources", "workingDir"] {
        if let Some(value) = container.get(field).filter(|value| !value.is_null()) {
            insert(&mut staged, field, value.clone());
        }
    }
    if let Some(env) = container.get("env").filter(|env| !env.is_null()) {
        insert(&mut staged, "env", withholder.env(name, env));
    }
    if let Some(profile) = profile {
        if let Some(command) = container.get("command").and_then(Value::as_array) {
            insert(&mut staged, "command", withholder.words(name, What::Command, command).into());
        }
        let given = container.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let given = withholder.words(name, What::Args, given);
        let own_command = container.get("command").is_some_and(|command| !command.is_null());
        let mut args = if given.is_empty() && !own_command {
            profile.server.into_iter().map(Value::from).collect()
        } else {
            given
        };
        args.extend(profile.staged_args.iter().map(|arg| Value::from(*arg)));
        insert(&mut staged, "args", args.into());
        insert(&mut staged, "volumeMounts", mounts(container, kept, false));
        if let Some(ready) = profile.ready {
            let probe = json!({
                "exec": { "command": ["sh", "-c", ready] },
                "periodSeconds": 1,
                "timeoutSeconds": 10,
                "failureThreshold": 3,
            });
            insert(&mut staged, "readinessProbe", probe);
        }
    } else {
        insert(&mut staged, "command", json!(["sh", "-c", WAIT]));
        insert(&mut staged, "volumeMounts", mounts(container, kept, true));
    }
    staged
}

/// Waits to be asked, and ends at once when told to: a plain `sleep` as PID 1 ignores SIGTERM for the whole grace period.
const WAIT: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

fn look_container(container: &Value, look: &str, kept: &BTreeSet<&str>, withholder: &mut Withholder) -> Value {
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut staged = json!({
        "name": "dr-look",
        "command": ["sh", "-c", look],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": mounts(container, kept, true),
    });
    for field in ["image", "envFrom", "securityContext", "resources"] {
        if let Some(value) = container.get(field).filter(|value| !value.is_null()) {
            insert(&mut staged, field, value.clone());
        }
    }
    if let Some(env) = container.get("env").filter(|env| !env.is_null()) {
        insert(&mut staged, "env", withholder.env(name, env));
    }
    staged
}

/// Secrets and ConfigMaps that a container names and cannot start without.
fn references(container: &Value) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let mut add = |kind: Kind, reference: Option<&Value>| {
        if let Some(reference) = reference
            && reference.get("optional").and_then(Value::as_bool) != Some(true)
        {
            found.extend(reference.get("name").and_then(Value::as_str).map(|name| (kind, name.to_owned())));
        }
    };
    for from in container.get("envFrom").and_then(Value::as_array).into_iter().flatten() {
        add(Kind::Secret, from.get("secretRef"));
        add(Kind::ConfigMap, from.get("configMapRef"));
    }
    for entry in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        add(Kind::Secret, entry.pointer("/valueFrom/secretKeyRef"));
        add(Kind::ConfigMap, entry.pointer("/valueFrom/configMapKeyRef"));
    }
    found
}

fn volume_references(volume: &Value) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let mut add = |kind: Kind, source: Option<&Value>, field: &str| {
        if let Some(source) = source
            && source.get("optional").and_then(Value::as_bool) != Some(true)
        {
            found.extend(source.get(field).and_then(Value::as_str).map(|name| (kind, name.to_owned())));
        }
    };
    add(Kind::Secret, volume.get("secret"), "secretName");
    add(Kind::ConfigMap, volume.get("configMap"), "name");
    for source in volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten() {
        add(Kind::Secret, source.get("secret"), "name");
        add(Kind::ConfigMap, source.get("configMap"), "name");
    }
    found
}
