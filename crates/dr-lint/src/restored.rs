//! What a Restore brings back of volumes, as far as the manifests tell.

use dr_core::claims::WORKLOADS;
use dr_core::kind::Kind;
use dr_core::select::glob::Glob;

use crate::input::Object;
use crate::json::Value;
use crate::judge::Context;
use crate::velero::{Spec, server_of};

/// Whether it takes claims, and neither pods nor the snapshots that claims come back from without them.
pub(crate) fn claims_alone(restore: &Spec<'_>) -> bool {
    let names = restore.strings("includedResources");
    let first = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let any = |wanted: &[&str]| names.iter().any(|(_, name)| wanted.contains(&first(name).as_str()));
    let claims = any(&["persistentvolumeclaims", "persistentvolumeclaim", "pvc"]);
    let pods = any(&["pods", "pod", "po"]) || names.iter().any(|(_, name)| name.contains('*'));
    claims && !pods && !any(&["volumesnapshots", "volumesnapshot", "vs", "volumesnapshotcontents"])
}

/// Whether what is restored from was copied file by file; none where the manifests do not tell.
pub(crate) fn copied_as_files(context: &Context<'_>, restore: &Spec<'_>) -> Option<bool> {
    let is_source = |object: &Object| {
        let field = if object.kind == Some(Kind::Backup) { "backupName" } else { "scheduleName" };
        restore.get(field).and_then(Value::as_str) == Some(object.name())
            && restore.object.raw.namespace() == object.raw.namespace()
    };
    let seen = context.input.objects.iter().filter_map(|object| Some((is_source(object), says(object)?)));
    let seen: Vec<(bool, Option<bool>)> = seen.collect();
    let known = seen.iter().any(|(source, _)| *source);
    let may_be = |wanted: Option<bool>| seen.iter().any(|(source, says)| (*source || !known) && *says == wanted);
    // Of a cluster everything is seen: pods that are not in the backup, or not in the restore, say nothing of it.
    let sources = context.input.objects.iter().filter(|object| is_source(object));
    let sources: Vec<&Value> = sources.filter_map(|object| object.raw.at(spec_of(object)?)).collect();
    let mounts = |kind: Kind| kind == Kind::Pod || WORKLOADS.iter().any(|(workload, _)| *workload == kind);
    let reached = |object: &Object| {
        let namespace = object.raw.namespace();
        context.input.live.is_none()
            || object.kind.is_some_and(mounts)
                && (sources.is_empty() || sources.iter().any(|spec| holds(spec, namespace)))
                && holds(restore.value, namespace)
    };
    let annotation =
        |object: &Object| reached(object) && object.raw.0.to_string().contains("backup.velero.io/backup-volumes\":");
    let server = server_of(&context.servers(), restore.object).map(|server| server.default_volumes_to_fs_backup);
    if may_be(Some(true)) || may_be(None) && server == Some(true) || context.input.objects.iter().any(annotation) {
        return Some(true);
    }
    (known && (!may_be(None) || server == Some(false))).then_some(false)
}

/// Whether a Backup or Restore is about a namespace; of manifests that name none nobody knows where they go.
fn holds(spec: &Value, namespace: Option<&str>) -> bool {
    let Some(namespace) = namespace else { return true };
    let names = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let matches = |pattern: &str| Glob::new(pattern).map_or(pattern == namespace, |glob| glob.matches(namespace));
    let included = names("includedNamespaces").next().is_none() || names("includedNamespaces").any(matches);
    included && !names("excludedNamespaces").any(matches)
}

/// Where a Backup or Schedule says what its backups hold.
fn spec_of(object: &Object) -> Option<&'static str> {
    match object.kind {
        Some(Kind::Backup) => Some("/spec"),
        Some(Kind::Schedule) => Some("/spec/template"),
        Some(_) | None => None,
    }
}

/// What a Backup or Schedule says of copying all volumes file by file.
#[expect(clippy::option_option, reason = "no backup, a backup that leaves it to the server, and one that says it")]
fn says(object: &Object) -> Option<Option<bool>> {
    let spec = spec_of(object)?;
    let says = |field: &str| object.raw.bool_at(&format!("{spec}/{field}"));
    Some(says("defaultVolumesToFsBackup").or_else(|| says("defaultVolumesToRestic")))
}
