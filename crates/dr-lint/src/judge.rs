//! Every rule over everything, and what is left of it once comments have had their say.

use std::collections::BTreeMap;

use dr_yaml::What;

use crate::finding::{At, Draft, Finding, Related, Silenced};
use crate::input::Input;
use crate::rule::{Appetite, Severity};
use crate::rules::RULES;
use crate::suppress;
use crate::velero::Version;

/// What the user has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub appetite: Appetite,
    pub velero: Version,
    /// Rules with another severity than their own; none turns one off.
    pub severities: BTreeMap<String, Option<Severity>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { appetite: Appetite::Default, velero: Version::default(), severities: BTreeMap::new() }
    }
}

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'i> {
    pub(crate) input: &'i Input,
    pub(crate) velero: Version,
}

/// The outcome. Nothing is green that was not looked at: templates and objects that no rule is about are counted.
#[derive(Debug, Default, PartialEq)]
pub struct Judgement {
    /// By file, place and rule.
    pub findings: Vec<Finding>,
    pub silenced: Vec<Silenced>,
    /// Files that are templates.
    pub templates: Vec<usize>,
    /// Velero's objects that were judged.
    pub judged: usize,
    /// Others, seen as what those rest on.
    pub seen: usize,
}

pub fn judge(input: &Input, settings: &Settings) -> Judgement {
    let context = Context { input, velero: settings.velero };
    let mut findings = Vec::new();
    for rule in RULES {
        let severity = match settings.severities.get(rule.id) {
            Some(None) => continue,
            Some(Some(severity)) => *severity,
            None if rule.appetite > settings.appetite => continue,
            None => rule.severity,
        };
        let mut drafts = Vec::new();
        (rule.check)(&context, &mut drafts);
        findings.extend(drafts.into_iter().filter_map(|draft| place(input, rule.id, severity, draft)));
    }
    let on = |id: &str| match settings.severities.get(id) {
        Some(severity) => *severity,
        None => RULES
            .iter()
            .find(|rule| rule.id == id)
            .filter(|rule| rule.appetite <= settings.appetite)
            .map(|rule| rule.severity),
    };
    problems(input, &on, &mut findings);
    let (mut findings, silenced) = suppress::apply(input, findings, &on);
    let key = |finding: &Finding| (finding.span.start, finding.span.end, finding.rule);
    let name = |finding: &Finding| input.files.get(finding.file).map(|file| file.name.as_str());
    findings.sort_by(|a, b| {
        name(a).cmp(&name(b)).then_with(|| key(a).cmp(&key(b))).then_with(|| a.message.cmp(&b.message))
    });
    findings.dedup();
    let templates = input.files.iter().enumerate().filter(|(_, file)| file.template && !file.context);
    let (judged, seen): (Vec<_>, Vec<_>) =
        input.objects.iter().partition(|object| object.is_velero() && !object.context);
    Judgement {
        findings,
        silenced,
        templates: templates.map(|(at, _)| at).collect(),
        judged: judged.len(),
        seen: seen.len(),
    }
}

/// What the reading itself has found, under the rules of the family `manifest`.
fn problems(input: &Input, on: &dyn Fn(&str) -> Option<Severity>, findings: &mut Vec<Finding>) {
    let mut add = |file: usize, problem: &dr_yaml::Problem| {
        let rule = match problem.what {
            What::NotText | What::Unreadable | What::TooDeep => "unreadable-document",
            What::Dropped => "dropped-document",
            What::DuplicateKey => "duplicate-key",
        };
        let Some(severity) = on(rule) else { return };
        let other =
            problem.other.iter().map(|span| Related { file, span: span.clone(), message: "the first one".into() });
        findings.push(Finding {
            rule,
            severity,
            file,
            span: problem.span.clone(),
            object: None,
            path: dr_yaml::Path::root(),
            message: problem.message.clone(),
            related: other.collect(),
            fix: None,
        });
    };
    for (at, file) in input.files.iter().enumerate().filter(|(_, file)| !file.context) {
        if let Some(problem) = &file.problem {
            add(at, problem);
        }
        for document in &file.documents {
            match &document.tree {
                Ok(tree) => tree.problems.iter().for_each(|problem| add(at, problem)),
                Err(problem) => add(at, problem),
            }
        }
    }
    for (file, _, problem) in &input.unreadable {
        if input.files.get(*file).is_some_and(|file| !file.context) {
            add(*file, problem);
        }
    }
}

fn place(input: &Input, rule: &'static str, severity: Severity, draft: Draft) -> Option<Finding> {
    let Draft { object, path, at, span, message, related, fix } = draft;
    let object = input.objects.get(object)?;
    if let (Some(command), Some(tree), None) = (&object.command, input.tree(object), &span)
        && command.hides(&path, tree)
    {
        return None;
    }
    let related = related.into_iter().filter_map(|(object, path, message)| {
        let object = input.objects.get(object)?;
        Some(Related { file: object.file, span: input.span(object, &path, false), message })
    });
    Some(Finding {
        rule,
        severity,
        file: object.file,
        span: span.unwrap_or_else(|| input.span(object, &path, at == At::Key)),
        object: Some(object.id),
        message,
        related: related.collect(),
        fix: fix.filter(|fix| crate::fix::fits(input, object, fix)),
        path,
    })
}
