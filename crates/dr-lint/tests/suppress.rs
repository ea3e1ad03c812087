//! What a comment silences by where it stands.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use dr_lint::{Input, Settings};

const BACKUPS: &str = "\
kind: Backup
apiVersion: velero.io/v1
metadata: {name: one, namespace: velero}
spec:
  ttl: 30d
  csiSnapshotTimeout: 1d
";

/// Line and rule of what is left, and how many are silenced.
fn told(text: &str) -> (Vec<(usize, &'static str)>, usize) {
    let mut input = Input::default();
    input.add("f.yaml", text.as_bytes(), false);
    let judgement = dr_lint::judge(&input, &Settings::default());
    let line = |at| input.files[0].lines.index(at) + 1;
    let left = judgement.findings.iter().map(|finding| (line(finding.span.start), finding.rule));
    (left.collect(), judgement.silenced.len())
}

const DURATION: &str = "unreadable-duration";
const COMMENT: &str = "# dr-lint: ignore[unreadable-duration] the server is patched\n";

#[test]
fn before_the_first_key_it_is_over_the_whole_document_and_no_other() {
    assert_eq!(told(BACKUPS), (vec![(5, DURATION), (6, DURATION)], 0));
    let two = BACKUPS.replace("one", "two");
    assert_eq!(told(&format!("{COMMENT}{BACKUPS}---\n{two}")), (vec![(13, DURATION), (14, DURATION)], 2));
    assert_eq!(told(&format!("---\n# a backup\n{COMMENT}\n{BACKUPS}")), (vec![], 2));
}

#[test]
fn further_down_it_is_over_the_next_line_that_is_no_comment_or_behind_a_line_over_that() {
    let above = BACKUPS.replace("  ttl", &format!("  {COMMENT}  # as was said\n\n  ttl"));
    assert_eq!(told(&above), (vec![(9, DURATION)], 1));
    let behind = BACKUPS.replace("30d\n", &format!("30d {COMMENT}"));
    assert_eq!(told(&behind), (vec![(6, DURATION)], 1));
    // Above the spec's first line it is over that line alone.
    let spec = BACKUPS.replace("spec:", &format!("{COMMENT}spec:"));
    let (left, silenced) = told(&spec);
    assert_eq!((left.len(), silenced), (3, 0), "and it is unused: {left:?}");
}
