//! A label selector is empty.

use crate::finding::{Draft, on};
use crate::fix::{Change, Fix};
use crate::json::{Map, Value};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "empty-label-selector",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A label selector is empty.",
    costs: "It does not mean \"everything\": every listing fails, the backup is PartiallyFailed and holds next to nothing.",
    proven: "Velero 1.18.3 on a real cluster: PartiallyFailed, 86 errors, only the namespace objects archived.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/empty-label-selector.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups().iter().chain(context.restores()) {
        if spec.get("labelSelector").and_then(Value::as_object).is_some_and(is_empty) {
            let path = spec.at("labelSelector");
            let draft =
                on(spec.object, path.clone(), "an empty selector selects nothing: every listing of Velero fails on it");
            out.push(draft.fix(Fix {
                title: "remove it: everything is selected".into(),
                safe: false,
                change: Change::Remove { path },
            }));
        }
        let alternatives = spec.get("orLabelSelectors").and_then(Value::as_array).into_iter().flatten().enumerate();
        for (at, _) in alternatives.filter(|(_, selector)| selector.as_object().is_some_and(is_empty)) {
            let path = spec.at("orLabelSelectors").index(at);
            out.push(on(spec.object, path, "an empty selector selects nothing: every listing of Velero fails on it"));
        }
    }
}

/// No requirement of either kind.
fn is_empty(selector: &Map) -> bool {
    let none = |field: &str| match selector.get(field) {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    };
    none("matchLabels") && none("matchExpressions")
}
