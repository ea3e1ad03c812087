//! `kubectl dr lint` as a user meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "lint/baseline.rs"]
mod baseline;
#[path = "lint/ci.rs"]
mod ci;
#[path = "lint/config.rs"]
mod config;

const LINT: &str = env!("CARGO_BIN_EXE_kubectl-dr-lint");

/// The runbook's Schedule, with the mistakes that people make.
const NIGHTLY: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: nightly
  namespace: velero
spec:
  schedule: 0 2 * * *
  template:
    includedNamespaces: [bookstore]
    ttl: 30d # a month
    hooks:
      resources:
      - name: checkpoint
        pre:
        - exec:
            container: postgres
            command: [psql, -c, CHECKPOINT]
            onError: Continue
";

/// One finding of the rule unreadable-duration, and with --appetite audit more.
const ONE_FINDING: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec:
  schedule: 0 2 * * *
  template:
    includedNamespaces: [bookstore]
    ttl: 30d
";

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let said = Said { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    said
}

fn lint(folder: &Path, args: &[&str]) -> Said {
    said(&Command::new(LINT).args(args).env_clear().current_dir(folder).output().unwrap())
}

fn with(name: &str, text: &str) -> tempfile::TempDir {
    tree(&[(name, text)])
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn fits(schema: &str, value: &Value) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(schema);
    let mut schema = json(&fs::read_to_string(schema).unwrap());
    // The official schema of SARIF has two patterns that are no regular expressions.
    for place in ["/definitions/run/properties/language", "/definitions/toolComponent/properties/language"] {
        if let Some(language) = schema.pointer_mut(place).and_then(Value::as_object_mut) {
            language.remove("pattern");
        }
    }
    if let Err(error) = jsonschema::validate(&schema, value) {
        panic!("{error} at {}", error.instance_path());
    }
}

#[test]
fn a_finding_is_shown_with_its_place_its_reason_and_its_fix() {
    let folder = with("nightly.yaml", NIGHTLY);
    let said = lint(folder.path(), &["nightly.yaml"]);
    assert_eq!(said.code, 1);
    insta::assert_snapshot!("lint-text", said.stdout);
    assert_eq!(said.stderr, "");
}

#[test]
fn what_is_right_ends_with_0_and_says_what_was_looked_at() {
    let folder = with("nightly.yaml", &NIGHTLY.replace("30d", "720h"));
    let said = lint(folder.path(), &["nightly.yaml"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "nothing found in 1 of Velero's objects and 0 others, 1 file\n"));
}

#[test]
fn standard_input_and_folders_are_read() {
    let mut child = Command::new(LINT)
        .arg("-")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(NIGHTLY.as_bytes()).unwrap();
    let from_stdin = said(&child.wait_with_output().unwrap());
    assert_eq!(from_stdin.code, 1);
    assert!(from_stdin.stdout.contains("--> -:10:10"), "{}", from_stdin.stdout);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::create_dir_all(folder.path().join("a/.hidden")).unwrap();
    for name in ["a/b/nightly.yml", "a/.hidden/nightly.yaml", "a/readme.md"] {
        fs::write(folder.path().join(name), NIGHTLY).unwrap();
    }
    let said = lint(folder.path(), &["a", "-o", "json"]);
    let report = json(&said.stdout);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert_eq!(report["findings"][0]["place"]["file"], "a/b/nightly.yml");
}

/// The names of the files in which something was found.
fn found_in(folder: &Path, args: &[&str]) -> Vec<String> {
    let said = lint(folder, &[args, &["-o", "json"]].concat());
    assert!(said.code < 2, "{}", said.stderr);
    let report = json(&said.stdout);
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["place"]["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn in_a_repository_what_git_ignores_is_left_out_of_folders() {
    let files = [
        (".gitignore", "rendered/\n*.tmp.yaml\n"),
        ("apps/.gitignore", "/own.yaml\n"),
        ("apps/own.yaml", NIGHTLY),
        ("apps/other.yaml", NIGHTLY),
        ("apps/deep/own.yaml", NIGHTLY),
        ("apps/deep/x.tmp.yaml", NIGHTLY),
        ("rendered/all.yaml", NIGHTLY),
        ("local/.ignore", "scratch.yaml\n"),
        ("local/scratch.yaml", NIGHTLY),
    ];
    let outside = tree(&files);
    let all = ["apps/deep/own.yaml", "apps/deep/x.tmp.yaml", "apps/other.yaml", "apps/own.yaml", "rendered/all.yaml"];
    assert_eq!(found_in(outside.path(), &["apps", "local", "rendered"]), all, "no repository, no .gitignore");

    let inside = tree(&files);
    fs::create_dir_all(inside.path().join(".git/info")).unwrap();
    let left = ["apps/deep/own.yaml", "apps/other.yaml"];
    assert_eq!(found_in(inside.path(), &["apps", "local"]), left);
    assert_eq!(found_in(inside.path(), &["."]), left.map(|name| format!("./{name}")));
    assert_eq!(found_in(&inside.path().join("apps"), &["."]), ["./deep/own.yaml", "./other.yaml"]);
    fs::write(inside.path().join(".git/info/exclude"), "deep\n").unwrap();
    assert_eq!(found_in(inside.path(), &["apps"]), ["apps/other.yaml"]);
    assert_eq!(found_in(inside.path(), &["apps", "rendered/all.yaml"]), ["apps/other.yaml", "rendered/all.yaml"]);
    let every = [&all[..4], &["local/scratch.yaml"]].concat();
    assert_eq!(found_in(inside.path(), &["apps", "local", "--no-ignore"]), every);
}

#[test]
fn a_pattern_stands_for_the_files_that_match_it() {
    let folder = tree(&[
        ("apps/shop/velero.yaml", NIGHTLY),
        ("apps/blog/velero.yaml", NIGHTLY),
        ("apps/blog/old/velero.yaml", NIGHTLY),
        ("apps/blog/other.yaml", NIGHTLY),
        ("apps/[x].yaml", NIGHTLY),
        ("velero.txt", NIGHTLY),
    ]);
    let found = |args: &[&str]| found_in(folder.path(), args);
    assert_eq!(found(&["apps/*/velero.yaml"]), ["apps/blog/velero.yaml", "apps/shop/velero.yaml"]);
    let deep = ["apps/blog/old/velero.yaml", "apps/blog/velero.yaml", "apps/shop/velero.yaml"];
    assert_eq!(found(&["apps/**/velero.yaml"]), deep);
    assert_eq!(found(&["**/velero.yaml", "--exclude", "old"]), [deep[1], deep[2]]);
    assert_eq!(found(&["*.txt"]), ["velero.txt"]);
    assert_eq!(found(&["apps/[x].yaml"]), ["apps/[x].yaml"], "a file of that name comes first");
    assert_eq!(found(&["--with", "**/velero.yaml", "apps/**/{other,none}.yaml"]), ["apps/blog/other.yaml"]);
    for (pattern, because) in [("nowhere/*.yaml", "no file matches nowhere/*.yaml"), ("apps/{x", "is no pattern: ")] {
        let said = lint(folder.path(), &[pattern]);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains(because), "{}", said.stderr);
    }
}

#[test]
fn what_is_excluded_is_left_out_of_folders_and_read_when_it_is_named() {
    let folder = tree(&[
        ("velero/a.yaml", NIGHTLY),
        ("velero/a.enc.yaml", NIGHTLY),
        ("velero/charts/b.yaml", NIGHTLY),
        ("velero/sub/c.yaml", NIGHTLY),
    ]);
    let found = |args: &[&str]| found_in(folder.path(), &[&["velero"], args].concat());
    assert_eq!(found(&["--exclude", "*.enc.yaml", "--exclude", "charts/"]), ["velero/a.yaml", "velero/sub/c.yaml"]);
    assert_eq!(found(&["--exclude", "/velero/*.yaml", "--exclude", "velero/sub"]), ["velero/charts/b.yaml"]);
    assert_eq!(found(&["--exclude", "*", "velero/a.enc.yaml"]), ["velero/a.enc.yaml"]);
    assert_eq!(found(&["--exclude", "*.yaml", "--exclude", "!c.yaml"]), ["velero/sub/c.yaml"]);

    fs::write(folder.path().join("dr-lint.yaml"), "exclude: [\"*.enc.yaml\", /velero/charts]\n").unwrap();
    assert_eq!(found(&["--exclude", "sub"]), ["velero/a.yaml"]);
    // The file's patterns begin in its own folder.
    fs::write(folder.path().join("velero/own.yml"), "exclude: [/a.yaml, /charts]\n").unwrap();
    let own = ["velero/a.enc.yaml", "velero/sub/c.yaml"];
    assert_eq!(found(&["--config", "velero/own.yml", "--exclude", "own.yml"]), own);
}

#[test]
fn a_command_line_nobody_can_mean_is_exit_2() {
    let folder = with("other.yaml", "rules: {no-such-rule: off}\n");
    for (args, because) in [
        (&[][..], "which manifests?"),
        (&["nowhere.yaml"], "cannot read nowhere.yaml"),
        (&["other.yaml", "--config", "other.yaml"], "there is no rule \"no-such-rule\""),
        (&["explain", "cron-never-fire"], "cron-never-fires"),
        (&["x.yaml", "-o", "xml"], "invalid value 'xml'"),
        (&["x.yaml", "--velero-version", "1.2"], "known versions of Velero"),
    ] {
        let said = lint(folder.path(), args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains(because), "{args:?}: {}", said.stderr);
    }
}

#[test]
fn the_threshold_decides_about_the_exit_code_alone() {
    let text = NIGHTLY.replace("30d", "1h");
    let folder = with("nightly.yaml", &text);
    for (threshold, code) in [("info", 1), ("warning", 1), ("error", 0)] {
        let said = lint(folder.path(), &["nightly.yaml", "--threshold", threshold, "-o", "json"]);
        assert_eq!(said.code, code, "{threshold}");
        assert_eq!(json(&said.stdout)["findings"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn every_report_for_programs_fits_its_schema() {
    let folder = with(
        "nightly.yaml",
        &format!(
            "# ü\n{NIGHTLY}---\n{}",
            NIGHTLY.replace("30d", "1h # dr-lint: ignore[retention-shorter-than-interval] tape")
        ),
    );
    let report = lint(folder.path(), &["nightly.yaml", "-o", "json"]);
    let report = json(&report.stdout);
    fits("docs/schema/lint-report.json", &report);
    assert_eq!(report["silenced"][0]["reason"], "tape # a month");

    let sarif = json(&lint(folder.path(), &["nightly.yaml", "-o", "sarif"]).stdout);
    fits("tests/schema/sarif-2.1.0.json", &sarif);
    let results = &sarif["runs"][0]["results"];
    assert_eq!(results[0]["ruleId"], "unreadable-duration");
    assert_eq!(results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"], "720h");
    assert_eq!(results[1]["suppressions"][0]["kind"], "inSource");

    let moved = format!("# more\n# lines\n{}", fs::read_to_string(folder.path().join("nightly.yaml")).unwrap());
    fs::write(folder.path().join("nightly.yaml"), moved).unwrap();
    let again = json(&lint(folder.path(), &["nightly.yaml", "-o", "sarif"]).stdout);
    assert_eq!(again["runs"][0]["results"][0]["partialFingerprints"], results[0]["partialFingerprints"]);
}

#[test]
fn the_reports_of_ci_say_file_line_and_rule() {
    let folder = with("nightly.yaml", NIGHTLY);
    let github = lint(folder.path(), &["nightly.yaml", "-o", "github"]);
    assert!(github.stdout.starts_with("::error file=nightly.yaml,line=10,col=10,endColumn=13,title=unreadable-duration::\"30d\" is no duration: time: unknown unit"), "{}", github.stdout);
    let gitlab = json(&lint(folder.path(), &["nightly.yaml", "-o", "gitlab"]).stdout);
    assert_eq!(gitlab[0]["location"]["lines"]["begin"], 10);
    assert_eq!(gitlab[0]["check_name"], "unreadable-duration");
    let junit = lint(folder.path(), &["nightly.yaml", "-o", "junit"]);
    assert!(junit.stdout.contains("<testsuites tests=\"1\" failures=\"1\">"), "{}", junit.stdout);
    assert!(junit.stdout.contains("<failure type=\"unreadable-duration\""), "{}", junit.stdout);
}

#[test]
fn a_fix_is_shown_or_written_and_the_second_time_nothing_is_left() {
    let folder = with("nightly.yaml", &NIGHTLY.replace('\n', "\r\n"));
    let file = folder.path().join("nightly.yaml");
    let before = fs::read_to_string(&file).unwrap();
    let diff = lint(folder.path(), &["nightly.yaml", "--diff"]);
    assert_eq!(diff.code, 1);
    assert!(diff.stdout.contains("-    ttl: 30d # a month"), "{}", diff.stdout);
    assert!(diff.stdout.contains("+    ttl: 720h # a month"), "{}", diff.stdout);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    let fixed = lint(folder.path(), &["nightly.yaml", "--fix"]);
    assert_eq!((fixed.code, fixed.stderr.as_str()), (0, "1 fixed\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), before.replace("30d", "720h"));
    assert_eq!(lint(folder.path(), &["nightly.yaml", "--diff"]).code, 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn the_configuration_turns_rules_off_and_chooses_their_severity() {
    let folder = with("nightly.yaml", NIGHTLY);
    fs::write(folder.path().join("dr-lint.yaml"), "rules:\n  unreadable-duration: off\n").unwrap();
    assert_eq!(lint(folder.path(), &["nightly.yaml"]).code, 0);
    fs::write(folder.path().join("dr-lint.yaml"), "rules:\n  unreadable-duration: info\n").unwrap();
    assert_eq!(lint(folder.path(), &["nightly.yaml"]).code, 0);
}

#[test]
fn what_was_not_judged_is_said() {
    let folder = with("chart.yaml", "{{- if .Values.backup }}\napiVersion: velero.io/v1\n{{- end }}\n");
    fs::write(folder.path().join("empty.yaml"), "# nothing\n").unwrap();
    let said = lint(folder.path(), &["."]);
    assert_eq!(said.code, 0);
    for line in [
        "chart.yaml: a template of Helm, left alone",
        "empty.yaml: no manifest in it",
        "none of Velero's objects was seen",
    ] {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let rules = json(&lint(folder.path(), &["rules", "-o", "json"]).stdout);
    for rule in rules["rules"].as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        let said = lint(folder.path(), &["explain", id]);
        assert!(said.stdout.starts_with(&format!("# {id}\n")), "{id}: {}", said.stdout);
    }
    let table = lint(folder.path(), &["rules"]).stdout;
    assert_eq!(table.lines().count(), rules["rules"].as_array().unwrap().len() + 1);
}

#[test]
fn commands_of_a_runbook_and_of_a_folder_of_scripts_are_judged() {
    let folder = with("RUNBOOK.md", "# Back up\n\n```sh\nvelero backup create shop --ttl 30d\n```\n");
    fs::create_dir(folder.path().join("ci")).unwrap();
    fs::write(folder.path().join("ci/job.yml"), "script:\n- velero backup create shop --wait --ttl 1d\n").unwrap();
    fs::write(folder.path().join("ci/Makefile"), "all:\n\techo nothing\n").unwrap();
    fs::write(folder.path().join("ci/nightly.yaml"), NIGHTLY).unwrap();
    let report = lint(folder.path(), &["-o", "json", "--shell", "RUNBOOK.md", "ci"]);
    let report = json(&report.stdout);
    fits("docs/schema/lint-report.json", &report);
    let found: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            format!(
                "{} {}:{}:{}",
                found["rule"], found["place"]["file"], found["place"]["line"], found["place"]["column"]
            )
        })
        .collect();
    let want = [
        "\"command-refused\" \"RUNBOOK.md\":4:33",
        "\"command-refused\" \"ci/job.yml\":2:42",
        "\"unreadable-duration\" \"ci/nightly.yaml\":10:10",
    ];
    assert!(want.iter().all(|want| found.iter().any(|found| found == want)), "{found:?}");
    assert_eq!(report["empty"][0], "ci/Makefile");
    let text = lint(folder.path(), &["--shell", "RUNBOOK.md"]);
    assert_eq!(text.code, 1);
    assert!(text.stdout.contains("velero backup create shop --ttl 30d"), "{}", text.stdout);
}

#[test]
fn manifests_of_the_runbooks_shape_have_the_findings_they_deserve_and_no_other() {
    let rules = |text: &str| {
        let folder = with("nightly.yaml", text);
        let report = json(&lint(folder.path(), &["nightly.yaml", "-o", "json"]).stdout);
        let found = report["findings"].as_array().unwrap().iter();
        found.map(|found| found["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let good = NIGHTLY.replace("30d", "720h");
    assert_eq!(rules(&good), [""; 0]);
    assert_eq!(rules(NIGHTLY), ["unreadable-duration"]);
    assert_eq!(rules(&good.replace("onError: Continue", "onError: Fail")), ["checkpoint-hook-fails-the-pod"]);
    assert_eq!(rules(&good.replace("            onError: Continue\n", "")), ["hook-error-ignored"]);
    assert_eq!(rules(&good.replace("0 2 * * *", "0 2 30 2 *")), ["cron-never-fires"]);
}
