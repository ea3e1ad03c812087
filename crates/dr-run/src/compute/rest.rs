//! Protecting what is live, putting everything that writes to rest, and starting it again exactly as it was.

use dr_core::engine;
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::writers::{self, Stop, Tier, Writer};
use serde_json::{Value, json};

use super::{Context, step, wave};
use crate::action::{Action, Examination, Move, Phase, Reading, Step, Target, Undo};
use crate::condition::{Condition, Field, Listing};
use crate::plan::{OPERATION, RECLAIM_POLICY, Section, Wave};
use crate::slot::{Slot, Spot, Text, slot};

/// The field by which a workload is stopped, as it was found.
fn found(writer: &Writer) -> Vec<Field> {
    match &writer.stop {
        Stop::Scale { replicas } => vec![Field::equals("/spec/replicas", *replicas)],
        Stop::Suspend { suspended } => vec![Field::equals("/spec/suspend", suspended.clone())],
        Stop::Nowhere { selector } => vec![Field::equals("/spec/template/spec/nodeSelector", selector.clone())],
    }
}

/// An older restore that was undone and redone in between has made the claim anew: the volume tells which claim holds it,
/// so that a redo waits for no uid of before.
fn holder(claim: &super::claim::ClaimFacts) -> Option<Step> {
    let live = claim.live.as_ref()?;
    let object: Spot = Key::cluster(Kind::PersistentVolume, live.volume.name()).into();
    let forward = Move::new(Action::Observe, 60)
        .until(Condition::Is {
            object: object.clone(),
            uid: Some(Text::from(live.volume.uid()?)),
            fields: vec![
                Field::equals("/status/phase", "Bound"),
                Field::equals("/spec/claimRef/namespace", claim.namespace.as_str()),
                Field::equals("/spec/claimRef/name", claim.name.as_str()),
            ],
        })
        .bind(claim.live_uid(), object, "/spec/claimRef/uid");
    let title = format!("see which claim holds the live volume of {}", claim.name);
    Some(step(
        format!("protect/{}/holder", claim.name),
        Phase::Protect,
        title,
        forward,
        Undo::nothing("it only looked"),
    ))
}

/// Old volumes survive whatever happens to their claims: set to Retain before any pod goes.
pub(super) fn protect(context: &Context<'_>, waves: &mut Vec<Wave>) {
    let volumes = context.claims.iter().filter_map(|claim| {
        let live = claim.live.as_ref()?;
        let object: Spot = Key::cluster(Kind::PersistentVolume, live.volume.name()).into();
        let uid = Text::from(live.volume.uid()?);
        let before = live.volume.str_at("/spec/persistentVolumeReclaimPolicy")?;
        let bound = || Condition::Is {
            object: object.clone(),
            uid: Some(uid.clone()),
            fields: vec![
                Field::equals("/status/phase", "Bound"),
                Field::equals("/spec/claimRef/uid", slot(claim.live_uid())),
            ],
        };
        let set = |policy: &str, label: Value, noted: Value| {
            let patch = json!({
                "metadata": { "labels": { OPERATION: label }, "annotations": { RECLAIM_POLICY: noted } },
                "spec": { "persistentVolumeReclaimPolicy": policy },
            });
            let target = Target { object: object.clone(), uid: uid.clone() };
            Move::new(Action::Patch { target, patch: patch.into() }, 60).expect(bound())
        };
        // What an older run that is not finalized has written there is put back by undo, never dropped.
        let label = live.volume.label(OPERATION).map_or(Value::Null, Value::from);
        let noted = live.volume.annotation(RECLAIM_POLICY).map_or(Value::Null, Value::from);
        let undo = Undo::by(set(before, label, noted));
        let forward = set("Retain", context.request.id.as_str().into(), claim.reclaim_policy.as_str().into());
        let title = format!("set the live volume of {} to Retain (it is {before})", claim.name);
        Some(step(format!("protect/{}/retain", claim.name), Phase::Protect, title, forward, undo))
    });
    let volumes: Vec<Step> = volumes.collect();
    waves.push(wave(Section::Switch, context.claims.iter().filter_map(holder).collect()));
    waves.push(wave(Section::Switch, volumes));
    waves.push(wave(Section::Switch, retention(context, Direction::Protect)));
}

#[derive(Clone, Copy)]
enum Direction {
    Protect,
    GiveBack,
}

/// A StatefulSet that deletes its claims when it is scaled down must not while it rests.
fn retention(context: &Context<'_>, direction: Direction) -> Vec<Step> {
    const POLICY: &str = "/spec/persistentVolumeClaimRetentionPolicy";
    let sets = context.writers.iter().filter(|writer| writer.key.kind == Kind::StatefulSet);
    let steps = sets.filter_map(|writer| {
        let set = context.facts.get(&writer.key).ok()??;
        let policy = set.at(POLICY)?;
        let deletes = ["whenScaled", "whenDeleted"]
            .iter()
            .any(|when| policy.get(*when).and_then(Value::as_str) == Some("Delete"));
        if !deletes {
            return None;
        }
        let set_to = |policy: Value| {
            let target = Target { object: writer.key.clone().into(), uid: writer.uid.as_str().into() };
            let patch = json!({ "spec": { "persistentVolumeClaimRetentionPolicy": policy } });
            Move::new(Action::Patch { target, patch: patch.into() }, 60)
        };
        let retain = || {
            let moved = set_to(json!({ "whenScaled": "Retain", "whenDeleted": "Retain" }));
            context.claims.iter().filter(|claim| claim.live.is_some()).fold(moved, |moved, claim| {
                let owned = Listing {
                    kind: Kind::PersistentVolumeClaim,
                    namespace: Some(context.place.namespace.clone()),
                    labels: [].into(),
                };
                // The controller takes its owner reference off the claim; until then scaling would delete it.
                moved.until(Condition::NotAny {
                    of: owned,
                    fields: vec![
                        Field::equals("/metadata/name", claim.name.as_str()),
                        Field::equals("/metadata/ownerReferences/0/uid", writer.uid.as_str()),
                    ],
                })
            })
        };
        let name = &writer.key.name;
        Some(match direction {
            Direction::Protect => {
                let title = format!("keep statefulset {name} from deleting its claims");
                let step_name = format!("protect/{name}/claims");
                step(step_name, Phase::Protect, title, retain(), Undo::by(set_to(policy.clone())))
            }
            Direction::GiveBack => {
                let title = format!("give statefulset {name} its claim retention policy back");
                let step_name = format!("back/{name}/claims");
                step(step_name, Phase::Back, title, set_to(policy.clone()), Undo::by(retain()))
            }
        })
    });
    steps.collect()
}

pub(super) fn quiesce(context: &Context<'_>, waves: &mut Vec<Wave>) {
    for tier in [Tier::Client, Tier::Database] {
        let resting = context.writers.iter().filter(|writer| writer.tier == tier);
        waves.push(wave(Section::Switch, resting.map(|writer| quiesced(context, writer)).collect()));
    }
}

fn quiesced(context: &Context<'_>, writer: &Writer) -> Step {
    let what = described(writer);
    let forward = stop(context, writer);
    let undo = Undo::by(start(context, writer));
    let title = match &writer.stop {
        Stop::Scale { replicas } => format!("scale {what} from {replicas} to 0 ({})", writer.because),
        Stop::Suspend { .. } => format!("suspend {what} ({})", writer.because),
        Stop::Nowhere { .. } => format!("take {what} off its nodes ({})", writer.because),
    };
    step(format!("quiesce/{what}"), Phase::Quiesce, title, forward, undo)
}

fn described(writer: &Writer) -> String {
    format!("{}/{}", writer.key.kind.info().kind.to_lowercase(), writer.key.name)
}

fn grace(context: &Context<'_>, writer: &Writer) -> u64 {
    let workload = context.facts.get(&writer.key).ok().flatten();
    let pointers = [
        "/spec/template/spec/terminationGracePeriodSeconds",
        "/spec/jobTemplate/spec/template/spec/terminationGracePeriodSeconds",
    ];
    let seconds = workload.and_then(|workload| pointers.iter().find_map(|pointer| workload.i64_at(pointer)));
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30)
}

fn stop(context: &Context<'_>, writer: &Writer) -> Move {
    let target = Target { object: writer.key.clone().into(), uid: writer.uid.as_str().into() };
    let within = grace(context, writer) + 180;
    let mut stopped = Move::new(Action::Patch { target, patch: writers::stopping(writer).into() }, within);
    if !writer.pod_labels.is_empty() {
        let pods = Listing {
            kind: Kind::Pod,
            namespace: Some(context.place.namespace.clone()),
            labels: writer.pod_labels.clone(),
        };
        let fields = match writer.tier {
            Tier::Database => Vec::new(),
            Tier::Client => vec![Field::one_of("/status/phase", ["Pending", "Running", "Unknown"])],
        };
        stopped = stopped.until(Condition::NotAny { of: pods, fields });
    }
    gone_is_as_good(stopped, writer)
}

/// A Job ends by itself, and whoever made it clears it away.
fn gone_is_as_good(one_way: Move, writer: &Writer) -> Move {
    if writer.key.kind == Kind::Job { one_way.or_gone() } else { one_way }
}

fn start(context: &Context<'_>, writer: &Writer) -> Move {
    // A pod that still ends has its grace period, whoever stopped it.
    let mut started = Move::new(starting(writer), grace(context, writer) + 900);
    if let Stop::Scale { replicas } = writer.stop
        && replicas > 0
    {
        started = started.overtaken(scaled_by_others(context, writer));
        if was_ready(context, writer, replicas) {
            let exactly =
                vec![Field::at_least("/status/readyReplicas", replicas), Field::equals("/status/replicas", replicas)];
            started = started.until(up(context, writer, exactly, replicas));
            if writer.key.kind == Kind::StatefulSet && !writer.pod_labels.is_empty() {
                started = started.until(none_ends(context, writer));
            }
        }
    }
    gone_is_as_good(started, writer)
}

/// A StatefulSet counts a pod as ready that is on its way out, and makes no other beside it
/// (`pkg/controller/statefulset/stateful_set_control.go:computeReplicaStatus` at v1.34.2); a ReplicaSet does neither, and
/// a pod of it that is stuck on a lost node must not keep an undo waiting
/// (`pkg/controller/controller_utils.go:FilterActivePods`).
fn none_ends(context: &Context<'_>, writer: &Writer) -> Condition {
    let of = Listing {
        kind: Kind::Pod,
        namespace: Some(context.place.namespace.clone()),
        labels: writer.pod_labels.clone(),
    };
    let its_own = Field::equals("/metadata/ownerReferences/0/uid", writer.uid.as_str());
    Condition::NotAny { of, fields: vec![its_own, Field::present("/metadata/deletionTimestamp")] }
}

/// What the status says is about the workload as it is now, not as it was before our last change.
fn current() -> Field {
    Field::at_least_that("/status/observedGeneration", "/metadata/generation")
}

fn starting(writer: &Writer) -> Action {
    let target = Target { object: writer.key.clone().into(), uid: writer.uid.as_str().into() };
    Action::Patch { target, patch: writers::starting(writer).into() }
}

fn of_writer(writer: &Writer, fields: Vec<Field>) -> Condition {
    Condition::is(writer.key.clone(), writer.uid.as_str(), fields)
}

/// A `HorizontalPodAutoscaler` sleeps while its workload is at 0, and decides on every other number.
///
/// It is looked for when it matters, not when the plan is made: it may have come since.
fn autoscaled(context: &Context<'_>, writer: &Writer) -> Condition {
    let of = Listing {
        kind: Kind::HorizontalPodAutoscaler,
        namespace: Some(context.place.namespace.clone()),
        labels: [].into(),
    };
    let fields = vec![
        Field::equals("/spec/scaleTargetRef/kind", writer.key.kind.info().kind),
        Field::equals("/spec/scaleTargetRef/name", writer.key.name.as_str()),
    ];
    Condition::Any { of, fields }
}

/// The workload is started, and an autoscaler has chosen its number: setting ours would start a quarrel without end.
fn scaled_by_others(context: &Context<'_>, writer: &Writer) -> Condition {
    let started = of_writer(writer, vec![Field::at_least("/spec/replicas", 1)]);
    Condition::All { of: vec![autoscaled(context, writer), started] }
}

/// As found; or under an autoscaler, as many ready as there were, or as many as it wants when it wants fewer.
fn up(context: &Context<'_>, writer: &Writer, mut as_found: Vec<Field>, replicas: i64) -> Condition {
    as_found.push(current());
    let under_autoscaler = |ready: Field| {
        let scaled = vec![Field::at_least("/spec/replicas", 1), ready, current()];
        Condition::All { of: vec![of_writer(writer, scaled), autoscaled(context, writer)] }
    };
    Condition::OneOf {
        of: vec![
            of_writer(writer, as_found),
            under_autoscaler(Field::at_least("/status/readyReplicas", replicas)),
            under_autoscaler(Field::at_least_that("/status/readyReplicas", "/spec/replicas")),
        ],
    }
}

/// The writer as the plan found it, whatever number its autoscaler has chosen since.
pub(super) fn unchanged(context: &Context<'_>, writer: &Writer) -> Condition {
    let as_found = of_writer(writer, found(writer));
    match writer.stop {
        Stop::Scale { replicas: 1.. } => Condition::OneOf { of: vec![as_found, scaled_by_others(context, writer)] },
        Stop::Scale { .. } | Stop::Suspend { .. } | Stop::Nowhere { .. } => as_found,
    }
}

/// What was not ready when the plan was made is not waited for: it may be broken for reasons of its own.
fn was_ready(context: &Context<'_>, writer: &Writer, replicas: i64) -> bool {
    let workload = context.facts.get(&writer.key).ok().flatten();
    workload.and_then(|workload| workload.i64_at("/status/readyReplicas")).is_some_and(|ready| ready >= replicas)
}

pub(super) fn back(context: &Context<'_>, waves: &mut Vec<Wave>, warnings: &mut Vec<String>) {
    let databases = || context.writers.iter().filter(|writer| writer.tier == Tier::Database);
    for writer in databases() {
        if let Stop::Scale { replicas: 0 } = writer.stop {
            warnings.push(format!("{} stands at 0 replicas and will stand at 0 again", described(writer)));
        }
    }
    waves.push(wave(Section::Switch, databases().map(|writer| started(context, writer)).collect()));
    waves.push(wave(Section::Switch, identities(context)));
    let clients = context.writers.iter().filter(|writer| writer.tier == Tier::Client);
    waves.push(wave(Section::Switch, clients.map(|writer| started(context, writer)).collect()));
    waves.push(wave(Section::Switch, retention(context, Direction::GiveBack)));
}

fn started(context: &Context<'_>, writer: &Writer) -> Step {
    let what = described(writer);
    let mut forward = start(context, writer);
    if let (Tier::Database, Stop::Scale { replicas }) = (writer.tier, &writer.stop)
        && *replicas > 0
        && forward.until.is_empty()
    {
        // It may have been down because its data was lost; on the restored volume it must come up.
        let ready = vec![Field::at_least("/status/readyReplicas", *replicas)];
        forward = forward.until(up(context, writer, ready, *replicas));
    }
    let undo = Undo::by(stop(context, writer));
    let title = match &writer.stop {
        Stop::Scale { replicas } => format!("scale {what} back to {replicas}"),
        Stop::Suspend { .. } => format!("give {what} its suspend setting back"),
        Stop::Nowhere { .. } => format!("give {what} its node selector back"),
    };
    step(format!("back/{what}"), Phase::Back, title, forward, undo)
}

/// The engine that came up must be the one that was verified: asked in a time that does not grow with the data.
pub(super) fn identities(context: &Context<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for consumer in &context.consumers {
        // Only a StatefulSet's pods have names that are known before they exist.
        let named = consumer.workload.as_ref().filter(|workload| workload.kind == Kind::StatefulSet);
        let resting = context.writers.iter().any(|writer| {
            Some(&writer.key) == consumer.workload.as_ref() && matches!(writer.stop, Stop::Scale { replicas: 0 })
        });
        if named.is_none() || resting {
            continue;
        }
        for (claim, (_, found)) in &consumer.uses {
            let Some(identity) = engine::named(found.profile).and_then(|profile| profile.identity) else { continue };
            let examination = Examination {
                pod: Spot::namespaced(Kind::Pod, &context.place.namespace, consumer.name.as_str()),
                container: found.container.clone(),
                command: engine::command(identity, &found.mount),
                seconds: 30,
                reading: Reading::SameAs {
                    slot: Slot::new(format!("evidence/{claim}")),
                    pointer: "/found/identity".to_owned(),
                },
                into: Slot::new(format!("identity/{claim}")),
            };
            let forward = Move::new(Action::Examine(examination), 120);
            let title = format!("see that {} runs on the database that was verified", consumer.name);
            let name = format!("back/{claim}/identity");
            steps.push(step(name, Phase::Back, title, forward, Undo::nothing("it only asked")));
        }
    }
    steps
}
