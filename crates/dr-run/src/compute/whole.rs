//! A namespace that is gone comes back whole: its claims on the verified volumes first, then its objects.

use dr_core::claims::WORKLOADS;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde_json::{Value, json};

use super::{Context, labels, rest, stage, step, swap, wave};
use crate::action::{Action, Move, Phase, Step, Target, Undo};
use crate::condition::{Condition, Field};
use crate::plan::{Section, Wave};
use crate::slot::{Spot, Text};

/// What never comes from the archive: pods are made by their controllers, claims and volumes by us.
const NOT_FROM_ARCHIVE: &[&str] = &[
    "pods",
    "persistentvolumeclaims",
    "persistentvolumes",
    "volumesnapshots.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "replicasets.apps",
    "controllerrevisions.apps",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "leases.coordination.k8s.io",
];

const STAYS: &str = "the namespace, its objects and its volumes stay; undo stops what writes";

pub(super) fn waves(context: &Context<'_>, waves: &mut Vec<Wave>) {
    waves.push(wave(Section::Switch, vec![namespace(context)]));
    let claims = context.claims.iter().map(|claim| {
        let mut created = swap::create_claim(context, claim);
        created.undo = Undo::nothing(STAYS);
        created
    });
    waves.push(wave(Section::Switch, claims.collect()));
    let unmarked = context.claims.iter().map(|claim| {
        let mut unmarked = swap::unmarked(context, claim);
        unmarked.undo = Undo::nothing(STAYS);
        unmarked
    });
    waves.push(wave(Section::Switch, unmarked.collect()));
    let mut objects = restored(context, Phase::Back, "objects", "restore the namespace's objects");
    objects.undo = Undo::nothing(STAYS);
    waves.push(wave(Section::Switch, vec![objects]));
    waves.push(wave(Section::Switch, workloads(context)));
    waves.push(wave(Section::Switch, rest::identities(context)));
}

fn namespace(context: &Context<'_>) -> Step {
    let name = &context.place.namespace;
    let archived = context.chosen.archive.get(Kind::Namespace, None, name);
    let mut namespace_labels = archived.map(Object::labels).unwrap_or_default();
    namespace_labels.remove("kubernetes.io/metadata.name");
    let annotations = archived.and_then(|archived| archived.at("/metadata/annotations")).cloned().unwrap_or(json!({}));
    let object = Spot::cluster(Kind::Namespace, name.as_str());
    let template = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": labels(&namespace_labels), "annotations": annotations },
    });
    let forward = Move::new(Action::Create { object: object.clone(), template: template.into() }, 60)
        .until(Condition::Is { object, uid: None, fields: vec![Field::equals("/status/phase", "Active")] });
    step("swap/namespace", Phase::Swap, format!("create namespace {name}"), forward, Undo::nothing(STAYS))
}

fn restored(context: &Context<'_>, phase: Phase, suffix: &str, title: &str) -> Step {
    let name = format!("dr-{}-{suffix}", context.request.id);
    let object = Spot::namespaced(Kind::Restore, &context.place.velero_namespace, name.as_str());
    let spec = json!({
        "backupName": context.chosen.backup,
        "includedNamespaces": [context.place.namespace],
        "excludedResources": NOT_FROM_ARCHIVE,
        "existingResourcePolicy": "none",
    });
    let forward = stage::restoring(&object, stage::restore_object(context, &name, &spec), 1800);
    let undo = Undo::Impossible { because: "objects that came back stay; delete the ones you do not want".to_owned() };
    step(format!("{phase}/{suffix}"), phase, title, forward, undo)
}

/// `--objects missing`: what the backup holds and the cluster lacks, without touching what is there.
///
/// The application runs on its proven data by then. That some object could not be had is said (exit 6); it is no reason
/// to take the data back.
pub(super) fn missing_objects(context: &Context<'_>) -> Step {
    restored(context, Phase::Keep, "missing", "restore the objects that are missing")
}

/// Waits for each workload, the ones on a restored claim until they are ready; undo scales them to 0.
fn workloads(context: &Context<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (kind, _) in WORKLOADS.iter().filter(|(kind, _)| matches!(kind, Kind::StatefulSet | Kind::Deployment)) {
        for workload in context.chosen.archive.of(*kind) {
            if workload.namespace() != Some(context.place.namespace.as_str()) {
                continue;
            }
            let key = Key::namespaced(*kind, &context.place.namespace, workload.name());
            let replicas = workload.i64_at("/spec/replicas").unwrap_or(1);
            let consumes = context.consumers.iter().any(|consumer| consumer.workload.as_ref() == Some(&key));
            let what = format!("{}/{}", kind.info().kind.to_lowercase(), workload.name());
            let fields = if consumes && replicas > 0 {
                vec![Field::at_least("/status/readyReplicas", replicas)]
            } else {
                Vec::new()
            };
            let uid = format!("workload-uid/{what}");
            let forward = Move::new(Action::Observe, 900)
                .until(Condition::Is { object: key.clone().into(), uid: None, fields })
                .bind(&uid, key.clone(), "/metadata/uid");
            let target = Target { object: key.into(), uid: Text::slot(&uid) };
            let stop: Value = json!({ "spec": { "replicas": 0 } });
            let undo = Undo::by(Move::new(Action::Patch { target, patch: stop.into() }, 300));
            let title = format!("see {what} come back");
            steps.push(step(format!("back/{what}"), Phase::Back, title, forward, undo));
        }
    }
    steps
}
