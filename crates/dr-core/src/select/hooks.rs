//! Where a backup's hooks run. Velero says nothing of one that runs nowhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Cluster, Item, ItemRef};
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
        let steps = || {
            let pre = hook.pre.iter().enumerate().map(|(step, of)| (format!("pre[{step}]"), of));
            let post = hook.post.iter().enumerate().map(|(step, of)| (format!("post[{step}]"), of));
            pre.chain(post).filter_map(|(step, of)| Some((step, of.exec.as_ref()?)))
        };
        if steps().next().is_none() {
            continue;
        }
        let name = if hook.name.is_empty() { at.clone() } else { hook.name.clone() };
        let meant: Vec<&&Item> = pods.iter().filter(|pod| hook.acts_in(cluster, namespace, pod)).collect();
        if meant.is_empty() {
            if hook.only_of(backup) == Some(namespace) {
                troubles.push(hook.nowhere(name, &at));
            }
            continue;
        }
        for (step, exec) in steps().filter(|(_, exec)| !exec.container.is_empty()) {
            for pod in meant.iter().filter(|pod| !has_container(pod, &exec.container)) {
                let place = Place::Backup { field: format!("{at}.{step}.exec.container") };
                troubles.push(no_container(name.clone(), place, &pod.reference, &exec.container, pod));
            }
        }
    }
    troubles
}

impl Hook {
    fn acts_in(&self, cluster: &Cluster, namespace: &str, pod: &Item) -> bool {
        let list = |patterns: &[String]| Patterns::new(patterns.iter().map(|entry| Entry::new(entry, Place::Velero)));
        let pods = |names: &[String]| {
            let is_pods = |name: &String| cluster.resources().resolve(name).is_some_and(|of| of.name() == PODS);
            names.iter().any(|name| name == "*" || is_pods(name))
        };
        let included = list(&self.included_namespaces);
        (included.is_empty() || included.has("*").is_some() || included.hit(namespace).is_some())
            && list(&self.excluded_namespaces).hit(namespace).is_none()
            && (self.included_resources.is_empty() || pods(&self.included_resources))
            && !pods(&self.excluded_resources)
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

    fn nowhere(&self, hook: String, at: &str) -> HookTrouble {
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
    let of_phase = |phase: &str| {
        let key = |what: &str| format!("{phase}hook.backup.velero.io/{what}");
        pod.object.annotation(&key("command")).filter(|command| !command.is_empty())?;
        let container = pod.object.annotation(&key("container")).filter(|name| !has_container(pod, name))?;
        let field = format!("metadata.annotations[{}]", key("container"));
        let place = Place::object(&pod.reference, field);
        Some(no_container(key("command"), place, &pod.reference, container, pod))
    };
    ["", "pre.", "post."].into_iter().filter_map(of_phase).collect()
}

fn no_container(hook: String, place: Place, of: &ItemRef, container: &str, pod: &Item) -> HookTrouble {
    let all = pod.object.list_at("/spec/containers").iter();
    let all: Vec<&str> = all.filter_map(|container| container.get("name").and_then(Value::as_str)).collect();
    let says = format!("hook {hook} fails: {of} has no container {container}");
    let reason = Reason::new(Rule::HookContainerMissing, place, says);
    HookTrouble { hook, reason, fix: format!("name one of {}", all.join(", ")) }
}
