//! The files of docs/ci do what they say: their own lines are run, and the reports they promise are there.

use std::path::PathBuf;

use super::*;

/// A Schedule that leaves the volume of the StatefulSet out, and says 30d.
const NIGHTLY: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec:
  schedule: 0 2 * * *
  template:
    includedNamespaces: [bookstore]
    labelSelector: {matchLabels: {tier: data}}
    ttl: 30d
";
const SHOP: &str = "apiVersion: apps/v1
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
const RULES: [&str; 2] = ["unreadable-duration", "volume-left-out"];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn file(name: &str) -> Value {
    let text = fs::read_to_string(checkout().join("docs/ci").join(name)).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A repository as the examples suppose it.
fn repository(good: bool) -> tempfile::TempDir {
    let nightly = if good { NIGHTLY.replace("30d", "720h").replace("tier: data", "app: db") } else { NIGHTLY.into() };
    tree(&[("velero/nightly.yaml", &nightly), ("apps/shop.yaml", SHOP)])
}

/// A line of a file, as a runner runs it.
fn shell(folder: &Path, line: &str) -> Output {
    let bin = Path::new(LINT).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut sh = Command::new("/bin/sh");
    let output = sh.args(["-e", "-c", line]).env_clear().env("PATH", path).current_dir(folder).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// All commands of a job or workflow: `run` of steps, items of `script` and `before_script`.
fn commands(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), value) {
                        ("run", Value::String(line)) => found.push(line.clone()),
                        ("script" | "before_script", Value::Array(lines)) => {
                            found.extend(lines.iter().map(|line| line.as_str().unwrap().to_owned()));
                        }
                        (_, other) => open.push(other),
                    }
                }
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// The one line of a file that lints.
fn line(name: &str) -> String {
    let mut lints = commands(&file(name));
    lints.retain(|line| line.starts_with("kubectl-dr-lint "));
    let [line] = lints.as_slice() else { panic!("{name}: {lints:?}") };
    line.clone()
}

/// Runs a file's line over a repository with two faults, and over one without: what was printed of the former, and what
/// the report at `place` holds.
fn report(name: &str, place: Option<&str>) -> String {
    let line = line(name);
    let clean = repository(true);
    let output = shell(clean.path(), &line);
    assert!(
        output.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let faulty = repository(false);
    let output = shell(faulty.path(), &line);
    assert_eq!(output.status.code(), Some(1), "{name}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let Some(place) = place else { return stdout };
    assert_eq!(stdout, "", "{name} has its report in a file");
    let file = file(name);
    let path = file.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} has no {place}"));
    fs::read_to_string(faulty.path().join(path)).unwrap()
}

#[test]
fn every_file_has_its_test_here() {
    let entries = fs::read_dir(checkout().join("docs/ci")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(
        names,
        ["github-code-scanning.yaml", "github.yaml", "gitlab-tests.yaml", "gitlab.yaml", "pre-commit.yaml"]
    );
}

#[test]
fn annotations_of_github_name_both_faults() {
    let said = report("github.yaml", None);
    let mut told: Vec<&str> =
        said.lines().map(|line| line.split(",title=").nth(1).unwrap().split("::").next().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, RULES);
    assert!(said.lines().all(|line| line.starts_with("::error file=velero/nightly.yaml,line=")), "{said}");
}

#[test]
fn code_scanning_gets_the_sarif_that_it_uploads() {
    let said = report("github-code-scanning.yaml", Some("/jobs/dr-lint/steps/3/with/sarif_file"));
    let report: Value = serde_json::from_str(&said).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    let mut told: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, RULES);
    // GitHub would show it as an open alert.
    let silenced = repository(false);
    let path = silenced.path().join("velero/nightly.yaml");
    let text =
        fs::read_to_string(&path).unwrap().replace("ttl: 30d", "ttl: 30d # dr-lint: ignore[unreadable-duration] tape");
    fs::write(&path, text).unwrap();
    shell(silenced.path(), &line("github-code-scanning.yaml"));
    let said = fs::read_to_string(silenced.path().join("dr-lint.sarif")).unwrap();
    let report: Value = serde_json::from_str(&said).unwrap();
    let told = report["runs"][0]["results"].as_array().unwrap();
    assert!(told.len() == 1 && told[0]["ruleId"] == "volume-left-out", "{told:?}");
    // A step behind one that failed runs only if it says so.
    assert_eq!(file("github-code-scanning.yaml").pointer("/jobs/dr-lint/steps/3/if").unwrap(), "always()");
}

#[test]
fn gitlab_gets_the_reports_that_it_is_told_of() {
    let said = report("gitlab.yaml", Some("/dr-lint/artifacts/reports/codequality"));
    let report: Value = serde_json::from_str(&said).unwrap();
    let issues = report.as_array().unwrap();
    let mut told: Vec<&str> = issues.iter().map(|issue| issue["check_name"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, RULES);
    for issue in issues {
        // What GitLab wants of each.
        assert!(issue["description"].is_string() && issue["fingerprint"].is_string(), "{issue}");
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&issue["severity"].as_str().unwrap()));
        assert!(issue["location"]["path"].is_string() && issue["location"]["lines"]["begin"].is_u64(), "{issue}");
    }
    let said = report_of_tests();
    assert!(said.contains("<testsuites tests=\"1\" failures=\"1\">"), "{said}");
    for name in ["gitlab.yaml", "gitlab-tests.yaml"] {
        assert_eq!(file(name).pointer("/dr-lint/artifacts/when").unwrap(), "always", "{name}");
    }
}

fn report_of_tests() -> String {
    report("gitlab-tests.yaml", Some("/dr-lint/artifacts/reports/junit"))
}

#[test]
fn the_arguments_of_the_hook_are_taken_before_the_files_that_pre_commit_adds() {
    let hook = file("pre-commit.yaml")["repos"][0]["hooks"][0].clone();
    let args: Vec<&str> = hook["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let text = fs::read_to_string(checkout().join(".pre-commit-hooks.yaml")).unwrap();
    let hooks: Value = serde_yaml::from_str(&text).unwrap();
    let known = hooks.as_array().unwrap().iter().find(|known| known["id"] == hook["id"]).unwrap();
    let folder = repository(false);
    let line = format!("{} {} velero/nightly.yaml", known["entry"].as_str().unwrap(), args.join(" "));
    let output = shell(folder.path(), &line);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(RULES.iter().all(|rule| said.contains(&format!("error[{rule}]"))), "{said}");
}

/// A tag, a package and an executable that there will be, by the names they have here.
#[test]
fn what_is_installed_is_what_this_checkout_makes() {
    let tag = concat!("v", env!("CARGO_PKG_VERSION"));
    let install = format!(
        "cargo install --locked --git https://github.com/OWNER/kubectl-dr --tag {tag} --bin {} {}",
        Path::new(LINT).file_name().unwrap().to_string_lossy(),
        env!("CARGO_PKG_NAME")
    );
    for name in ["github.yaml", "github-code-scanning.yaml", "gitlab.yaml", "gitlab-tests.yaml"] {
        assert!(commands(&file(name)).contains(&install), "{name} does not run {install}");
    }
    assert_eq!(file("pre-commit.yaml")["repos"][0]["rev"], tag);
}
