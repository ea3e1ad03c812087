//! Staging: a namespace of our own, Velero's Restore into it, and what is tidied up of it.

use std::collections::BTreeSet;

use dr_core::choose::Chosen;
use dr_core::cover::Path;
use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use serde_json::{Value, json};

use super::claim::ClaimFacts;
use super::{Context, captured_by_files, carrier, examiner, labels, step, wave};
use crate::action::{Action, Move, Phase, Step, Target, Undo};
use crate::condition::{Condition, Field, Listing};
use crate::plan::{Section, Wave};
use crate::slot::{Spot, Text, slot};

pub(super) const STAGING_UID: &str = "staging-uid";
pub(super) const MODIFIER_UID: &str = "modifier-uid";

/// What must be there for a Restore to be worth starting.
pub(super) fn preflight(facts: &Facts, chosen: &Chosen, refusal: &mut Refusal) -> Result<(), Unread> {
    let files = chosen.volumes.iter().any(|volume| matches!(volume.path, Path::FileSystem { .. }));
    let velero = facts.of(Kind::Deployment, &facts.velero_namespace)?.find(|deployment| deployment.name() == "velero");
    match velero.map(|velero| velero.i64_at("/status/availableReplicas").unwrap_or(0)) {
        Some(1..) => {}
        Some(_) => refusal.add("velero", "its server is not available", "kubectl -n velero get deployment,pods"),
        None => {
            refusal.add("velero", "its Deployment is not in its namespace", "name the namespace: --velero-namespace");
        }
    }
    if files {
        let agents = facts.of(Kind::DaemonSet, &facts.velero_namespace)?.find(|set| set.name() == "node-agent");
        match agents.map(|set| set.i64_at("/status/numberReady").unwrap_or(0)) {
            Some(1..) => {}
            Some(_) => {
                refusal.add("node-agent", "no node-agent is ready, so no files can be restored", "look at its pods");
            }
            None => refusal.add(
                "node-agent",
                "it is not installed, so no files can be restored",
                "velero install --use-node-agent",
            ),
        }
    }
    let csi = chosen.volumes.iter().any(|volume| matches!(volume.path, Path::CsiSnapshot { .. }));
    let features = velero.map(|velero| velero.list_at("/spec/template/spec/containers/0/args"));
    let enabled = features.is_some_and(|args| {
        args.iter().filter_map(Value::as_str).any(|arg| arg.starts_with("--features") && arg.contains("EnableCSI"))
    });
    if csi && velero.is_some() && !enabled {
        refusal.add(
            "velero",
            "its server runs without --features=EnableCSI and would restore empty volumes",
            "add --features=EnableCSI to its arguments",
        );
    }
    for restore in facts.of(Kind::Restore, &facts.velero_namespace)? {
        let phase = restore.str_at("/status/phase").unwrap_or("New");
        if !matches!(phase, "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation") {
            refusal.add(
                format!("restore {}", restore.name()),
                format!("it is {phase}, and Velero restores one after the other"),
                format!("wait for it: kubectl -n {} get restore {} -w", facts.velero_namespace, restore.name()),
            );
        }
    }
    Ok(())
}

pub(super) fn waves(context: &Context<'_>, waves: &mut Vec<Wave>, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    let modifier = modifier(context)?;
    // What a request that was long on its way may still bring about: Velero then makes a Restore behind the undo of the
    // steps below, and its copies are called off beside the wait for it, else that would last for hours.
    let mut late = vec![late_namespace(context)];
    if modifier.snapshots {
        late.push(imports(context));
    }
    if modifier.files {
        late.push(copying(context, "stage/late-copying"));
    }
    waves.push(wave(Section::Prepare, late));
    waves.push(wave(Section::Prepare, vec![namespace(context), modifier.step.clone()]));
    waves.push(wave(Section::Prepare, furniture(context, warnings)?));
    if context.gone() {
        waves.push(wave(Section::Prepare, vec![configuration(context)]));
    }
    if modifier.files {
        waves.push(wave(Section::Prepare, vec![copying(context, "stage/copying")]));
    }
    waves.push(wave(Section::Prepare, vec![restore(context, &modifier)]));
    waves.push(wave(Section::Prepare, vec![moved(context, &modifier)]));
    waves.push(wave(Section::Prepare, modifier.carriers.iter().map(|pod| end_carrier(context, pod)).collect()));
    Ok(())
}

fn namespace(context: &Context<'_>) -> Step {
    let source =
        context.namespace.or_else(|| context.chosen.archive.get(Kind::Namespace, None, &context.place.namespace));
    let mut namespace_labels = context.label();
    let source_labels = source.map(Object::labels).unwrap_or_default();
    if let Some(map) = namespace_labels.as_object_mut() {
        for (key, value) in source_labels.iter().filter(|(key, _)| key.starts_with("pod-security.kubernetes.io/")) {
            map.insert(key.clone(), value.as_str().into());
        }
    }
    let object = Spot::cluster(Kind::Namespace, context.staging());
    let template = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": context.staging(), "labels": namespace_labels },
    });
    let forward = Move::new(Action::Create { object: object.clone(), template: template.into() }, 60)
        .until(Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![Field::equals("/status/phase", "Active")],
        })
        .bind(STAGING_UID, object.clone(), "/metadata/uid");
    let title = format!("create the staging namespace {}", context.staging());
    step("stage/namespace", Phase::Stage, title, forward, Undo::by(remove(object, STAGING_UID, 600)))
}

/// Deletes an object by the uid a slot holds, and waits until it is gone.
pub(super) fn remove(object: Spot, uid: &str, within: u64) -> Move {
    let target = Target { object: object.clone(), uid: Text::slot(uid) };
    Move::new(Action::Delete { target, grace_seconds: None }, within)
        .until(Condition::Gone { object, uid: Text::slot(uid) })
}

struct Modifier {
    step: Step,
    name: String,
    /// Pods that Velero will create and that must be neutral.
    carriers: Vec<String>,
    selectors: Option<Vec<std::collections::BTreeMap<String, String>>>,
    files: bool,
    snapshots: bool,
}

fn modifier(context: &Context<'_>) -> Result<Modifier, Refusal> {
    let namespace = &context.place.namespace;
    let archive = &context.chosen.archive;
    let by_files: BTreeSet<(&str, &str)> = context
        .claims
        .iter()
        .filter_map(|claim| captured_by_files(&claim.captured).map(|(pod, volume, _)| (pod, volume)))
        .collect();
    let files = !by_files.is_empty();
    let snapshots = context.claims.iter().any(|claim| matches!(claim.captured.path, Path::CsiSnapshot { .. }));
    let mut wanted: Vec<&Object> = Vec::new();
    for (pod, _) in &by_files {
        match archive.get(Kind::Pod, Some(namespace), pod) {
            Some(found) => wanted.push(found),
            None => {
                return Err(Refusal::one(
                    format!("pod {pod}"),
                    "its volume's files are in the backup, the pod is not in the archive, so Velero would restore them nowhere",
                    "choose another backup, or leave the claim out with --leave",
                ));
            }
        }
    }
    let by_snapshot = context.claims.iter().filter(|claim| matches!(claim.captured.path, Path::CsiSnapshot { .. }));
    wanted.extend(by_snapshot.map(|claim| &claim.archived));
    let selectors = carrier::selectors(&wanted);
    let mut rules = Vec::new();
    let mut carriers = Vec::new();
    if files {
        for pod in archive.of(Kind::Pod).filter(|pod| carrier::selected(pod, selectors.as_deref())) {
            if matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed")) {
                continue;
            }
            let restored: BTreeSet<&str> = by_files
                .iter()
                .filter(|(name, _)| *name == pod.name())
                .map(|(_, volume)| *volume)
                .chain(other_claims(context, pod))
                .collect();
            let neutral = carrier::rules(namespace, pod, &restored).map_err(|because| {
                Refusal::one(
                    format!("pod {}", pod.name()),
                    format!("it cannot be restored without starting the application: {because}"),
                    "leave its claims out with --leave",
                )
            })?;
            rules.extend(neutral);
            carriers.push(pod.name().to_owned());
        }
    }
    for claim in &context.claims {
        rules.push(claim_rule(namespace, claim));
    }
    let name = format!("dr-{}-modifier", context.request.id);
    // JSON is YAML; Velero reads either.
    let text = json!({ "version": "v1", "resourceModifierRules": rules }).to_string();
    let object = Spot::namespaced(Kind::ConfigMap, &context.place.velero_namespace, name.as_str());
    let template = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": context.place.velero_namespace, "labels": context.label() },
        "data": { "rules.yaml": text },
    });
    let forward = Move::new(Action::Create { object: object.clone(), template: template.into() }, 60).bind(
        MODIFIER_UID,
        object.clone(),
        "/metadata/uid",
    );
    let undo = Undo::by(remove(object, MODIFIER_UID, 60));
    let title = "write down how the staged pods are kept from starting the application";
    Ok(Modifier {
        step: step("stage/modifier", Phase::Stage, title, forward, undo),
        name,
        carriers,
        selectors,
        files,
        snapshots,
    })
}

/// Volumes of a carrier whose claims come by snapshot: they must stay in the pod, or nothing would consume them.
fn other_claims<'a>(context: &'a Context<'_>, pod: &'a Object) -> impl Iterator<Item = &'a str> {
    pod.list_at("/spec/volumes").iter().filter_map(|volume| {
        let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str)?;
        context.claims.iter().any(|known| known.name == claim).then_some(())?;
        volume.get("name").and_then(Value::as_str)
    })
}

fn claim_rule(namespace: &str, claim: &ClaimFacts) -> Value {
    let merge = json!({
        "metadata": { "labels": { "velero.io/exclude-from-backup": "true" } },
        "spec": { "resources": { "requests": { "storage": claim.request } } },
    });
    json!({
        "conditions": {
            "groupResource": "persistentvolumeclaims",
            "resourceNameRegex": format!("^{}$", claim.name.replace('.', "\\.")),
            "namespaces": [namespace],
        },
        "mergePatches": [{ "patchData": merge.to_string() }],
    })
}

/// What makes the staging namespace as strict as the source: no traffic, the same limits, the Secrets its pods name.
fn furniture(context: &Context<'_>, warnings: &mut Vec<String>) -> Result<Vec<Step>, Refusal> {
    const GOES: &str = "it goes with the staging namespace";
    let mut steps = Vec::new();
    let policy = Spot::namespaced(Kind::NetworkPolicy, context.staging(), "dr-deny-all");
    let template = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": "dr-deny-all", "namespace": context.staging(), "labels": context.label() },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"] },
    });
    let forward = Move::new(Action::Create { object: policy, template: template.into() }, 60);
    let title = "deny the staged pods all traffic";
    steps.push(step("stage/deny-all", Phase::Stage, title, forward, Undo::nothing(GOES)));

    let account = Spot::namespaced(Kind::ServiceAccount, context.staging(), "default");
    let forward =
        Move::new(Action::Observe, 60).until(Condition::Is { object: account, uid: None, fields: Vec::new() });
    let title = "wait for the staging namespace's default service account";
    steps.push(step("stage/service-account", Phase::Stage, title, forward, Undo::nothing("it only waited")));

    for kind in [Kind::ResourceQuota, Kind::LimitRange] {
        for limit in context.facts.of(kind, &context.place.namespace)? {
            let object = Spot::namespaced(kind, context.staging(), limit.name());
            let template = json!({
                "apiVersion": kind.info().api_version(),
                "kind": kind.info().kind,
                "metadata": { "name": limit.name(), "namespace": context.staging(), "labels": context.label() },
                "spec": limit.at("/spec"),
            });
            let forward = Move::new(Action::Create { object, template: template.into() }, 60);
            let what = kind.info().kind.to_lowercase();
            let name = format!("stage/{what}/{}", limit.name());
            let title = format!("give the staging namespace the {what} {}", limit.name());
            steps.push(step(name, Phase::Stage, title, forward, Undo::nothing(GOES)));
        }
    }
    if context.gone() {
        return Ok(steps);
    }
    let needs: BTreeSet<(Kind, String)> =
        context.consumers.iter().flat_map(|consumer| examiner::build(context, consumer).needs).collect();
    let mut refusal = Refusal::default();
    for (kind, name) in needs {
        let from = Key::namespaced(kind, &context.place.namespace, &name);
        let what = kind.info().kind.to_lowercase();
        if context.facts.get(&from)?.is_none() {
            refusal.add(
                format!("{what} {name}"),
                "the pods that open the volume need it and it is not in the namespace",
                "create it again (it may be in the backup: --objects missing), then try again",
            );
            continue;
        }
        let to = Key::namespaced(kind, context.staging(), &name);
        let forward = Move::new(Action::Copy { from, to, labels: context.label().into() }, 60);
        let title = format!("copy {what} {name} into the staging namespace");
        steps.push(step(format!("stage/copy/{what}/{name}"), Phase::Stage, title, forward, Undo::nothing(GOES)));
    }
    refusal.into_result()?;
    if context.facts.of(Kind::ResourceQuota, &context.place.namespace)?.next().is_some() {
        warnings.push("the namespace has a quota; the staging namespace gets the same, beside it".to_owned());
    }
    Ok(steps)
}

fn restore_spec(context: &Context<'_>, kinds: &[&str]) -> Value {
    let mapping: serde_json::Map<String, Value> =
        [(context.place.namespace.clone(), Value::from(context.staging()))].into_iter().collect();
    json!({
        "backupName": context.chosen.backup,
        "includedNamespaces": [context.place.namespace],
        "includedResources": kinds,
        "namespaceMapping": mapping,
        "existingResourcePolicy": "none",
    })
}

pub(super) fn restore_object(context: &Context<'_>, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": { "name": name, "namespace": context.place.velero_namespace, "labels": context.label() },
        "spec": spec,
    })
}

const ONLY_PART: &str = "Velero restored only part of it (velero restore describe tells which)";

fn ended(object: &Spot, phase: &str) -> Condition {
    Condition::Is { object: object.clone(), uid: None, fields: vec![Field::equals("/status/phase", phase)] }
}

/// Creates a Restore and waits for its end; only `Completed` will do.
pub(super) fn restoring(object: &Spot, template: Value, within: u64) -> Move {
    running(object, template, within)
        .until(ended(object, "Completed"))
        .fails(ended(object, "PartiallyFailed"), ONLY_PART)
}

/// Creates a Restore that Velero may end in any way but by not running it.
fn running(object: &Spot, template: Value, within: u64) -> Move {
    Move::new(Action::Create { object: object.clone(), template: template.into() }, within)
        .bind(format!("restore-uid/{}", object.name), object.clone(), "/metadata/uid")
        .detach_when_late()
        .fails_with(
            ended(object, "Failed"),
            "Velero could not run the restore",
            object.clone(),
            "/status/failureReason",
        )
        .fails_with(
            ended(object, "FailedValidation"),
            "Velero refuses the restore",
            object.clone(),
            "/status/validationErrors/0",
        )
}

/// The Restore object stays as evidence until finalize, but the staging namespace may not go before Velero has come to
/// its first item: it makes the namespace when it is missing then, and only then.
fn begun_or_ended(context: &Context<'_>) -> Undo {
    const DONE: &str = "/status/progress/itemsRestored";
    let ours = Listing {
        kind: Kind::Restore,
        namespace: Some(context.place.velero_namespace.clone()),
        labels: [(crate::plan::OPERATION.to_owned(), context.request.id.clone())].into(),
    };
    let not = |fields: Vec<Field>| Condition::NotAny { of: ours.clone(), fields };
    let in_progress = || Field::equals("/status/phase", "InProgress");
    let back = Move::new(Action::Observe, 1800)
        .until(not(vec![Field::missing("/status/phase")]))
        .until(not(vec![Field::one_of("/status/phase", ["New", "Queued", "ReadyToStart"])]))
        .until(not(vec![in_progress(), Field::missing(DONE)]))
        .until(not(vec![in_progress(), Field::at_most(DONE, 0)]))
        .detach_when_late();
    Undo::by(back)
}

/// Velero imports a snapshot under a name of its own and keeps it (`Retain`); a run that stops before it has seen the name
/// still has to take it along. Comes first, so that its undo comes last, when Velero makes no more of them.
fn imports(context: &Context<'_>) -> Step {
    let contents = Listing {
        kind: Kind::VolumeSnapshotContent,
        namespace: None,
        labels: [("velero.io/restore-name".to_owned(), format!("dr-{}", context.request.id))].into(),
    };
    let ended = restores_ended(context);
    let back = Move::new(Action::Clear { of: contents }, 1800).after(ended.clone()).until(ended).detach_when_late();
    let forward = Move::new(Action::Observe, 60);
    let title = "take along what Velero imports of a snapshot, should it end early";
    step("stage/imports", Phase::Stage, title, forward, Undo::by(back))
}

/// Velero makes the staging namespace anew for a Restore that it came to behind the end of `stage/namespace`, and an imported
/// snapshot does not go before its `VolumeSnapshot` in there does. Found by the label that the API server sets: Velero gives it
/// none of ours.
fn late_namespace(context: &Context<'_>) -> Step {
    let namespaces = Listing {
        kind: Kind::Namespace,
        namespace: None,
        labels: [("kubernetes.io/metadata.name".to_owned(), context.staging().to_owned())].into(),
    };
    let ended = restores_ended(context);
    let back = Move::new(Action::Clear { of: namespaces }, 1800).after(ended.clone()).until(ended).detach_when_late();
    let title = "take along a staging namespace that Velero makes anew, should it end early";
    step("stage/late-namespace", Phase::Stage, title, Move::new(Action::Observe, 60), Undo::by(back))
}

/// node-agent writes on, and Velero waits for it for hours, when the pod it writes through goes with the staging namespace:
/// what is under way is called off first.
fn copying(context: &Context<'_>, name: &str) -> Step {
    let fields = ["Completed", "Failed", "Canceled"].map(|phase| Field::differs("/status/phase", phase)).to_vec();
    let patch = json!({ "spec": { "cancel": true } }).into();
    let back = Move::new(Action::PatchEach { of: copies(context), fields, patch }, 1800)
        .until(restores_ended(context))
        .detach_when_late();
    let title = "call off what node-agent still writes, should it end early";
    step(name, Phase::Stage, title, Move::new(Action::Observe, 60), Undo::by(back))
}

fn restores_ended(context: &Context<'_>) -> Condition {
    let of = Listing {
        kind: Kind::Restore,
        namespace: Some(context.place.velero_namespace.clone()),
        labels: [(crate::plan::OPERATION.to_owned(), context.request.id.clone())].into(),
    };
    // The finalizer, too, waits for claims of a namespace that is gone: for ten minutes, and no other restore ends meanwhile.
    let running = [
        "New",
        "Queued",
        "ReadyToStart",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
    ];
    Condition::NotAny { of, fields: vec![Field::one_of("/status/phase", running)] }
}

/// Secrets and ConfigMaps of a namespace that is gone, so that its engine can start in staging.
fn configuration(context: &Context<'_>) -> Step {
    let name = format!("dr-{}-configuration", context.request.id);
    let object = Spot::namespaced(Kind::Restore, &context.place.velero_namespace, name.as_str());
    let spec = restore_spec(context, &["secrets", "configmaps"]);
    let forward = restoring(&object, restore_object(context, &name, &spec), 1800);
    let title = "restore the namespace's Secrets and ConfigMaps into staging";
    step("stage/configuration", Phase::Stage, title, forward, begun_or_ended(context))
}

fn restore(context: &Context<'_>, modifier: &Modifier) -> Step {
    let mut kinds = vec!["persistentvolumeclaims", "persistentvolumes"];
    if modifier.files {
        kinds.push("pods");
    }
    if modifier.snapshots {
        kinds.extend(["volumesnapshots.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io"]);
    }
    let name = format!("dr-{}", context.request.id);
    let object = Spot::namespaced(Kind::Restore, &context.place.velero_namespace, name.as_str());
    let mut spec = restore_spec(context, &kinds);
    if let Some(map) = spec.as_object_mut() {
        map.insert("resourceModifier".into(), json!({ "kind": "ConfigMap", "name": modifier.name }));
        if let Some(selectors) = &modifier.selectors {
            let selectors = selectors.iter().map(|selector| json!({ "matchLabels": labels(selector) }));
            map.insert("orLabelSelectors".into(), selectors.collect::<Vec<_>>().into());
        }
    }
    let mut forward =
        running(&object, restore_object(context, &name, &spec), context.request.stage_seconds).until(Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![Field::one_of("/status/phase", ["Completed", "PartiallyFailed"])],
        });
    if modifier.files {
        let staged = Listing { kind: Kind::Pod, namespace: Some(context.staging().to_owned()), labels: [].into() };
        let alive =
            Condition::Any { of: staged, fields: vec![Field::differs("/spec/containers/0/name", carrier::CONTAINER)] };
        forward = forward
            .fails(alive, "a pod of the application came up in the staging namespace; it is removed at once")
            .progress(copies(context));
    }
    forward = forward.anew(
        Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![
                Field::equals("/status/phase", "FailedValidation"),
                Field::equals("/status/validationErrors/0", unseen(&context.place.velero_namespace, &modifier.name)),
            ],
        },
        120,
        "Velero's server does not see the resource modifier that was made for it",
    );
    let title = format!("let Velero restore {} into {}", count(context.claims.len()), context.staging());
    step("stage/restore", Phase::Stage, title, forward, begun_or_ended(context))
}

/// What Velero says while its cache is behind and lacks a ConfigMap that is there (`pkg/controller/restore_controller.go:
/// validateAndComplete` at v1.18.3): asked once more, it finds it.
fn unseen(velero: &str, modifier: &str) -> String {
    format!("failed to get resource modifiers configmap {velero}/{modifier}")
}

/// The PodVolumeRestores of this run's Restore.
fn copies(context: &Context<'_>) -> Listing {
    Listing {
        kind: Kind::PodVolumeRestore,
        namespace: Some(context.place.velero_namespace.clone()),
        labels: [("velero.io/restore-name".to_owned(), format!("dr-{}", context.request.id))].into(),
    }
}

/// The first degree of proof: Velero calls the Restore Completed, and as many bytes have arrived as the backup recorded.
/// What has not arrived is the fault of the backup's data, not of the run.
fn moved(context: &Context<'_>, modifier: &Modifier) -> Step {
    let object = Spot::namespaced(Kind::Restore, &context.place.velero_namespace, format!("dr-{}", context.request.id));
    let mut forward = Move::new(Action::Observe, 60).until(ended(&object, "Completed"));
    for claim in &context.claims {
        let Some((pod, volume, bytes)) = captured_by_files(&claim.captured) else { continue };
        let copy = |more: Vec<Field>| {
            let of_volume = [Field::equals("/spec/pod/name", pod), Field::equals("/spec/volume", volume)];
            Condition::Any { of: copies(context), fields: of_volume.into_iter().chain(more).collect() }
        };
        forward = forward
            .fails(
                copy(vec![Field::one_of("/status/phase", ["Failed", "Canceled"])]),
                format!(
                    "the files of {} could not be brought back (kubectl -n {} get podvolumerestores -l \
                     velero.io/restore-name=dr-{} -o yaml tells why)",
                    claim.name, context.place.velero_namespace, context.request.id
                ),
            )
            .until(copy(vec![
                Field::equals("/status/phase", "Completed"),
                Field::equals("/status/progress/totalBytes", bytes),
                Field::equals("/status/progress/bytesDone", bytes),
            ]));
    }
    forward = forward.fails(ended(&object, "PartiallyFailed"), ONLY_PART);
    for pod in &modifier.carriers {
        let spot = Spot::namespaced(Kind::Pod, context.staging(), pod.as_str());
        forward = forward.bind(format!("carrier-uid/{pod}"), spot, "/metadata/uid");
    }
    let title = format!("see that all of {} has arrived", count(context.claims.len()));
    step("verify/moved", Phase::Verify, title, forward, Undo::nothing("it only looked"))
}

fn count(claims: usize) -> String {
    if claims == 1 { "1 volume".to_owned() } else { format!("{claims} volumes") }
}

fn end_carrier(context: &Context<'_>, pod: &str) -> Step {
    let object = Spot::namespaced(Kind::Pod, context.staging(), pod);
    let uid = format!("carrier-uid/{pod}");
    let target = Target { object: object.clone(), uid: Text::slot(&uid) };
    let forward = Move::new(Action::Delete { target, grace_seconds: Some(0) }, 120)
        .until(Condition::Gone { object, uid: Text::slot(uid) });
    let title = format!("end the pod {pod} that carried the files");
    step(
        format!("verify/carrier/{pod}/end"),
        Phase::Verify,
        title,
        forward,
        Undo::nothing("it carried files and nothing else"),
    )
}

/// A claimRef without uid: Available, and only a claim of that name may take it.
pub(super) fn reserve(namespace: &str, claim: &str) -> Value {
    json!({
        "metadata": { "annotations": { "pv.kubernetes.io/bound-by-controller": Value::Null } },
        "spec": { "claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim,
            "uid": Value::Null, "resourceVersion": Value::Null,
        } },
    })
}

/// Used by the parts that write a slot into an object.
pub(super) fn slot_value(name: String) -> Value {
    slot(name)
}
