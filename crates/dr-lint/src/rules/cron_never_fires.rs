//! A cron expression matches no time at all.

use dr_core::cron::Cron;
use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "cron-never-fires",
    family: Family::Schedule,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A cron expression matches no time at all.",
    costs: "Velero takes \"no next time\" for \"now\": it makes a backup every minute until the storage is full.",
    proven: "Velero 1.18.3 on a real cluster: `0 0 30 2 *` is Enabled and made 3 backups in 2.5 minutes; robfig/cron v3.0.1 spec.go:Next returns the zero time.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/cron-never-fires.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::Schedule) {
        let Some(text) = object.raw.str_at("/spec/schedule") else { continue };
        // A paused one is never asked for its next time, and is a common way to keep a template for by hand.
        if object.raw.bool_at("/spec/paused") == Some(true) {
            continue;
        }
        if Cron::parse(text).is_ok_and(|cron| !cron.ever_fires()) {
            let message = format!("{text:?} matches no time: Velero would make a backup every minute");
            out.push(on(object, Path::keys("spec.schedule"), message));
        }
    }
}
