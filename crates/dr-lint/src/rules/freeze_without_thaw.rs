//! A hook freezes, and no hook behind the backup thaws.

use crate::finding::{Draft, on};
use crate::hooks::{Frozen, Phase, hooks};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "freeze-without-thaw",
    family: Family::Hooks,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A hook freezes, and no hook behind the backup thaws.",
    costs: "The filesystem or database stays frozen when the backup is done: the application hangs on its next write.",
    proven: "Velero 1.18.1 internal/hook/item_hook_handler.go: behind a pod run the post hooks of every entry that is about it, and nothing else undoes a pre hook.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/freeze-without-thaw.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let all = hooks(spec);
        for hook in all.iter().filter(|hook| hook.phase == Phase::Pre) {
            for what in Frozen::ALL.into_iter().filter(|what| hook.freezes(*what)) {
                let mut behind = all.iter().filter(|other| other.phase == Phase::Post);
                if !behind.any(|other| other.thaws(what) || other.runs_a_script()) {
                    let message = format!("this freezes, and no post hook of this backup has {}", what.thaw());
                    out.push(on(spec.object, hook.path.clone().key("command"), message));
                }
            }
        }
    }
}
