//! Verifying: the staged volumes are opened, read through and held against what the backup recorded.

use dr_core::cover::Path;
use dr_core::engine;
use dr_core::facts::Document;
use dr_core::fingerprint::{Expected, Fingerprint, Taken};
use dr_core::kind::Kind;
use serde_json::{Value, json};

use super::claim::ClaimFacts;
use super::consumer::Consumer;
use super::{Context, examiner, stage, step, wave};
use crate::action::{Action, Examination, Move, Phase, Reading, Step, Target, Undo};
use crate::condition::{Condition, Field};
use crate::plan::{OPERATION, RECLAIM_POLICY, Section, Wave};
use crate::slot::{Slot, Spot, Text};

/// Reading a table or a file through is slower than copying it; this much per second is little on any disk.
const READ_BYTES_PER_SECOND: u64 = 10 << 20;

pub(super) fn waves(context: &Context<'_>, waves: &mut Vec<Wave>) {
    let each = |of: &dyn Fn(&Context<'_>, &ClaimFacts) -> Step| {
        context.claims.iter().map(|claim| of(context, claim)).collect()
    };
    let snapshots = || context.claims.iter().filter(|claim| matches!(claim.captured.path, Path::CsiSnapshot { .. }));
    // Before anything that can fail: from here on an undo knows the imported snapshot and takes it along.
    waves.push(wave(Section::Prepare, snapshots().map(|claim| source(context, claim)).collect()));
    waves.push(wave(Section::Prepare, snapshots().map(|claim| snapshot(context, claim)).collect()));
    waves.push(wave(Section::Prepare, snapshots().map(content).collect()));
    waves.push(wave(Section::Prepare, context.consumers.iter().map(|consumer| open(context, consumer)).collect()));
    waves.push(wave(Section::Prepare, each(&bound)));
    waves.push(wave(Section::Prepare, each(&volume)));
    waves.push(wave(Section::Prepare, each(&retain)));
    let readings = context.consumers.iter().flat_map(|consumer| readings(context, consumer));
    waves.push(wave(Section::Prepare, readings.collect()));
    let reports = context.consumers.iter().flat_map(|consumer| reports(context, consumer));
    waves.push(wave(Section::Prepare, reports.collect()));
    let confirm = Move::new(Action::Confirm, 24 * 3600);
    let title = "show what comes back and what is lost, and ask";
    waves.push(wave(
        Section::Prepare,
        vec![step("confirm", Phase::Confirm, title, confirm, Undo::nothing("a question changes nothing"))],
    ));
}

fn open(context: &Context<'_>, consumer: &Consumer) -> Step {
    let examiner = examiner::build(context, consumer);
    let object = Spot::namespaced(Kind::Pod, context.staging(), examiner.name.as_str());
    let is = |fields: Vec<Field>| Condition::Is { object: object.clone(), uid: None, fields };
    let mut ready = vec![Field::equals("/status/phase", "Running")];
    ready
        .extend((0..examiner.containers).map(|n| Field::equals(&format!("/status/containerStatuses/{n}/ready"), true)));
    let within = 600 + bytes(context, consumer) / READ_BYTES_PER_SECOND;
    let uid = format!("examiner-uid/{}", consumer.name);
    let mut forward = Move::new(Action::Create { object: object.clone(), template: examiner.manifest.into() }, within)
        .until(is(ready))
        .fails_with(
            is(vec![Field::at_least("/status/initContainerStatuses/0/state/terminated/exitCode", 1)]),
            "the staged volume does not hold what the engine needs",
            object.clone(),
            "/status/initContainerStatuses/0/state/terminated/message",
        );
    for n in 0..examiner.containers {
        let pointer = format!("/status/containerStatuses/{n}/state/terminated");
        forward = forward.fails_with(
            is(vec![Field::present(&pointer)]),
            "the engine ended instead of opening the staged volume",
            object.clone(),
            &format!("{pointer}/message"),
        );
    }
    forward = forward.bind(&uid, object.clone(), "/metadata/uid");
    let undo = Undo::by(stage::remove(object, &uid, u64::from(consumer.grace_seconds) + 120));
    let title = format!("open the staged volume of {} with the image that runs now", consumer.name);
    step(format!("verify/{}/open", consumer.name), Phase::Verify, title, forward, undo)
}

fn bytes(context: &Context<'_>, consumer: &Consumer) -> u64 {
    let used = context.claims.iter().filter(|claim| consumer.uses.contains_key(&claim.name));
    used.filter_map(|claim| claim.captured.bytes).sum()
}

fn staged_claim(context: &Context<'_>, claim: &ClaimFacts) -> Spot {
    Spot::namespaced(Kind::PersistentVolumeClaim, context.staging(), claim.name.as_str())
}

fn staged_volume(claim: &ClaimFacts) -> Spot {
    Spot::cluster(Kind::PersistentVolume, Text::slot(claim.staged_volume()))
}

fn bound(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let object = staged_claim(context, claim);
    let fields = vec![Field::equals("/status/phase", "Bound")];
    let forward = Move::new(Action::Observe, 600)
        .until(Condition::Is { object: object.clone(), uid: None, fields })
        .bind(claim.staged_uid(), object.clone(), "/metadata/uid")
        .bind(claim.staged_volume(), object, "/spec/volumeName");
    let title = format!("see the staged claim {} bound", claim.name);
    step(format!("verify/{}/bound", claim.name), Phase::Verify, title, forward, Undo::nothing("it only looked"))
}

fn source(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let object = staged_claim(context, claim);
    let fields = vec![Field::equals("/spec/dataSource/kind", "VolumeSnapshot")];
    let forward = Move::new(Action::Observe, 60)
        .until(Condition::Is { object: object.clone(), uid: None, fields })
        .bind(format!("snapshot/{}", claim.name), object, "/spec/dataSource/name");
    let title = format!("see what the staged claim {} is made from", claim.name);
    step(format!("verify/{}/source", claim.name), Phase::Verify, title, forward, Undo::nothing("it only looked"))
}

fn volume(_: &Context<'_>, claim: &ClaimFacts) -> Step {
    let object = staged_volume(claim);
    let mut fields = vec![Field::equals("/status/phase", "Bound")];
    fields.push(Field::equals("/spec/claimRef/uid", crate::slot::slot(claim.staged_uid())));
    if let Path::CsiSnapshot { driver, .. } = &claim.captured.path {
        fields.push(Field::equals("/spec/csi/driver", driver.as_str()));
    }
    let forward = Move::new(Action::Observe, 120)
        .until(Condition::Is { object: object.clone(), uid: None, fields })
        .bind(claim.staged_volume_uid(), object, "/metadata/uid");
    let title = format!("see the restored volume of {}", claim.name);
    step(format!("verify/{}/volume", claim.name), Phase::Verify, title, forward, Undo::nothing("it only looked"))
}

fn snapshot(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let name = Text::slot(format!("snapshot/{}", claim.name));
    let object = Spot::namespaced(Kind::VolumeSnapshot, context.staging(), name);
    let forward = Move::new(Action::Observe, 600)
        .until(Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![Field::equals("/status/readyToUse", true)],
        })
        .bind(format!("content/{}", claim.name), object, "/status/boundVolumeSnapshotContentName");
    let title = format!("see the snapshot that {} was made from", claim.name);
    step(format!("verify/{}/snapshot", claim.name), Phase::Verify, title, forward, Undo::nothing("it only looked"))
}

fn content(claim: &ClaimFacts) -> Step {
    let object = Spot::cluster(Kind::VolumeSnapshotContent, Text::slot(format!("content/{}", claim.name)));
    let mut fields = vec![Field::equals("/spec/deletionPolicy", "Retain")];
    if let Path::CsiSnapshot { driver, handle } = &claim.captured.path {
        fields.push(Field::equals("/spec/source/snapshotHandle", handle.as_str()));
        fields.push(Field::equals("/spec/driver", driver.as_str()));
    }
    let uid = format!("content-uid/{}", claim.name);
    let forward = Move::new(Action::Observe, 60)
        .until(Condition::Is { object: object.clone(), uid: None, fields })
        .bind(&uid, object.clone(), "/metadata/uid");
    // It goes once the snapshot object in the staging namespace is gone, which the steps before this one take care of.
    let target = Target { object, uid: Text::slot(uid) };
    let undo = Undo::by(Move::new(Action::Delete { target, grace_seconds: None }, 60));
    let title = format!("see that it is the snapshot the backup took of {}", claim.name);
    step(format!("verify/{}/content", claim.name), Phase::Verify, title, forward, undo)
}

fn retain(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let object = staged_volume(claim);
    let uid = Text::slot(claim.staged_volume_uid());
    let target = || Target { object: object.clone(), uid: uid.clone() };
    let staged = || Condition::Is {
        object: object.clone(),
        uid: Some(uid.clone()),
        fields: vec![Field::equals("/spec/claimRef/uid", crate::slot::slot(claim.staged_uid()))],
    };
    let policy = |policy: &str, label: Value, noted: Value| {
        json!({
            "metadata": { "labels": { OPERATION: label }, "annotations": { RECLAIM_POLICY: noted } },
            "spec": { "persistentVolumeReclaimPolicy": policy },
        })
    };
    let keep = policy("Retain", context.request.id.as_str().into(), claim.reclaim_policy.as_str().into());
    // The run's own copy goes with its claim; the condition makes sure that it is the copy.
    let scratch = policy("Delete", Value::Null, Value::Null);
    let forward = Move::new(Action::Patch { target: target(), patch: keep.into() }, 60).expect(staged());
    let undo = Move::new(Action::Patch { target: target(), patch: scratch.into() }, 60).expect(staged());
    let title = format!("set the restored volume of {} to Retain", claim.name);
    step(format!("verify/{}/retain", claim.name), Phase::Verify, title, forward, Undo::by(undo))
}

fn readings(context: &Context<'_>, consumer: &Consumer) -> Vec<Step> {
    let read = |claim: &ClaimFacts| {
        let (_, found) = consumer.uses.get(&claim.name)?;
        let profile = engine::named(found.profile)?;
        let script = format!("DR_STAGED=1\n{}", profile.fingerprint);
        let seconds = 300 + claim.captured.bytes.unwrap_or(0) / READ_BYTES_PER_SECOND;
        let examination = Examination {
            pod: Spot::namespaced(Kind::Pod, context.staging(), examiner::name(consumer)),
            container: found.container.clone(),
            command: engine::command(&script, &found.mount),
            seconds,
            reading: Reading::Fingerprint { expected: Box::new(expected(context, claim, profile)) },
            into: Slot::new(claim.evidence()),
        };
        let forward = Move::new(Action::Examine(examination), seconds + 60);
        let title = format!("read the restored {} through, as {}", claim.name, profile.name);
        Some(step(format!("verify/{}/read", claim.name), Phase::Verify, title, forward, Undo::nothing("it only read")))
    };
    context.claims.iter().filter_map(read).collect()
}

fn expected(context: &Context<'_>, claim: &ClaimFacts, profile: &engine::Profile) -> Expected {
    let files = matches!(claim.captured.path, Path::FileSystem { .. });
    Expected {
        engine: profile.name.to_owned(),
        taken: if files && profile.torn_by_file_copy { Taken::FileCopy } else { Taken::Snapshot },
        before: recorded(context, claim, "before"),
        after: recorded(context, claim, "after"),
        accept_unproven: context.request.accept_unproven,
    }
}

/// The fingerprint that `backup` wrote down: in Velero's namespace, else in the namespace, else in the archive.
fn recorded(context: &Context<'_>, claim: &ClaimFacts, when: &str) -> Option<Fingerprint> {
    const BACKUP: &str = "kubectl-dr/fingerprint";
    let backup = context.chosen.backup.as_str();
    let live = context.facts.all(Kind::ConfigMap).unwrap_or(&[]).iter();
    let archived = match context.facts.documents.get(backup).map(|documents| &documents.archive) {
        Some(Document::Read(archive)) => Some(archive.of(Kind::ConfigMap)),
        Some(Document::NotRead | Document::Failed(_)) | None => None,
    };
    let mut found = live.chain(archived.into_iter().flatten()).filter(|map| map.label(BACKUP) == Some(backup));
    found.find_map(|map| {
        let text = map.at("/data")?.get(format!("{when}.{}", claim.name))?.as_str()?;
        serde_json::from_str(text).ok()
    })
}

fn reports(context: &Context<'_>, consumer: &Consumer) -> Vec<Step> {
    let Some(pod) = &consumer.live_pod else { return Vec::new() };
    let report = |claim: &ClaimFacts| {
        let (_, found) = consumer.uses.get(&claim.name)?;
        let profile = engine::named(found.profile)?;
        let seconds = 120 + claim.captured.bytes.unwrap_or(0) / READ_BYTES_PER_SECOND;
        let examination = Examination {
            pod: Spot::namespaced(Kind::Pod, &context.place.namespace, pod.as_str()),
            container: found.container.clone(),
            command: engine::command(profile.fingerprint, &found.mount),
            seconds,
            reading: Reading::Report,
            into: Slot::new(claim.live_report()),
        };
        let forward = Move::new(Action::Examine(examination), seconds + 60);
        let title = format!("read what the live {} holds now", claim.name);
        Some(step(format!("verify/{}/live", claim.name), Phase::Verify, title, forward, Undo::nothing("it only read")))
    };
    context.claims.iter().filter_map(report).collect()
}
