//! SARIF 2.1.0, the part of it that says something: rules, results, places, fixes, what is silenced.

use std::fmt::Write as _;

use dr_lint::{By, Finding, RULES, Severity, Silenced};
use serde_json::{Value, json};

use super::Report;

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn location(file: &dr_lint::File, span: &dr_yaml::Span) -> Value {
    let (start, end) = (file.lines.place(&file.text, span.start), file.lines.place(&file.text, span.end));
    json!({
        "artifactLocation": { "uri": uri(&file.name) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    })
}

/// A path as the reference of a URI.
fn uri(name: &str) -> String {
    let mut text = String::new();
    for byte in name.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn result(report: &Report<'_>, finding: &Finding, silenced: Option<&Silenced>) -> Value {
    let file = report.file(finding);
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.rule),
        "level": level(finding.severity),
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": location(file, &finding.span) }],
        "partialFingerprints": { "drLint/v2": dr_lint::fingerprint(report.input, finding) },
    });
    let Some(fields) = result.as_object_mut() else { return result };
    if !finding.related.is_empty() {
        let places = finding.related.iter().filter_map(|related| {
            let file = report.input.files.get(related.file)?;
            Some(json!({ "physicalLocation": location(file, &related.span), "message": { "text": related.message } }))
        });
        fields.insert("relatedLocations".into(), places.collect());
    }
    // What is in a cluster is no file that anybody could edit.
    let edit = Some(finding).filter(|_| !file.live).and_then(|finding| dr_lint::fix::edit_of(report.input, finding));
    if let (Some(fix), Some(edit)) = (&finding.fix, edit) {
        let span = edit.start..edit.end;
        let mut change = location(file, &span);
        let region = change.get_mut("region").map(Value::take);
        fields.insert(
            "fixes".into(),
            json!([{
                "description": { "text": fix.title },
                "artifactChanges": [{
                    "artifactLocation": { "uri": uri(&file.name) },
                    "replacements": [{ "deletedRegion": region, "insertedContent": { "text": edit.with } }],
                }],
            }]),
        );
    }
    if let Some(Silenced { reason, by, .. }) = silenced {
        let kind = match by {
            By::Comment | By::Annotation => "inSource",
            By::Baseline(_) => "external",
        };
        let mut suppression = json!({ "kind": kind });
        if let Some(fields) = suppression.as_object_mut().filter(|_| !reason.is_empty()) {
            fields.insert("justification".into(), json!(reason));
        }
        fields.insert("suppressions".into(), json!([suppression]));
    }
    result
}

pub(super) fn of(report: &Report<'_>) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.summary },
                "fullDescription": { "text": rule.costs },
                "help": { "text": rule.page, "markdown": rule.page },
                "defaultConfiguration": { "level": level(rule.severity) },
                "properties": { "tags": [rule.family.name()], "appetite": rule.appetite.name() },
            })
        })
        .collect();
    let judgement = report.judgement;
    let found = judgement.findings.iter().map(|finding| result(report, finding, None));
    let silenced = report.silenced.iter().map(|one| result(report, &one.finding, Some(one)));
    json!({
        "version": "2.1.0",
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "kubectl dr lint",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": found.chain(silenced).collect::<Vec<_>>(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("a b/ä.yaml"), "a%20b/%C3%A4.yaml");
        assert_eq!(uri(r"a\b.yaml"), "a/b.yaml");
    }
}
