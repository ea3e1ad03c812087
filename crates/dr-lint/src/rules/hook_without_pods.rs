//! A hook is meant for resources other than pods.

use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "hook-without-pods",
    family: Family::Hooks,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A hook is meant for resources other than pods.",
    costs: "Hooks run in pods alone: this one never runs, and nothing says so.",
    proven: "Velero 1.18.1 internal/hook: the resources of a hook are tested against pods.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/hook-without-pods.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let resources = spec.value.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten();
        for (at, resource) in resources.enumerate() {
            let path = spec.at("hooks").key("resources").index(at);
            let names = |field: &str| crate::velero::strings(resource.get(field), &path.clone().key(field));
            let included = names("includedResources");
            let pods = |name: &str| matches!(name, "pods" | "pod" | "po") || name.contains('*');
            if !included.is_empty() && !included.iter().any(|(_, name)| pods(name)) {
                let path: Path = path.clone().key("includedResources");
                out.push(on(spec.object, path, "hooks run in pods alone; without pods in this list it never runs"));
            }
            for (path, name) in names("excludedResources").into_iter().filter(|(_, name)| pods(name)) {
                out.push(on(spec.object, path, format!("hooks run in pods alone; with {name} excluded it never runs")));
            }
        }
    }
}
