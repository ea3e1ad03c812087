//! An annotation names a volume that the pod does not have.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unknown-volume-in-annotation",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "An annotation names a volume that the pod does not have.",
    costs: "The volume that was meant is not copied, and Velero says nothing at all.",
    proven: "Velero 1.18.1 util/podvolume: the value is split at commas and not trimmed; an unknown name gives no message.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/unknown-volume-in-annotation.md"),
    check,
};

const ANNOTATIONS: [&str; 2] = ["backup.velero.io/backup-volumes", "backup.velero.io/backup-volumes-excludes"];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        let Some((metadata, spec)) = pod_of(object.kind) else { continue };
        let Some(annotations) = object.raw.0.within(&metadata.key("annotations")).and_then(Value::as_object) else {
            continue;
        };
        let Some(pod) = object.raw.0.within(&spec) else { continue };
        let volumes: Vec<&str> = pod
            .get("volumes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|volume| volume.get("name").and_then(Value::as_str))
            .chain(templates(object.raw.at("/spec/volumeClaimTemplates")))
            .collect();
        for annotation in ANNOTATIONS {
            let Some(text) = annotations.get(annotation).and_then(Value::as_str) else { continue };
            for name in text.split(',').filter(|name| !volumes.contains(name)) {
                let trimmed = name.trim();
                let message = if trimmed != name && volumes.contains(&trimmed) {
                    format!("Velero does not trim names: {name:?} is not {trimmed:?}, and that volume is left out")
                } else {
                    format!("the pod has no volume {name:?}; it has: {}", volumes.join(", "))
                };
                let metadata = pod_of(object.kind).map_or_else(Path::root, |(metadata, _)| metadata);
                out.push(on(object, metadata.key("annotations").key(annotation), message));
            }
        }
    }
}

fn templates(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
}

/// Where a pod's metadata and spec are, of the kinds that have one.
fn pod_of(kind: Option<Kind>) -> Option<(Path, Path)> {
    const TEMPLATED: [Kind; 5] = [Kind::StatefulSet, Kind::Deployment, Kind::DaemonSet, Kind::ReplicaSet, Kind::Job];
    let kind = kind?;
    let base = if kind == Kind::Pod {
        ""
    } else if kind == Kind::CronJob {
        "spec.jobTemplate.spec.template"
    } else if TEMPLATED.contains(&kind) {
        "spec.template"
    } else {
        return None;
    };
    Some((Path::keys(base).key("metadata"), Path::keys(base).key("spec")))
}
