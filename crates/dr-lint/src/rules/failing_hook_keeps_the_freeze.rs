//! A hook behind a freeze ends the pod's hooks when it fails, the one that thaws included.

use crate::finding::{Draft, on};
use crate::hooks::{Frozen, Hook, Phase, hooks};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "failing-hook-keeps-the-freeze",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook behind a freeze ends the pod's hooks when it fails, the one that thaws included.",
    costs: "The filesystem stays frozen: the application hangs until somebody thaws it by hand.",
    proven: "Velero 1.18.1 backup/backup.go:backupItemBlock: post hooks run for pods whose pre hooks succeeded; with Fail the pod counts as failed.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/failing-hook-keeps-the-freeze.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let all = hooks(spec);
        let freezes = |hook: &Hook<'_>| Frozen::ALL.into_iter().any(|what| hook.freezes(what));
        for (at, hook) in all.iter().enumerate().filter(|(_, hook)| hook.phase == Phase::Pre) {
            let fails = hook.exec.get("onError").and_then(Value::as_str) == Some("Fail");
            let before = all
                .iter()
                .take(at)
                .find(|other| other.phase == Phase::Pre && other.entry == hook.entry && freezes(other));
            if let (true, Some(freeze)) = (fails, before) {
                let message = "when this fails no post hook runs for the pod: what is frozen before it stays frozen";
                let draft = on(spec.object, hook.path.clone().key("onError"), message);
                out.push(draft.related(spec.object, freeze.path.clone().key("command"), "frozen here"));
            }
        }
    }
}
