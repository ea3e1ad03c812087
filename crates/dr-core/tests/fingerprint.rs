//! When a staged volume is proven, when it merely opens, and when it may not be used.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed, which is what it is for"
)]

use dr_core::fingerprint::{Degree, Evidence, Expected, Fingerprint, Rejected, Taken, differences, judge, read};
use proptest::prelude::*;

fn found(parts: &[(&str, u64, &str)]) -> Fingerprint {
    let mut answer = "fingerprint 1 postgres\nidentity\t7\nversion\t15.18\n".to_owned();
    for (name, count, digest) in parts {
        answer.push_str(&format!("part\t{count}\t8192\t{digest}\t{name}\n"));
    }
    answer.push_str("end\n");
    read(&answer).unwrap()
}

fn expected(taken: Taken, before: Option<&Fingerprint>, after: Option<&Fingerprint>) -> Expected {
    Expected {
        engine: "postgres".into(),
        taken,
        before: before.cloned(),
        after: after.cloned(),
        accept_unproven: false,
    }
}

fn degree(result: Result<Evidence, Rejected>) -> Degree {
    result.unwrap().degree
}

#[test]
fn a_table_nobody_wrote_must_be_equal_by_checksum() {
    let recorded = found(&[("d.public.books", 1000, "a1")]);
    let wanted = expected(Taken::FileCopy, Some(&recorded), Some(&recorded));
    assert_eq!(degree(judge(&wanted, &recorded)), Degree::Proven);
    let rejected = judge(&wanted, &found(&[("d.public.books", 1000, "b2")])).unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "d.public.books: the backup recorded 1000 with digest a1, the staged volume holds 1000 with digest b2"
    );
    let rejected = judge(&wanted, &found(&[])).unwrap_err();
    assert_eq!(rejected, Rejected::Missing { part: "d.public.books".into() });
}

#[test]
fn a_table_that_was_being_written_must_lie_between_the_two_fingerprints() {
    let before = found(&[("d.public.orders", 10, "a")]);
    let after = found(&[("d.public.orders", 14, "b")]);
    let wanted = expected(Taken::FileCopy, Some(&before), Some(&after));
    for (rows, fits) in [(9, false), (10, true), (12, true), (14, true), (15, false)] {
        assert_eq!(judge(&wanted, &found(&[("d.public.orders", rows, "c")])).is_ok(), fits, "{rows} rows");
    }
}

#[test]
fn a_table_dropped_while_the_backup_ran_may_be_there_or_not() {
    let before = found(&[("t", 1, "a"), ("gone", 5, "b")]);
    let after = found(&[("t", 1, "a")]);
    let wanted = expected(Taken::Snapshot, Some(&before), Some(&after));
    assert!(judge(&wanted, &before).is_ok());
    assert!(judge(&wanted, &after).is_ok());
}

#[test]
fn a_file_copy_of_a_running_engine_without_fingerprint_is_unproven() {
    let mut wanted = expected(Taken::FileCopy, None, None);
    assert_eq!(judge(&wanted, &found(&[])), Err(Rejected::Unproven));
    wanted.accept_unproven = true;
    assert_eq!(degree(judge(&wanted, &found(&[]))), Degree::Opens);
}

#[test]
fn a_snapshot_without_fingerprint_opens_and_is_no_more_than_that() {
    assert_eq!(degree(judge(&expected(Taken::Snapshot, None, None), &found(&[]))), Degree::Opens);
}

#[test]
fn one_fingerprint_proves_only_what_did_not_change() {
    let before = found(&[("t", 1, "a")]);
    let wanted = expected(Taken::FileCopy, Some(&before), None);
    assert_eq!(degree(judge(&wanted, &before)), Degree::Proven);
    assert_eq!(judge(&wanted, &found(&[("t", 2, "b")])), Err(Rejected::Unproven));
}

#[test]
fn another_database_with_the_same_tables_is_another_database() {
    let recorded = found(&[("t", 1, "a")]);
    let mut other = recorded.clone();
    other.identity = Some("8".into());
    let rejected = judge(&expected(Taken::Snapshot, Some(&recorded), Some(&recorded)), &other).unwrap_err();
    assert_eq!(rejected, Rejected::OtherIdentity { wanted: "7".into(), found: "8".into() });
}

#[test]
fn a_digest_that_was_recorded_and_cannot_be_read_proves_nothing() {
    let recorded = found(&[("t", 1, "a")]);
    let wanted = expected(Taken::FileCopy, Some(&recorded), Some(&recorded));
    assert!(judge(&wanted, &found(&[("t", 1, "-")])).is_err());
}

#[test]
fn what_comes_back_and_what_is_lost_is_told_part_by_part() {
    let live = found(&[("books", 0, "0"), ("orders", 20, "x"), ("new", 3, "y")]);
    let staged = found(&[("books", 1000, "a"), ("orders", 12, "z"), ("dropped", 7, "b")]);
    let told: Vec<_> = differences(&live, &staged)
        .iter()
        .map(|d| (d.part.clone(), d.live, d.staged, d.brings_back(), d.loses()))
        .collect();
    assert_eq!(
        told,
        [
            ("books".to_owned(), Some(0), Some(1000), true, false),
            ("dropped".to_owned(), None, Some(7), true, false),
            ("new".to_owned(), Some(3), None, false, true),
            ("orders".to_owned(), Some(20), Some(12), false, true),
        ]
    );
    assert_eq!(differences(&staged, &staged), []);
}

proptest! {
    #[test]
    fn an_answer_cut_anywhere_before_its_end_is_no_fingerprint(cut in 0_usize..66) {
        let whole = "fingerprint 1 postgres\nidentity\t7\npart\t1\t8192\taa\tdb.public.t\nend\n";
        let cut = cut.min(whole.len() - 2);
        prop_assert!(read(&whole[..cut]).is_err());
    }

    #[test]
    fn no_answer_makes_the_reader_panic(answer in ".*\n.*\n.*") {
        let _ = read(&answer);
    }
}
