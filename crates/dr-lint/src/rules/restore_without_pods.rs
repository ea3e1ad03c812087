//! A Restore takes claims and no pods.

use dr_core::kind::Kind;
use serde_json::Value;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Spec;

pub(super) const RULE: Rule = Rule {
    id: "restore-without-pods",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A Restore takes claims and no pods.",
    costs: "What was backed up file by file comes back through pods: the restore is Completed, and the volume is empty.",
    proven: "Velero 1.18.3 on a real cluster: a file-system backup restored with persistentvolumeclaims and persistentvolumes alone was Completed with 0 errors, and the database had no table.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/restore-without-pods.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        let names = spec.strings("includedResources");
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let any = |wanted: &[&str]| names.iter().any(|(_, name)| wanted.contains(&first(name).as_str()));
        let claims = any(&["persistentvolumeclaims", "persistentvolumeclaim", "pvc"]);
        let pods = any(&["pods", "pod", "po"]) || names.iter().any(|(_, name)| name.contains('*'));
        // Who lists the snapshots as well restores from them.
        let snapshots = any(&["volumesnapshots", "volumesnapshot", "vs", "volumesnapshotcontents"]);
        if claims && !pods && !snapshots && copies_files(context, &spec) {
            let message =
                "claims without pods: what a file-system backup holds is not restored, and the phase is Completed";
            out.push(on(spec.object, spec.at("includedResources"), message));
        }
    }
}

/// Whether what is restored from was copied file by file, as far as the manifests tell: snapshots come back without pods.
fn copies_files(context: &Context<'_>, restore: &Spec<'_>) -> bool {
    let is_source = |object: &Object| {
        let field = if object.kind == Some(Kind::Backup) { "backupName" } else { "scheduleName" };
        restore.get(field).and_then(Value::as_str) == Some(object.name())
            && restore.object.raw.namespace() == object.raw.namespace()
    };
    let seen = context.input.objects.iter().filter_map(|object| Some((is_source(object), says(object)?)));
    let seen: Vec<(bool, Option<bool>)> = seen.collect();
    let known = seen.iter().any(|(source, _)| *source);
    let may_be = |wanted: Option<bool>| seen.iter().any(|(source, says)| (*source || !known) && *says == wanted);
    let annotation = |object: &Object| object.raw.0.to_string().contains("backup.velero.io/backup-volumes\":");
    may_be(Some(true))
        || may_be(None) && context.server().is_some_and(|server| server.default_volumes_to_fs_backup)
        || context.input.objects.iter().any(annotation)
}

/// What a Backup or Schedule says of copying all volumes file by file.
#[expect(clippy::option_option, reason = "no backup, a backup that leaves it to the server, and one that says it")]
fn says(object: &Object) -> Option<Option<bool>> {
    let spec = match object.kind {
        Some(Kind::Backup) => "/spec",
        Some(Kind::Schedule) => "/spec/template",
        Some(_) | None => return None,
    };
    let says = |field: &str| object.raw.bool_at(&format!("{spec}/{field}"));
    Some(says("defaultVolumesToFsBackup").or_else(|| says("defaultVolumesToRestic")))
}
