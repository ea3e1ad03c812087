use super::*;
use crate::backup::status::tests::answer;

#[test]
fn the_table_tells_each_namespace_with_its_reason() {
    insta::assert_snapshot!(text(&answer(), false).unwrap(), @r"
    NAMESPACE   STATE         DATA OF                AGE      MAY BE   BACKUP       VERIFIED                 NEXT             SURVIVES LOSS OF   WHY
    gone        GONE          2025-12-31 00:00:00Z   2d 12h   -        nightly-60   no                       -                cluster            the namespace is gone
    lost        NOTHING       -                      -        -        -            -                        -                -                  no backup includes it
    closed      UNKNOWN       -                      -        1d 2h    -            -                        in 13h           -                  the object store answers 403
    older       OLD           2025-12-31 10:00:00Z   2d 2h    1d 2h    nightly-50   no                       in 13h           cluster            schedule nightly leaves 24 h
    old         OLD           2025-12-31 20:00:00Z   1d 16h   1d 2h    nightly-40   NOT RESTORABLE, 2h ago   in 13h           cluster            schedule nightly leaves 24 h
    late        OVERDUE       2026-01-02 00:00:00Z   12h      1d 2h    nightly-12   UNKNOWN, 1d 2h ago       1h ago, missed   cluster            schedule nightly was due
    free        NO SCHEDULE   2026-01-02 11:00:00Z   1h       -        nightly-1    no                       -                namespace          no schedule includes it
    good        good          2026-01-02 01:00:00Z   11h      1d 2h    nightly-11   3h ago                   in 13h           cluster            schedule nightly leaves 24 h

    note: Velero's server counts by Europe/Berlin (TZ in Deployment velero)
    ");
}

#[test]
fn wide_tells_what_was_passed_over() {
    let text = text(&answer(), true).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].ends_with("WHY                            CLAIMS   SIZE       PASSED OVER"), "{text}");
    let good = "schedule nightly leaves 24 h   2        47.65 MB   newer: claim data: it was skipped";
    assert!(rows[8].ends_with(good), "{text}");
    assert!(rows[2].ends_with("no backup includes it          -        -          -"), "{text}");
}

#[test]
fn a_watcher_is_told_once_of_what_there_is_and_then_of_what_changes() {
    let before = answer();
    let all = changes(None, &before);
    assert_eq!(all.len(), before.namespaces.len());
    assert_eq!(all[0], "2026-01-02 12:00:00Z  gone: GONE, backup nightly-60: the namespace is gone");
    assert_eq!(all[1], "2026-01-02 12:00:00Z  lost: NOTHING: no backup includes it");
    assert_eq!(changes(Some(&before), &before), [""; 0]);
    let mut now = answer();
    now.taken = "2026-01-02T12:01:00Z".parse().unwrap();
    now.namespaces.retain(|one| one.namespace != "gone");
    for one in &mut now.namespaces {
        match one.namespace.as_str() {
            "lost" => one.standing = Standing::Unknown,
            "good" => one.point.as_mut().unwrap().backup = "nightly-12".to_owned(),
            _ => {}
        }
    }
    insta::assert_snapshot!(changes(Some(&before), &now).join("\n"), @r"
    2026-01-02 12:01:00Z  lost: NOTHING -> UNKNOWN: no backup includes it
    2026-01-02 12:01:00Z  good: good, backup nightly-12: schedule nightly leaves 24 h
    2026-01-02 12:01:00Z  gone: GONE -> no longer there, and no backup holds it
    ");
}
