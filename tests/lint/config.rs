//! `dr-lint.yaml` as a user and an editor meet it: what is read of it, and that its schema says the same.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use super::*;

/// `rule severity file` of each finding.
fn found(folder: &Path, args: &[&str]) -> Vec<String> {
    let said = lint(folder, &[args, &["-o", "json"]].concat());
    assert!(said.code < 2, "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|found| [word(&found["rule"]), word(&found["severity"]), word(&found["place"]["file"])].join(" "))
        .collect()
}

fn schema_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/dr-lint.json")
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(schema_file()).unwrap()).unwrap()
}

/// Why the parser refuses a configuration, if it does.
fn refused(text: &str) -> Option<String> {
    let folder = tree(&[("dr-lint.yaml", text), ("some.yaml", "a: b\n")]);
    let said = lint(folder.path(), &["some.yaml"]);
    (said.code == 2).then_some(said.stderr)
}

#[test]
fn an_override_chooses_for_its_files_alone() {
    let folder = tree(&[
        ("prod/a.yaml", ONE_FINDING),
        ("staging/a.yaml", ONE_FINDING),
        ("staging/keep/a.yaml", ONE_FINDING),
        (
            "dr-lint.yaml",
            "overrides:\n- paths: [staging/]\n  rules: {unreadable-duration: off}\n- paths: [keep/]\n  rules: {unreadable-duration: info}\n",
        ),
    ]);
    let want = ["unreadable-duration error prod/a.yaml", "unreadable-duration info staging/keep/a.yaml"];
    assert_eq!(found(folder.path(), &["prod", "staging"]), want);
    // Whatever the file is called on the command line.
    let want = ["unreadable-duration error ./prod/a.yaml", "unreadable-duration info ./staging/keep/a.yaml"];
    assert_eq!(found(folder.path(), &["."]), want);
    let from_below = folder.path().join("prod");
    assert_eq!(
        found(&from_below, &["--config", "../dr-lint.yaml", "../staging", "a.yaml"]),
        ["unreadable-duration info ../staging/keep/a.yaml", "unreadable-duration error a.yaml"]
    );
}

#[test]
fn an_appetite_of_an_override_is_for_its_files_and_the_command_line_wins() {
    let paused = ONE_FINDING.replace("ttl: 30d", "ttl: 720h").replace("  schedule:", "  paused: true\n  schedule:");
    let folder = tree(&[
        ("prod/a.yaml", &paused),
        ("staging/a.yaml", &paused),
        ("dr-lint.yaml", "overrides:\n- paths: [staging]\n  appetite: audit\n"),
    ]);
    let files = |args: &[&str]| {
        let found = found(folder.path(), &[&["prod", "staging"], args].concat());
        found.iter().map(|found| found.rsplit(' ').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let both = BTreeSet::from(["prod/a.yaml".to_owned(), "staging/a.yaml".to_owned()]);
    assert!(files(&["--appetite", "audit"]) == both, "{:?}", found(folder.path(), &["--appetite", "audit", "prod"]));
    assert_eq!(files(&[]), BTreeSet::from(["staging/a.yaml".to_owned()]));
    assert_eq!(files(&["--appetite", "default"]), BTreeSet::new());
}

#[test]
fn context_is_looked_at_and_not_judged_from_the_folder_of_the_file_on() {
    let shop = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: bookstore, labels: {tier: data}}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: postgres:17, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
    let nightly = ONE_FINDING.replace("ttl: 30d", "labelSelector: {matchLabels: {tier: data}}\n    ttl: 720h");
    let elsewhere = ONE_FINDING.replace("bookstore", "blog");
    let files = [
        ("ops/velero/a.yaml", nightly.as_str()),
        ("apps/shop.yaml", shop),
        ("apps/other.yaml", &elsewhere),
        ("ops/dr-lint.yaml", "context: [../apps]\n"),
    ];
    let folder = tree(&files);
    let want = ["volume-left-out error velero/a.yaml"];
    assert_eq!(found(&folder.path().join("ops"), &["velero"]), want);
    assert_eq!(found(&folder.path().join("ops"), &["velero", "--config", "/dev/null"]), [""; 0]);
    let want = ["volume-left-out error ops/velero/a.yaml"];
    assert_eq!(found(folder.path(), &["ops/velero", "--config", "ops/dr-lint.yaml"]), want);

    // What is named and is context too is judged, and is there once.
    fs::write(folder.path().join("dr-lint.yaml"), "context: [apps/]\n").unwrap();
    let want = ["unreadable-duration error ./apps/other.yaml", "volume-left-out error ./ops/velero/a.yaml"];
    assert_eq!(found(folder.path(), &["."]), want);
    let said = lint(folder.path(), &["apps/other.yaml", "-o", "json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&report["judged"], &report["seen"]), (&json!(1), &json!(1)));

    fs::write(folder.path().join("dr-lint.yaml"), "context: [gone/]\n").unwrap();
    let said = lint(folder.path(), &["ops"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("cannot read gone/"), "{}", said.stderr);
}

#[test]
fn the_configuration_itself_is_no_manifest() {
    let folder = tree(&[("a.yaml", ONE_FINDING), ("dr-lint.yaml", "appetite: default\n")]);
    for files in [&["."][..], &["a.yaml", "dr-lint.yaml"]] {
        let said = lint(folder.path(), &[files, &["-o", "json"]].concat());
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!((&report["judged"], &report["seen"], &report["empty"]), (&json!(1), &json!(0), &json!([])));
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_nearest_name() {
    for (text, because) in [
        ("appetite: audit\nrule: {}\n", "dr-lint.yaml:2:1: there is no key \"rule\"; the nearest is \"rules\""),
        ("zzz: 1\n", "dr-lint.yaml:1:1: there is no key \"zzz\"; known: "),
        ("rules: {cron-invalit: error}\n", "1:9: there is no rule \"cron-invalit\"; the nearest is \"cron-invalid\""),
        (
            "rules: {nothing-like-it-at-all: error}\n",
            "there is no rule \"nothing-like-it-at-all\"; kubectl dr lint rules",
        ),
        ("rules:\n  cron-invalid: fatal\n", "2:17: rules.cron-invalid is \"fatal\"; known: error, warning, info, off"),
        ("rules:\n  cron-invalid:\n", "2:3: rules.cron-invalid must be error, warning, info or off"),
        ("rules:\n", "1:1: rules must be a map of keys and values"),
        ("exclude: charts/\n", "1:10: exclude must be a list"),
        ("exclude:\n- ok\n- \"{a\"\n", "3:3: \"{a\" is no pattern: "),
        ("exclude: ['']\n", "exclude[0] is empty"),
        ("context: [[apps]]\n", "1:11: context[0] must be text"),
        ("veleroVersion: 1.17\n", "1:16: veleroVersion must be text: write \"1.17\" in quotes"),
        ("veleroVersion: \"1.2\"\n", "1:16: known versions of Velero: 1.15, 1.16, 1.17, 1.18"),
        ("appetite: hungry\n", "1:11: appetite is \"hungry\"; known: default, pedantic, audit"),
        ("overrides:\n- rules: {}\n", "2:3: overrides[0] has no paths"),
        ("overrides:\n- paths: [a]\n", "2:3: overrides[0] changes nothing"),
        ("overrides:\n- path: [a]\n", "2:3: there is no key \"path\" in overrides[0]; the nearest is \"paths\""),
        ("overrides:\n- paths: [a, \"{\"]\n  rules: {}\n", "2:14: \"{\" is no pattern"),
        ("appetite: audit\nappetite: audit\n", "2:1: "),
        ("appetite: [\n", "dr-lint.yaml:"),
        ("appetite: audit\n---\nappetite: audit\n", "a second document"),
        ("- appetite\n", "1:1: the file must be a map of keys and values"),
    ] {
        let told = refused(text).unwrap_or_else(|| panic!("not refused: {text}"));
        assert!(told.starts_with("error: ") && told.contains(because), "{text}{told}");
    }
}

/// The names behind `known: ` of what the parser says to a key that is like none.
fn known(text: &str) -> BTreeSet<String> {
    let told = refused(text).unwrap();
    let (_, names) = told.lines().next().unwrap().split_once("known: ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_every_key_of_the_parser_and_no_other() {
    let schema = schema();
    assert_eq!(keys(&schema["properties"]), known("zzzzzzzzzzzzzzzzzz: 1\n"));
    let over = &schema["properties"]["overrides"]["items"]["properties"];
    assert_eq!(keys(over), known("overrides: [{zzzzzzzzzzzzzzzzzz: 1}]\n"));
    for (key, said) in schema["properties"].as_object().unwrap().iter().chain(over.as_object().unwrap()) {
        let place = said["$ref"].as_str().map(|place| place.trim_start_matches('#'));
        let described = |value: &Value| value["description"].as_str().is_some_and(|text| text.ends_with('.'));
        assert!(described(said) || place.is_some_and(|place| described(schema.pointer(place).unwrap())), "{key}");
    }
}

#[test]
fn the_schema_has_every_rule_with_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let rules: Value = serde_json::from_str(&lint(folder.path(), &["rules", "-o", "json"]).stdout).unwrap();
    let mut rules: Vec<(String, String)> = rules["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["id"].as_str().unwrap().to_owned(), rule["summary"].as_str().unwrap().to_owned()))
        .collect();
    rules.sort();
    let lines: Vec<String> = rules
        .iter()
        .map(|(id, about)| {
            format!("        {}: {{ \"$ref\": \"#/$defs/severity\", \"description\": {} }}", json!(id), json!(about))
        })
        .collect();
    let text = fs::read_to_string(schema_file()).unwrap();
    let (defs, table) = text.rsplit_once("\"properties\": {\n").unwrap();
    let (_, end) = table.split_once("\n      }").unwrap_or(("", table.trim_start_matches("      }")));
    let want = format!("{defs}\"properties\": {{\n{}\n      }}{end}", lines.join(",\n"));
    if std::env::var_os("DR_WRITE").is_some() {
        fs::write(schema_file(), &want).unwrap();
        return;
    }
    assert!(text == want, "DR_WRITE=1 cargo test --test lint writes the rules into docs/schema/dr-lint.json");
    assert_eq!(lint(folder.path(), &["schema"]).stdout, text);
}

/// A pattern that is none and a second document are beyond a schema.
#[test]
fn what_the_parser_takes_the_schema_takes_and_what_it_refuses_the_schema_refuses() {
    let schema = schema();
    let valid = jsonschema::validator_for(&schema).unwrap();
    let examples = [
        ("", true),
        ("# nothing\n", true),
        ("{}\n", true),
        ("appetite: pedantic\n", true),
        ("appetite: Pedantic\n", false),
        ("appetite: true\n", false),
        ("veleroVersion: \"1.17\"\n", true),
        ("veleroVersion: v1.17.3\n", true),
        ("veleroVersion: 1.17\n", false),
        ("veleroVersion: \"1.170\"\n", false),
        ("veleroVersion: \"1.14\"\n", false),
        ("veleroVersion: \"1.17-rc\"\n", false),
        ("exclude: []\n", true),
        ("exclude: [charts/, \"*.enc.yaml\", \"!keep.yaml\"]\n", true),
        ("exclude: charts/\n", false),
        ("exclude: [1]\n", false),
        ("exclude: [\"\"]\n", false),
        ("exclude: [~]\n", false),
        ("exclude:\n", false),
        ("context: [.]\n", true),
        ("context: {a: b}\n", false),
        ("baseline: dr-lint-baseline.yaml\n", true),
        ("baseline: [dr-lint-baseline.yaml]\n", false),
        ("baseline: \"\"\n", false),
        ("rules: {}\n", true),
        ("rules: {cron-invalid: error, schedule-paused: off, hook-cut-off: info, location-twice: false}\n", true),
        ("rules: {cron-invalid: \"off\"}\n", true),
        ("rules: {cron-invalid: \"false\"}\n", false),
        ("rules: {cron-invalid: true}\n", false),
        ("rules: {cron-invalid: no}\n", false),
        ("rules: {cron-invalid: fatal}\n", false),
        ("rules: {cron-invalid: [error]}\n", false),
        ("rules: {cron-invalit: error}\n", false),
        ("rules:\n", false),
        ("overrides: []\n", true),
        ("overrides: [{paths: [a], rules: {}}]\n", true),
        ("overrides: [{paths: [a], appetite: audit}]\n", true),
        ("overrides: [{paths: [a], appetite: audit, rules: {cron-invalid: off}}]\n", true),
        ("overrides: [{paths: [a]}]\n", false),
        ("overrides: [{rules: {}}]\n", false),
        ("overrides: [{paths: [], rules: {}}]\n", false),
        ("overrides: [{paths: [a], rules: {cron-invalit: off}}]\n", false),
        ("overrides: [{paths: [a], rules: {}, context: [b]}]\n", false),
        ("overrides: [a]\n", false),
        ("overrides: {paths: [a], rules: {}}\n", false),
        ("appetit: audit\n", false),
        ("[]\n", false),
        ("text\n", false),
        ("all: &all {appetite: audit}\n", false),
        ("exclude: &all [a]\ncontext: *all\n", true),
    ];
    let empty = "apiVersion: dr/v1\nkind: LintBaseline\nfindings: []\n";
    let folder = tree(&[("a", "kind: none\n"), ("dr-lint-baseline.yaml", empty)]);
    for (text, fine) in examples {
        fs::write(folder.path().join("dr-lint.yaml"), text).unwrap();
        let said = lint(folder.path(), &["a"]);
        assert_eq!(said.code != 2, fine, "the parser, of {text}{}", said.stderr);
        // As an editor reads it: `off` is a word there.
        let value: Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(valid.is_valid(&value), fine, "the schema, of {text}");
    }
}
