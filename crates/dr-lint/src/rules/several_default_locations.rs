//! Several backup storage locations are the default.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "several-default-locations",
    family: Family::Storage,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "Several backup storage locations are the default.",
    costs: "Velero keeps the newest and sets the others to false: backups go where nobody looked.",
    proven: "Velero 1.18.1 backup_storage_location_controller.go: of several defaults the older ones are unset.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/several-default-locations.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let default = Path::keys("spec.default");
    let all: Vec<_> = context
        .seen(Kind::BackupStorageLocation)
        .filter(|object| object.raw.bool_at("/spec/default") == Some(true))
        .collect();
    for object in all.iter().filter(|object| !object.context) {
        let other = all.iter().find(|other| {
            other.id != object.id
                && object.meets(other)
                && other.raw.namespace() == object.raw.namespace()
                && other.name() != object.name()
        });
        if let Some(other) = other {
            let message = format!("{} is the default as well", other.label());
            out.push(on(object, default.clone(), message).related(other, default.clone(), "the other default"));
        }
    }
}
