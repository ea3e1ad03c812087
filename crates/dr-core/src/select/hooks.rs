//! Where a backup's hooks run. Velero says nothing of one that runs nowhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Cluster, Item};
use super::filter::{Entry, Patterns};
use super::reason::{Place, Reason, Rule};
use super::relations::PODS;
use super::selector::LabelSelector;
use super::spec::nullable;
use super::{Backup, Selection, Verdict};

/// `velerov1api.BackupResourceHookSpec`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    #[serde(deserialize_with = "nullable")]
    pub included_namespaces: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_namespaces: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub included_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_resources: Vec<String>,
    pub label_selector: Option<LabelSelector>,
    #[serde(deserialize_with = "nullable")]
    pub pre: Vec<Step>,
    #[serde(deserialize_with = "nullable")]
    pub post: Vec<Step>,
}

/// `spec.hooks`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    #[serde(deserialize_with = "nullable")]
    pub resources: Vec<Hook>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    pub exec: Option<Exec>,
}

/// `velerov1api.ExecHook`, as far as it decides where a hook runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Empty: the pod's first.
    #[serde(deserialize_with = "nullable")]
    pub container: String,
}

/// What is wrong with a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTrouble {
    /// Its name, or its place where it has none.
    pub hook: String,
    pub reason: Reason,
    pub fix: String,
}

/// The hooks that do not run where they are meant to, as far as it can be known from the pods of this one namespace:
/// a hook that may act elsewhere too is left alone, and so is everything where no pod of the namespace is in the backup.
///
/// `internal/hook/item_hook_handler.go:DefaultItemHookHandler.HandleHooks`, `ResourceHookSelector.applicableTo` and
/// `pkg/podexec/pod_command_executor.go:ensureContainerExists` at v1.18.3
pub fn hooks(cluster: &Cluster, backup: &Backup, selection: &Selection, namespace: &str) -> Vec<HookTrouble> {
    if cluster.unread(PODS).is_some() {
        return Vec::new();
    }
    let taken = |item: &Item| {
        let verdict = selection.items.iter().find(|verdict| verdict.item == item.reference);
        verdict.is_some_and(|verdict| verdict.verdict == Verdict::Included)
    };
    let of_namespace = cluster.of_namespace(PODS, namespace).map(|(_, pod)| pod);
    let pods: Vec<&Item> = of_namespace.filter(|pod| taken(pod) && runs(pod)).collect();
    let mut troubles = Vec::new();
    for pod in &pods {
        troubles.extend(annotated(pod));
    }
    if pods.is_empty() {
        return troubles;
    }
    for (index, hook) in backup.spec.hooks.iter().flat_map(|hooks| &hooks.resources).enumerate() {
        let at = format!("{}.hooks.resources[{index}]", backup.at);
        let name = if hook.name.is_empty() { at.clone() } else { hook.name.clone() };
        let meant: Vec<&Item> = pods.iter().copied().filter(|pod| hook.acts_in(cluster, namespace, pod)).collect();
        let mut nowhere = false;
        for (phase, steps) in [(Phase::Pre, &hook.pre), (Phase::Post, &hook.post)] {
            let steps = steps.iter().enumerate().filter_map(|(step, of)| Some((step, of.exec.as_ref()?)));
            let steps: Vec<(usize, &Exec)> = steps.collect();
            if steps.is_empty() {
                continue;
            }
            // A pod's own annotations take the place of all hooks of their phase.
            let runs_in: Vec<&Item> = meant.iter().copied().filter(|pod| annotation(pod, phase).is_none()).collect();
            nowhere |= runs_in.is_empty();
            for (step, exec) in steps.into_iter().filter(|(_, exec)| !exec.container.is_empty()) {
                for pod in runs_in.iter().filter(|pod| !has_container(pod, &exec.container)) {
                    let field = format!("{at}.{}[{step}].exec.container", phase.name());
                    troubles.push(no_container(name.clone(), Place::Backup { field }, &exec.container, pod));
                }
            }
        }
        if nowhere && hook.only_of(backup) == Some(namespace) {
            troubles.push(hook.nowhere(name, &at, meant.first().copied()));
        }
    }
    troubles
}

/// What runs in a pod before its volumes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The command of its own annotations, in place of all others.
    Own(String),
    /// Of `hooks.resources` these entries; none where nothing runs.
    Entries(Vec<usize>),
}

/// What a backup that takes this pod would run in it before its volumes are taken; none where no such pod runs, or none
/// with this container.
///
/// `internal/hook/item_hook_handler.go:DefaultItemHookHandler.HandleHooks` at v1.18.3
pub fn before(cluster: &Cluster, backup: &Backup, namespace: &str, pod: &str, container: &str) -> Option<Before> {
    let mut pods = cluster.of_namespace(PODS, namespace).map(|(_, item)| item);
    let pod = pods.find(|item| item.reference.name == pod).filter(|pod| runs(pod) && has_container(pod, container))?;
    if let Some(key) = annotation(pod, Phase::Pre) {
        return pod.object.annotation(&format!("{key}command")).map(|command| Before::Own(command.to_owned()));
    }
    let entries = backup.spec.hooks.iter().flat_map(|hooks| &hooks.resources).enumerate();
    let executes = |hook: &Hook| hook.pre.iter().any(|step| step.exec.is_some());
    let acting = entries.filter(|(_, hook)| executes(hook) && hook.acts_in(cluster, namespace, pod));
    Some(Before::Entries(acting.map(|(at, _)| at).collect()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pre,
    Post,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }

    /// What an annotation of this phase begins with, in the order they are asked; only a hook before knows the old one.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Pre => &["pre.", ""],
            Self::Post => &["post."],
        }
    }
}

/// What the keys of the pod's own hook of this phase begin with; none where it has none
/// (`getPodExecHookFromAnnotations`).
fn annotation(pod: &Item, phase: Phase) -> Option<String> {
    let keys = phase.prefixes().iter().map(|prefix| format!("{prefix}hook.backup.velero.io/"));
    let given = |key: &String| pod.object.annotation(&format!("{key}command")).is_some_and(|text| !text.is_empty());
    keys.into_iter().find(given)
}

impl Hook {
    fn acts_in(&self, cluster: &Cluster, namespace: &str, pod: &Item) -> bool {
        let list = |patterns: &[String]| Patterns::new(patterns.iter().map(|entry| Entry::new(entry, Place::Velero)));
        let pods = |name: &String| cluster.resources().resolve(name).is_some_and(|of| of.name() == PODS);
        let resources = &self.included_resources;
        let included = list(&self.included_namespaces);
        (included.is_empty() || included.has("*").is_some() || included.hit(namespace).is_some())
            && list(&self.excluded_namespaces).hit(namespace).is_none()
            && (resources.is_empty() || resources.iter().any(|name| name == "*" || pods(name)))
            // "*" is passed over here.
            && !self.excluded_resources.iter().any(pods)
            && self.label_selector.as_ref().is_none_or(|selector| selector.matches(&pod.object.labels()))
    }

    /// The one namespace in which it can act at all.
    fn only_of<'a>(&'a self, backup: &'a Backup) -> Option<&'a str> {
        let one = |names: &'a [String]| match names {
            [only] if !only.contains(['*', '?', '[', '{']) => Some(only.as_str()),
            _ => None,
        };
        one(&self.included_namespaces).or_else(|| one(&backup.spec.included_namespaces))
    }

    /// `meant`: it is selected by the hook, and its own annotations take the hook's place.
    fn nowhere(&self, hook: String, at: &str, meant: Option<&Item>) -> HookTrouble {
        if let Some(pod) = meant {
            let place = Place::object(&pod.reference, "metadata.annotations");
            let says = format!("hook {hook} runs nowhere: the annotations of {} take its place", pod.reference);
            let fix = "have one of the two: the hook, or the annotations".to_owned();
            return HookTrouble { hook, reason: Reason::new(Rule::HookMatchesNothing, place, says), fix };
        }
        let (field, says, fix) = match &self.label_selector {
            Some(_) => {
                ("labelSelector", "no pod that is in the backup has the labels of", "give {} labels that pods have")
            }
            None => ("includedResources", "no pod is selected by", "correct {}"),
        };
        let field = format!("{at}.{field}");
        let reason = Reason::new(
            Rule::HookMatchesNothing,
            Place::Backup { field: field.clone() },
            format!("hook {hook} runs nowhere: {says} {field}"),
        );
        HookTrouble { hook, reason, fix: fix.replace("{}", &field) }
    }
}

fn runs(pod: &Item) -> bool {
    pod.object.str_at("/status/phase") == Some("Running")
}

fn has_container(pod: &Item, name: &str) -> bool {
    let containers = pod.object.list_at("/spec/containers");
    containers.iter().any(|container| container.get("name").and_then(Value::as_str) == Some(name))
}

/// The hooks of a pod's own annotations whose container it does not have.
fn annotated(pod: &Item) -> Vec<HookTrouble> {
    let of_phase = |phase: Phase| {
        let key = annotation(pod, phase)?;
        let named = pod.object.annotation(&format!("{key}container")).filter(|name| !name.is_empty());
        let container = named.filter(|name| !has_container(pod, name))?;
        let place = Place::object(&pod.reference, format!("metadata.annotations[{key}container]"));
        Some(no_container(format!("{key}command"), place, container, pod))
    };
    [Phase::Pre, Phase::Post].into_iter().filter_map(of_phase).collect()
}

fn no_container(hook: String, place: Place, container: &str, pod: &Item) -> HookTrouble {
    let all = pod.object.list_at("/spec/containers").iter();
    let all: Vec<&str> = all.filter_map(|container| container.get("name").and_then(Value::as_str)).collect();
    let says = format!("hook {hook} fails: {} has no container {container}", pod.reference);
    let reason = Reason::new(Rule::HookContainerMissing, place, says);
    HookTrouble { hook, reason, fix: format!("name one of {}", all.join(", ")) }
}
