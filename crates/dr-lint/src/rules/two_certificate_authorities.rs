//! A storage location has caCert and caCertRef.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "two-certificate-authorities",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A storage location has caCert and caCertRef.",
    costs: "Velero calls the location Unavailable: every backup and restore that uses it is refused.",
    proven: "Velero 1.18.1 backup_storage_location_controller.go: both at once are an error of validation.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/two-certificate-authorities.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::BackupStorageLocation) {
        let set =
            |pointer: &str| object.raw.at(pointer).is_some_and(|value| !value.is_null() && value.as_str() != Some(""));
        if set("/spec/objectStorage/caCert") && set("/spec/objectStorage/caCertRef") {
            let path = Path::keys("spec.objectStorage.caCert");
            let draft = on_key(object, path, "beside caCertRef this makes the location Unavailable");
            out.push(draft.related(object, Path::keys("spec.objectStorage.caCertRef"), "the other one"));
        }
    }
}
