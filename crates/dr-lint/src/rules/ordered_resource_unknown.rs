//! An order is given for a name that Velero does not know by that spelling.

use dr_core::kind::Kind;

use crate::finding::{Draft, on, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "ordered-resource-unknown",
    family: Family::Selection,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "An order is given for a name that Velero does not know by that spelling.",
    costs: "The order is not kept, and nothing says so: a follower may be copied before its leader.",
    proven: "Velero 1.18.1 backup/item_collector.go: the key is compared with the plural of the resource; names are split at commas and not trimmed.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/ordered-resource-unknown.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let orders = spec.get("orderedResources").and_then(Value::as_object);
        for (key, names) in orders.into_iter().flatten() {
            let path = spec.at("orderedResources").key(key);
            let known = Kind::ALL.iter().map(|kind| kind.info());
            let meant = known.into_iter().find(|info| {
                let singular = info.kind.to_ascii_lowercase();
                key != info.plural && (key.eq_ignore_ascii_case(&singular) || key.eq_ignore_ascii_case(info.plural))
            });
            let short = match key {
                "po" => Some("pods"),
                "pvc" => Some("persistentvolumeclaims"),
                "pv" => Some("persistentvolumes"),
                "sts" => Some("statefulsets"),
                "deploy" => Some("deployments"),
                _ => meant.map(|info| info.plural),
            };
            if let Some(plural) = short {
                out.push(on_key(
                    spec.object,
                    path.clone(),
                    format!("Velero compares with {plural}: this orders nothing"),
                ));
            }
            for name in names.as_str().into_iter().flat_map(|names| names.split(',')) {
                if name.trim() != name {
                    let message = format!("Velero does not trim names: there is no {name:?}");
                    out.push(on(spec.object, path.clone(), message));
                }
            }
        }
    }
}
