//! Processes that run as long as the node does. A service is a file in the node's folder `services`: writing one
//! starts it, changing it restarts it, removing it stops it, and one that ends is started again after a second.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use serde::{Deserialize, Serialize};

use super::Node;

const LOOK: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Service {
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

impl Service {
    pub(crate) fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), env: BTreeMap::new() }
    }
}

impl Node {
    /// Starts a service, or restarts it when its description changed.
    pub(crate) fn service(&self, name: &str, service: &Service) -> Result<()> {
        let text = serde_json::to_string_pretty(service)?;
        let path = self.path(&format!("services/{name}.json"));
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let half = self.write(&format!("services/{name}.half"), &text)?;
        fs::rename(&half, &path).with_context(|| format!("write {}", path.display()))
    }

    /// The names of the services this node is to run.
    pub(crate) fn services(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("services")).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned())).collect();
        names.sort();
        names
    }
}

enum State {
    Running(Pid),
    Ended(Instant),
}

/// Runs the services of a node from inside.
pub(crate) struct Supervisor<'a> {
    node: &'a Node,
    services: BTreeMap<String, (Service, State)>,
}

impl<'a> Supervisor<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { node, services: BTreeMap::new() }
    }

    pub(crate) fn run(mut self) -> Result<()> {
        loop {
            self.collect();
            self.look();
            thread::sleep(LOOK);
            // The folder is gone when the node was removed by hand: nothing is left to do here.
            if !self.node.path("index").exists() {
                return Ok(());
            }
        }
    }

    /// Takes the exit status of every process that ended, ours or inherited.
    fn collect(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            for (name, (_, state)) in &mut self.services {
                if matches!(state, State::Running(running) if *running == pid) {
                    *state = State::Ended(Instant::now());
                    println!("{name} ended: {status:?}");
                }
            }
        }
    }

    /// Brings what runs in line with the folder of services.
    fn look(&mut self) {
        let wanted = self.wanted();
        for (name, (service, state)) in &mut self.services {
            if wanted.get(name) != Some(service)
                && let State::Running(pid) = state
            {
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
        self.services.retain(|name, (_, state)| wanted.contains_key(name) || matches!(state, State::Running(_)));
        for (name, service) in wanted {
            let start = match self.services.get(&name) {
                None => true,
                Some((_, State::Running(_))) => false,
                Some((old, State::Ended(when))) => *old != service || when.elapsed() >= PAUSE,
            };
            if start {
                let state = match self.spawn(&name, &service) {
                    Ok(pid) => State::Running(pid),
                    Err(error) => {
                        println!("{name}: {error:#}");
                        State::Ended(Instant::now())
                    }
                };
                self.services.insert(name, (service, state));
            }
        }
    }

    fn wanted(&self) -> BTreeMap<String, Service> {
        let names = self.node.services().into_iter();
        names
            .filter_map(|name| {
                let text = fs::read_to_string(self.node.path(&format!("services/{name}.json"))).ok()?;
                Some((name, serde_json::from_str(&text).ok()?))
            })
            .collect()
    }

    fn spawn(&self, name: &str, service: &Service) -> Result<Pid> {
        let (program, args) = service.command.split_first().context("the service has no command")?;
        let path: PathBuf = self.node.path(&format!("logs/{name}.log"));
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let mut command = Command::new(program);
        self.node.inside(&mut command);
        command
            .args(args)
            .envs(&service.env)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("start {program}"))?;
        Pid::from_raw(i32::try_from(child.id())?).context("a process has the id 0")
    }
}
