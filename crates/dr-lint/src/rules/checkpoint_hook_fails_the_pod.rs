//! A hook that only shortens recovery drops the pod from the backup when it fails.

use crate::finding::{Draft, on};
use crate::fix::{Change, Fix};
use crate::hooks::{Phase, hooks};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "checkpoint-hook-fails-the-pod",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook that only shortens recovery drops the pod from the backup when it fails.",
    costs: "A CHECKPOINT that meets a full connection limit takes the pod, and with file-system backup all of its data, out of the backup; without the hook the data would have been there.",
    proven: "Velero 1.18.3 on a real cluster: with onError Fail the pod whose pre hook failed is missing from the archive; with Continue it is there.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/checkpoint-hook-fails-the-pod.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for hook in hooks(spec).into_iter().filter(|hook| hook.phase == Phase::Pre) {
            if hook.exec.get("onError").and_then(Value::as_str) != Some("Fail") {
                continue;
            }
            // Whatever else is done in the same command may be worth failing for.
            if hook.only_writes_out() {
                let path = hook.path.clone().key("onError");
                let message = "when this fails the pod is not in the backup at all; without it the data would be";
                let fix = Fix {
                    title: "write Continue".into(),
                    safe: false,
                    change: Change::Set { path: path.clone(), to: "Continue".into() },
                };
                out.push(on(spec.object, path, message).fix(fix));
            }
        }
    }
}
