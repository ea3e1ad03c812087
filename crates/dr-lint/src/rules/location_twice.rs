//! Two backup storage locations write to one place.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::store::Place;

pub(super) const RULE: Rule = Rule {
    id: "location-twice",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "Two backup storage locations write to one place.",
    costs: "Each shows the backups of the other as its own, and what one deletes the other has lost.",
    proven: "Velero 1.18.1 controller/backup_sync_controller.go and gc_controller.go: a location takes every backup under its prefix for its own.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-twice.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let writes = |location: &&Object| location.raw.str_at("/spec/accessMode") != Some("ReadOnly");
    let all: Vec<&Object> = context.seen(Kind::BackupStorageLocation).filter(writes).collect();
    for (at, location) in all.iter().enumerate().filter(|(_, location)| !location.context) {
        let Some(own) = Place::of(location) else { continue };
        let other = all.iter().enumerate().find(|(other, object)| {
            *other != at
                && location.meets(object)
                && (object.name(), object.raw.namespace()) != (location.name(), location.raw.namespace())
                && Place::of(object).as_ref() == Some(&own)
        });
        if let Some((_, other)) = other {
            let path = Path::keys("spec.objectStorage.bucket");
            let message = format!("{} writes to the same bucket and prefix", other.label());
            out.push(on(location, path.clone(), message).related(other, path, "the same place"));
        }
    }
}
