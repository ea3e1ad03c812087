use dr_core::verify::{Aspect, Check, Finding, Method, Volume};

use super::*;

fn finding(verdict: Verdict, because: &str, hint: &str) -> Finding {
    Finding { verdict, because: because.to_owned(), hint: hint.to_owned() }
}

/// One of each verdict, method and kind of volume.
pub(crate) fn answer() -> Answer {
    let check = |aspect, verdict, because: &str, hint: &str| Check { aspect, finding: finding(verdict, because, hint) };
    let claim = |name: &str| Volume::Claim { namespace: "shop".to_owned(), name: name.to_owned() };
    let volume = |volume, method, bytes, verdict, because: &str, hint: &str| Judged {
        volume,
        method,
        taken: method.map(|_| "2026-01-02T01:00:05Z".parse().unwrap()),
        bytes,
        finding: finding(verdict, because, hint),
    };
    let other = "restore this volume from another backup, or leave it out with --leave";
    let of_pod = Volume::OfPod { namespace: "shop".to_owned(), pod: "web-1".to_owned(), volume: "scratch".to_owned() };
    let verified = Verified {
        backup: "nightly-1".to_owned(),
        checks: vec![
            check(Aspect::Phase, Verdict::Restorable, "Completed", ""),
            check(Aspect::Hooks, Verdict::Unknown, "1 of 2 failed", "velero backup logs tells which"),
        ],
        volumes: vec![
            volume(claim("cache"), None, None, Verdict::NotRestorable, "the backup skipped it: policy", other),
            volume(
                Volume::Persistent { name: "pv-1".to_owned() },
                None,
                None,
                Verdict::NotRestorable,
                "the backup skipped it",
                other,
            ),
            volume(
                claim("old"),
                Some(Method::NativeSnapshot),
                None,
                Verdict::Unknown,
                "only the provider can tell",
                "look for it at the provider",
            ),
            volume(claim("data"), Some(Method::CsiSnapshot), Some(1 << 30), Verdict::Restorable, "driver has it", ""),
            volume(claim("far"), Some(Method::Moved), Some(47_652_502), Verdict::Restorable, "moved", ""),
            volume(of_pod, Some(Method::FileSystem), Some(5_000), Verdict::Restorable, "5000 bytes", ""),
        ],
    };
    Answer { taken: "2026-01-02T12:00:00Z".parse().unwrap(), namespace: None, verified }
}

#[test]
fn only_when_all_is_known_to_come_back_it_is_done() {
    let mut answer = answer();
    assert_eq!((answer.exit(), answer.doubtful().count()), (Exit::Failed, 3));
    answer.verified.volumes.retain(|judged| judged.finding.verdict == Verdict::Restorable);
    assert_eq!(answer.exit(), Exit::Failed, "its hooks failed");
    answer.verified.checks.retain(|check| check.finding.verdict == Verdict::Restorable);
    assert_eq!(answer.exit(), Exit::Done);
}

#[test]
fn a_backup_of_which_nothing_was_judged_is_not_done() {
    let mut answer = answer();
    answer.verified.volumes.clear();
    answer.verified.checks.clear();
    assert_eq!(answer.exit(), Exit::Failed);
}
