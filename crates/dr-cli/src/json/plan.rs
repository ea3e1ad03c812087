//! `kind: Plan`: what `plan -o json` writes and `apply` reads. What is inside carries the plan's own format number.

use dr_run::plan::{self, Plan};
use serde::Serialize;

use crate::json::VERSION;
use crate::json::file::Wanted;
use crate::report::Failure;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    /// Made from a file of facts, which lacks what is secret: to be looked at, not to be applied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    from_facts: bool,
    plan: &'a Plan,
}

impl<'a> PlanV1<'a> {
    pub(crate) fn new(plan: &'a Plan, from_facts: bool) -> Self {
        Self { api_version: VERSION, kind: "Plan", from_facts, plan }
    }
}

impl<'a> From<&'a Plan> for PlanV1<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self::new(plan, false)
    }
}

/// Reads a saved plan, or says at which place it is none.
pub(crate) fn read(name: &str, text: &str) -> Result<Plan, Failure> {
    let again = "make it again: kubectl dr restore plan --ns NAMESPACE -o json > plan.json";
    let opened = Wanted { name, kind: "Plan", format: plan::FORMAT, again }.open(text)?;
    if opened.whole.pointer("/fromFacts").is_some_and(|made| *made != serde_json::Value::Bool(false)) {
        let message = format!("{name}: at /fromFacts: this plan was made from a file of facts, not from a cluster");
        return Err(Failure::refused(message).hint(again));
    }
    Ok(opened.inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        colored::control::set_override(false);
        let failure = read("plan.json", text).unwrap_err();
        let told: Vec<String> = std::iter::once(failure.error.to_string()).chain(failure.causes()).collect();
        format!("{}: {}", failure.exit.code(), told.join(" / "))
    }

    #[test]
    fn what_is_no_plan_is_named_with_its_place() {
        let texts = [
            "{\"apiVersion\": \"dr/v1\",\n \"ki",
            "apiVersion: dr/v1",
            "[]",
            r#"{"apiVersion":"dr/v1","kind":"RunStatus"}"#,
            r#"{"apiVersion":"dr/v2","kind":"Plan"}"#,
            r#"{"apiVersion":"dr/v1","kind":"Plan"}"#,
            r#"{"apiVersion":"dr/v1","kind":"Plan","plan":{"format":99}}"#,
            r#"{"apiVersion":"dr/v1","kind":"Plan","plan":{"format":1}}"#,
            r#"{"apiVersion":"dr/v1"}"#,
        ];
        let told: Vec<String> = texts.into_iter().map(refused).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        2: plan.json:2:4: this is no whole JSON document (it ends in the middle)
        2: plan.json:1:1: this is no whole JSON document
        2: plan.json: at /apiVersion: missing, so this is no plan
        2: plan.json: at /kind: this is of kind RunStatus, not Plan
        3: plan.json: at /apiVersion: dr/v2 is not dr/v1, which this version reads
        2: plan.json: at /plan/format: missing, so this is no plan
        3: plan.json: at /plan/format: 99 is newer than 2, which this version reads
        2: plan.json: at /plan: this is not as format 2 of Plan has it / missing field `id`
        2: plan.json: at /kind: missing, so this is no plan
        ");
    }
}
