//! The command of a hook annotation is not what it looks like.

use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "hook-annotation-not-json",
    family: Family::Hooks,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "The command of a hook annotation is not what it looks like.",
    costs: "Velero takes a text that is no JSON list for the name of one program: it does not exist, and the hook fails in every backup.",
    proven: "Velero 1.18.1 internal/hook/item_hook_handler.go:parseStringToCommand; a list that is broken JSON is one literal name as well.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/hook-annotation-not-json.md"),
    check,
};

const KEYS: [&str; 4] = [
    "pre.hook.backup.velero.io/command",
    "post.hook.backup.velero.io/command",
    "post.hook.restore.velero.io/command",
    "init.hook.restore.velero.io/command",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        for base in ["/metadata", "/spec/template/metadata", "/spec/jobTemplate/spec/template/metadata"] {
            let annotations = object.raw.at(base).and_then(|metadata| metadata.get("annotations")?.as_object());
            for (key, value) in annotations.into_iter().flatten().filter(|(key, _)| KEYS.contains(key)) {
                let Some(text) = value.as_str() else { continue };
                let message = if text.starts_with('[') {
                    match serde_json::from_str::<Vec<String>>(text) {
                        Ok(_) => continue,
                        Err(error) => format!(
                            "this is no JSON list of strings ({error}): Velero looks for a program of that name"
                        ),
                    }
                } else if text.trim().contains(char::is_whitespace) {
                    "Velero looks for one program of that name, blanks included; write a JSON list".to_owned()
                } else {
                    continue;
                };
                out.push(on(object, Path::keys(&base.replace('/', ".")).key("annotations").key(key), message));
            }
        }
    }
}
