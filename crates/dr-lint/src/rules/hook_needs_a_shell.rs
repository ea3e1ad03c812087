//! A hook's command has a shell's syntax and no shell.

use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "hook-needs-a-shell",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook's command has a shell's syntax and no shell.",
    costs: "Nobody looks at the syntax: `$HOME`, `|` and `&&` reach the program as words, and the dump is not what it should be, or the hook fails.",
    proven: "Velero 1.18.1 podexec: the command is executed as it is, without a shell.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/hook-needs-a-shell.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for (path, exec) in hooks(spec.value, &spec.path) {
            let Some(command) = exec.get("command").and_then(Value::as_array) else { continue };
            let words: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
            let shell = |word: &&str| {
                matches!(word.rsplit('/').next(), Some("sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "busybox"))
            };
            if words.iter().any(shell) {
                continue;
            }
            let operator = |word: &&str| matches!(*word, "|" | "||" | "&&" | ";" | ">" | ">>" | "<" | "2>&1");
            for (at, word) in words.iter().enumerate() {
                let message = if operator(word) {
                    format!("{word} is an argument here: no shell reads this command")
                } else if words.len() == 1 && word.contains(' ') {
                    format!("{word:?} is the name of one program here, blanks included")
                } else if word.starts_with("$(") || (word.starts_with("${") && word.ends_with('}')) {
                    format!("{word} stays as it is: no shell reads this command")
                } else {
                    continue;
                };
                out.push(on(spec.object, path.clone().key("command").index(at), message));
            }
        }
    }
}

/// Every backup hook that executes, with its place.
fn hooks<'v>(spec: &'v Value, base: &Path) -> Vec<(Path, &'v Value)> {
    let mut found = Vec::new();
    let resources = spec.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (at, resource) in resources {
        for phase in ["pre", "post"] {
            let list = resource.get(phase).and_then(Value::as_array).into_iter().flatten().enumerate();
            found.extend(list.filter_map(|(hook, value)| {
                let path = base.clone().key("hooks").key("resources").index(at).key(phase).index(hook).key("exec");
                Some((path, value.get("exec")?))
            }));
        }
    }
    found
}
