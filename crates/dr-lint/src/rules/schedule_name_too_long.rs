//! The name of a Schedule has more than 63 characters.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "schedule-name-too-long",
    family: Family::Schedule,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "The name of a Schedule has more than 63 characters.",
    costs: "Velero puts it into a label that cannot hold it: no backup of this schedule is ever created, and its phase stays Enabled.",
    proven: "Velero 1.18.1 schedule_controller.go: the label velero.io/schedule-name is not shortened.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/schedule-name-too-long.md"),
    check,
};

/// The length of a label's value.
const MOST: usize = 63;

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::Schedule) {
        let length = object.name().len();
        if length > MOST {
            let message =
                format!("the name has {length} characters; it becomes a label's value, which has at most {MOST}");
            out.push(on(object, Path::keys("metadata.name"), message));
        }
    }
}
