//! The hooks as a repository gets them: by the real pre-commit, at a commit, from a repository of hooks.
//!
//! `cargo xtask test` installs pre-commit into its cache and says where it and the executables are.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dr_house::{checkout, read};

const NEEDS: &str = "DR_PRE_COMMIT and DR_BIN, as `cargo xtask test` sets them";

/// A Schedule whose backups leave the volume of the StatefulSet out.
const NIGHTLY: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec:
  schedule: 0 2 * * *
  template:
    includedNamespaces: [bookstore]
    labelSelector: {matchLabels: {tier: data}}
    ttl: 720h
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

fn given(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("this test needs {NEEDS}")))
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

/// A home of its own with two repositories: that of the hooks, and one that uses them.
struct Home(tempfile::TempDir);

impl Home {
    /// The repository of hooks holds these files of this checkout.
    fn with_hooks(files: &[String]) -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary folder"));
        for folder in ["hooks", "repo/velero", "repo/apps"] {
            fs::create_dir_all(home.path(folder)).expect("a folder");
        }
        for file in files {
            let place = home.path("hooks").join(file);
            fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            fs::copy(checkout().join(file), &place).unwrap_or_else(|error| panic!("copy {file}: {error}"));
        }
        for (folder, message) in [("hooks", "hooks"), ("repo", "nothing yet")] {
            home.git(folder, &["init", "-q", "-b", "main"]);
            home.git(folder, &["add", "-A"]);
            home.git(folder, &["commit", "-q", "--allow-empty", "-m", message]);
        }
        home.git("hooks", &["tag", "v0.1.0"]);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("repo").join(name), text).expect("a file is written");
    }

    /// The configuration of docs/ci, with this repository of hooks in place of the public one.
    fn configure(&self, id: &str, args: Option<&str>) {
        let mut config = read("docs/ci/pre-commit.yaml");
        let mut replace = |from: &str, to: &str| {
            assert!(config.contains(from), "docs/ci/pre-commit.yaml has no {from}");
            config = config.replace(from, to);
        };
        replace("https://github.com/OWNER/kubectl-dr", &self.path("hooks").display().to_string());
        replace("id: kubectl-dr-lint", &format!("id: {id}"));
        if let Some(args) = args {
            replace("[--with, velero/, --with, apps/]", args);
        }
        self.write(".pre-commit-config.yaml", &config);
        let mut install = self.command("repo", &given("DR_PRE_COMMIT"));
        let output = install.arg("install").output().expect("pre-commit runs");
        assert!(output.status.success(), "{}", text(&output));
    }

    fn command(&self, folder: &str, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.0.path())
            .env("PRE_COMMIT_HOME", self.path("cache"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PATH", format!("{}:/usr/bin:/bin", given("DR_BIN").display()))
            .current_dir(self.path(folder));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "test").env(format!("GIT_{who}_EMAIL"), "test@test.example");
        }
        command
    }

    fn git(&self, folder: &str, args: &[&str]) {
        let output = self.command(folder, Path::new("git")).args(args).output().expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", text(&output));
    }

    /// Adds everything and commits: whether the hooks let it, and what was said.
    fn commit(&self) -> (bool, String) {
        self.git("repo", &["add", "-A"]);
        let output =
            self.command("repo", Path::new("git")).args(["commit", "-m", "change"]).output().expect("git runs");
        (output.status.success(), text(&output))
    }
}

fn hooks_alone() -> Home {
    Home::with_hooks(&[".pre-commit-hooks.yaml".to_owned()])
}

#[test]
#[ignore = "needs pre-commit and the executables; `cargo xtask test` runs it"]
fn a_commit_that_makes_a_backup_worthless_is_refused_until_it_is_right() {
    let home = hooks_alone();
    home.configure("kubectl-dr-lint-system", None);
    home.write("apps/shop.yaml", SHOP);
    home.write("other.yaml", NIGHTLY);
    home.write("velero/notes.md", "ttl: 30d\n");
    let (good, said) = home.commit();
    assert!(good && said.contains("Skipped"), "nothing that the hook is for was changed: {said}");

    home.write("velero/nightly.yaml", NIGHTLY);
    let (good, said) = home.commit();
    assert!(!good, "{said}");
    for part in [
        "kubectl dr lint (installed)",
        "Failed",
        "exit code: 1",
        "error[volume-left-out]",
        "--> velero/nightly.yaml:8:",
        "apps/shop.yaml",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    home.write("velero/nightly.yaml", &NIGHTLY.replace("    labelSelector: {matchLabels: {tier: data}}\n", ""));
    let (good, said) = home.commit();
    assert!(good && said.contains("Passed"), "{said}");
}

#[test]
#[ignore = "needs pre-commit and the executables; `cargo xtask test` runs it"]
fn all_files_of_a_run_are_judged_together_and_the_configuration_is_found() {
    let home = hooks_alone();
    home.configure("kubectl-dr-lint-system", Some("[]"));
    let location = |name: &str| {
        format!(
            "apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {{name: {name}, namespace: velero}}
spec: {{provider: aws, default: true, objectStorage: {{bucket: {name}}}, config: {{region: eu-1}}}}
"
        )
    };
    for at in 0..60 {
        let other = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: other-{at}}}\n");
        home.write(&format!("velero/{at:02}.yaml"), &other);
    }
    home.write("velero/00.yaml", &location("first"));
    home.write("velero/59.yaml", &location("last"));
    let (good, said) = home.commit();
    assert!(!good && said.matches("warning[several-default-locations]").count() == 2, "{said}");
    assert!(said.contains("2 of Velero's objects and 58 others, 60 files"), "{said}");
    home.write("dr-lint.yaml", "rules: {several-default-locations: off}\n");
    let (good, said) = home.commit();
    assert!(good, "{said}");
}

#[test]
#[ignore = "needs pre-commit and the executables; `cargo xtask test` runs it"]
fn what_the_hook_fixes_is_seen_before_it_is_committed() {
    let home = hooks_alone();
    home.configure("kubectl-dr-lint-system", Some("[--fix]"));
    home.write("velero/nightly.yaml", &NIGHTLY.replace("720h", "30d"));
    let (good, said) = home.commit();
    assert!(!good && said.contains("files were modified by this hook"), "{said}");
    let (good, said) = home.commit();
    assert!(good, "{said}");
    let file = fs::read_to_string(home.path("repo/velero/nightly.yaml")).expect("the manifest");
    assert_eq!(file, NIGHTLY);
}

/// Every file that git knows of this checkout, as it is now.
fn source() -> Vec<String> {
    let mut git = Command::new("git");
    let output = git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(checkout());
    let output = output.output().expect("git runs");
    assert!(output.status.success(), "{}", text(&output));
    let names = String::from_utf8(output.stdout).expect("names are text");
    let names = names.split('\0').filter(|name| !name.is_empty() && checkout().join(name).is_file());
    names.map(str::to_owned).collect()
}

#[test]
#[ignore = "long: pre-commit builds the executables from source, for minutes; needs what the other tests of hooks need"]
fn the_hook_that_is_built_from_source_is_built_and_runs() {
    let home = Home::with_hooks(&source());
    home.configure("kubectl-dr-lint", None);
    home.write("velero/nightly.yaml", &NIGHTLY.replace("720h", "30d"));
    home.git("repo", &["add", "-A"]);
    let mut commit = home.command("repo", Path::new("git"));
    // Without the executables of this checkout, and with the cargo that runs this test.
    for name in ["CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            commit.env(name, value);
        }
    }
    let path = std::env::var_os("PATH").expect("a PATH");
    let cargo = std::env::split_paths(&path).find(|folder| folder.join("cargo").is_file()).expect("cargo on the PATH");
    commit.env("PATH", format!("{}:/usr/bin:/bin", cargo.display()));
    if let Some(home) = std::env::var_os("HOME").filter(|_| std::env::var_os("CARGO_HOME").is_none()) {
        commit.env("CARGO_HOME", Path::new(&home).join(".cargo")).env("RUSTUP_HOME", Path::new(&home).join(".rustup"));
    }
    let output = commit.args(["commit", "-m", "change"]).output().expect("git runs");
    let said = text(&output);
    assert!(!output.status.success(), "{said}");
    for part in ["Installing environment for", "error[unreadable-duration]", "--> velero/nightly.yaml:9:"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
