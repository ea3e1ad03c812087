//! A hook freezes, and no hook behind the backup thaws.

use crate::finding::{Draft, on};
use crate::hooks::{Phase, hooks};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "freeze-without-thaw",
    family: Family::Hooks,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A hook freezes, and no hook behind the backup thaws.",
    costs: "The filesystem or database stays frozen when the backup is done: the application hangs on its next write.",
    proven: "Velero 1.18.1 internal/hook: post hooks are those of the same entry alone, and nothing else undoes a pre hook.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/freeze-without-thaw.md"),
    check,
};

/// What stops writes, and what lets them go on.
const PAIRS: [([&str; 2], [&str; 2]); 3] = [
    (["fsfreeze --freeze", "fsfreeze -f"], ["fsfreeze --unfreeze", "fsfreeze -u"]),
    (["xfs_freeze -f", "xfs_freeze --freeze"], ["xfs_freeze -u", "xfs_freeze --unfreeze"]),
    (["fsynclock", "fsync: 1"], ["fsyncunlock", "fsyncunlock"]),
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let all = hooks(&spec);
        for hook in all.iter().filter(|hook| hook.phase == Phase::Pre) {
            let text = hook.text();
            for (freeze, thaw) in PAIRS {
                if !freeze.iter().any(|part| text.contains(part)) || thaw.iter().any(|part| text.contains(part)) {
                    continue;
                }
                let mut behind = all.iter().filter(|other| other.phase == Phase::Post && other.entry == hook.entry);
                if !behind.any(|other| thaw.iter().any(|part| other.text().contains(part))) {
                    let message = format!("this freezes, and no post hook of the same entry has {}", thaw[0]);
                    out.push(on(spec.object, hook.path.clone().key("command"), message));
                }
            }
        }
    }
}
