//! What a Schedule's expression and retention make of a year of backups, and what stands in the way. It is noon of
//! 2 January 2026.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::recovery::Limit;
use dr_core::timetable::{Clock, NoTimetable, Planned, advise, read, server_ttl, shown};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

mod common;

use common::{empty, push};

fn zone(name: &str) -> Option<TimeZone> {
    // As the rules of Europe are, without a database: the last Sundays of March and October.
    (name == "Europe/Berlin").then(|| TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn schedule(facts: &mut Facts, name: &str, cron: &str, template: &Value) {
    let object = json!({ "kind": "Schedule", "metadata": { "name": name, "namespace": "velero" },
                         "spec": { "schedule": cron, "template": template } });
    push(facts, Kind::Schedule, object);
}

/// The advice on a Schedule `s`: what it is about, and the sentence.
fn told(facts: &Facts, text: &str, ttl: SignedDuration, rpo: Option<SignedDuration>) -> Vec<(&'static str, String)> {
    let (cron, by) = read(text, &Clock::of(facts, &zone), &zone).unwrap();
    let rpo = rpo.map(|age| Limit { age, because: format!("--rpo allows {}", shown(age)) });
    let planned = Planned { name: "s", cron: &cron, zone: &by, ttl, rpo: rpo.as_ref() };
    let advice = advise(facts, &planned, &zone).unwrap();
    advice.into_iter().map(|advice| (advice.about, advice.says)).collect()
}

fn alone(text: &str, ttl: SignedDuration, rpo: Option<SignedDuration>) -> Vec<(&'static str, String)> {
    told(&empty(), text, ttl, rpo)
}

#[test]
fn a_nightly_schedule_with_a_month_of_backups_gives_no_reason_to_think_again() {
    assert_eq!(alone("0 1 * * *", hours(720), Some(hours(24))), []);
    assert_eq!(alone("CRON_TZ=Europe/Berlin 0 1 * * *", hours(720), Some(hours(26))), []);
}

#[test]
fn the_worst_gap_of_the_year_is_held_against_the_rpo_even_where_only_a_clock_makes_it() {
    let says = "between 2026-10-24T23:00:00Z and 2026-10-26T00:00:00Z no backup begins for 25 h, and --rpo allows 24 h";
    assert_eq!(alone("CRON_TZ=Europe/Berlin 0 1 * * *", hours(720), Some(hours(24))), [("rpo", says.to_owned())]);
}

#[test]
fn a_time_that_the_clock_skips_leaves_a_day_out() {
    let says = "its runs are 1 h to 47 h apart; between 2026-03-28T01:30:00Z and 2026-03-30T00:30:00Z no backup begins for \
                47 h: the clock of its time zone changes then";
    assert_eq!(alone("CRON_TZ=Europe/Berlin 30 2 * * *", hours(720), None), [("uneven", says.to_owned())]);
}

#[test]
fn month_ends_leave_more_than_a_month() {
    let says = "its runs are 31 days to 61 days apart; between 2026-03-31T00:00:00Z and 2026-05-31T00:00:00Z no backup begins \
                for 61 days";
    assert_eq!(alone("0 0 31 * *", hours(200 * 24), None), [("uneven", says.to_owned())]);
}

#[test]
fn backups_that_are_deleted_before_the_next_one_leave_none() {
    let about = |ttl| alone("0 1 * * *", ttl, None);
    let none = "a backup is deleted after 24 h, and the next may come only after 24 h: there would be none";
    assert_eq!(about(hours(24)), [("retention", none.to_owned())]);
    let one = "a backup is deleted after 47 h, and the one after the next may come only after 48 h: one that fails leaves none";
    assert_eq!(about(hours(47)), [("retention", one.to_owned())]);
    assert_eq!(about(hours(48)), []);
    let rpo = alone("0 1 * * *", hours(72), Some(hours(96)));
    assert_eq!(rpo[0].1, "a backup is deleted after 3 days, before its data is too old: --rpo allows 4 days");
    let many = alone("0 * * * *", hours(720), None);
    assert_eq!(many[0].1, "about 720 backups are kept at a time, each for 30 days: drivers and stores have limits");
}

#[test]
fn every_keeps_to_no_time_of_day() {
    assert_eq!(alone("@every 6h", hours(720), None).iter().map(|(about, _)| *about).collect::<Vec<_>>(), ["every"]);
}

#[test]
fn a_ttl_in_days_of_another_schedule_stops_this_one_too() {
    let mut facts = empty();
    schedule(&mut facts, "other", "0 5 * * *", &json!({ "ttl": "30d" }));
    let found = told(&facts, "0 1 * * *", hours(720), None);
    assert_eq!(found[0].0, "stopped");
    assert!(
        found[0].1.starts_with("it would make no backup: with spec.template.ttl \"30d\" of Schedule other"),
        "{found:?}"
    );
    assert!(found[0].1.ends_with("write spec.template.ttl of Schedule other in hours, such as 720h"), "{found:?}");
}

#[test]
fn schedules_that_run_at_the_same_time_wait_for_each_other() {
    let mut facts = empty();
    schedule(&mut facts, "other", "55 0 * * *", &json!({}));
    let met = |facts: &Facts, text: &str| {
        let found = told(facts, text, hours(720), None);
        found.into_iter().find(|(about, _)| *about == "overlap").map(|(_, says)| says)
    };
    let says = "14 of its 14 runs in the next two weeks meet one of schedule other (with 10 min for a backup), the first at \
                2026-01-03T01:00:00Z: the other waits, unless Velero's server runs with --concurrent-backups";
    assert_eq!(met(&facts, "0 1 * * *").as_deref(), Some(says));
    assert_eq!(met(&facts, "30 1 * * *"), None);
    assert_eq!(
        met(&facts, "50 0 * * *").map(|says| says.contains("14 of its 14")),
        Some(true),
        "its own window counts"
    );
    // It takes longer than was thought.
    let backup = json!({ "kind": "Backup", "metadata": { "name": "other-1", "namespace": "velero",
            "labels": { "velero.io/schedule-name": "other" } },
        "status": { "startTimestamp": "2026-01-01T00:55:00Z", "completionTimestamp": "2026-01-01T01:40:00Z" } });
    push(&mut facts, Kind::Backup, backup);
    assert!(met(&facts, "30 1 * * *").unwrap().contains("(its backups took up to 45 min)"));
    let mut often = empty();
    let last = json!({ "kind": "Schedule", "metadata": { "name": "other", "namespace": "velero" },
        "spec": { "schedule": "@every 24h", "template": {} }, "status": { "lastBackup": "2026-01-02T01:00:00Z" } });
    push(&mut often, Kind::Schedule, last);
    assert!(met(&often, "0 1 * * *").is_some(), "it counts from its last backup");
    assert_eq!(met(&often, "0 12 * * *"), None);
    let mut paused = empty();
    push(
        &mut paused,
        Kind::Schedule,
        json!({ "kind": "Schedule", "metadata": { "name": "other", "namespace": "velero" },
                "spec": { "schedule": "0 1 * * *", "paused": true } }),
    );
    assert_eq!(met(&paused, "0 1 * * *"), None);
}

#[test]
fn an_expression_that_makes_no_backups_is_told_as_that() {
    let error = |text: &str| read(text, &Clock::utc(), &zone).unwrap_err();
    assert_eq!(error("0 0 30 2 *"), NoTimetable::Never("0 0 30 2 *".to_owned()));
    assert_eq!(error("CRON_TZ=Mars/Olympus 0 1 * * *"), NoTimetable::NoZone("Mars/Olympus".to_owned()));
    let text = error("0 25 * * *").to_string();
    assert_eq!(text, "Velero does not accept \"0 25 * * *\": \"25\" as hour: the most is 23");
}

#[test]
fn a_server_tells_how_long_it_keeps_backups() {
    let deployment = |args: Value| {
        Object(
            json!({ "spec": { "template": { "spec": { "containers": [{ "command": ["/velero"], "args": args }] } } } }),
        )
    };
    let ttl = |args: Value| server_ttl(&deployment(args)).map(|ttl| ttl.seconds() / 3600);
    assert_eq!(ttl(json!(["server", "--default-backup-ttl=72h"])), Some(72));
    assert_eq!(ttl(json!(["server", "--default-backup-ttl", "48h"])), Some(48));
    assert_eq!(ttl(json!(["server"])), None);
    assert_eq!(ttl(json!(["node-agent", "--default-backup-ttl=72h"])), None);
}

/// Velero's server with this in its environment.
fn server(env: &Value) -> Facts {
    let mut facts = empty();
    let store = json!({ "name": "minio", "image": "minio/minio", "args": ["server", "/storage"] });
    let beside = json!({ "metadata": { "name": "minio", "namespace": "velero" },
                         "spec": { "template": { "spec": { "containers": [store] } } } });
    push(&mut facts, Kind::Deployment, beside);
    let container = json!({ "name": "velero", "command": ["/velero"], "args": ["server"], "env": env });
    let object = json!({ "metadata": { "name": "velero", "namespace": "velero" },
                         "spec": { "template": { "spec": { "containers": [container] } } } });
    push(&mut facts, Kind::Deployment, object);
    facts
}

#[test]
fn an_expression_without_a_zone_counts_by_that_of_the_servers_environment() {
    let says = |text: &str, env: &Value| told(&server(env), text, hours(720), Some(hours(24)));
    let gap = "between 2026-10-24T23:00:00Z and 2026-10-26T00:00:00Z no backup begins for 25 h, and --rpo allows 24 h";
    let clock = "Velero's server counts by Europe/Berlin (TZ in Deployment velero)";
    for name in ["Europe/Berlin", ":Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin"] {
        let env = json!([{ "name": "TZ", "value": "UTC" }, { "name": "TZ", "value": name }]);
        assert_eq!(says("0 1 * * *", &env), [("rpo", gap.to_owned()), ("zone", clock.to_owned())], "{name}");
        assert_eq!(says("TZ=Local 0 1 * * *", &env).len(), 2, "Local is the server's");
        assert_eq!(says("CRON_TZ=UTC 0 1 * * *", &env), [], "its own zone is the expression's own");
    }
    for name in ["", "UTC", ":"] {
        assert_eq!(says("0 1 * * *", &json!([{ "name": "TZ", "value": name }])), [], "{name:?}");
    }
}

#[test]
fn a_zone_that_the_server_cannot_load_or_that_is_not_known_is_utc_and_told() {
    let says = |env: Value| told(&server(&json!([env])), "0 1 * * *", hours(720), Some(hours(24)));
    for name in ["Europe/Berln", "CET-1CEST", "../etc/localtime", "Local"] {
        let told = format!(
            "Velero's server counts by UTC: TZ in Deployment velero is {name:?}, and it can load no such time zone"
        );
        assert_eq!(says(json!({ "name": "TZ", "value": name })), [("zone", told)]);
    }
    let elsewhere = json!({ "name": "TZ", "valueFrom": { "configMapKeyRef": { "name": "zones", "key": "tz" } } });
    let told = "the time zone of Velero's server is not known: TZ in Deployment velero comes from elsewhere, and is taken \
                for UTC";
    assert_eq!(says(elsewhere), [("zone", told.to_owned())]);
    let with = |field: &str, value: Value| {
        let mut facts = server(&json!([]));
        let Some(Listed::Objects(all)) = facts.objects.get_mut(&Kind::Deployment) else { panic!("a Deployment") };
        all.last_mut().unwrap().0["spec"]["template"]["spec"]["containers"][0][field] = value;
        told_of(&facts)
    };
    let told_of_env = with("envFrom", json!([{ "configMapRef": { "name": "zones" } }]));
    assert!(told_of_env.contains("TZ may be in what envFrom of Deployment velero names"), "{told_of_env}");
    let told_of_file = with("volumeMounts", json!([{ "name": "host", "mountPath": "/etc/localtime" }]));
    assert!(told_of_file.contains("/etc/localtime of Deployment velero comes from elsewhere"), "{told_of_file}");
    assert_eq!(with("volumeMounts", json!([{ "name": "plugins", "mountPath": "/plugins" }])), "");
}

/// What is said of the clock.
fn told_of(facts: &Facts) -> String {
    let told = told(facts, "0 1 * * *", hours(720), Some(hours(24)));
    told.into_iter().find(|(about, _)| *about == "zone").map(|(_, says)| says).unwrap_or_default()
}
