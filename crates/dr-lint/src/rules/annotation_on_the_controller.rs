//! An annotation for Velero is on a controller and not on its pods.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "annotation-on-the-controller",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "An annotation for Velero is on a controller and not on its pods.",
    costs: "Velero reads it from pods alone: the volume is not copied, the hook does not run, and nothing is said.",
    proven: "Velero 1.18.1 util/podvolume and internal/hook read the annotations of pods.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/annotation-on-the-controller.md"),
    check,
};

const PREFIXES: [&str; 5] = [
    "backup.velero.io/backup-volumes",
    "pre.hook.backup.velero.io/",
    "post.hook.backup.velero.io/",
    "post.hook.restore.velero.io/",
    "init.hook.restore.velero.io/",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        let controller = matches!(
            object.kind,
            Some(Kind::StatefulSet | Kind::Deployment | Kind::DaemonSet | Kind::ReplicaSet | Kind::Job | Kind::CronJob)
        );
        let annotations = object.raw.at("/metadata/annotations").and_then(Value::as_object);
        for key in annotations.into_iter().flatten().map(|(key, _)| key).filter(|_| controller) {
            if PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
                let message = "Velero reads this from pods: it belongs into spec.template.metadata.annotations";
                out.push(on_key(object, Path::keys("metadata.annotations").key(key), message));
            }
        }
    }
}
