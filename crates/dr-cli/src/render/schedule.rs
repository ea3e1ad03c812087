//! What `kubectl dr backup schedule` tells.

use std::fmt::Write as _;

use colored::Colorize;
use dr_core::timetable::{Advice, shown};
use dr_core::{drift, redact};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::backup::schedule::Would;
use crate::render::backup::intended;
use crate::report::Failure;

pub(crate) fn warning(advice: &Advice) -> String {
    format!("  {} {}", "mind:".yellow(), advice.says)
}

/// What was created, or with a dry run would be.
pub(crate) fn created(would: &Would, dry_run: bool, undo: &[String]) -> Result<String, Failure> {
    if dry_run {
        return manifests(would);
    }
    let mut text = format!("created Schedule {} of {}\n", would.name.bold(), would.namespace.bold());
    text.push_str(&intended(&format!("{}-TIME", would.name), &would.namespace, &would.location, &would.volumes, &[]));
    text.push_str(&times(would));
    text.push_str(&taking_back(undo));
    Ok(text)
}

pub(crate) fn aligned(would: &Would, undo: &[String]) -> String {
    let mut text = format!("aligned Schedule {} of {}\n", would.name.bold(), would.namespace.bold());
    text.push_str(&times(would));
    text.push_str(&taking_back(undo));
    text
}

/// How far apart the backups are, and how long they stay.
fn times(would: &Would) -> String {
    let Some(gaps) = &would.gaps else { return String::new() };
    let apart = if gaps.shortest == gaps.longest {
        shown(gaps.longest)
    } else {
        format!("{} to {}", shown(gaps.shortest), shown(gaps.longest))
    };
    format!("  {} apart in the next year ({}), each kept for {}\n", apart, would.cron, shown(would.ttl))
}

fn taking_back(undo: &[String]) -> String {
    let mut text = String::new();
    for command in undo {
        let _ = writeln!(text, "  undo: {command}");
    }
    text
}

/// As documents that could be applied. What looks like a secret in somebody's hook is not repeated.
fn manifests(would: &Would) -> Result<String, Failure> {
    let mut documents = Vec::new();
    if let Some(policy) = &would.policy {
        documents.push(yaml(&config_map(would, &policy.name, &policy.object))?);
    }
    documents.push(yaml(&would.object)?);
    Ok(documents.join("---\n"))
}

fn config_map(would: &Would, name: &str, object: &Value) -> Value {
    let own =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": would.velero } });
    drift::overlay(object, &own)
}

fn yaml(value: &Value) -> Result<String, Failure> {
    serde_yaml::to_string(&redact::value(value)).map_err(|error| Failure::failed("cannot write YAML", error))
}

/// What is there against what would be written, line by line.
pub(crate) fn difference(would: &Would, live: &Value) -> Result<String, Failure> {
    let mut text = String::new();
    if *live != would.object {
        let name = format!("schedules.velero.io/{}", would.name);
        text.push_str(&diff(
            &name,
            &yaml(&drift::without_kept_commands(live, &would.object))?,
            &yaml(&drift::without_kept_commands(&would.object, live))?,
        ));
    }
    if let Some(policy) = would.policy.as_ref().filter(|policy| policy.differs()) {
        let before = match policy.live_data() {
            None => String::new(),
            Some(data) => yaml(&json!({ "data": data }))?,
        };
        let name = format!("configmaps/{}", policy.name);
        text.push_str(&diff(&name, &before, &yaml(&json!({ "data": policy.data() }))?));
    }
    if text.is_empty() {
        text = format!("Schedule {} of {} is as it should be\n", would.name.bold(), would.namespace.bold());
    }
    Ok(text)
}

fn diff(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut text =
        format!("{}\n{}\n", format!("--- {name}, as it is").bold(), format!("+++ {name}, as it would be").bold());
    for group in diff.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(text, "{}", group.header().to_string().cyan());
        for change in group.iter_changes() {
            let line = format!("{}{}", change.tag(), change.value().trim_end_matches('\n'));
            let line = match change.tag() {
                ChangeTag::Delete => line.red(),
                ChangeTag::Insert => line.green(),
                ChangeTag::Equal => line.normal(),
            };
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
