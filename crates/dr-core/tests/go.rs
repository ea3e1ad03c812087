//! Durations and cron expressions as Go and Velero's own parser answered. `cargo xtask golden go` asks them again.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use dr_core::cron::Cron;
use dr_core::go_duration::GoDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    text: String,
    nanos: Option<i64>,
    #[serde(default)]
    next: Vec<String>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    cron: bool,
}

fn answers(cron: bool) -> impl Iterator<Item = Answer> {
    let lines = include_str!("go.jsonl").lines().map(|line| serde_json::from_str::<Answer>(line).unwrap());
    lines.filter(move |answer| answer.cron == cron)
}

#[test]
fn durations_are_read_as_go_reads_them() {
    for Answer { text, nanos, error, .. } in answers(false) {
        match GoDuration::parse(&text) {
            Ok(duration) => assert_eq!(Some(duration.0), nanos, "{text:?}: Go says {error:?}"),
            // Go spells what is not ASCII in bytes.
            Err(ours) if text.is_ascii() => assert_eq!(ours.to_string(), error, "{text:?}"),
            Err(_) => assert!(!error.is_empty(), "{text:?}"),
        }
    }
}

#[test]
fn cron_expressions_are_taken_and_refused_as_velero_does() {
    for Answer { text, error, .. } in answers(true) {
        assert_eq!(Cron::parse(&text).is_err(), !error.is_empty(), "{text:?}: robfig says {error:?}");
    }
}

fn zone(name: &str) -> TimeZone {
    dr_core::cron::zone(name, &|name| TimeZone::get(name).ok()).unwrap()
}

#[test]
fn the_next_runs_are_those_that_velero_computes() {
    let from = ["2026-11-24T18:30:00", "2027-02-28T23:59:59", "2028-02-28T12:00:30"];
    for Answer { text, next, .. } in answers(true) {
        let Ok(cron) = Cron::parse(&text) else { continue };
        let mut ours = Vec::new();
        for from in from {
            let mut at: Timestamp = format!("{from}Z").parse().unwrap();
            for _ in 0..3 {
                let zone = cron.zone.as_deref().map_or(TimeZone::UTC, zone);
                let Some(next) = cron.next_in(at, &zone) else {
                    ours.push("never".to_owned());
                    break;
                };
                ours.push(next.strftime("%Y-%m-%dT%H:%M:%S").to_string());
                at = next;
            }
        }
        assert_eq!(ours, next, "{text:?}");
        assert_eq!(cron.ever_fires(), !next.contains(&"never".to_owned()), "{text:?}");
    }
}

/// A generated one, with Go's answer; -1 is never.
#[derive(Deserialize)]
struct Generated {
    text: String,
    from: i64,
    nanos: i32,
    duration: bool,
    next: Vec<i64>,
    value: Option<i64>,
    error: bool,
}

/// `cargo xtask diff cron` asks of many more.
#[test]
fn generated_expressions_fire_and_durations_are_read_as_by_gos_libraries_in_their_time_zones() {
    let mut seen = 0;
    for line in include_str!("cron.jsonl").lines() {
        let Generated { text, from, nanos, duration, next, value, error } = serde_json::from_str(line).unwrap();
        seen += 1;
        if duration {
            let ours = GoDuration::parse(&text).ok().map(|duration| duration.0);
            assert_eq!((ours, ours.is_none()), (value, error), "{text:?}");
            continue;
        }
        let get = |name: &str| TimeZone::get(name).ok();
        let read = Cron::parse(&text).ok().and_then(|cron| {
            let zone = cron.zone.as_deref().map_or(Some(TimeZone::UTC), |name| dr_core::cron::zone(name, &get))?;
            Some((cron, zone))
        });
        let Some((cron, zone)) = read else {
            assert!(error, "{text:?} is refused");
            continue;
        };
        let mut at = Timestamp::new(from, nanos).unwrap();
        let mut ours = Vec::new();
        while ours.len() < 4 && ours.last() != Some(&-1) {
            let found = cron.next_in(at, &zone);
            ours.push(found.map_or(-1, Timestamp::as_second));
            at = found.unwrap_or(at);
        }
        assert_eq!((ours, false), (next, error), "{text:?} from {from}.{nanos:09}");
    }
    assert!(seen >= 3_000, "{seen}");
}

#[test]
fn gaps_are_the_shortest_and_the_longest_of_a_year() {
    let gaps = |text: &str| {
        let from = "2026-01-01T00:00:00Z".parse().unwrap();
        let gaps = Cron::parse(text).unwrap().gaps_in(from, &TimeZone::UTC).unwrap();
        (gaps.shortest.as_hours(), gaps.longest.as_hours())
    };
    assert_eq!(gaps("0 2 * * *"), (24, 24));
    assert_eq!(gaps("0 2 * * 1-5"), (24, 72));
    assert_eq!(gaps("0 1,13 * * *"), (12, 12));
    assert_eq!(gaps("0 0 1 * *"), (28 * 24, 31 * 24));
    assert_eq!(gaps("@every 36h"), (36, 36));
}

#[test]
fn what_is_printed_is_read_again() {
    for Answer { nanos, .. } in answers(false) {
        let Some(nanos) = nanos.filter(|nanos| *nanos > i64::MIN) else { continue };
        let duration = GoDuration(nanos);
        assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
    }
    assert_eq!(GoDuration(720 * 3_600 * 1_000_000_000).to_string(), "720h");
}
