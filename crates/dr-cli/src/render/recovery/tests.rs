use super::*;
use crate::backup::status::tests::answer;

#[test]
fn the_table_tells_each_namespace_with_its_reason() {
    insta::assert_snapshot!(text(&answer(), false).unwrap(), @r"
    NAMESPACE   STATE         DATA OF                AGE      MAY BE   BACKUP       NEXT             SURVIVES LOSS OF   WHY
    lost        NOTHING       -                      -        -        -            -                -                  no backup includes it
    closed      UNKNOWN       -                      -        1d 2h    -            in 13h           -                  the object store answers 403
    older       OLD           2025-12-31 10:00:00Z   2d 2h    1d 2h    nightly-50   in 13h           cluster            schedule nightly leaves 24 h
    old         OLD           2025-12-31 20:00:00Z   1d 16h   1d 2h    nightly-40   in 13h           cluster            schedule nightly leaves 24 h
    late        OVERDUE       2026-01-02 00:00:00Z   12h      1d 2h    nightly-12   1h ago, missed   cluster            schedule nightly was due
    free        NO SCHEDULE   2026-01-02 11:00:00Z   1h       -        nightly-1    -                namespace          no schedule includes it
    good        good          2026-01-02 01:00:00Z   11h      1d 2h    nightly-11   in 13h           cluster            schedule nightly leaves 24 h
    ");
}

#[test]
fn wide_tells_what_was_passed_over() {
    let text = text(&answer(), true).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].ends_with("WHY                            CLAIMS   SIZE       PASSED OVER"), "{text}");
    let good = "schedule nightly leaves 24 h   2        47.65 MB   newer: claim data: it was skipped";
    assert!(rows[7].ends_with(good), "{text}");
    assert!(rows[1].ends_with("no backup includes it          -        -          -"), "{text}");
}
