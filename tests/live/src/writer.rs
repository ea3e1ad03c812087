//! The shop's own log of its orders, kept over the life of its pods: the measure of an outage.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Node;

/// One attempt of the writer.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub succeeded: bool,
    /// Seconds since the epoch, by the writer's own clock.
    pub began: f64,
    pub ended: f64,
}

/// Follows every pod of `orders` from the moment this value is made.
pub struct Writer {
    stop: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<String>>>,
    watcher: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn follow(node: &Node, namespace: &str) -> Self {
        let kubectl = node.dir().join("bin/kubectl");
        let template = node.command(&kubectl, node.bin());
        let envs: Vec<_> = template.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
        let namespace = namespace.to_owned();
        Self::through(move |args: &[&str]| {
            let mut command = Command::new(&kubectl);
            command.env_clear().envs(envs.iter().filter_map(|(k, v)| Some((k, v.as_ref()?))));
            command.args(["-n", &namespace]).args(args);
            command
        })
    }

    /// The same for whoever has a kubectl of their own; `kubectl` is given arguments and adds cluster and namespace.
    pub fn through(kubectl: impl Fn(&[&str]) -> Command + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let make = move |args: &[&str]| {
            let mut command = kubectl(args);
            command.stdin(Stdio::null()).stderr(Stdio::null());
            command
        };
        let watcher = std::thread::spawn({
            let (stop, lines) = (Arc::clone(&stop), Arc::clone(&lines));
            move || {
                let mut seen = BTreeSet::new();
                let mut children: Vec<(Child, JoinHandle<()>)> = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let running = "--field-selector=status.phase=Running";
                    let names = make(&["get", "pods", "-l", "app=orders", running, "-o", "name"]).output();
                    let names = names.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
                    for name in names.lines().filter(|name| seen.insert((*name).to_owned())) {
                        let child = make(&["logs", "-f", name]).stdout(Stdio::piped()).spawn();
                        if let Ok(mut child) = child
                            && let Some(out) = child.stdout.take()
                        {
                            let lines = Arc::clone(&lines);
                            let reader = std::thread::spawn(move || {
                                use std::io::BufRead as _;
                                for line in std::io::BufReader::new(out).lines().map_while(Result::ok) {
                                    lines.lock().expect("the lines").push(line);
                                }
                            });
                            children.push((child, reader));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(500));
                }
                for (mut child, reader) in children {
                    drop(child.kill());
                    drop(child.wait());
                    drop(reader.join());
                }
            }
        });
        Self { stop, lines, watcher: Some(watcher) }
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        let lines = self.lines.lock().expect("the lines");
        let mut attempts: Vec<Attempt> = lines.iter().filter_map(|line| attempt(line)).collect();
        attempts.sort_by(|a, b| a.began.total_cmp(&b.began));
        attempts
    }

    /// The longest time between a success and the next one, in seconds, from `since` on.
    pub fn outage(&self, since: f64) -> f64 {
        let successes: Vec<Attempt> = self.attempts().into_iter().filter(|attempt| attempt.succeeded).collect();
        let pairs = successes.windows(2).filter(|pair| pair[1].ended >= since);
        pairs.map(|pair| pair[1].ended - pair[0].ended).fold(0.0, f64::max)
    }
}

fn attempt(line: &str) -> Option<Attempt> {
    let mut words = line.split(' ');
    let succeeded = match words.next()? {
        "ok" => true,
        "failed" => false,
        _ => return None,
    };
    Some(Attempt { succeeded, began: words.next()?.parse().ok()?, ended: words.next()?.parse().ok()? })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
    }
}
