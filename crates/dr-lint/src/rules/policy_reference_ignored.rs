//! A reference to resource policies is of a kind that Velero does not look at.

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "policy-reference-ignored",
    family: Family::Policies,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A reference to resource policies is of a kind that Velero does not look at.",
    costs: "Velero ignores it in silence: volumes that were to be skipped are copied, and those that were to be copied are not.",
    proven: "Velero 1.18.1 internal/resourcepolicies:GetResourcePoliciesFromBackup compares the kind with configmap, whatever the case, and does nothing otherwise.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/policy-reference-ignored.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        let Some(policy) = spec.get("resourcePolicy") else { continue };
        let Some(kind) = policy.get("kind").and_then(Value::as_str) else { continue };
        if !kind.eq_ignore_ascii_case("configmap") {
            let message = format!("Velero looks at configmap alone and ignores {kind:?} in silence");
            out.push(on(spec.object, spec.at("resourcePolicy").key("kind"), message));
        }
    }
}
