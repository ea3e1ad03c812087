//! As the cluster is now, Velero would refuse this backup.

use dr_core::select::Place;
use dr_yaml::Path;

use crate::derived::{self, Derived};
use crate::finding::{Draft, on, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "backup-refused",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "As the cluster is now, Velero would refuse this backup.",
    costs: "It ends FailedValidation with nothing in it, every night; the Schedule says Enabled all the same.",
    proven: "Velero 1.18.3 controller/backup_controller.go:prepareBackupRequest: a storage location that is missing, read-only or not Available, a snapshot location that is missing, and a ConfigMap of resource policies that is missing each refuse the whole backup.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/backup-refused.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    // What stands in the cluster, manifests do not tell.
    if context.input.live.is_none() {
        return;
    }
    let derived = Derived::of(context);
    for spec in context.backups() {
        let backup = spec.object;
        if backup.raw.bool_at("/spec/paused") == Some(true) {
            continue;
        }
        for reason in derived.refusals(context, backup) {
            match &reason.place {
                Place::Backup { field } => {
                    let is = |name: &str| field.ends_with(name);
                    let named =
                        spec.get("storageLocation").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
                    // Rules of their own tell of a location that is named and read-only, and of policies that are there.
                    let location = is(".storageLocation") && !(named && reason.says.ends_with("is ReadOnly"));
                    let policies = is("resourcePolicy") && reason.says.ends_with("does not exist");
                    if location || policies || is("volumeSnapshotLocations") {
                        out.push(on(backup, derived::path(field), reason.says));
                    }
                }
                Place::Server { flag } => {
                    out.push(on_key(
                        backup,
                        Path::keys("spec"),
                        format!("{}, which the server names by {flag}", reason.says),
                    ));
                }
                Place::Policy { .. } | Place::Object { .. } | Place::Velero => {}
            }
        }
    }
}
