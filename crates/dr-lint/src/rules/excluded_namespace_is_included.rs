//! A backup names a namespace that is labelled to be left out.

use std::collections::HashMap;

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::input::Object;
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "excluded-namespace-is-included",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A backup names a namespace that is labelled to be left out.",
    costs: "Velero refuses the backup: FailedValidation, of a Schedule at every run.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest adds namespaces with the label to the excluded ones, and then finds the same name on both lists.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/excluded-namespace-is-included.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let labelled: HashMap<&str, &Object> = context
        .seen(Kind::Namespace)
        .filter(|object| object.raw.0.within(&label()).and_then(Value::as_str) == Some("true"))
        .map(|object| (object.name(), object))
        .collect();
    for spec in context.backups() {
        for (path, name) in spec.strings("includedNamespaces") {
            if let Some(namespace) = labelled.get(name) {
                let message = format!("the namespace {name} is labelled to be left out: Velero refuses this backup");
                out.push(on(spec.object, path, message).related(namespace, label(), "left out here"));
            }
        }
    }
}

fn label() -> Path {
    Path::keys("metadata.labels").key("velero.io/exclude-from-backup")
}
