//! The four executables as a user meets them, without a cluster.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const RESTORE: &str = env!("CARGO_BIN_EXE_kubectl-dr-restore");
const BACKUP: &str = env!("CARGO_BIN_EXE_kubectl-dr-backup");
const LINT: &str = env!("CARGO_BIN_EXE_kubectl-dr-lint");
const DR: &str = env!("CARGO_BIN_EXE_kubectl-dr");

/// What a command said, with the exit code in front.
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs it in an empty home, with nothing of this machine's environment.
fn run(program: impl AsRef<Path>, path: Option<&Path>, args: &[&str]) -> Said {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program.as_ref());
    command.args(args).env_clear().env("HOME", home.path()).current_dir(home.path());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    said(&command.output().unwrap())
}

fn said(output: &Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Said { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[track_caller]
fn fails(said: &Said, code: i32, because: &str) {
    assert_eq!(said.code, code, "{}", said.stderr);
    assert!(said.stderr.contains(because), "{}", said.stderr);
    assert!(!said.stderr.contains("panicked") && !said.stderr.contains("backtrace"), "{}", said.stderr);
}

/// All four in one folder, as an archive or `cargo install` leaves them.
fn installed(folder: &Path) -> PathBuf {
    for program in [DR, RESTORE, BACKUP, LINT] {
        let program = Path::new(program);
        std::fs::copy(program, folder.join(program.file_name().unwrap())).unwrap();
    }
    folder.join("kubectl-dr")
}

#[test]
fn help_says_what_to_type_as_a_plugin() {
    for (program, usage) in [
        (RESTORE, "Usage: kubectl dr restore --ns NAMESPACE"),
        (BACKUP, "Usage: kubectl dr backup --ns NAMESPACE"),
        (LINT, "Usage: kubectl dr lint"),
        (DR, "Usage: kubectl dr <COMMAND>"),
    ] {
        let help = run(program, None, &["--help"]);
        assert_eq!(help.code, 0);
        assert!(help.stdout.contains(usage), "{}", help.stdout);
        assert_eq!(help.stderr, "");
    }
    for subcommand in ["plan", "apply", "list", "status", "resume", "undo", "redo", "finalize"] {
        let help = run(RESTORE, None, &[subcommand, "--help"]);
        assert!(help.stdout.contains(&format!("Usage: kubectl dr restore {subcommand}")), "{}", help.stdout);
    }
    for subcommand in ["coverage", "status"] {
        let help = run(BACKUP, None, &[subcommand, "--help"]);
        assert!(help.stdout.contains(&format!("Usage: kubectl dr backup {subcommand}")), "{}", help.stdout);
    }
}

#[test]
fn the_flags_are_kubectls() {
    let help = run(RESTORE, None, &["--help"]).stdout;
    for flag in [
        "-n, --namespace",
        "[alias: --ns]",
        "--context",
        "--cluster",
        "--user",
        "--kubeconfig",
        "--as <",
        "--as-group",
        "--as-uid",
        "--request-timeout",
        "-s, --server",
        "--token",
        "--certificate-authority",
        "--insecure-skip-tls-verify",
        "-o, --output",
        "-v",
        "--yes",
        "--dry-run",
        "--timeout",
        "--velero-namespace",
    ] {
        assert!(help.contains(flag), "{flag} is missing:\n{help}");
    }
}

/// Help texts, bad command lines and bad files, each with the whole answer: `tests/cmd`.
///
/// `TRYCMD=overwrite` writes them anew.
#[test]
fn what_is_typed_is_answered_with_this() {
    let home = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .case("tests/cmd/*.trycmd")
        .env("HOME", home.path().to_str().unwrap())
        .env("KUBECONFIG", "");
}

#[test]
fn without_a_kubeconfig_nothing_is_guessed() {
    for program in [RESTORE, BACKUP] {
        fails(&run(program, None, &["--ns", "shop", "--dry-run"]), 3, "there is no kubeconfig");
    }
    fails(&run(RESTORE, None, &["list"]), 3, "there is no kubeconfig");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let said = run(RESTORE, None, &["list", "--server", "http://127.0.0.1:1"]);
    fails(&said, 1, "http://127.0.0.1:1");
    assert!(said.stderr.contains("Connection refused"), "{}", said.stderr);
    assert_eq!(said.stderr.matches("Connection refused").count(), 1, "{}", said.stderr);
}

#[test]
fn nobody_to_ask_is_a_refusal_before_anything_is_read() {
    for args in [&["--ns", "shop"][..], &["undo", "q4ws2tze"], &["redo"], &["resume"], &["finalize"]] {
        fails(&run(RESTORE, None, args), 3, "no terminal to ask on");
    }
    fails(&run(RESTORE, None, &["--ns", "shop", "-o", "name"]), 3, "with -o name nobody is asked");
}

#[test]
fn a_dry_run_asks_nobody() {
    for args in [&["--ns", "shop"][..], &["undo", "q4ws2tze"], &["redo"], &["resume"], &["finalize"]] {
        let said = run(RESTORE, None, &[args, &["--dry-run"]].concat());
        fails(&said, 3, "there is no kubeconfig");
    }
}

#[test]
fn with_json_a_failure_is_one_document_on_stdout_that_fits_its_schema() {
    let said = run(RESTORE, None, &["list", "-o", "json"]);
    assert_eq!(said.code, 3);
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/error.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let error = serde_json::from_str(&said.stdout).unwrap();
    jsonschema::validate(&schema, &error).unwrap();
    assert_eq!(error["exitCode"], 3);
}

/// A file that a version wrote is planned from by every later one: each bug report comes to lie beside it.
#[test]
fn saved_facts_are_planned_from_without_a_cluster() {
    let facts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/facts/bookstore.json");
    let plan = |more: &[&str]| run(RESTORE, None, &[&["plan", "--facts", facts], more].concat());
    let said = plan(&[]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert!(
        said.stdout.starts_with("Restore of bookstore from backup nightly\n  id               k7x2p\n"),
        "{}",
        said.stdout
    );
    assert_eq!(plan(&["-o", "name"]).stdout, "k7x2p\n");
    assert_eq!(plan(&["-o", "json"]).stdout, plan(&["-o", "json"]).stdout);
    fails(&plan(&["--from", "nightl"]), 3, "nearest names: nightly");
    fails(&plan(&["--leave", "data-postgres-0"]), 3, "it holds no volume of the namespace");
    fails(&plan(&["--ns", "shop"]), 2, "the facts are of namespace bookstore, not of shop");
    fails(&run(RESTORE, None, &["plan", "--facts", "nowhere.json"]), 2, "cannot read the facts nowhere.json");
}

#[test]
fn a_plan_made_from_saved_facts_is_never_applied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let facts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/facts/bookstore.json");
    std::fs::write(&file, run(RESTORE, None, &["plan", "--facts", facts, "-o", "json"]).stdout).unwrap();
    let said = run(RESTORE, None, &["apply", file.to_str().unwrap(), "--yes", "--server", "http://127.0.0.1:1"]);
    fails(&said, 3, "at /fromFacts: this plan was made from a file of facts, not from a cluster");
}

#[test]
fn a_configuration_with_an_unknown_field_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dr.yaml"), "namespaces:\n  shop:\n    rto: 1h\n").unwrap();
    let mut command = Command::new(RESTORE);
    command.args(["plan", "--ns", "shop", "--server", "http://127.0.0.1:1"]).env_clear().current_dir(folder.path());
    fails(
        &said(&command.output().unwrap()),
        2,
        "unknown field `rto`, expected one of `rpo`, `deleted`, `leave`, `hooks` at line 3",
    );
}

#[test]
fn kubectl_dr_alone_lists_its_commands() {
    let said = run(DR, None, &[]);
    assert_eq!(said.code, 0);
    for command in ["backup", "restore", "lint"] {
        assert!(said.stdout.contains(&format!("\n  {command} ")), "{}", said.stdout);
    }
}

#[test]
fn a_mistyped_command_is_answered_with_the_nearest() {
    fails(&run(DR, None, &["restor"]), 2, "did you mean kubectl dr restore?");
    fails(&run(DR, None, &["frobnicate"]), 2, "unknown command");
    fails(&run(DR, None, &["--ns", "shop", "restore"]), 2, "before the command");
}

#[test]
fn the_version_is_the_packages() {
    let said = run(DR, None, &["--version"]);
    assert_eq!(said.stdout, format!("kubectl-dr {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(RESTORE, None, &["--version"]).stdout.trim().rsplit(' ').next(), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn it_hands_over_to_the_executable_beside_it_with_arguments_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let dr = installed(folder.path());
    let help = run(&dr, None, &["restore", "--help"]);
    assert_eq!((help.code, help.stdout), (0, run(RESTORE, None, &["--help"]).stdout));
    fails(&run(&dr, None, &["restore", "--wat"]), 2, "unexpected argument '--wat'");
    assert_eq!(run(&dr, None, &["help", "backup"]).stdout, run(BACKUP, None, &["--help"]).stdout);
}

/// krew links one file per plugin into its `bin`; the siblings stay in the store.
#[cfg(unix)]
#[test]
fn it_finds_its_siblings_behind_the_one_link_that_krew_makes() {
    let krew = tempfile::tempdir().unwrap();
    let (store, bin) = (krew.path().join("store/dr/v0.1.0"), krew.path().join("bin"));
    std::fs::create_dir_all(&store).unwrap();
    std::fs::create_dir_all(&bin).unwrap();
    let dr = installed(&store);
    let link = bin.join("kubectl-dr");
    std::os::unix::fs::symlink(dr, &link).unwrap();
    let said = run(&link, Some(&bin), &["restore", "--help"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("Usage: kubectl dr restore"), "{}", said.stdout);
}

#[test]
fn it_finds_its_siblings_on_the_path_when_they_are_not_beside_it() {
    let (alone, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dr = alone.path().join("kubectl-dr");
    std::fs::copy(DR, &dr).unwrap();
    installed(path.path());
    assert_eq!(run(&dr, Some(path.path()), &["restore", "--help"]).code, 0);
    let empty = tempfile::tempdir().unwrap();
    fails(&run(&dr, Some(empty.path()), &["restore", "--help"]), 1, "cannot find kubectl-dr-restore beside");
}

#[cfg(unix)]
#[test]
fn a_reader_that_went_away_is_no_error() {
    let script = format!("{{ {RESTORE} --help; echo $? >&2; }} | true");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.trim() == "0", "{stderr}");
}
