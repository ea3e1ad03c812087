//! A Schedule does not say how long its backups are kept.

use dr_core::kind::Kind;

use crate::finding::{Draft, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "schedule-without-retention",
    family: Family::Schedule,
    severity: Severity::Info,
    appetite: Appetite::Pedantic,
    summary: "A Schedule does not say how long its backups are kept.",
    costs: "They are gone after 30 days, Velero's own choice or that of whoever set its server up.",
    proven: "Velero 1.18.1 controller/backup_controller.go:prepareBackupRequest: an unset ttl becomes the server's default, 720h unless a flag says otherwise.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/schedule-without-retention.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups().iter().filter(|spec| spec.object.kind == Some(Kind::Schedule)) {
        if spec.get("ttl").is_none() {
            let message = "ttl is not said: backups are kept as long as the server says, 720h by its own choice";
            out.push(on_key(spec.object, spec.path.clone(), message));
        }
    }
}
