//! Every rule over everything, and what is left of it once comments have had their say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use dr_yaml::{SideBySide, What};

use crate::finding::{At, Draft, Finding, Related, Silenced};
use crate::input::{Input, one_by_one};
use crate::rule::{Appetite, Rule, Severity};
use crate::rules::RULES;
use crate::schema::Misfit;
use crate::velero::{Spec, Version};
use crate::{baseline, suppress};

/// What the user has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub appetite: Appetite,
    pub velero: Version,
    /// Rules with another severity than their own; none turns one off.
    pub severities: BTreeMap<String, Option<Severity>>,
    /// The files for which something else is chosen, by name.
    pub files: BTreeMap<String, Arc<Choice>>,
}

/// What is chosen for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub appetite: Appetite,
    pub severities: BTreeMap<String, Option<Severity>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            appetite: Appetite::Default,
            velero: Version::default(),
            severities: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// Which rules are on, for each file of an input.
pub(crate) struct Chosen<'s> {
    settings: &'s Settings,
    files: Vec<Option<&'s Choice>>,
}

impl<'s> Chosen<'s> {
    fn of(input: &Input, settings: &'s Settings) -> Self {
        let files = input.files.iter().map(|file| settings.files.get(&file.name).map(AsRef::as_ref));
        Self { settings, files: files.collect() }
    }

    /// How bad what a rule finds in a file is; none where it is off.
    pub(crate) fn severity(&self, rule: &Rule, file: usize) -> Option<Severity> {
        match self.files.get(file).copied().flatten() {
            Some(Choice { appetite, severities }) => severity(rule, *appetite, severities),
            None => severity(rule, self.settings.appetite, &self.settings.severities),
        }
    }

    /// The same by its id; none where there is no such rule.
    pub(crate) fn severity_of(&self, id: &str, file: usize) -> Option<Severity> {
        self.severity(RULES.iter().find(|rule| rule.id == id)?, file)
    }

    fn anywhere(&self, rule: &Rule) -> bool {
        let else_where = self.settings.files.values();
        severity(rule, self.settings.appetite, &self.settings.severities).is_some()
            || else_where.into_iter().any(|choice| severity(rule, choice.appetite, &choice.severities).is_some())
    }
}

/// A rule that is named is on, whatever the appetite.
fn severity(rule: &Rule, appetite: Appetite, severities: &BTreeMap<String, Option<Severity>>) -> Option<Severity> {
    match severities.get(rule.id) {
        Some(named) => *named,
        None => (rule.appetite <= appetite).then_some(rule.severity),
    }
}

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'i> {
    pub(crate) input: &'i Input,
    pub(crate) velero: Version,
    pub(crate) backups: &'i [Spec<'i>],
    pub(crate) restores: &'i [Spec<'i>],
    /// Found by the first of the rules that ask for it.
    pub(crate) misfits: &'i OnceLock<Vec<(Misfit, Draft)>>,
    pub(crate) runner: Runner<'i>,
}

/// How work is done that can be done side by side.
#[derive(Clone, Copy)]
pub(crate) struct Runner<'r>(SideBySide<'r>);

impl fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runner")
    }
}

impl Runner<'_> {
    /// What is made of each number below the first one, in their order.
    pub(crate) fn each<T: Send + Sync>(self, count: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let made: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
        (self.0)(count, &|at| {
            if let Some(made) = made.get(at) {
                made.get_or_init(|| of(at));
            }
        });
        // One that was passed over is made all the same.
        made.into_iter().enumerate().map(|(at, made)| made.into_inner().unwrap_or_else(|| of(at))).collect()
    }
}

/// The outcome. Nothing is green that was not looked at: templates and objects that no rule is about are counted.
#[derive(Debug, Default, PartialEq)]
pub struct Judgement {
    /// By file, place and rule.
    pub findings: Vec<Finding>,
    pub silenced: Vec<Silenced>,
    /// Entries of the baseline that hid nothing, though they could have, by their places there.
    pub stale: Vec<usize>,
    /// Files that are templates.
    pub templates: Vec<usize>,
    /// Velero's objects that were judged.
    pub judged: usize,
    /// Others, seen as what those rest on.
    pub seen: usize,
}

pub fn judge(input: &Input, settings: &Settings) -> Judgement {
    judge_with(input, settings, &one_by_one)
}

/// The same, by rules that work side by side, and of one that makes each backup by backups.
pub fn judge_with(input: &Input, settings: &Settings, side_by_side: SideBySide<'_>) -> Judgement {
    let (backups, restores) = Spec::all(input);
    let runner = Runner(side_by_side);
    let misfits = OnceLock::new();
    let (backups, restores, misfits) = (&backups, &restores, &misfits);
    let context = Context { input, velero: settings.velero, backups, restores, misfits, runner };
    let chosen = Chosen::of(input, settings);
    let mut findings = Vec::new();
    let rules: Vec<&Rule> = RULES.iter().copied().filter(|rule| chosen.anywhere(rule)).collect();
    for (rule, drafts) in rules.iter().zip(drafts(&context, &rules)) {
        findings.extend(drafts.into_iter().filter_map(|draft| place(input, rule, &chosen, draft)));
    }
    problems(input, &chosen, &mut findings);
    let (mut findings, mut silenced) = suppress::apply(input, findings, &chosen);
    let key = |finding: &Finding| (finding.span.start, finding.span.end, finding.rule);
    let name = |finding: &Finding| input.files.get(finding.file).map(|file| file.name.as_str());
    let order = |a: &Finding, b: &Finding| {
        name(a).cmp(&name(b)).then_with(|| key(a).cmp(&key(b))).then_with(|| a.message.cmp(&b.message))
    };
    findings.sort_by(order);
    findings.dedup();
    let baseline::Applied { left: mut findings, hidden, stale } = baseline::apply(input, findings, &chosen);
    silenced.extend(hidden);
    findings.sort_by(order);
    let templates = input.files.iter().enumerate().filter(|(_, file)| file.template && !file.context);
    let (judged, seen): (Vec<_>, Vec<_>) =
        input.objects.iter().partition(|object| object.is_velero() && !object.context);
    Judgement {
        findings,
        silenced,
        stale,
        templates: templates.map(|(at, _)| at).collect(),
        judged: judged.len(),
        seen: seen.len(),
    }
}

/// What each rule has to say.
fn drafts(context: &Context<'_>, rules: &[&Rule]) -> Vec<Vec<Draft>> {
    context.runner.each(rules.len(), |at| {
        let mut drafts = Vec::new();
        if let Some(rule) = rules.get(at) {
            (rule.check)(context, &mut drafts);
        }
        drafts
    })
}

/// What the reading itself has found, under the rules of the family `manifest`.
fn problems(input: &Input, chosen: &Chosen<'_>, findings: &mut Vec<Finding>) {
    let mut add = |file: usize, problem: &dr_yaml::Problem| {
        let rule = match problem.what {
            What::NotText | What::Unreadable | What::TooDeep => "unreadable-document",
            What::Dropped => "dropped-document",
            What::DuplicateKey => "duplicate-key",
        };
        let Some(severity) = chosen.severity_of(rule, file) else { return };
        let other = problem.other.iter().map(|span| Related {
            file,
            span: span.clone(),
            object: None,
            path: dr_yaml::Path::root(),
            message: "the first one".into(),
        });
        findings.push(Finding {
            rule,
            severity,
            file,
            span: problem.span.clone(),
            object: None,
            path: dr_yaml::Path::root(),
            subject: String::new(),
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
            document.unreadable().into_iter().chain(document.problems()).for_each(|problem| add(at, problem));
        }
    }
    for (file, _, problem) in &input.unreadable {
        if input.files.get(*file).is_some_and(|file| !file.context) {
            add(*file, problem);
        }
    }
}

fn place(input: &Input, rule: &Rule, chosen: &Chosen<'_>, draft: Draft) -> Option<Finding> {
    let Draft { object, path, at, span, subject, message, related, fix } = draft;
    let object = input.objects.get(object)?;
    let severity = chosen.severity(rule, object.file)?;
    if let (Some(command), Some(tree), None) = (&object.command, input.tree(object), &span)
        && command.hides(&path, tree)
    {
        return None;
    }
    let related = related.into_iter().filter_map(|(object, path, message)| {
        let object = input.objects.get(object)?;
        Some(Related {
            file: object.file,
            span: input.span(object, &path, false),
            object: Some(object.id),
            path,
            message,
        })
    });
    Some(Finding {
        rule: rule.id,
        severity,
        file: object.file,
        span: span.unwrap_or_else(|| input.span(object, &path, at == At::Key)),
        object: Some(object.id),
        subject,
        message,
        related: related.collect(),
        fix: fix.filter(|fix| crate::fix::fits(input, object, fix)),
        path,
    })
}
