//! The staged volumes leave the staging namespace, and what staging leaves behind is removed.

use dr_core::cover::Path;
use dr_core::kind::Kind;
use dr_core::object::Key;

use super::claim::ClaimFacts;
use super::stage::{MODIFIER_UID, STAGING_UID, remove, reserve};
use super::{Context, examiner, step, wave, whole};
use crate::action::{Action, Move, Phase, Step, Target, Undo};
use crate::condition::{Condition, Field, Listing};
use crate::plan::{Section, Wave};
use crate::slot::{Spot, Text, slot};

/// Takes the staged volumes out of the staging namespace and reserves them for the live claims; nothing live is touched.
pub(super) fn waves(context: &Context<'_>, waves: &mut Vec<Wave>) {
    let kept = || Undo::nothing("a staged pod or claim; the restored volume itself is kept until finalize");
    let examiners = context.consumers.iter().map(|consumer| {
        let name = examiner::name(consumer);
        let object = Spot::namespaced(Kind::Pod, context.staging(), name.as_str());
        let within = u64::from(consumer.grace_seconds) + 120;
        let forward = remove(object, &format!("examiner-uid/{}", consumer.name), within);
        let title = format!("end the staged pod {name}");
        step(format!("release/{}/end", consumer.name), Phase::Release, title, forward, kept())
    });
    waves.push(wave(Section::Switch, examiners.collect()));
    let mut claims = Vec::new();
    let mut reserved = Vec::new();
    for claim in &context.claims {
        let object = Spot::namespaced(Kind::PersistentVolumeClaim, context.staging(), claim.name.as_str());
        let volume = Spot::cluster(Kind::PersistentVolume, Text::slot(claim.staged_volume()));
        let uid = Text::slot(claim.staged_volume_uid());
        let free = || Condition::Is {
            object: volume.clone(),
            uid: Some(uid.clone()),
            fields: vec![
                Field::equals("/spec/persistentVolumeReclaimPolicy", "Retain"),
                Field::one_of("/status/phase", ["Released", "Available"]),
            ],
        };
        let retained = Condition::Is {
            object: volume.clone(),
            uid: Some(uid.clone()),
            fields: vec![Field::equals("/spec/persistentVolumeReclaimPolicy", "Retain")],
        };
        let forward = remove(object, &claim.staged_uid(), 180).expect(retained).until(free());
        let title = format!("delete the staged claim {}, keeping its volume", claim.name);
        claims.push(step(format!("release/{}/claim", claim.name), Phase::Release, title, forward, kept()));

        let to = |namespace: &str| {
            Move::new(
                Action::Patch {
                    target: Target { object: volume.clone(), uid: uid.clone() },
                    patch: reserve(namespace, &claim.name).into(),
                },
                60,
            )
            .expect(free())
            .until(Condition::Is {
                object: volume.clone(),
                uid: Some(uid.clone()),
                fields: vec![Field::equals("/status/phase", "Available")],
            })
        };
        let forward = to(&context.place.namespace);
        // Left reserved for the live claim's name, the volume would be bound by whatever claim of that name comes next.
        // The claims of a namespace that came back whole stay, and with them the volumes.
        let undo = if context.gone() {
            Undo::nothing("the namespace and its volumes stay")
        } else {
            Undo::by(to(context.staging()))
        };
        let title = format!("reserve the restored volume for claim {}", claim.name);
        reserved.push(step(format!("release/{}/reserve", claim.name), Phase::Release, title, forward, undo));
    }
    waves.push(wave(Section::Switch, claims));
    waves.push(wave(Section::Switch, reserved));
    waves.push(wave(Section::Switch, context.claims.iter().map(|claim| detached(context, claim)).collect()));
}

/// A kubelet mounts a volume that is attached to its node only once it has written into the node's status that it uses
/// it, and it writes that every 10 s (`pkg/kubelet/volumemanager/reconciler/reconciler_common.go:waitForVolumeAttach`,
/// `pkg/kubelet/kubelet_node_status.go:syncNodeStatus` at v1.34.2, `nodeStatusUpdateFrequency`). A volume is detached
/// right after such a report. An outage that began then would wait for nearly all of the time to the next one; so it is
/// begun so much later that the pod is there before the next one, also where the application takes some seconds to stop.
const UNTIL_THE_NODE_REPORTS_AGAIN: u64 = 4;

/// A detachment that is under way would be waited out by the database's pod, inside the outage.
fn detached(context: &Context<'_>, claim: &ClaimFacts) -> Step {
    let rest = if is_attached(context, claim) { UNTIL_THE_NODE_REPORTS_AGAIN } else { 0 };
    let forward = Move::new(Action::Observe, 300).rest(rest).until(Condition::NotAny {
        of: Listing { kind: Kind::VolumeAttachment, namespace: None, labels: [].into() },
        fields: vec![Field::equals("/spec/source/persistentVolumeName", slot(claim.staged_volume()))],
    });
    let title = format!("see the restored volume of {} detached from the staged pod", claim.name);
    step(format!("release/{}/detached", claim.name), Phase::Release, title, forward, Undo::nothing("it only looked"))
}

/// Whether a node attaches its volumes; a driver that says nothing wants that (`storage.k8s.io/v1:CSIDriverSpec`).
fn is_attached(context: &Context<'_>, claim: &ClaimFacts) -> bool {
    let named = |kind: Kind, name: &str| context.facts.get(&Key::cluster(kind, name)).ok().flatten();
    let class = named(Kind::StorageClass, &claim.storage_class);
    let driver = class.and_then(|class| class.str_at("/provisioner")).and_then(|name| named(Kind::CSIDriver, name));
    driver.and_then(|driver| driver.bool_at("/spec/attachRequired")).unwrap_or(true)
}

/// Removes what staging leaves behind.
pub(super) fn keep(context: &Context<'_>, waves: &mut Vec<Wave>) {
    let scratch = || Undo::nothing("scratch objects of this run");
    if context.request.objects_missing && !context.gone() {
        waves.push(wave(Section::Keep, vec![whole::missing_objects(context)]));
    }
    let namespace = Spot::cluster(Kind::Namespace, context.staging());
    let title = format!("remove the staging namespace {}", context.staging());
    let modifier = Spot::namespaced(
        Kind::ConfigMap,
        &context.place.velero_namespace,
        format!("dr-{}-modifier", context.request.id),
    );
    waves.push(wave(
        Section::Keep,
        vec![
            step("keep/namespace", Phase::Keep, title, remove(namespace, STAGING_UID, 600), scratch()),
            step(
                "keep/modifier",
                Phase::Keep,
                "remove the resource modifier",
                remove(modifier, MODIFIER_UID, 60),
                scratch(),
            ),
        ],
    ));
    let contents = context.claims.iter().filter(|claim| matches!(claim.captured.path, Path::CsiSnapshot { .. }));
    let contents = contents.map(|claim| {
        let object = Spot::cluster(Kind::VolumeSnapshotContent, Text::slot(format!("content/{}", claim.name)));
        let forward = remove(object, &format!("content-uid/{}", claim.name), 300);
        let title = format!("remove the imported snapshot of {}; the snapshot itself stays", claim.name);
        step(format!("keep/{}/content", claim.name), Phase::Keep, title, forward, scratch())
    });
    waves.push(wave(Section::Keep, contents.collect()));
}
