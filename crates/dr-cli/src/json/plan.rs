//! `kind: Plan`: what `plan -o json` writes and `apply` reads. What is inside carries the plan's own format number.

use dr_run::plan::{self, Plan};
use serde::Serialize;
use serde_json::Value;

use crate::json::VERSION;
use crate::report::Failure;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    plan: &'a Plan,
}

impl<'a> From<&'a Plan> for PlanV1<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self { api_version: VERSION, kind: "Plan", plan }
    }
}

/// Reads a saved plan, or says at which place it is none.
pub(crate) fn read(name: &str, text: &str) -> Result<Plan, Failure> {
    let again = "make it again: kubectl dr restore plan --ns NAMESPACE -o json > plan.json";
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let cut = if error.is_eof() { " (it ends in the middle)" } else { "" };
        let message = format!("{name}:{}:{}: this is no whole JSON document{cut}", error.line(), error.column());
        Failure::usage(message).hint(again)
    })?;
    let field = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    match (field("/apiVersion"), field("/kind")) {
        (Some(VERSION), Some("Plan")) => {}
        (Some(VERSION), Some(kind)) => {
            return Err(Failure::usage(format!("{name}: at /kind: this is of kind {kind}, not a Plan")).hint(again));
        }
        (Some(version), _) => {
            let message = format!("{name}: at /apiVersion: {version} is not {VERSION}, which this version reads");
            return Err(Failure::refused(message).hint("use the kubectl-dr that wrote it, or make the plan again"));
        }
        (None, _) => {
            return Err(Failure::usage(format!("{name}: at /apiVersion: missing, so this is no plan")).hint(again));
        }
    }
    let format = value.pointer("/plan/format").and_then(Value::as_u64);
    match format {
        None => return Err(Failure::usage(format!("{name}: at /plan/format: missing, so this is no plan")).hint(again)),
        Some(format) if format > u64::from(plan::FORMAT) => {
            let message =
                format!("{name}: at /plan/format: {format} is newer than {}, which this version reads", plan::FORMAT);
            return Err(Failure::refused(message).hint("use the kubectl-dr that wrote it"));
        }
        Some(_) => {}
    }
    let inner = value.get("plan").cloned().unwrap_or(Value::Null);
    serde_json::from_value(inner).map_err(|error| {
        Failure::failed(format!("{name}: at /plan: this is no plan of format {}", plan::FORMAT), error)
            .with_exit(crate::exit::Exit::Usage)
            .hint(again)
    })
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
        ];
        let told: Vec<String> = texts.into_iter().map(refused).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        2: plan.json:2:4: this is no whole JSON document (it ends in the middle)
        2: plan.json:1:1: this is no whole JSON document
        2: plan.json: at /apiVersion: missing, so this is no plan
        2: plan.json: at /kind: this is of kind RunStatus, not a Plan
        3: plan.json: at /apiVersion: dr/v2 is not dr/v1, which this version reads
        2: plan.json: at /plan/format: missing, so this is no plan
        3: plan.json: at /plan/format: 99 is newer than 1, which this version reads
        2: plan.json: at /plan: this is no plan of format 1 / missing field `id`
        ");
    }
}
