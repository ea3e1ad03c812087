//! What a plan was made from: read again before it is applied, and a difference refuses it by name.

use dr_core::claims::WORKLOADS;
use dr_core::facts::{Facts, Listed, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::writers::Writer;

use super::{Context, rest};
use crate::condition::{Condition, Field, Listing};

pub(super) fn all(context: &Context<'_>) -> Result<Vec<Condition>, Unread> {
    let Context { facts, chosen, .. } = context;
    let backup = Key::namespaced(Kind::Backup, &facts.velero_namespace, &chosen.backup);
    let phase = Field::one_of("/status/phase", ["Completed", "PartiallyFailed"]);
    let mut premises = vec![Condition::is(backup, chosen.uid.as_str(), vec![phase])];
    let namespace = Key::cluster(Kind::Namespace, &facts.namespace);
    match context.namespace.and_then(Object::uid) {
        Some(uid) => premises.push(Condition::is(namespace, uid, Vec::new())),
        None => premises.push(Condition::Absent { object: namespace.into() }),
    }
    // The undo takes along what is in a namespace of this name.
    premises.push(Condition::Absent { object: Key::cluster(Kind::Namespace, context.staging()).into() });
    for claim in &context.claims {
        let key = Key::namespaced(Kind::PersistentVolumeClaim, &facts.namespace, &claim.name);
        match &claim.live {
            Some(live) => {
                let volume = live.volume.name();
                let fields = vec![Field::equals("/spec/volumeName", volume)];
                premises.push(Condition::is(key, live.claim.uid().unwrap_or_default(), fields));
                let key = Key::cluster(Kind::PersistentVolume, volume);
                let policy = live.volume.str_at("/spec/persistentVolumeReclaimPolicy").unwrap_or_default();
                let fields = vec![Field::equals("/spec/persistentVolumeReclaimPolicy", policy)];
                premises.push(Condition::is(key, live.volume.uid().unwrap_or_default(), fields));
            }
            None => premises.push(Condition::Absent { object: key.into() }),
        }
    }
    // A Job may end between the plan and its use.
    for writer in context.writers.iter().filter(|writer| writer.key.kind != Kind::Job) {
        premises.push(rest::unchanged(context, writer));
        premises.extend(same_pods(context, writer)?);
    }
    // In a namespace that does not exist nothing can have come.
    if !context.gone() {
        premises.extend(nothing_new(facts)?);
    }
    Ok(premises)
}

/// The images and volumes of a writer's pods: the staged copy is opened with the former, and by the latter it was
/// decided what is stopped when.
fn same_pods(context: &Context<'_>, writer: &Writer) -> Result<Option<Condition>, Unread> {
    let template = WORKLOADS.iter().find(|(kind, _)| *kind == writer.key.kind).map(|(_, template)| template);
    let (Some(template), Some(workload)) = (template, context.facts.get(&writer.key)?) else { return Ok(None) };
    let as_it_is = |pointer: String| match workload.at(&pointer) {
        Some(value) => Field::equals(&pointer, value.clone()),
        None => Field::missing(&pointer),
    };
    let containers = workload.list_at(&format!("{template}/spec/containers")).len();
    let images = (0..containers).map(|n| as_it_is(format!("{template}/spec/containers/{n}/image")));
    let fields = images.chain([as_it_is(format!("{template}/spec/volumes"))]).collect();
    Ok(Some(Condition::is(writer.key.clone(), writer.uid.as_str(), fields)))
}

/// What would have to be stopped, exchanged or refused if it had been there.
fn nothing_new(facts: &Facts) -> Result<Vec<Condition>, Unread> {
    // A Deployment's ReplicaSets and a CronJob's Jobs come and go; what makes them is listed itself.
    const OWNER: &str = "/metadata/ownerReferences/0/kind";
    let kinds = [
        (Kind::PersistentVolumeClaim, Vec::new()),
        (Kind::StatefulSet, Vec::new()),
        (Kind::Deployment, Vec::new()),
        (Kind::DaemonSet, Vec::new()),
        (Kind::CronJob, Vec::new()),
        (Kind::ReplicaSet, vec![Field::differs(OWNER, "Deployment")]),
        (Kind::Job, vec![Field::differs(OWNER, "CronJob"), Field::missing("/status/completionTime")]),
        (Kind::Pod, vec![Field::missing(OWNER)]),
        (Kind::ScaledObject, Vec::new()),
        (Kind::ScaledJob, Vec::new()),
    ];
    let mut conditions = Vec::new();
    for (kind, fields) in kinds {
        if let Some(Listed::NotServed) = facts.objects.get(&kind) {
            continue;
        }
        let names = facts.of(kind, &facts.namespace)?.map(|object| object.name().to_owned()).collect();
        let of = Listing { kind, namespace: Some(facts.namespace.clone()), labels: [].into() };
        conditions.push(Condition::Only { of, names, fields });
    }
    Ok(conditions)
}
