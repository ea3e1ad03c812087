//! `cargo xtask test --on current`: the restores that need nothing of a node of ours, on the user's own cluster.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::tally::Tally;
use super::time::Given;
use super::{LIVE, queue};
use crate::bookstore::By;
use crate::current::{self, Ground};
use crate::place::{self, Place};
use crate::{cache, cmd, packages};

/// Tests that speak to nothing but the cluster, and the data path they need. The others reach into the disks, the
/// bucket or the processes of a node.
const ANYWHERE: [(&str, By); 3] = [
    ("files_on_a_class_that_waits_for_a_consumer", By::Files),
    ("snapshots_on_a_class_that_waits_for_a_consumer", By::Snapshot),
    ("of_two_restores_in_one_night_the_newest_is_undone_first_and_the_oldest_finalized_first", By::Snapshot),
];

pub(crate) fn test(yes: bool) -> Result<ExitCode> {
    let root = cache::checkout()?;
    let executables = place::executables(&root)?;
    let mut place = Place::current(&executables)?;
    let ground = current::look(&mut place)?;
    if packages::find("velero").is_none() {
        bail!(
            "velero is not on the PATH, and the tests make backups with it; `cargo xtask demo --on current` needs none"
        );
    }
    if place.velero_namespace != "velero" {
        bail!(
            "the tests want Velero in the namespace velero, and here it is in {}; `cargo xtask demo --on current` works",
            place.velero_namespace
        );
    }
    let what = format!(
        "\nThe tests make namespaces live-… with a PostgreSQL of 2 GiB each on the StorageClass {}, and backups in Velero's \
         object store; each removes its own at its end.",
        ground.class
    );
    current::ask(&what, yes)?;
    let mut tally = Tally::default();
    let queue::Listed { run, ignored } = queue::list(&root, LIVE, true, queue::FIRST)?;
    anyhow::ensure!(ignored.is_empty(), "ignored tests are listed among those to run");
    let known: Vec<&str> = run.iter().map(|one| one.name.as_str()).collect();
    if let Some((missing, _)) = ANYWHERE.iter().find(|(name, _)| !known.contains(name)) {
        bail!("there is no test {missing} any more: change the list of `cargo xtask test --on current`");
    }
    let mut chosen = VecDeque::new();
    for one in run {
        match why_not(&one.name, &ground) {
            None => chosen.push_back(one),
            Some(why) => tally.skip(&format!("{}::{}", one.suite, one.name), why),
        }
    }
    let folder = Folder::make(&place)?;
    let class = ground.snapshots.clone().unwrap_or_else(|| ground.class.clone());
    let env = [
        ("KUBECONFIG_DR_NODE", folder.0.join("kubeconfig")),
        ("DR_BIN", executables.clone()),
        ("DR_CLASS", class.into()),
    ];
    tally.went(queue::work(&Mutex::new(chosen), "current", &env, Some(Given::in_run(Instant::now()))));
    Ok(tally.conclude())
}

fn why_not(name: &str, ground: &Ground) -> Option<&'static str> {
    match ANYWHERE.iter().find(|(known, _)| *known == name) {
        None => Some("it reaches into a node of ours: cargo xtask test"),
        Some((_, By::Snapshot)) if ground.snapshots.is_none() => Some("the cluster takes no CSI snapshots for Velero"),
        Some((_, By::Files)) if ground.by != By::Files => Some("the cluster has no node-agent"),
        Some(_) => None,
    }
}

/// A folder as a node of ours has one, with the current context alone in its kubeconfig; gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn make(place: &Place) -> Result<Self> {
        let folder = Self(std::env::temp_dir().join(format!("kubectl-dr-current-{}", std::process::id())));
        let bin = folder.0.join("bin");
        fs::create_dir_all(&bin).with_context(|| format!("create {}", bin.display()))?;
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).context("close the folder to others")?;
        for name in ["kubectl", "velero"] {
            if let Some(program) = packages::find(name) {
                symlink(&program, bin.join(name)).with_context(|| format!("link {name}"))?;
            }
        }
        let view = ["config", "view", "--raw", "--minify", "--flatten"];
        let kubeconfig = cmd::output(&mut place.kubectl(&view)).context("read the current context")?;
        if kubeconfig.contains("exec:") {
            println!(
                "the context logs in through a program: it must work with a PATH of /usr/bin:/bin and an empty home"
            );
        }
        let file = folder.0.join("kubeconfig");
        fs::write(&file, kubeconfig).with_context(|| format!("write {}", file.display()))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It holds credentials: what cannot be removed is said.
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} is left and can be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_cannot_is_skipped_with_the_reason() {
        let ground = |by, snapshots: Option<&str>| Ground {
            class: "fast".to_owned(),
            by,
            snapshots: snapshots.map(str::to_owned),
        };
        let files = "files_on_a_class_that_waits_for_a_consumer";
        let snapshots = "snapshots_on_a_class_that_waits_for_a_consumer";
        let whole = ground(By::Files, Some("fast"));
        assert_eq!((why_not(files, &whole), why_not(snapshots, &whole)), (None, None));
        assert_eq!(why_not(snapshots, &ground(By::Files, None)), Some("the cluster takes no CSI snapshots for Velero"));
        assert_eq!(why_not(files, &ground(By::Snapshot, Some("fast"))), Some("the cluster has no node-agent"));
        assert!(why_not("an_api_server_that_dies_during_the_switch_is_waited_for", &whole).is_some());
    }
}
