//! Looking at nodes and working in them: status, logs, kubectl and a shell.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use super::{Node, namespaces};
use crate::cache::Cache;
use crate::cmd;

pub(crate) fn status() -> Result<()> {
    let cache = Cache::open()?;
    let mut names: Vec<String> = fs::read_dir(cache.nodes())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    if names.is_empty() {
        println!("no node: `cargo xtask up` makes one");
    }
    for name in names {
        let Ok(node) = Node::open(&cache, &name) else {
            println!("{name}: a folder without a node; `cargo xtask down --name {name}` removes it");
            continue;
        };
        let Some(init) = namespaces::running(&node) else {
            println!("{name}: not running; `cargo xtask up --name {name}` starts it anew");
            continue;
        };
        println!("{name}: running (process {init}, address {})", node.network().node_address());
        println!("  export KUBECONFIG={}", node.kubeconfig().display());
        println!("  services: {}", node.services().join(" "));
        if node.path("plane").exists() {
            continue;
        }
        match cmd::output(node.kubectl().args(["get", "nodes,pods", "-A", "--no-headers", "--request-timeout=5s"])) {
            Ok(text) => text.lines().for_each(|line| println!("  {line}")),
            Err(error) => println!("  the API server does not answer: {error:#}"),
        }
    }
    Ok(())
}

pub(crate) fn logs(name: &str, component: Option<&str>) -> Result<()> {
    let node = Node::open(&Cache::open()?, name)?;
    let mut found: Vec<(String, std::path::PathBuf)> = Vec::new();
    for entry in fs::read_dir(node.path("logs")).context("list the logs")?.flatten() {
        let path = entry.path();
        if let Some(stem) = entry.file_name().to_str().and_then(|file| file.strip_suffix(".log")) {
            found.push((stem.to_owned(), path));
        }
    }
    // Containers: one link `POD_NAMESPACE_CONTAINER-ID.log` each, into the folder of pod logs.
    for entry in fs::read_dir(node.path("pod-logs")).into_iter().flatten().flatten() {
        for container in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let pod = entry.file_name().to_string_lossy().into_owned();
            let mut parts = pod.split('_');
            if let (Some(namespace), Some(pod)) = (parts.next(), parts.next()) {
                found
                    .push((format!("{namespace}/{pod}/{}", container.file_name().to_string_lossy()), container.path()));
            }
        }
    }
    found.sort();
    let Some(wanted) = component else {
        for (name, _) in &found {
            println!("{name}");
        }
        return Ok(());
    };
    let chosen: Vec<_> =
        found.iter().filter(|(name, _)| name == wanted || name.split('/').any(|part| part == wanted)).collect();
    if chosen.is_empty() {
        bail!("the node `{}` has no log `{wanted}`; `cargo xtask logs` without a name lists them", node.name());
    }
    for (_, path) in chosen {
        for text in texts(path)? {
            print!("{text}");
        }
    }
    Ok(())
}

/// A file's text, or those of the files in a folder.
fn texts(path: &std::path::Path) -> Result<Vec<String>> {
    if !path.is_dir() {
        return Ok(vec![String::from_utf8_lossy(&fs::read(path)?).into_owned()]);
    }
    let mut files: Vec<_> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|file| Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())).collect()
}

pub(crate) fn kubectl(name: &str, args: &[String]) -> Result<ExitCode> {
    let node = Node::open(&Cache::open()?, name)?;
    status_of(node.kubectl().args(args))
}

/// A shell inside the node, with the servers and containerd's tools on the PATH.
pub(crate) fn shell(name: &str, args: &[String]) -> Result<ExitCode> {
    let node = Node::open(&Cache::open()?, name)?;
    let mut command = node.enter()?;
    if args.is_empty() {
        command.arg("bash");
    } else {
        command.args(args);
    }
    status_of(&mut command)
}

fn status_of(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
