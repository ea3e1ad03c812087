//! The exchange of volumes under a claim's name, each sub-step for all claims before the next: all or none.

use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::writers::Stop;
use serde_json::{Value, json};

use super::claim::ClaimFacts;
use super::{Context, stage, step, wave};
use crate::action::{Action, Move, Phase, Step, Target, Undo};
use crate::condition::{Condition, Field};
use crate::plan::{OPERATION, Section, Wave};
use crate::slot::{Spot, Text, slot};

pub(super) fn waves(context: &Context<'_>, waves: &mut Vec<Wave>) {
    waves.push(wave(Section::Switch, context.claims.iter().map(unused).collect()));
    // Last, so that nothing that came back while a claim was still in use is missed.
    waves.push(wave(Section::Switch, at_rest(context).into_iter().collect()));
    let live = || context.claims.iter().filter_map(|claim| claim.live.as_ref().map(|live| (claim, live)));
    waves.push(wave(Section::Switch, live().map(|(claim, live)| note(claim, live)).collect()));
    waves.push(wave(Section::Switch, live().map(|(claim, live)| delete_claim(claim, live)).collect()));
    waves.push(wave(Section::Switch, context.claims.iter().map(|claim| create_claim(context, claim)).collect()));
    waves.push(wave(Section::Switch, context.claims.iter().map(|claim| unmarked(context, claim)).collect()));
    waves.push(wave(Section::Switch, context.claims.iter().map(held).collect()));
}

fn not_in_use(claim: &ClaimFacts) -> Condition {
    Condition::Unused { namespace: claim.namespace.clone(), claim: claim.name.clone() }
}

fn unused(claim: &ClaimFacts) -> Step {
    let forward = Move::new(Action::Observe, 120).until(not_in_use(claim));
    let title = format!("see that nothing mounts {}", claim.name);
    step(format!("swap/{}/unused", claim.name), Phase::Swap, title, forward, Undo::nothing("it only looked"))
}

/// One step for all claims: a plan that named every writer at every claim would grow with their product.
fn at_rest(context: &Context<'_>) -> Option<Step> {
    let scaled = context.writers.iter().filter(|writer| matches!(writer.stop, Stop::Scale { .. }));
    let conditions = scaled.map(|writer| {
        let at_rest = vec![Field::equals("/spec/replicas", 0)];
        Condition::is(writer.key.clone(), writer.uid.as_str(), at_rest)
    });
    let conditions: Vec<Condition> = conditions.collect();
    if conditions.is_empty() {
        return None;
    }
    let forward = conditions.into_iter().fold(Move::new(Action::Observe, 120), Move::until);
    let title = "see that nothing scaled back".to_owned();
    Some(step("swap/at-rest".to_owned(), Phase::Swap, title, forward, Undo::nothing("it only looked")))
}

fn old_volume(live: &super::claim::Live) -> (Spot, Text) {
    let object = Key::cluster(Kind::PersistentVolume, live.volume.name()).into();
    (object, Text::from(live.volume.uid().unwrap_or_default()))
}

fn phase(volume: &Spot, uid: &Text, phases: [&str; 2]) -> Condition {
    Condition::Is {
        object: volume.clone(),
        uid: Some(uid.clone()),
        fields: vec![Field::one_of("/status/phase", phases)],
    }
}

/// A step of its own, since its undo has to come after that of the deletion: the volume free first, then the claim.
fn note(claim: &ClaimFacts, live: &super::claim::Live) -> Step {
    let object: Spot = claim.key().into();
    let (volume, volume_uid) = old_volume(live);
    let forward = Move::new(Action::Observe, 60).until(Condition::Is {
        object: object.clone(),
        uid: Some(Text::slot(claim.live_uid())),
        fields: vec![Field::equals("/spec/volumeName", live.volume.name())],
    });
    let undo = Move::new(Action::Create { object: object.clone(), template: claim.as_it_was(live).into() }, 120)
        .expect(phase(&volume, &volume_uid, ["Available", "Available"]))
        .until(Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![
                Field::equals("/status/phase", "Bound"),
                Field::equals("/spec/volumeName", live.volume.name()),
            ],
        })
        .nudge(object.clone())
        .bind(claim.live_uid(), object, "/metadata/uid");
    let title = format!("see that claim {} is on its volume {}", claim.name, live.volume.name());
    step(format!("swap/{}/note", claim.name), Phase::Swap, title, forward, Undo::by(undo))
}

fn delete_claim(claim: &ClaimFacts, live: &super::claim::Live) -> Step {
    let object: Spot = claim.key().into();
    let (volume, volume_uid) = old_volume(live);
    let kept = Condition::Is {
        object: volume.clone(),
        uid: Some(volume_uid.clone()),
        fields: vec![Field::equals("/spec/persistentVolumeReclaimPolicy", "Retain")],
    };
    // Bound only when the deletion happened: a claim that is still there keeps its volume, and nothing is taken back.
    let let_go = format!("let-go/{}", claim.name);
    let forward = stage::remove(object, &claim.live_uid(), 180)
        .expect(kept)
        .expect(not_in_use(claim))
        .until(phase(&volume, &volume_uid, ["Released", "Released"]))
        .bind(let_go.as_str(), volume.clone(), "/metadata/uid");
    let target = Target { object: volume.clone(), uid: Text::slot(let_go) };
    let undo = Move::new(Action::Patch { target, patch: stage::reserve(&claim.namespace, &claim.name).into() }, 180)
        .after(phase(&volume, &volume_uid, ["Released", "Available"]))
        .until(phase(&volume, &volume_uid, ["Available", "Available"]));
    let title = format!("delete the live claim {}, its volume {} stays", claim.name, live.volume.name());
    step(format!("swap/{}/delete-claim", claim.name), Phase::Swap, title, forward, Undo::by(undo))
}

/// The claim comes only once its volume is Available: created earlier it would wait for the binder's next resync.
///
/// It carries the run's label until it is bound. No precondition guards the creation of what does not exist: a process
/// that slept before it may create the claim after its run was taken back, and by the label `finalize` finds it.
pub(super) fn create_claim(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let object: Spot = claim.key().into();
    let volume = Spot::cluster(Kind::PersistentVolume, Text::slot(claim.staged_volume()));
    let uid = || Some(Text::slot(claim.staged_volume_uid()));
    let mut template = claim.restored(stage::slot_value(claim.staged_volume()));
    json_patch::merge(&mut template, &marked(&context.label()));
    let forward = Move::new(Action::Create { object: object.clone(), template: template.into() }, 120)
        .expect(Condition::Is {
            object: volume.clone(),
            uid: uid(),
            fields: vec![Field::equals("/status/phase", "Available")],
        })
        .until(Condition::Is {
            object: object.clone(),
            uid: None,
            fields: vec![
                Field::equals("/status/phase", "Bound"),
                Field::equals("/spec/volumeName", slot(claim.staged_volume())),
            ],
        })
        .nudge(object.clone())
        .bind(claim.new_uid(), object.clone(), "/metadata/uid");
    let undo = stage::remove(object, &claim.new_uid(), 180).expect(not_in_use(claim)).until(Condition::Is {
        object: volume,
        uid: uid(),
        fields: vec![Field::one_of("/status/phase", ["Released", "Available"])],
    });
    let title = format!("create claim {} on the restored volume", claim.name);
    step(format!("swap/{}/create-claim", claim.name), Phase::Swap, title, forward, Undo::by(undo))
}

fn marked(labels: &Value) -> Value {
    json!({ "metadata": { "labels": labels } })
}

/// The claim is the application's from here on, and looks as it did.
pub(super) fn unmarked(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let one_way = |labels: &Value| {
        let target = Target { object: claim.key().into(), uid: Text::slot(claim.new_uid()) };
        Move::new(Action::Patch { target, patch: marked(labels).into() }, 60)
    };
    let undo = Undo::by(one_way(&context.label()).or_gone());
    let title = format!("take the run's label off claim {}", claim.name);
    let name = format!("swap/{}/unmark", claim.name);
    step(name, Phase::Swap, title, one_way(&json!({ OPERATION: Value::Null })), undo)
}

/// A later restore that was undone has made the claim anew: the volume tells which claim holds it when this one is
/// undone, so that no uid of before is waited for. A volume that no claim holds tells nothing, and is not waited for
/// either: the steps behind a stuck undo are looked at once more, when the volumes are free already.
fn held(claim: &ClaimFacts) -> Step {
    let object = Spot::cluster(Kind::PersistentVolume, Text::slot(claim.staged_volume()));
    let forward = Move::new(Action::Observe, 60).until(Condition::Is {
        object: object.clone(),
        uid: Some(Text::slot(claim.staged_volume_uid())),
        fields: vec![
            Field::equals("/spec/claimRef/namespace", claim.namespace.as_str()),
            Field::equals("/spec/claimRef/name", claim.name.as_str()),
        ],
    });
    let undo = Move::new(Action::Observe, 60).bind_if_there(claim.new_uid(), object, "/spec/claimRef/uid");
    let title = format!("see which claim holds the restored volume of {}", claim.name);
    step(format!("swap/{}/held", claim.name), Phase::Swap, title, forward, Undo::by(undo))
}
