//! What a baseline hides, what it does not, and by what a finding is known again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of a test")]

use dr_lint::baseline::{self, Entry, Whereabouts};
use dr_lint::{By, Input, Judgement, Settings, Severity};
use dr_yaml::Text;

const NIGHTLY: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec:
  schedule: 0 2 * * *
  template:
    includedNamespaces: [bookstore]
    ttl: 30d
";

fn input(files: &[(&str, &str)]) -> Input {
    let mut input = Input::default();
    for (name, text) in files {
        input.add(*name, text.as_bytes(), false);
    }
    input
}

fn entries(files: &[(&str, &str)]) -> Vec<Entry> {
    let input = input(files);
    baseline::renewed(&input, &dr_lint::judge(&input, &Settings::default()), str::to_owned)
}

/// Files that are in no run and are there all the same begin with `elsewhere`.
fn with(files: &[(&str, &str)], entries: &[Entry], settings: &Settings) -> (Input, Judgement) {
    let mut input = input(files);
    let text = baseline::write(entries);
    let entries = baseline::read(&Text::from(text.as_str())).unwrap();
    let elsewhere = |file: &str| file.starts_with("elsewhere");
    let whereabouts = |file: &str| {
        let at = files.iter().position(|(name, _)| *name == file);
        at.map_or(if elsewhere(file) { Whereabouts::Elsewhere } else { Whereabouts::Gone }, Whereabouts::Read)
    };
    let apart = |file: &str| elsewhere(file) && !files.iter().any(|(name, _)| *name == file);
    input.hide("baseline.yaml", &text, entries, whereabouts, apart);
    let judgement = dr_lint::judge(&input, settings);
    (input, judgement)
}

/// `rule file` of what is told, and how much is hidden.
fn told(files: &[(&str, &str)], entries: &[Entry]) -> (Vec<String>, usize) {
    let (input, judgement) = with(files, entries, &Settings::default());
    let told = judgement.findings.iter().map(|found| format!("{} {}", found.rule, input.files[found.file].name));
    (told.collect(), judgement.silenced.len())
}

fn prints(text: &str) -> Vec<String> {
    entries(&[("a.yaml", text)]).into_iter().map(|entry| entry.fingerprint).collect()
}

#[test]
fn a_finding_is_known_again_wherever_it_stands_and_not_with_another_value() {
    let before = prints(NIGHTLY);
    assert_eq!(before.len(), 1);
    let same = [
        format!("# more\n\n# lines\n{NIGHTLY}"),
        NIGHTLY.replace("    ttl: 30d\n", "").replace("  template:\n", "  template:\n    ttl: \"30d\" # quoted\n"),
        NIGHTLY.replace("[bookstore]", "[bookstore, blog]"),
        NIGHTLY.replace('\n', "\r\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- {}", NIGHTLY.trim_end().replace('\n', "\n  ")),
    ];
    for text in same {
        assert_eq!(prints(&text), before, "{text}");
    }
    for (from, to) in [("30d", "31d"), ("name: nightly", "name: weekly"), ("namespace: velero", "namespace: other")] {
        assert_ne!(prints(&NIGHTLY.replace(from, to)), before, "{from} -> {to}");
    }
}

#[test]
fn an_entry_hides_one_finding_and_the_next_one_is_told() {
    let one = entries(&[("a.yaml", NIGHTLY)]);
    assert_eq!(told(&[("a.yaml", NIGHTLY)], &one), (vec![], 1));
    let twice = format!("{NIGHTLY}---\n{NIGHTLY}");
    let (findings, hidden) = told(&[("a.yaml", &twice)], &one);
    assert_eq!((findings.iter().filter(|found| found.starts_with("unreadable-duration")).count(), hidden), (1, 1));
    let both = [one.clone(), one].concat();
    let (findings, hidden) = told(&[("a.yaml", &twice)], &both);
    assert_eq!((findings.iter().filter(|found| found.starts_with("unreadable-duration")).count(), hidden), (0, 2));
    // One more than there are findings hides nothing.
    assert_eq!(told(&[("a.yaml", NIGHTLY)], &both), (vec!["unused-baseline-entry baseline.yaml".into()], 1));
}

#[test]
fn an_entry_follows_its_finding_only_out_of_a_file_that_is_gone() {
    let one = entries(&[("a.yaml", NIGHTLY)]);
    assert_eq!(told(&[("moved/b.yaml", NIGHTLY)], &one), (vec![], 1));
    let fixed = NIGHTLY.replace("30d", "720h").replace("nightly", "other");
    let want = vec!["unreadable-duration b.yaml".to_owned(), "unused-baseline-entry baseline.yaml".to_owned()];
    let mut sorted = told(&[("a.yaml", &fixed), ("b.yaml", NIGHTLY)], &one).0;
    sorted.sort();
    assert_eq!(sorted, want);
    let elsewhere = entries(&[("elsewhere.yaml", NIGHTLY)]);
    assert_eq!(told(&[("b.yaml", NIGHTLY)], &elsewhere).0, ["unreadable-duration b.yaml"]);
    // Of several the one in the entry's own file is hidden, whatever comes first.
    let (input, judgement) = with(&[("0.yaml", NIGHTLY), ("a.yaml", NIGHTLY)], &one, &Settings::default());
    assert_eq!(input.files[judgement.silenced[0].finding.file].name, "a.yaml");
}

#[test]
fn an_entry_that_hides_nothing_is_told_only_where_it_could_have() {
    let one = entries(&[("a.yaml", NIGHTLY)]);
    let fixed = NIGHTLY.replace("30d", "720h");
    let unused = ["unused-baseline-entry baseline.yaml"];
    assert_eq!(told(&[("a.yaml", &fixed)], &one).0, unused);
    assert_eq!(told(&[("b.yaml", &fixed)], &one).0, unused, "its file is gone");
    assert_eq!(told(&[("b.yaml", &fixed)], &entries(&[("elsewhere.yaml", NIGHTLY)])).0, [""; 0]);
    let broken = ["unreadable-document a.yaml"];
    assert_eq!(told(&[("a.yaml", "kind: [\n")], &one).0, broken, "nobody knows what is in its file");
    assert_eq!(told(&[("a.yaml", "{{ if .x }}\n")], &one).0, [""; 0]);
    let off = Settings { severities: [("unreadable-duration".to_owned(), None)].into(), ..Settings::default() };
    assert_eq!(with(&[("a.yaml", &fixed)], &one, &off).1.findings, [], "its rule did not run");
    let info = [("unused-baseline-entry".to_owned(), Some(Severity::Info))].into();
    let info = Settings { severities: info, ..Settings::default() };
    let (_, judgement) = with(&[("a.yaml", &fixed)], &one, &info);
    assert_eq!((judgement.findings[0].severity, judgement.stale), (Severity::Info, vec![0]));
    let unknown = [Entry { rule: "unreadable-duratio".into(), ..one[0].clone() }];
    let (_, judgement) = with(&[("a.yaml", &fixed)], &unknown, &Settings::default());
    let want = "there is no rule \"unreadable-duratio\"; the nearest is \"unreadable-duration\"";
    assert_eq!(judgement.findings[0].message, want);
}

#[test]
fn what_a_comment_silences_takes_no_entry() {
    let one = entries(&[("a.yaml", NIGHTLY)]);
    let silenced = NIGHTLY.replace("ttl: 30d", "ttl: 30d # dr-lint: ignore[unreadable-duration] tape");
    let (_, judgement) = with(&[("a.yaml", &silenced)], &one, &Settings::default());
    let by: Vec<_> = judgement.silenced.iter().map(|silenced| silenced.by).collect();
    assert_eq!((by, judgement.stale), (vec![By::Comment], vec![0]));
}

#[test]
fn of_what_nothing_was_judged_nothing_is_hidden() {
    assert_eq!(entries(&[("a.yaml", "kind: [\n")]), []);
    let dropped = format!("kind: Namespace\napiVersion: v1\n...\n{NIGHTLY}").replace("30d", "720h");
    assert_eq!(entries(&[("a.yaml", &dropped)]), []);
    assert_eq!(entries(&[("a.yaml", &NIGHTLY.replace("ttl: 30d", "ttl: 720h\n    ttl: 720h"))]), []);
}

/// A Schedule that takes the workload by a label which its claim has not.
const BY_TIER: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec:
  schedule: 0 2 * * *
  template:
    ttl: 720h
    includedNamespaces: [shop]
    labelSelector:
      matchLabels: {tier: web}
";
const APP: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: shop, labels: {tier: web}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: c, image: i, volumeMounts: [{name: d, mountPath: /d}]}]
      volumes: [{name: d, persistentVolumeClaim: {claimName: scratch}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: scratch, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

#[test]
fn the_loss_of_one_claim_does_not_hide_that_of_another() {
    let files = [("elsewhere-app.yaml", APP), ("sched.yaml", BY_TIER)];
    let one = entries(&files);
    assert_eq!((one.len(), one[0].beside.clone()), (1, vec!["elsewhere-app.yaml".to_owned()]));
    assert_eq!(told(&files, &one), (vec![], 1));
    let other = APP.replace("scratch", "ledger");
    let (findings, hidden) = told(&[("elsewhere-app.yaml", &other), ("sched.yaml", BY_TIER)], &one);
    assert_eq!((findings.len(), hidden), (2, 0), "{findings:?}");
    assert!(findings.contains(&"volume-left-out sched.yaml".to_owned()), "{findings:?}");
}

#[test]
fn an_entry_is_not_called_unused_without_the_files_that_it_rests_on() {
    let one = entries(&[("elsewhere-app.yaml", APP), ("sched.yaml", BY_TIER)]);
    let alone = [("sched.yaml", BY_TIER)];
    assert_eq!(told(&alone, &one), (vec![], 0));
    let (input, judgement) = with(&alone, &one, &Settings::default());
    assert_eq!(baseline::renewed(&input, &judgement, str::to_owned).len(), 1, "it stays in what is written anew");
    let mended = APP.replace("name: scratch, namespace: shop", "name: scratch, namespace: shop, labels: {tier: web}");
    assert_eq!(
        told(&[("elsewhere-app.yaml", &mended), ("sched.yaml", BY_TIER)], &one).0,
        ["unused-baseline-entry baseline.yaml"]
    );
}

#[test]
fn written_anew_it_keeps_reasons_and_what_may_still_hide_and_drops_the_rest() {
    let mut old = entries(&[("a.yaml", NIGHTLY), ("fixed.yaml", &NIGHTLY.replace("nightly", "fixed"))]);
    old[0].reason = "the tape has it: until 2027".into();
    old.extend(entries(&[("elsewhere.yaml", &NIGHTLY.replace("nightly", "elsewhere"))]));
    old.extend(entries(&[("gone.yaml", &NIGHTLY.replace("nightly", "gone"))]));
    let (fixed, new) = (NIGHTLY.replace("30d", "720h").replace("nightly", "fixed"), NIGHTLY.replace("nightly", "new"));
    let now = [("a2.yaml", NIGHTLY), ("fixed.yaml", &fixed), ("new.yaml", &new)];
    old[0].file = "a.yaml".into();
    let (input, judgement) = with(&now, &old, &Settings::default());
    let renewed = baseline::renewed(&input, &judgement, str::to_owned);
    let text = baseline::write(&renewed);
    let told: Vec<_> = text.lines().filter(|line| line.contains("file:") || line.contains("reason:")).collect();
    let want =
        ["  file: a2.yaml", "  reason: \"the tape has it: until 2027\"", "  file: elsewhere.yaml", "  file: new.yaml"];
    assert_eq!(told, want);
    // A second time nothing changes, in whatever order files come.
    let turned: Vec<_> = now.iter().rev().copied().collect();
    let (input, judgement) = with(&turned, &renewed, &Settings::default());
    assert_eq!(judgement.findings, []);
    assert_eq!(baseline::write(&baseline::renewed(&input, &judgement, str::to_owned)), text);
}

#[test]
fn a_damaged_baseline_says_where() {
    let good = baseline::write(&entries(&[("a.yaml", NIGHTLY)]));
    let place = |text: &str| {
        let mistake = baseline::read(&Text::from(text)).unwrap_err();
        let at = dr_yaml::Lines::of(text).place(text, mistake.span.start);
        format!("{}:{}: {}", at.line, at.column, mistake.message)
    };
    for (from, to, want) in [
        ("dr/v1", "dr/v2", "2:13: apiVersion is \"dr/v2\"; known: dr/v1"),
        ("kind: LintBaseline\n", "", "1:1: a baseline begins with apiVersion: dr/v1 and kind: LintBaseline"),
        ("  file: a.yaml\n", "", "5:3: findings[0] has no file"),
        ("fingerprint: \"", "fingerprint: \"0", "8:16: findings[0].fingerprint must be 32 hexadecimal digits"),
        (
            "  file:",
            "  path:",
            "7:3: there is no key \"path\" in findings[0]; known: rule, object, file, beside, fingerprint, reason",
        ),
        ("- rule: unreadable-duration", "<<<<<<< ours", "5:1: "),
        ("findings:\n", "findings: all\nmore:\n", "5:1: there is no key \"more\""),
    ] {
        assert!(good.contains(from), "{from}");
        let told = place(&good.replacen(from, to, 1));
        assert!(told.starts_with(want), "{from} -> {to}: {told}");
    }
    assert!(place("").starts_with("1:1: a baseline begins with"));
}

#[test]
fn half_a_file_of_ours_is_read_or_refused_and_never_trips_the_reader() {
    let baseline = baseline::write(&entries(&[("a.yaml", NIGHTLY), ("b.yaml", &NIGHTLY.replace("nightly", "ä: b"))]));
    let config = "appetite: audit\nexclude: [\"ä\"]\noverrides:\n- {paths: [a], rules: {cron-invalid: off}}\n";
    assert!(dr_lint::config::read(&Text::from(config)).is_ok());
    for text in [baseline.as_str(), config] {
        for (at, _) in text.char_indices() {
            for half in [&text[..at], &text[at..]] {
                let half = Text::from(half);
                for mistake in [baseline::read(&half).err(), dr_lint::config::read(&half).err()].into_iter().flatten() {
                    assert!(mistake.span.end <= half.text.len() && !mistake.message.is_empty(), "{mistake:?}");
                }
            }
        }
    }
}
