//! Two namespaces are restored into one.

use std::collections::BTreeMap;

use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "namespaces-collide",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "Two namespaces are restored into one.",
    costs: "Of objects and claims with the same name the first one is restored, and the other is passed over with a warning.",
    proven: "Velero 1.18.1 pkg/restore/restore.go:restoreItem: an object that exists is not restored again.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/namespaces-collide.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        let mapping = spec.get("namespaceMapping").and_then(Value::as_object);
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let excluded = spec.strings("excludedNamespaces");
        let included = spec.strings("includedNamespaces");
        let pattern = |name: &str| name.contains(['*', '?', '[', '{']);
        let (out_of_it, within) = (names(&excluded), names(&included));
        // Patterns may leave either of the two out.
        if out_of_it.iter().any(|name| pattern(name)) || within.iter().any(|name| pattern(name) && *name != "*") {
            continue;
        }
        let restored = |name: &str| {
            !out_of_it.contains(&name) && (within.is_empty() || within.iter().any(|with| *with == "*" || *with == name))
        };
        let entries = mapping.into_iter().flatten().filter_map(|(from, to)| Some((from, to.as_str()?)));
        let entries = entries.filter(|(from, _)| restored(from));
        let entries: BTreeMap<&str, &str> = entries.collect();
        for (from, to) in entries {
            if let Some(first) = seen.insert(to, from) {
                let path = spec.at("namespaceMapping");
                let draft = on(spec.object, path.clone().key(from), format!("{first} is restored into {to} as well"));
                out.push(draft.related(spec.object, path.key(first), "the other one"));
            }
        }
    }
}

fn names<'v>(list: &[(Path, &'v str)]) -> Vec<&'v str> {
    list.iter().map(|(_, name)| *name).collect()
}
