//! A volume policy stands behind one that takes all of its volumes.

use crate::finding::{Draft, on};
use crate::json::{Map, Value};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "policy-never-reached",
    family: Family::Policies,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A volume policy stands behind one that takes all of its volumes.",
    costs: "It decides nothing: volumes that it was to copy are skipped, or the other way round.",
    proven: "Velero 1.18.1 internal/resourcepolicies/resource_policies.go:match: the first policy whose conditions all hold decides.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/policy-never-reached.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for (object, path, value) in context.policies() {
        let policies = value.get("volumePolicies").and_then(Value::as_array).unwrap_or_default();
        for (at, policy) in policies.iter().enumerate() {
            let Some(own) = conditions(policy) else { continue };
            let before = policies.iter().take(at).position(|before| {
                // Conditions hold together: fewer of the same hold wherever more do.
                conditions(before).is_some_and(|wider| wider.iter().all(|(key, value)| own.get(key) == Some(value)))
            });
            if let Some(before) = before {
                let message =
                    format!("volumePolicies[{at}] is never reached: volumePolicies[{before}] takes all of its volumes");
                out.push(on(object, path.clone(), message));
            }
        }
    }
}

fn conditions(policy: &Value) -> Option<Map> {
    match policy.get("conditions") {
        None | Some(Value::Null) => Some(Map::default()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => None,
    }
}
