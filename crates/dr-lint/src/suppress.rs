//! `# dr-lint: ignore[rule, rule] reason`: behind a line, above one, or before the first key of a document.

use crate::finding::{Finding, Silenced};
use crate::input::{File, Input};
use crate::rule::Severity;
use crate::rules::RULES;

/// One comment that silences.
struct Comment {
    file: usize,
    span: dr_yaml::Span,
    rules: Vec<String>,
    reason: String,
    /// The bytes whose findings it silences.
    over: dr_yaml::Span,
    used: Vec<bool>,
}

/// What is left, what is silenced, and findings about comments that silence nothing or say no reason.
pub(crate) fn apply(
    input: &Input,
    findings: Vec<Finding>,
    on: &dyn Fn(&str) -> Option<Severity>,
) -> (Vec<Finding>, Vec<Silenced>) {
    let mut comments: Vec<Comment> = input.files.iter().enumerate().flat_map(|(at, file)| read(at, file)).collect();
    let mut left = Vec::new();
    let mut silenced = Vec::new();
    for finding in findings {
        let mut reason = None;
        for comment in comments.iter_mut().filter(|comment| comment.file == finding.file) {
            let start = finding.span.start;
            if !(comment.over.start..=comment.over.end).contains(&start) {
                continue;
            }
            for (rule, used) in comment.rules.iter().zip(&mut comment.used) {
                if rule == finding.rule {
                    *used = true;
                    reason = Some(comment.reason.clone());
                }
            }
        }
        match reason {
            Some(reason) => silenced.push(Silenced { finding, reason }),
            None => left.push(finding),
        }
    }
    for comment in comments {
        let about = |rule: &'static str, severity, message: String| Finding {
            rule,
            severity,
            file: comment.file,
            span: comment.span.clone(),
            object: None,
            path: dr_yaml::Path::root(),
            message,
            related: Vec::new(),
            fix: None,
        };
        if let Some(severity) = on("unused-suppression") {
            for (rule, _) in comment.rules.iter().zip(&comment.used).filter(|(_, used)| !**used) {
                let message = if RULES.iter().any(|known| known.id == rule) {
                    format!("nothing here is silenced by ignore[{rule}]")
                } else {
                    format!("there is no rule {rule:?}{}", nearest(rule))
                };
                left.push(about("unused-suppression", severity, message));
            }
        }
        if comment.reason.is_empty()
            && let Some(severity) = on("suppression-without-reason")
        {
            let message = "a suppression says why: # dr-lint: ignore[rule] reason".to_owned();
            left.push(about("suppression-without-reason", severity, message));
        }
    }
    (left, silenced)
}

/// `; the nearest is "…"`.
pub(crate) fn nearest(name: &str) -> String {
    let near = RULES.iter().map(|rule| (strsim::damerau_levenshtein(name, rule.id), rule.id)).min();
    near.filter(|(distance, _)| *distance <= 4).map(|(_, id)| format!("; the nearest is {id:?}")).unwrap_or_default()
}

fn read(at: usize, file: &File) -> Vec<Comment> {
    let mut found = Vec::new();
    for (place, document) in file.documents.iter().enumerate() {
        let Ok(tree) = &document.tree else { continue };
        let first = tree.nodes().map(|(id, _)| tree.span(id).start).min().unwrap_or(document.span.end);
        for comment in &tree.comments {
            let Some((rules, reason)) = parse(&comment.text) else { continue };
            let line = file.lines.index(comment.span.start);
            let before = file.text.get(file.lines.span(line).start..comment.span.start).unwrap_or("");
            let over = if comment.span.start < first || place >= file.commands {
                document.span.clone()
            } else if before.trim().is_empty() {
                // The next line that is neither blank nor a comment.
                let mut below = line + 1;
                let blank = |line: usize| {
                    let text = file.text.get(file.lines.span(line)).unwrap_or("").trim();
                    text.is_empty() || text.starts_with('#')
                };
                while below < file.lines.count() && blank(below) {
                    below += 1;
                }
                let span = file.lines.span(below);
                span.start..span.end.saturating_sub(1)
            } else {
                let span = file.lines.span(line);
                span.start..comment.span.start
            };
            let used = vec![false; rules.len()];
            found.push(Comment { file: at, span: comment.span.clone(), rules, reason, over, used });
        }
    }
    found
}

/// The rules and the reason of a comment's text behind the `#`.
fn parse(text: &str) -> Option<(Vec<String>, String)> {
    let rest = text.trim().strip_prefix("dr-lint:")?.trim_start().strip_prefix("ignore")?.trim_start();
    let (rules, reason) = rest.strip_prefix('[')?.split_once(']')?;
    let rules = rules.split(',').map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect();
    Some((rules, reason.trim().to_owned()))
}
