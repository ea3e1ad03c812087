//! A duration is not one that Go can read.

use dr_core::go_duration::GoDuration;
use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::fix::{Change, Fix};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unreadable-duration",
    family: Family::Schedule,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A duration is not one that Go can read.",
    costs: "The API server takes it, and from then on Velero can read no object of that kind in the whole cluster: one `ttl: 30d` stops every schedule.",
    proven: "Velero 1.18.3 on a real cluster: after one Schedule with `ttl: 30d` a healthy one that runs every minute made no backup in 130 s; nothing shows in any status.",
    fix: Fixable::Safe,
    page: include_str!("../../../../docs/rules/unreadable-duration.md"),
    check,
};

/// The fields of type `metav1.Duration` that people write, by kind; `*` is every item of a list.
const PLACES: [(Kind, &str); 15] = [
    (Kind::Backup, "spec.ttl"),
    (Kind::Backup, "spec.csiSnapshotTimeout"),
    (Kind::Backup, "spec.itemOperationTimeout"),
    (Kind::Backup, "spec.hooks.resources.*.pre.*.exec.timeout"),
    (Kind::Backup, "spec.hooks.resources.*.post.*.exec.timeout"),
    (Kind::Schedule, "spec.template.ttl"),
    (Kind::Schedule, "spec.template.csiSnapshotTimeout"),
    (Kind::Schedule, "spec.template.itemOperationTimeout"),
    (Kind::Schedule, "spec.template.hooks.resources.*.pre.*.exec.timeout"),
    (Kind::Schedule, "spec.template.hooks.resources.*.post.*.exec.timeout"),
    (Kind::Restore, "spec.itemOperationTimeout"),
    (Kind::Restore, "spec.hooks.resources.*.postHooks.*.exec.execTimeout"),
    (Kind::Restore, "spec.hooks.resources.*.postHooks.*.exec.waitTimeout"),
    (Kind::BackupStorageLocation, "spec.backupSyncPeriod"),
    (Kind::BackupStorageLocation, "spec.validationFrequency"),
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged() {
        for (_, pattern) in PLACES.iter().filter(|(kind, _)| object.kind == Some(*kind)) {
            for (path, value) in places(&object.raw.0, pattern) {
                let Some(text) = value.as_str() else { continue };
                let Err(error) = GoDuration::parse(text) else { continue };
                let draft = on(object, path.clone(), format!("{text:?} is no duration: {error}"));
                out.push(match meant(text) {
                    Some(to) => {
                        let title = format!("write {to}");
                        draft.fix(Fix { title, safe: true, change: Change::Set { path, to } })
                    }
                    None => draft,
                });
            }
        }
    }
}

/// Every value that a pattern leads to.
fn places<'v>(root: &'v Value, pattern: &str) -> Vec<(Path, &'v Value)> {
    pattern.split('.').fold(vec![(Path::root(), root)], |open, step| {
        let next = open.into_iter().flat_map(|(path, value)| match (step, value) {
            ("*", Value::Array(items)) => {
                items.iter().enumerate().map(|(at, item)| (path.clone().index(at), item)).collect()
            }
            (key, value) => value.get(key).map(|value| (path.key(key), value)).into_iter().collect::<Vec<_>>(),
        });
        next.collect()
    })
}

/// Days and weeks in hours: `30d` is `720h`, `1d12h` is `36h`. Nothing else is guessed.
fn meant(text: &str) -> Option<String> {
    let mut hours: u64 = 0;
    let mut rest = text;
    let mut seen = false;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?.chars().next()?;
        let each = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 24 * 7,
            _ => return None,
        };
        seen |= unit != 'h';
        hours = hours.checked_add(count.checked_mul(each)?)?;
        rest = rest.get(digits + 1..)?;
    }
    let written = format!("{hours}h");
    (seen && GoDuration::parse(&written).is_ok()).then_some(written)
}
