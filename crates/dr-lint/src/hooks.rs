//! Velero's backup hooks as rules ask for them.

use dr_yaml::Path;
use serde_json::Value;

use crate::velero::Spec;

/// Before or behind the backup of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Pre,
    Post,
}

/// One hook that executes.
pub(crate) struct Hook<'v> {
    /// Which of `spec.hooks.resources`.
    pub(crate) entry: usize,
    pub(crate) phase: Phase,
    /// Of `exec`.
    pub(crate) path: Path,
    pub(crate) exec: &'v Value,
}

impl Hook<'_> {
    fn command(&self) -> impl Iterator<Item = &str> {
        self.exec.get("command").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The words of the command, those of a script that a shell is given as well.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.command()
            .flat_map(|part| part.split(|c: char| c.is_whitespace() || ";|&()".contains(c)))
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// The command on one line, in lower case.
    pub(crate) fn text(&self) -> String {
        self.command().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
    }
}

/// Every hook of a backup in its order.
pub(crate) fn hooks<'v>(spec: &Spec<'v>) -> Vec<Hook<'v>> {
    let mut found = Vec::new();
    let resources = spec.value.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (entry, resource) in resources {
        for (phase, name) in [(Phase::Pre, "pre"), (Phase::Post, "post")] {
            let list = resource.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
            found.extend(list.filter_map(|(at, hook)| {
                let path = spec.at("hooks").key("resources").index(entry).key(name).index(at).key("exec");
                Some(Hook { entry, phase, path, exec: hook.get("exec")? })
            }));
        }
    }
    found
}
