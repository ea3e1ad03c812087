//! Command lines of velero, held against what the real one makes of them; and where such lines are found.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    reason = "helpers of a test"
)]

use dr_lint::{Added, Appetite, Input, Judgement, Language, Reading, Settings, Version};
use serde_json::{Value, json};

fn read(text: &str, language: Language) -> Input {
    let mut input = Input::default();
    input.push(Added::read("file", text.as_bytes(), false, Reading::Commands(language, Version::default())));
    input
}

fn judge(input: &Input) -> Judgement {
    dr_lint::judge(input, &Settings { appetite: Appetite::Audit, ..Settings::default() })
}

/// Rule and text of each finding, without places.
fn told(text: &str, language: Language) -> Vec<String> {
    let input = read(text, language);
    let findings = judge(&input).findings;
    let mut told: Vec<String> = findings.iter().map(|found| format!("{} {}", found.rule, found.message)).collect();
    told.sort();
    told
}

/// As velero prints it, without what it prints of nothing.
fn plain(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("creationTimestamp");
    object.as_object_mut().unwrap().remove("status");
    let schedule = object["kind"] == "Schedule";
    let spec = object["spec"].as_object_mut().unwrap();
    if schedule {
        if spec.get("useOwnerReferencesInBackup") == Some(&json!(false)) {
            spec.remove("useOwnerReferencesInBackup");
        }
        if spec.get("paused") == Some(&json!(false)) {
            spec.remove("paused");
        }
    }
    let spec = if schedule { spec["template"].as_object_mut().unwrap() } else { spec };
    spec.remove("hooks");
    spec.remove("metadata");
    if let Some(policy) = spec.get_mut("resourcePolicy").and_then(Value::as_object_mut) {
        policy.remove("apiGroup");
    }
    let mut nanos = |field: &str| {
        let Some(text) = spec.get(field).and_then(Value::as_str) else { return };
        match dr_core::go_duration::GoDuration::parse(text).unwrap().0 {
            0 => drop(spec.remove(field)),
            nanos => drop(spec.insert(field.to_owned(), json!(nanos))),
        }
    };
    for field in ["ttl", "csiSnapshotTimeout", "itemOperationTimeout"] {
        nanos(field);
    }
    object
}

fn quoted(word: &str) -> String {
    format!("'{word}'")
}

#[test]
fn a_command_makes_what_the_real_velero_makes_of_it() {
    let cases: Vec<Value> =
        include_str!("commands.jsonl").lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 100);
    for case in cases {
        let args: Vec<&str> = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let line = std::iter::once("velero".to_owned()).chain(args.iter().map(|arg| quoted(arg)));
        let line = line.collect::<Vec<_>>().join(" ");
        let input = read(&line, Language::Script);
        assert_eq!(input.objects.len(), 1, "{line}");
        let refused: Vec<String> = judge(&input)
            .findings
            .iter()
            .filter(|finding| matches!(finding.rule, "command-refused" | "bad-namespace-pattern"))
            .map(|finding| finding.message.clone())
            .collect();
        if let Some(error) = case.get("error") {
            assert!(!refused.is_empty(), "{line} is refused: {error}");
        } else {
            assert_eq!(refused, [""; 0], "{line}");
            assert_eq!(plain(input.objects[0].raw.0.loose()), plain(case["object"].clone()), "{line}");
        }
    }
}

/// The runbook's own lines, and what is to be found in each.
const RUNBOOK: &str = "\
velero backup create before --include-namespaces shop --selector app=postgres
velero schedule create nightly --schedule '0 2 * * *' --include-namespaces shop --ttl 30d
velero restore create --from-backup before --include-resources persistentvolumeclaims,persistentvolumes --selector app=postgres
velero restore create --from-backup before --include-resources pvc,pv --wait
velero restore create --from-backup before
velero backup create before --ttl 240h --selector ''
";

#[test]
fn the_runbooks_lines_are_told_what_they_leave_behind() {
    let count = |lines: &str| {
        let told = told(lines, Language::Script);
        let count = |rule: &str| told.iter().filter(|told| told.split(' ').next() == Some(rule)).count();
        let restores = (count("restore-without-pods"), count("restore-of-claims-alone"));
        (count("command-refused"), restores, count("empty-label-selector"))
    };
    assert_eq!(count(RUNBOOK), (1, (0, 2), 1), "how the volumes are captured is not in these lines");
    let files = RUNBOOK.replacen("--selector", "--default-volumes-to-fs-backup --selector", 1);
    assert_eq!(count(&files), (1, (2, 0), 1));
}

#[test]
fn a_command_is_the_same_wherever_it_stands() {
    let want = told(RUNBOOK, Language::Script);
    let with =
        |before: &str, end: &str| RUNBOOK.lines().map(|line| format!("{before}{line}{end}\n")).collect::<String>();
    for (how, text, language) in [
        ("in a Makefile", format!("back:\n{}", with("\t@", "")), Language::Script),
        ("behind sudo", with("sudo ", " || exit 1"), Language::Script),
        ("on lines of its own", RUNBOOK.replace(" --", " \\\n    --"), Language::Script),
        ("with CRLF", RUNBOOK.replace(" --", " \\\n    --").replace('\n', "\r\n"), Language::Script),
        ("in an if", with("if ", "; then true; fi"), Language::Script),
        ("in a substitution", with("said=$(", ")"), Language::Script),
        ("in a pod", with("kubectl exec -n velero deploy/velero -c velero -- /", ""), Language::Script),
        ("with redirections", with("", " >/dev/null 2>&1 # said"), Language::Script),
        ("in a fence", format!("# Restore\n\n```sh\n{RUNBOOK}```\nDone.\n"), Language::Markdown),
        ("in a fence with prompts", format!("```console\n{}```\n", with("$ ", "")), Language::Markdown),
        ("in a fence of a list", format!("1. Do:\n   ```bash\n{}   ```\n", with("   ", "")), Language::Markdown),
        ("in a job", format!("jobs:\n  a:\n    steps:\n    - run: |\n{}", with("        ", "")), Language::Yaml),
        ("in a list of lines", format!("script:\n{}", with("- ", "")), Language::Yaml),
        (
            "folded",
            format!(
                "script:\n{}",
                RUNBOOK.lines().map(|line| format!("- >-\n  {}\n", line.replace(" --", "\n  --"))).collect::<String>()
            ),
            Language::Yaml,
        ),
    ] {
        assert_eq!(told(&text, language), want, "{how}:\n{text}");
    }
}

#[test]
fn the_cases_of_rules_about_commands_are_the_same_wherever_they_stand() {
    for text in [
        include_str!("cases/command-refused/fires.sh"),
        include_str!("cases/command-refused/near.sh"),
        include_str!("cases/list-flag-replaced/fires.sh"),
        include_str!("cases/list-flag-replaced/near.sh"),
    ] {
        let want = told(text, Language::Script);
        let indented: String = text.lines().map(|line| format!("      {line}\n")).collect();
        assert_eq!(told(&text.replace('\n', "\r\n"), Language::Script), want);
        assert_eq!(told(&format!("```sh\n{text}```\n"), Language::Markdown), want);
        assert_eq!(told(&format!("> ```sh\n{}> ```\n", indented.replace("      ", "> ")), Language::Markdown), want);
        assert_eq!(told(&format!("steps:\n  - run: |\n{indented}"), Language::Yaml), want);
        let quoted = text.replace(" --ttl 30d", " \"--ttl\" '30d'");
        assert_eq!(told(&quoted, Language::Script), want);
    }
}

#[test]
fn what_is_no_command_is_none() {
    let text = "Run `velero backup create x --ttl 30d`.\n\n```yaml\na: velero backup create x --ttl 30d\n```\n";
    assert_eq!(told(text, Language::Markdown), [""; 0]);
    for line in [
        "echo velero backup create x --ttl 30d",
        "echo 'velero backup create x --ttl 30d'",
        "# velero backup create x --ttl 30d",
        "velero backup describe x --ttl 30d",
        "velero backup create [NAME] --ttl 30d",
        "myvelero backup create x --ttl 30d",
    ] {
        assert_eq!(told(line, Language::Script), [""; 0], "{line}");
    }
}

#[test]
fn nothing_is_said_that_hangs_on_a_variable() {
    for line in [
        "velero backup create $X --selector $Y --include-namespaces $N --ttl $T --snapshot-volumes=$S",
        "velero schedule create \"$X\" --schedule \"$CRON\" --ttl 1h --include-namespaces a",
        "velero restore create --from-backup <backup> --include-resources ${R:-pvc}",
        "velero restore create $ARGS --include-resources pvc",
        "velero restore create \"$@\"",
        "velero restore create --from-backup ${{ inputs.backup }} --include-resources ${{ inputs.kinds }}",
        "velero backup create x --include-namespaces a --ttl $(days 30)",
        "velero backup create --from-schedule nightly --include-namespaces a,a",
    ] {
        assert_eq!(told(line, Language::Script), [""; 0], "{line}");
    }
    // What stands there all the same is judged.
    assert_eq!(told("velero backup create $X $MORE_ARGS --ttl 30d", Language::Script).len(), 1);
}

#[test]
fn a_command_is_judged_against_the_manifests_beside_it() {
    let app = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "postgres", "namespace": "shop", "labels": { "app": "postgres" } },
        "spec": {
            "selector": { "matchLabels": { "role": "db" } },
            "template": {
                "metadata": { "labels": { "role": "db" } },
                "spec": { "containers": [{ "name": "postgres", "volumeMounts": [{ "name": "data", "mountPath": "/d" }] }] },
            },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {} }],
        },
    });
    let left_out = |line: &str| {
        let mut input = read(line, Language::Script);
        input.add("app.json", app.to_string().as_bytes(), false);
        let findings = judge(&input).findings;
        let found: Vec<String> = findings
            .iter()
            .filter(|finding| finding.rule == "volume-left-out")
            .map(|finding| line[finding.span.clone()].to_owned())
            .collect();
        found
    };
    assert_eq!(left_out("velero backup create x --include-namespaces shop --selector app=postgres"), ["postgres"]);
    assert_eq!(left_out("velero backup create x --include-namespaces shop --selector role=db"), [""; 0]);
    assert_eq!(left_out("velero backup create x --include-namespaces shop --selector $S"), [""; 0]);
    // With snapshots off the server may copy files by default, which no line tells.
    assert_eq!(left_out("velero backup create x --include-namespaces shop --snapshot-volumes=false"), [""; 0]);
    let neither =
        "velero backup create x --include-namespaces shop --snapshot-volumes=0 --default-volumes-to-fs-backup=false";
    assert_eq!(left_out(neither), ["0"]);
}

#[test]
fn a_comment_silences_a_command_over_all_of_its_lines() {
    let text = "# dr-lint: ignore[command-refused] a fork knows days\nvelero backup create x --include-namespaces a \\\n  --ttl 30d\n";
    let input = read(text, Language::Script);
    let judgement = judge(&input);
    assert_eq!((judgement.findings.len(), judgement.silenced.len()), (0, 1), "{:?}", judgement.findings);
    let behind = "velero backup create x --include-namespaces a --ttl 30d # dr-lint: ignore[command-refused] a fork knows days\n";
    assert_eq!(judge(&read(behind, Language::Script)).findings, []);
    let unused =
        "# dr-lint: ignore[command-refused] no longer\nvelero backup create x --include-namespaces a --ttl 3h\n";
    assert_eq!(judge(&read(unused, Language::Script)).findings[0].rule, "unused-suppression");
}

#[test]
fn what_people_read_is_no_command() {
    for (text, language) in [
        ("steps:\n- name: velero backup create before the upgrade\n", Language::Yaml),
        ("annotations:\n  summary: velero backup create failed in the night\n", Language::Yaml),
        ("# Steps\n\n```text\nvelero backup create with the date as its name\n```\n", Language::Markdown),
    ] {
        assert_eq!(told(text, language), [""; 0], "{text}");
    }
    let run = told("- run: velero backup create a b\n", Language::Yaml);
    assert!(run.iter().any(|told| told.starts_with("command-refused")), "{run:?}");
}
