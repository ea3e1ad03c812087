//! The plugin as a user gets it: installed by the real krew from the archive of `cargo xtask dist`, run by kubectl.
//!
//! `cargo xtask test` builds the archive and says where krew and kubectl are; without it there is nothing to install.
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NEEDS: &str = "DR_ARCHIVE, DR_MANIFEST, DR_KREW and DR_KUBECTL, as `cargo xtask test` sets them";

fn given(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("this test needs {NEEDS}")))
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

struct Home {
    folder: tempfile::TempDir,
    kubectl: PathBuf,
}

impl Home {
    /// An empty home with krew's root in it and a PATH that holds nothing but plugins and the system's tools.
    fn command(&self, program: &Path) -> Command {
        let root = self.folder.path().join("krew");
        let path =
            format!("{}:{}:/usr/bin:/bin", root.join("bin").display(), self.folder.path().join("tools").display());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("KREW_ROOT", &root)
            .env("KREW_NO_UPGRADE_CHECK", "1")
            .env("KUBECONFIG", self.folder.path().join("no-kubeconfig"))
            .env("PATH", path)
            .current_dir(self.folder.path());
        command
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        self.command(&self.kubectl).args(args).output().expect("kubectl runs")
    }
}

fn install() -> Home {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("tools")).expect("a folder for tools");
    let home = Home { folder, kubectl: given("DR_KUBECTL") };
    let output = home
        .command(&given("DR_KREW"))
        .arg("install")
        .arg(format!("--manifest={}", given("DR_MANIFEST").display()))
        .arg(format!("--archive={}", given("DR_ARCHIVE").display()))
        .output()
        .expect("krew runs");
    assert!(output.status.success(), "krew install: {}", text(&output));
    home
}

#[test]
#[ignore = "needs the archive of `cargo xtask dist` and the real krew and kubectl; `cargo xtask test` runs it"]
fn krew_installs_the_plugin_and_kubectl_finds_all_four_executables() {
    let home = install();

    let links: BTreeSet<String> = fs::read_dir(home.folder.path().join("krew/bin"))
        .expect("krew's folder of links")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("kubectl-dr"))
        .collect();
    assert_eq!(links, BTreeSet::from(["kubectl-dr".to_owned()]), "krew links one file per plugin");

    let link = home.folder.path().join("krew/bin/kubectl-dr");
    let store = link.canonicalize().expect("the link leads somewhere");
    let store = store.parent().expect("a folder");
    for file in
        ["kubectl-dr", "kubectl-dr-backup", "kubectl-dr-restore", "kubectl-dr-lint", "LICENSE-MIT", "LICENSE-APACHE"]
    {
        assert!(store.join(file).is_file(), "{file} is not in krew's store");
    }

    for command in ["restore", "backup", "lint"] {
        let output = home.kubectl(&["dr", command, "--help"]);
        let said = text(&output);
        assert!(output.status.success(), "kubectl dr {command} --help: {said}");
        assert!(said.contains(&format!("kubectl dr {command}")), "{said}");
    }
    let refused = home.kubectl(&["dr", "restore", "--no-such-flag"]);
    assert_eq!(refused.status.code(), Some(2), "exit codes come through kubectl: {}", text(&refused));

    let receipt = home.folder.path().join("krew/receipts/dr.yaml");
    assert!(receipt.is_file(), "krew keeps no receipt, so it could neither list nor remove the plugin");
}
