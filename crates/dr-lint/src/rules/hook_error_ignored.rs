//! A hook does not say what happens when it fails.

use dr_yaml::Path;

use crate::finding::{Draft, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "hook-error-ignored",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook does not say what happens when it fails.",
    costs: "Unset acts as Continue, whatever the documentation says: the backup goes on with data that was not prepared.",
    proven: "Velero 1.18.3 on a real cluster: a failing pre hook without onError left the pod in the archive, PartiallyFailed; with Fail the pod is missing from it.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/hook-error-ignored.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for (path, exec) in hooks(spec.value, &spec.path) {
            if exec.get("onError").is_none_or(Value::is_null) {
                let message = "onError is not said: Velero goes on as if it were Continue";
                out.push(on_key(spec.object, path, message));
            }
        }
    }
}

/// Every backup hook that executes, with its place.
fn hooks<'v>(spec: &'v Value, base: &Path) -> Vec<(Path, &'v Value)> {
    let mut found = Vec::new();
    let resources = spec.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, resource) in resources {
        for phase in ["pre", "post"] {
            let list = resource.get(phase).and_then(Value::as_array).into_iter().flatten().enumerate();
            found.extend(list.filter_map(|(hook, value)| {
                let path = base.clone().key("hooks").key("resources").index(at).key(phase).index(hook).key("exec");
                Some((path, value.get("exec")?))
            }));
        }
    }
    found
}
