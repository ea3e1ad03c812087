use super::*;
use crate::backup::verify::tests::answer;

#[test]
fn the_verdict_comes_first_then_the_worst_and_every_hint_once() {
    insta::assert_snapshot!(text(&answer(), false).unwrap(), @r"
    backup nightly-1: not everything can be restored; 3 of 6 volumes can

    CHECK   VERDICT      WHY
    phase   restorable   Completed
    hooks   UNKNOWN      1 of 2 failed

    VOLUME               VERDICT          BY                DATA OF                SIZE       WHY
    shop/cache           NOT RESTORABLE   -                 -                      -          the backup skipped it: policy
    pv-1                 NOT RESTORABLE   -                 -                      -          the backup skipped it
    shop/old             UNKNOWN          native snapshot   2026-01-02 01:00:05Z   -          only the provider can tell
    shop/data            restorable       CSI snapshot      2026-01-02 01:00:05Z   1.07 GB    driver has it
    shop/far             restorable       CSI, moved        2026-01-02 01:00:05Z   47.65 MB   moved
    shop/web-1:scratch   restorable       file copy         2026-01-02 01:00:05Z   5.00 kB    5000 bytes

    What to do
      hooks        velero backup logs tells which
      shop/cache   restore this volume from another backup, or leave it out with --leave
      shop/old     look for it at the provider
    ");
}

#[test]
fn wide_tells_the_hint_of_each_volume() {
    let text = text(&answer(), true).unwrap();
    let row = |volume: &str| text.lines().find(|line| line.starts_with(volume)).unwrap().to_owned();
    assert!(row("VOLUME").ends_with("HINT"), "{text}");
    assert!(row("shop/old").ends_with("look for it at the provider"), "{text}");
    assert!(row("shop/data").ends_with('-'), "{text}");
}
