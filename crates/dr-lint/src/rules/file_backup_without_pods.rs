//! File-system backup is the default, and no pod is in the backup.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "file-backup-without-pods",
    family: Family::Volumes,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "File-system backup is the default, and no pod is in the backup.",
    costs: "Velero copies files through pods: the backup is Completed and holds no data of any volume.",
    proven: "Velero 1.18.1 backup/item_backupper.go and podvolume: a volume chosen for file-system backup whose pod is filtered out is logged as backed up and is not.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/file-backup-without-pods.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let Some(chosen) = ["defaultVolumesToFsBackup", "defaultVolumesToRestic"]
            .into_iter()
            .find(|field| spec.get(field).and_then(Value::as_bool) == Some(true))
        else {
            continue;
        };
        let is_pods = |name: &str| matches!(name, "pods" | "pod" | "po" | "*");
        for field in ["excludedResources", "excludedNamespaceScopedResources"] {
            for (path, _) in spec.strings(field).into_iter().filter(|(_, name)| is_pods(name)) {
                let draft = on(spec.object, path, "without its pod no volume is copied, and the phase is Completed");
                out.push(draft.related(spec.object, spec.at(chosen), "files are to be copied"));
            }
        }
        for field in ["includedResources", "includedNamespaceScopedResources"] {
            let names = spec.strings(field);
            // A pattern may match pods; a name that is none of theirs does not.
            if !names.is_empty() && !names.iter().any(|(_, name)| is_pods(name) || name.contains('*')) {
                let message =
                    "pods are not in this list: without its pod no volume is copied, and the phase is Completed";
                let draft = on(spec.object, spec.at(field), message);
                out.push(draft.related(spec.object, spec.at(chosen), "files are to be copied"));
            }
        }
    }
}
