//! The baseline as a user meets it: written, hiding, and told of where it hides nothing.

use super::*;

fn told(folder: &Path, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let said = lint(folder, &[args, &["-o", "json"]].concat());
    assert!(said.code < 2, "{}", said.stderr);
    let report = json(&said.stdout);
    fits("docs/schema/lint-report.json", &report);
    let words = |list: &str, of: [&str; 2]| {
        let found = report[list].as_array().unwrap().iter();
        let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap().to_owned();
        found.map(|found| of.map(|place| word(found.pointer(place))).join(" ")).collect::<Vec<_>>()
    };
    (words("findings", ["/rule", "/place/file"]), words("silenced", ["/rule", "/by"]))
}

const WRITE: [&str; 4] = ["velero", "--baseline", "baseline.yaml", "--write-baseline"];
const READ: [&str; 3] = ["velero", "--baseline", "baseline.yaml"];

#[test]
fn what_is_found_now_is_written_and_told_no_more_and_what_is_new_is_told() {
    let folder = tree(&[("velero/a.yaml", ONE_FINDING)]);
    let written = lint(folder.path(), &WRITE);
    assert_eq!((written.code, written.stderr.as_str()), (0, "baseline.yaml: 1 in it, 1 new, 0 gone\n"));
    let summary = "nothing found in 1 of Velero's objects and 0 others, 1 file; 1 in the baseline\n";
    assert_eq!(written.stdout, summary);
    let text = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
    let (head, print) = text.split_once("  fingerprint: ").unwrap();
    let want =
        "# Each entry hides one finding of kubectl dr lint. --write-baseline writes this file anew; reasons stay.
apiVersion: dr/v1
kind: LintBaseline
findings:
- rule: unreadable-duration
  object: Schedule velero/nightly
  file: velero/a.yaml
";
    assert_eq!((head, print.len()), (want, 35));
    fits("docs/schema/lint-baseline.json", &serde_yaml::from_str(&text).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside the file");

    let read = lint(folder.path(), &READ);
    assert_eq!((read.code, read.stdout.as_str(), read.stderr.as_str()), (0, summary, ""));
    fs::write(folder.path().join("velero/b.yaml"), ONE_FINDING.replace("nightly", "weekly")).unwrap();
    assert_eq!(lint(folder.path(), &READ).code, 1);
    let (found, silenced) = told(folder.path(), &READ);
    assert_eq!(
        (found, silenced),
        (vec!["unreadable-duration velero/b.yaml".into()], vec!["unreadable-duration baseline".into()])
    );
}

#[test]
fn reports_show_what_is_hidden_as_they_show_what_is_silenced() {
    let folder = tree(&[("velero/a.yaml", ONE_FINDING)]);
    lint(folder.path(), &WRITE);
    let sarif = |reason: &str| {
        let report = json(&lint(folder.path(), &[&READ[..], &["-o", "sarif"]].concat()).stdout);
        let result = &report["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "unreadable-duration");
        let print = result["partialFingerprints"]["drLint/v2"].as_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
        assert!(text.contains(&format!("  fingerprint: \"{print}\"\n")), "{print} {text}");
        fs::write(folder.path().join("baseline.yaml"), format!("{text}  reason: {reason}\n")).unwrap();
        result["suppressions"].clone()
    };
    assert_eq!(sarif("copied to tape"), serde_json::json!([{ "kind": "external" }]));
    let text = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
    let report = json(&lint(folder.path(), &[&READ[..], &["-o", "sarif"]].concat()).stdout);
    let want = serde_json::json!([{ "kind": "external", "justification": "copied to tape" }]);
    assert_eq!(report["runs"][0]["results"][0]["suppressions"], want);
    for format in ["github", "gitlab", "junit"] {
        let said = lint(folder.path(), &[&READ[..], &["-o", format]].concat());
        assert!(said.code == 0 && !said.stdout.contains("unreadable-duration"), "{format}: {}", said.stdout);
        assert!(!said.stdout.contains("baseline.yaml"), "{format}: {}", said.stdout);
    }
    // A reason stays when the file is written anew.
    assert_eq!(lint(folder.path(), &WRITE).stderr, "baseline.yaml: 1 in it, 0 new, 0 gone\n");
    assert_eq!(fs::read_to_string(folder.path().join("baseline.yaml")).unwrap(), text);
}

#[test]
fn an_entry_that_hides_nothing_is_a_finding_with_its_place() {
    let folder = tree(&[("velero/a.yaml", ONE_FINDING), ("velero/b.yaml", &ONE_FINDING.replace("nightly", "weekly"))]);
    lint(folder.path(), &WRITE);
    fs::write(folder.path().join("velero/a.yaml"), ONE_FINDING.replace("30d", "720h")).unwrap();
    let said = lint(folder.path(), &READ);
    assert_eq!(said.code, 1);
    for part in [
        "warning[unused-baseline-entry]",
        "--> baseline.yaml:5:3",
        "unreadable-duration of Schedule velero/nightly in velero/a.yaml",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
    for (format, part) in [
        ("github", "::warning file=baseline.yaml,line=5,"),
        ("junit", "name=\"baseline.yaml\">"),
        ("gitlab", "\"path\": \"baseline.yaml\""),
        ("sarif", "\"uri\": \"baseline.yaml\""),
    ] {
        let said = lint(folder.path(), &[&READ[..], &["-o", format]].concat());
        assert!(said.stdout.contains(part), "{format}: {}", said.stdout);
    }
    // One file of two: of the other one nothing is known.
    assert_eq!(told(folder.path(), &["velero/b.yaml", "--baseline", "baseline.yaml"]).0, [""; 0]);
    fs::remove_file(folder.path().join("velero/a.yaml")).unwrap();
    let (found, _) = told(folder.path(), &["velero/b.yaml", "--baseline", "baseline.yaml"]);
    assert_eq!(found, ["unused-baseline-entry baseline.yaml"]);
    assert_eq!(lint(folder.path(), &WRITE).stderr, "baseline.yaml: 1 in it, 0 new, 1 gone\n");
    assert_eq!(told(folder.path(), &READ).0, [""; 0]);
    // Part of the files: entries of the others stay.
    fs::write(folder.path().join("velero/c.yaml"), ONE_FINDING.replace("nightly", "other")).unwrap();
    let part = ["velero/c.yaml", "--baseline", "baseline.yaml", "--write-baseline"];
    assert_eq!(lint(folder.path(), &part).stderr, "baseline.yaml: 2 in it, 1 new, 0 gone\n");
    assert_eq!(told(folder.path(), &READ).0, [""; 0]);
}

#[test]
fn the_configuration_names_it_from_its_own_folder_on() {
    let config = "baseline: lint/baseline.yaml\n";
    let folder = tree(&[("ops/velero/a.yaml", ONE_FINDING), ("ops/dr-lint.yaml", config), ("ops/lint/x.txt", "")]);
    let ops = folder.path().join("ops");
    let missing = lint(&ops, &["velero"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("cannot read the baseline lint/baseline.yaml")
            && missing.stderr.contains("--write-baseline makes it"),
        "{}",
        missing.stderr
    );
    assert_eq!(lint(&ops, &[".", "--write-baseline"]).code, 0);
    let text = fs::read_to_string(ops.join("lint/baseline.yaml")).unwrap();
    assert!(text.contains("  file: \"../velero/a.yaml\"\n"), "{text}");
    for (folder, args) in [
        (ops.as_path(), &["velero"][..]),
        (&ops, &["."]),
        (folder.path(), &["ops/velero", "--config", "ops/dr-lint.yaml"]),
        (&ops.join("velero"), &["a.yaml", "--config", "../dr-lint.yaml"]),
    ] {
        assert_eq!(told(folder, args), (vec![], vec!["unreadable-duration baseline".into()]), "{args:?}");
        assert_eq!(
            json(&lint(folder, &[args, &["-o", "json"]].concat()).stdout)["seen"],
            0,
            "the files of our own are no manifests"
        );
    }
    assert_eq!(told(&ops, &["velero", "--no-baseline"]), (vec!["unreadable-duration velero/a.yaml".into()], vec![]));
    // What is found in the baseline can be chosen for like what is found in any file.
    fs::write(ops.join("velero/a.yaml"), ONE_FINDING.replace("30d", "720h")).unwrap();
    let over = format!("{config}overrides:\n- paths: [lint/]\n  rules: {{unused-baseline-entry: off}}\n");
    assert_eq!(told(&ops, &["velero"]).0, ["unused-baseline-entry lint/baseline.yaml"]);
    fs::write(ops.join("dr-lint.yaml"), over).unwrap();
    assert_eq!(told(&ops, &["velero"]).0, [""; 0]);
}

#[test]
fn what_is_hidden_is_not_fixed() {
    let folder = tree(&[("velero/a.yaml", ONE_FINDING)]);
    lint(folder.path(), &WRITE);
    assert_eq!(lint(folder.path(), &[&READ[..], &["--diff"]].concat()).code, 0);
    assert_eq!(lint(folder.path(), &[&READ[..], &["--fix"]].concat()).stderr, "0 fixed\n");
    assert_eq!(fs::read_to_string(folder.path().join("velero/a.yaml")).unwrap(), ONE_FINDING);
    assert_eq!(lint(folder.path(), &["velero", "--fix"]).code, 0);
    assert_eq!(told(folder.path(), &READ).0, ["unused-baseline-entry baseline.yaml"]);
}

#[test]
fn standard_input_has_a_baseline_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(LINT);
        command.arg("-").args(args).env_clear().current_dir(folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(ONE_FINDING.as_bytes()).unwrap();
        said(&child.wait_with_output().unwrap())
    };
    assert_eq!(run(&["--baseline", "b.yaml", "--write-baseline"]).code, 0);
    assert_eq!(run(&["--baseline", "b.yaml"]).code, 0);
    // Whoever lints files knows nothing of what came by standard input.
    fs::write(folder.path().join("a.yaml"), ONE_FINDING.replace("nightly", "weekly")).unwrap();
    assert_eq!(told(folder.path(), &["a.yaml", "--baseline", "b.yaml"]).0, ["unreadable-duration a.yaml"]);
}

#[test]
fn a_baseline_that_is_damaged_or_cannot_be_written_is_told_and_left_as_it_is() {
    let folder = tree(&[("velero/a.yaml", ONE_FINDING)]);
    lint(folder.path(), &WRITE);
    let good = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
    for (bad, because) in [
        (good.replace("  file: velero/a.yaml\n", ""), "baseline.yaml:5:3: findings[0] has no file"),
        (good.replace("- rule", "<<<<<<< ours\n- rule"), "baseline.yaml:5:1: "),
        (good.replace("fingerprint", "fingerprints"), "baseline.yaml:8:3: there is no key \"fingerprints\""),
        (String::new(), "baseline.yaml:1:1: a baseline begins with"),
    ] {
        fs::write(folder.path().join("baseline.yaml"), &bad).unwrap();
        for args in [&READ[..], &WRITE] {
            let said = lint(folder.path(), args);
            assert_eq!((said.code, said.stdout.as_str()), (2, ""));
            assert!(said.stderr.contains(because), "{}", said.stderr);
        }
        assert_eq!(fs::read_to_string(folder.path().join("baseline.yaml")).unwrap(), bad);
    }
    for (args, because) in [
        (&["velero", "--baseline", "none/b.yaml", "--write-baseline"][..], "cannot write the baseline none/b.yaml"),
        (&["velero", "--baseline", "none/b.yaml"], "cannot read the baseline none/b.yaml"),
        (&["velero", "--write-baseline"], "which baseline is to be written?"),
        (&["velero", "--write-baseline", "--baseline", "b", "--fix"], "cannot be used with"),
    ] {
        let said = lint(folder.path(), args);
        assert!(said.code != 0 && said.stderr.contains(because), "{args:?}: {}", said.stderr);
    }
}

/// Whoever reads while others write sees one whole file or another.
#[test]
fn nobody_ever_reads_half_a_baseline() {
    let many: Vec<String> = (0..40).map(|at| ONE_FINDING.replace("nightly", &format!("n{at}"))).collect();
    let folder = tree(&[("velero/a.yaml", &many.join("---\n")), ("velero/b.yaml", "kind: none\n")]);
    lint(folder.path(), &WRITE);
    let whole = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
    std::thread::scope(|scope| {
        for name in ["one", "two"] {
            let path = folder.path().join(format!("velero/{name}.yaml"));
            let folder = folder.path();
            scope.spawn(move || {
                for at in 0..8 {
                    fs::write(&path, ONE_FINDING.replace("nightly", &format!("{name}{at}"))).unwrap();
                    // The other one's manifest may be half written just now, and a finding.
                    assert!(lint(folder, &WRITE).code < 2);
                }
            });
        }
        for _ in 0..300 {
            let text = fs::read_to_string(folder.path().join("baseline.yaml")).unwrap();
            assert!(text.len() >= whole.len() && text.ends_with('\n') && text.starts_with("# Each"), "{text}");
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside the file");
}
