//! `lint explain`, `lint rules` and `lint schema`.

use clap::ValueEnum;
use dr_lint::{RULES, Rule};
use serde_json::json;

use super::config;
use crate::exit::Exit;
use crate::out;
use crate::render;
use crate::report::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Listing {
    Table,
    Json,
}

pub(super) fn explain(id: &str) -> Result<Exit, Failure> {
    let Some(rule) = RULES.iter().find(|rule| rule.id == id) else {
        let names = RULES.iter().map(|rule| rule.id.to_owned());
        return Err(Failure::usage(format!("there is no rule {id:?}")).hint(dr_core::choose::nearest(id, names)));
    };
    out::result(rule.page)?;
    Ok(Exit::Done)
}

pub(super) fn schema() -> Result<Exit, Failure> {
    out::result(config::SCHEMA)?;
    Ok(Exit::Done)
}

pub(super) fn rules(output: Listing) -> Result<Exit, Failure> {
    match output {
        Listing::Table => {
            let mut lines = vec!["RULE\tSEVERITY\tAPPETITE\tFIX\tABOUT".to_owned()];
            lines.extend(RULES.iter().map(|rule| {
                let Rule { id, severity, appetite, fix, summary, .. } = rule;
                format!("{id}\t{}\t{}\t{}\t{summary}", severity.name(), appetite.name(), fix.name())
            }));
            out::result(&render::table(&lines)?)?;
        }
        Listing::Json => {
            let rules: Vec<_> = RULES
                .iter()
                .map(|rule| {
                    json!({
                        "id": rule.id,
                        "family": rule.family.name(),
                        "severity": rule.severity.name(),
                        "appetite": rule.appetite.name(),
                        "fix": rule.fix.name(),
                        "summary": rule.summary,
                        "costs": rule.costs,
                        "proven": rule.proven,
                    })
                })
                .collect();
            out::json(&json!({ "apiVersion": "dr/v1", "kind": "LintRules", "rules": rules }))?;
        }
    }
    Ok(Exit::Done)
}
