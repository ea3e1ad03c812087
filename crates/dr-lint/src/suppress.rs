//! `# dr-lint: ignore[rule, rule] reason`: behind a line, above one, or before the first key of a document. And the
//! annotation `ignore.kubectl-dr/RULE: reason` of an object, where there can be no comment or none stays.

use std::collections::HashMap;

use dr_yaml::Path;

use crate::document::Instruction;
use crate::finding::{By, Finding, Silenced};
use crate::input::{File, Input};
use crate::json::Value;
use crate::judge::Chosen;
use crate::rule::Family;
use crate::rules::RULES;

/// The prefix of the annotations that silence.
const PREFIX: &str = "ignore.kubectl-dr/";

/// One comment or annotation that silences.
struct Comment {
    annotation: bool,
    file: usize,
    span: dr_yaml::Span,
    rules: Vec<String>,
    reason: String,
    /// The bytes whose findings it silences.
    over: dr_yaml::Span,
    used: Vec<bool>,
}

/// What is left, what is silenced, and findings about comments that silence nothing or say no reason.
pub(crate) fn apply(input: &Input, findings: Vec<Finding>, chosen: &Chosen<'_>) -> (Vec<Finding>, Vec<Silenced>) {
    let mut comments = annotations(input);
    comments.extend(input.files.iter().enumerate().flat_map(|(at, file)| read(at, file)));
    let by = silencers(&findings, &mut comments);
    let mut left = Vec::new();
    let mut silenced = Vec::new();
    for (finding, by) in findings.into_iter().zip(by) {
        match by.and_then(|by| comments.get(by)) {
            Some(comment) => {
                let by = if comment.annotation { By::Annotation } else { By::Comment };
                silenced.push(Silenced { finding, reason: comment.reason.clone(), by });
            }
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
            subject: String::new(),
            message,
            related: Vec::new(),
            fix: None,
        };
        if let Some(severity) = chosen.severity_of("unused-suppression", comment.file) {
            for (rule, _) in comment.rules.iter().zip(&comment.used).filter(|(_, used)| !**used) {
                if is_unasked(input, comment.file, rule) {
                    continue;
                }
                let message = if !RULES.iter().any(|known| known.id == rule) {
                    format!("there is no rule {rule:?}{}", nearest(rule))
                } else if comment.annotation {
                    format!("nothing of this object is silenced by {PREFIX}{rule}")
                } else {
                    format!("nothing here is silenced by ignore[{rule}]")
                };
                left.push(about("unused-suppression", severity, message));
            }
        }
        if comment.reason.is_empty()
            && let Some(severity) = chosen.severity_of("suppression-without-reason", comment.file)
        {
            let how = if comment.annotation { "the annotation's value" } else { "# dr-lint: ignore[rule] reason" };
            left.push(about("suppression-without-reason", severity, format!("a suppression says why: {how}")));
        }
    }
    (left, silenced)
}

/// Of an object of a cluster, whether the rule was not asked: it is about manifests, or something was not read.
fn is_unasked(input: &Input, file: usize, rule: &str) -> bool {
    let rule = RULES.iter().find(|known| known.id == rule);
    let of_manifests = |family| matches!(family, Family::Manifest | Family::Schema | Family::Commands);
    let blind = input.live.as_ref().is_some_and(|cluster| !cluster.unread.is_empty());
    input.files.get(file).is_some_and(|file| file.live) && rule.is_some_and(|rule| blind || of_manifests(rule.family))
}

/// For each finding the last comment that silences it; comments learn whether they do. Each finding is handed out once,
/// however many comments it lies under.
fn silencers(findings: &[Finding], comments: &mut [Comment]) -> Vec<Option<usize>> {
    let mut by = vec![None; findings.len()];
    // Findings in the order of their places, and for each the next one that no comment has taken.
    let mut places: HashMap<(usize, &str), Places> = HashMap::new();
    for (at, finding) in findings.iter().enumerate() {
        places.entry((finding.file, finding.rule)).or_default().starts.push((finding.span.start, at));
    }
    for places in places.values_mut() {
        places.starts.sort_unstable();
        places.free = (0..=places.starts.len()).collect();
    }
    for (number, comment) in comments.iter_mut().enumerate().rev() {
        for (rule, used) in comment.rules.iter().zip(&mut comment.used) {
            let Some(places) = places.get_mut(&(comment.file, rule.as_str())) else { continue };
            let from = places.starts.partition_point(|(start, _)| *start < comment.over.start);
            let to = places.starts.partition_point(|(start, _)| *start <= comment.over.end);
            *used = from < to;
            let mut next = places.free_from(from);
            while next < to {
                if let Some((_, at)) = places.starts.get(next)
                    && let Some(by) = by.get_mut(*at)
                {
                    *by = Some(number);
                }
                places.take(next);
                next = places.free_from(next);
            }
        }
    }
    by
}

/// The findings of one rule in one file.
#[derive(Default)]
struct Places {
    /// Where each begins, and which it is.
    starts: Vec<(usize, usize)>,
    /// Itself where it is free, otherwise one behind it that was free once.
    free: Vec<usize>,
}

impl Places {
    fn take(&mut self, at: usize) {
        if let Some(place) = self.free.get_mut(at) {
            *place = at + 1;
        }
    }

    /// The first one from a place on that is free, or the end.
    fn free_from(&mut self, from: usize) -> usize {
        let mut at = from;
        while let Some(next) = self.free.get(at).copied().filter(|next| *next != at) {
            // Whoever comes this way again goes half of it.
            let further = self.free.get(next).copied().unwrap_or(next);
            if let Some(place) = self.free.get_mut(at) {
                *place = further;
            }
            at = further;
        }
        at
    }
}

/// `; the nearest is "…"`.
pub(crate) fn nearest(name: &str) -> String {
    let near = RULES.iter().map(|rule| (strsim::damerau_levenshtein(name, rule.id), rule.id)).min();
    near.filter(|(distance, _)| *distance <= 4).map(|(_, id)| format!("; the nearest is {id:?}")).unwrap_or_default()
}

/// The annotations of judged objects; each is over its whole object.
fn annotations(input: &Input) -> Vec<Comment> {
    let mut found = Vec::new();
    for object in input.objects.iter().filter(|object| !object.context && object.command.is_none()) {
        let all = object.raw.at("/metadata/annotations").and_then(Value::as_object);
        for (key, reason) in all.into_iter().flatten() {
            let Some(rule) = key.strip_prefix(PREFIX) else { continue };
            found.push(Comment {
                annotation: true,
                file: object.file,
                span: input.span(object, &Path::keys("metadata.annotations").key(key), true),
                rules: vec![rule.to_owned()],
                reason: reason.as_str().unwrap_or_default().trim().to_owned(),
                over: input.whole(object),
                used: vec![false],
            });
        }
    }
    found
}

fn read(at: usize, file: &File) -> Vec<Comment> {
    let mut found = Vec::new();
    // Of comments below each other only the first looks for the line that follows all of them.
    let mut stack = 0..0;
    for (place, document) in file.documents.iter().enumerate() {
        for Instruction { comment, first } in document.instructions() {
            let Some((rules, reason)) = parse(&comment.text) else { continue };
            let line = file.lines.index(comment.span.start);
            let before = file.text.get(file.lines.span(line).start..comment.span.start).unwrap_or("");
            let over = if *first || place >= file.commands {
                document.span.clone()
            } else if before.trim().is_empty() {
                // The next line that is neither blank nor a comment.
                let mut below = if stack.contains(&line) { stack.end } else { line + 1 };
                let blank = |line: usize| {
                    let text = file.text.get(file.lines.span(line)).unwrap_or("").trim();
                    text.is_empty() || text.starts_with('#')
                };
                while below < file.lines.count() && blank(below) {
                    below += 1;
                }
                stack = line..below;
                let span = file.lines.span(below);
                span.start..span.end.saturating_sub(1)
            } else {
                let span = file.lines.span(line);
                span.start..comment.span.start
            };
            let used = vec![false; rules.len()];
            found.push(Comment { annotation: false, file: at, span: comment.span.clone(), rules, reason, over, used });
        }
    }
    found
}

/// Whether a comment's text behind the `#` is for us.
pub(crate) fn is_instruction(text: &str) -> bool {
    parse(text).is_some()
}

/// The rules and the reason of a comment's text behind the `#`.
fn parse(text: &str) -> Option<(Vec<String>, String)> {
    let rest = text.trim().strip_prefix("dr-lint:")?.trim_start().strip_prefix("ignore")?.trim_start();
    let (rules, reason) = rest.strip_prefix('[')?.split_once(']')?;
    let rules = rules.split(',').map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect();
    Some((rules, reason.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Severity;

    fn finding(rule: &'static str, start: usize) -> Finding {
        let path = dr_yaml::Path::root();
        let (message, related) = (String::new(), Vec::new());
        Finding {
            rule,
            severity: Severity::Info,
            file: 0,
            span: start..start + 1,
            object: None,
            path,
            subject: String::new(),
            message,
            related,
            fix: None,
        }
    }

    fn comment(rules: &[&str], over: dr_yaml::Span) -> Comment {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let used = vec![false; rules.len()];
        Comment { annotation: false, file: 0, span: 0..0, rules, reason: String::new(), over, used }
    }

    #[test]
    fn the_last_comment_over_a_finding_silences_it_and_all_of_them_are_used() {
        let findings = [finding("a", 5), finding("b", 5), finding("a", 20), finding("a", 0), finding("a", 9)];
        let mut comments =
            [comment(&["a"], 0..9), comment(&["a", "c"], 3..9), comment(&["b"], 6..9), comment(&["a"], 5..5)];
        let by = silencers(&findings, &mut comments);
        assert_eq!(by, [Some(3), None, None, Some(0), Some(1)]);
        let used: Vec<&[bool]> = comments.iter().map(|comment| comment.used.as_slice()).collect();
        assert_eq!(used, [&[true][..], &[true, false], &[false], &[true]]);
    }

    #[test]
    fn however_many_comments_lie_over_however_many_findings_each_finding_is_taken_once() {
        let findings: Vec<Finding> = (0..20_000).rev().map(|at| finding("a", at)).collect();
        let mut comments: Vec<Comment> = (0..20_000).map(|at| comment(&["a"], at / 2..20_000)).collect();
        let by = silencers(&findings, &mut comments);
        for (finding, by) in findings.iter().zip(by) {
            assert_eq!(by, Some((2 * finding.span.start + 1).min(19_999)));
        }
        let mut places = Places { starts: Vec::new(), free: (0..=1000).collect() };
        let mut taken = 0;
        for from in (0..1000).rev() {
            let mut next = places.free_from(from);
            while next < 1000 {
                taken += 1;
                places.take(next);
                next = places.free_from(next);
            }
        }
        assert_eq!(taken, 1000);
    }
}
