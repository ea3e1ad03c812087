//! Backups expire before the next one is made.

use std::collections::HashMap;

use dr_core::cron::{Cron, Gaps};
use dr_core::go_duration::GoDuration;
use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on, on_key};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "retention-shorter-than-interval",
    family: Family::Schedule,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "Backups expire before the next one is made.",
    costs: "There are hours in which no backup exists, and a failed run leaves none at all.",
    proven: "Arithmetic: the longest gap between two runs of the expression within a year, against ttl (720h where none is said; backup_controller.go:prepareBackupRequest).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/retention-shorter-than-interval.md"),
    check,
};

/// Velero's own where a template says none.
const DEFAULT_TTL: GoDuration = GoDuration(720 * 3_600 * 1_000_000_000);

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    // A year with a leap day in the one that follows: no year has longer gaps.
    let from = jiff::Timestamp::constant(1_798_761_600, 0);
    // A year of runs takes a moment, and a thousand schedules run by a few expressions.
    let mut known: HashMap<&str, Option<Gaps>> = HashMap::new();
    let gaps_of = |text: &str| Cron::parse(text).ok().and_then(|cron| cron.gaps_in(from, &jiff::tz::TimeZone::UTC));
    for object in context.of(Kind::Schedule) {
        let Some(text) = object.raw.str_at("/spec/schedule") else { continue };
        let gaps = *known.entry(text).or_insert_with(|| gaps_of(text));
        let Some(Gaps { longest, .. }) = gaps else { continue };
        let written = object.raw.str_at("/spec/template/ttl");
        let Ok(ttl) = written.map_or(Ok(DEFAULT_TTL), GoDuration::parse) else { continue };
        // Nothing, or less, means the default as well.
        let ttl = if ttl.0 == 0 { DEFAULT_TTL } else { ttl };
        if ttl.0 < 0 || i128::from(ttl.0) >= longest.as_nanos() {
            continue;
        }
        let hours = longest.as_secs() / 3600;
        let message = format!("a backup is kept for {ttl}, and up to {hours}h pass until the next one");
        out.push(match written {
            Some(_) => on(object, Path::keys("spec.template.ttl"), message).related(
                object,
                Path::keys("spec.schedule"),
                "it runs by this",
            ),
            None => on_key(
                object,
                Path::keys("spec.schedule"),
                format!("{message}; no ttl is said, and Velero's own is 720h"),
            ),
        });
    }
}
