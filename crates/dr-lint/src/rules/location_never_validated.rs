//! A location is never looked at again.

use dr_core::go_duration::GoDuration;
use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "location-never-validated",
    family: Family::Storage,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "A location is never looked at again.",
    costs: "It says Available for ever: that the bucket is gone shows when the backup is wanted.",
    proven: "Velero 1.18.1 controller/backup_storage_location_controller.go: a validationFrequency of 0 turns the validation off; backups want a phase of Available.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-never-validated.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::BackupStorageLocation) {
        let Some(text) = object.raw.str_at("/spec/validationFrequency") else { continue };
        if GoDuration::parse(text).is_ok_and(|every| every.0 == 0) {
            let message = "0 turns the validation off: this location stays as it was last seen";
            out.push(on(object, Path::keys("spec.validationFrequency"), message));
        }
    }
}
