//! A Restore takes claims and no pods.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::restored;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "restore-without-pods",
    family: Family::Restore,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A Restore takes claims and no pods.",
    costs: "What was backed up file by file comes back through pods: the restore is Completed, and the volume is empty.",
    proven: "Velero 1.18.3 on a real cluster: a file-system backup restored with persistentvolumeclaims and persistentvolumes alone was Completed with 0 errors, and the database had no table.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/restore-without-pods.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.restores() {
        if restored::claims_alone(spec) && restored::copied_as_files(context, spec) == Some(true) {
            let message =
                "claims without pods: what a file-system backup holds is not restored, and the phase is Completed";
            out.push(on(spec.object, spec.at("includedResources"), message));
        }
    }
}
