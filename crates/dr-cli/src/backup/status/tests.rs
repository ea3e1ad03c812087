use dr_core::recovery::{Limit, Point, Run, Survives};
use dr_core::verify::Verdict;
use jiff::SignedDuration;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One namespace of each standing, at noon.
pub(crate) fn answer() -> Answer {
    let point = |hours: i64, survives| Point {
        backup: format!("nightly-{hours}"),
        taken: at("2026-01-02T12:00:00Z") - SignedDuration::from_hours(hours),
        age: SignedDuration::from_hours(hours),
        claims: 2,
        bytes: (hours < 30).then_some(47_652_502),
        survives,
        passed_over: vec![("newer".to_owned(), "claim data: it was skipped".to_owned())],
    };
    let limit =
        || Some(Limit { age: SignedDuration::from_hours(26), because: "schedule nightly leaves 24 h".to_owned() });
    let next = |text: &str, overdue| Some(Run { schedule: "nightly".to_owned(), at: at(text), overdue });
    let one = |namespace: &str, standing, because: &str, point, limit, next| Recovery {
        namespace: namespace.to_owned(),
        standing,
        because: because.to_owned(),
        point,
        limit,
        next,
    };
    let soon = || next("2026-01-03T01:00:00Z", false);
    let namespaces = vec![
        one(
            "good",
            Standing::Good,
            "schedule nightly leaves 24 h",
            Some(point(11, Survives::Cluster)),
            limit(),
            soon(),
        ),
        one("free", Standing::NoSchedule, "no schedule includes it", Some(point(1, Survives::Namespace)), None, None),
        one(
            "late",
            Standing::Overdue,
            "schedule nightly was due",
            Some(point(12, Survives::Cluster)),
            limit(),
            next("2026-01-02T11:00:00Z", true),
        ),
        one("old", Standing::Old, "schedule nightly leaves 24 h", Some(point(40, Survives::Cluster)), limit(), soon()),
        one(
            "older",
            Standing::Old,
            "schedule nightly leaves 24 h",
            Some(point(50, Survives::Cluster)),
            limit(),
            soon(),
        ),
        one("closed", Standing::Unknown, "the object store answers 403", None, limit(), soon()),
        one("gone", Standing::Gone, "the namespace is gone", Some(point(60, Survives::Cluster)), None, None),
        one("lost", Standing::Nothing, "no backup includes it", None, None, None),
    ];
    let found = |hours: i64, verdict, because: &str| {
        let at = at("2026-01-02T12:00:00Z") - SignedDuration::from_hours(hours);
        OfNamespace { at, verdict, because: because.to_owned(), volumes: 2 }
    };
    let verified = [
        ("good", found(3, Verdict::Restorable, "")),
        ("old", found(2, Verdict::NotRestorable, "old/data: its claim is not in the archive")),
        ("late", found(26, Verdict::Unknown, "hooks: 1 of 3 failed")),
    ];
    Answer {
        verified: verified.map(|(name, found)| (name.to_owned(), found)).into(),
        notes: vec!["Velero's server counts by Europe/Berlin (TZ in Deployment velero)".to_owned()],
        ..Answer::new(at("2026-01-02T12:00:00Z"), namespaces)
    }
}

#[test]
fn the_most_endangered_comes_first_and_of_old_data_the_oldest() {
    let answer = answer();
    let names: Vec<&str> = answer.namespaces.iter().map(|one| one.namespace.as_str()).collect();
    assert_eq!(names, ["gone", "lost", "closed", "older", "old", "late", "free", "good"]);
}

#[test]
fn only_when_all_are_good_it_is_done() {
    let mut answer = answer();
    assert_eq!(answer.exit(), Exit::Failed);
    answer.namespaces.retain(|one| one.standing == Standing::Good);
    assert_eq!(answer.exit(), Exit::Done);
}
