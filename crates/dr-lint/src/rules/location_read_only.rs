//! A backup goes to a location that is read-only.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "location-read-only",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A backup goes to a location that is read-only.",
    costs: "Velero refuses it: FailedValidation, of a Schedule at every run while it stays Enabled.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest: a location with accessMode ReadOnly is a validation error.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-read-only.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let locations: Vec<_> = context.seen(Kind::BackupStorageLocation).collect();
    for spec in context.backups() {
        // No run of it is refused until somebody starts it.
        if spec.object.raw.at("/spec/paused").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let named = spec.get("storageLocation").and_then(Value::as_str).filter(|name| !name.is_empty());
        let Some(name) = named else { continue };
        let location = locations.iter().find(|location| {
            location.name() == name
                && location.raw.namespace() == spec.object.raw.namespace()
                && location.meets(spec.object)
        });
        if let Some(location) = location.filter(|location| location.raw.str_at("/spec/accessMode") == Some("ReadOnly"))
        {
            let message = format!("{name} is read-only: Velero refuses this backup");
            let place = Path::keys("spec.accessMode");
            out.push(on(spec.object, spec.at("storageLocation"), message).related(location, place, "read-only here"));
        }
    }
}
