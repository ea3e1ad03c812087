//! The label that keeps something out of backups has a value that Velero does not know.

use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::fix::{Change, Fix};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "exclude-label-without-effect",
    family: Family::Selection,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "The label that keeps something out of backups has a value that Velero does not know.",
    costs: "What was to be left out, a secret perhaps, is in every backup.",
    proven: "Velero 1.18.1 backup/item_backupper.go:itemInclusionChecks compares the label with \"true\" and nothing else.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/exclude-label-without-effect.md"),
    check,
};

/// Where labels are, and a pointer to this one of them.
const PLACES: [(&str, &str); 3] = [
    ("metadata.labels", "/metadata/labels/velero.io~1exclude-from-backup"),
    ("spec.template.metadata.labels", "/spec/template/metadata/labels/velero.io~1exclude-from-backup"),
    (
        "spec.jobTemplate.spec.template.metadata.labels",
        "/spec/jobTemplate/spec/template/metadata/labels/velero.io~1exclude-from-backup",
    ),
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        for (base, pointer) in PLACES {
            let Some(value) = object.raw.str_at(pointer) else { continue };
            if matches!(value, "true" | "false" | "") {
                continue;
            }
            let path = Path::keys(base).key("velero.io/exclude-from-backup");
            let draft = on(object, path.clone(), format!("{value:?} excludes nothing: Velero looks for \"true\""));
            let meant = ["true", "yes", "on", "1"].contains(&value.to_ascii_lowercase().as_str());
            let title = "write \"true\"".to_owned();
            let fix = Fix { title, safe: false, change: Change::Set { path, to: "true".into() } };
            out.push(if meant { draft.fix(fix) } else { draft });
        }
    }
}
