//! A backup storage location lies around another one.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

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

/// Folders that Velero expects below its prefix (`persistence/object_store_layout.go:newObjectStoreLayout` at v1.18.3).
const OWN: [&str; 6] = ["backups", "restores", "restic", "metadata", "plugins", "kopia"];

struct Place {
    store: (String, String, Option<String>),
    /// The folders below the bucket.
    prefix: Vec<String>,
}

fn place(location: &Object) -> Option<Place> {
    let text = |pointer: &str| location.raw.str_at(pointer).unwrap_or("").trim_matches('/').to_owned();
    let bucket = text("/spec/objectStorage/bucket");
    let config = location.raw.at("/spec/config").map(ToString::to_string);
    let prefix = text("/spec/objectStorage/prefix");
    let prefix = prefix.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned).collect();
    (!bucket.is_empty()).then(|| Place { store: (text("/spec/provider"), bucket, config), prefix })
}

/// Whether what the inner one writes makes a folder that the outer one does not know.
fn around(outer: &Place, inner: &Place) -> bool {
    let below = inner.prefix.strip_prefix(outer.prefix.as_slice());
    let foreign = below.and_then(<[String]>::first).is_some_and(|folder| !OWN.contains(&folder.as_str()));
    outer.store == inner.store && foreign
}

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let all: Vec<(&Object, Place)> =
        context.seen(Kind::BackupStorageLocation).filter_map(|location| Some((location, place(location)?))).collect();
    for (outer, own) in all.iter().filter(|(location, _)| !location.context) {
        let inner = all.iter().filter(|(_, other)| around(own, other)).min_by_key(|(inner, _)| inner.label());
        if let Some((inner, _)) = inner {
            let path = Path::keys("spec.objectStorage");
            let message = format!("{} lies inside of it", inner.label());
            out.push(on(outer, path.clone(), message).related(inner, path, "inside of it"));
        }
    }
}
