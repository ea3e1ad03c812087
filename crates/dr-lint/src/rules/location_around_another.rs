//! A backup storage location lies around another one.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::store::Place;

pub(super) const RULE: Rule = Rule {
    id: "location-around-another",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A backup storage location lies around another one.",
    costs: "As soon as the inner one holds a backup, Velero finds a folder in the outer one that is none of its own and calls it Unavailable: no backup goes there any more, and no restore comes from it.",
    proven: "Velero 1.18.3 on a real cluster: \"Backup store contains invalid top-level directories\"; persistence/object_store.go:IsValid.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-around-another.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let all: Vec<(&Object, Place)> = context
        .seen(Kind::BackupStorageLocation)
        .filter_map(|location| Some((location, Place::of(location)?)))
        .collect();
    for (outer, own) in all.iter().filter(|(location, _)| !location.context) {
        let inner = all
            .iter()
            .filter(|(inner, other)| own.is_around(other) && outer.meets(inner))
            .min_by_key(|(inner, _)| inner.label());
        if let Some((inner, _)) = inner {
            let path = Path::keys("spec.objectStorage");
            let message = format!("{} lies inside of it", inner.label());
            out.push(on(outer, path.clone(), message).related(inner, path, "inside of it"));
        }
    }
}
