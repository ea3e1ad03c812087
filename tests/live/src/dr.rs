//! `kubectl dr …`, typed through the real kubectl.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Node;
use crate::access::As;
use crate::secret;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub line: String,
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// Panics with everything that was printed unless the exit code is this one.
    pub fn exits(self, code: i32) -> Self {
        let told = self.told();
        assert!(self.code == Some(code), "`{}` ended with {:?}, not {code}\n{told}", self.line, self.code);
        assert!(!told.contains("panicked at") && !told.contains("stack backtrace"), "`{}` panicked\n{told}", self.line);
        self
    }

    /// Panics unless one of the streams says this.
    pub fn says(self, text: &str) -> Self {
        let told = self.told();
        assert!(told.contains(text), "`{}` does not say {text:?}\n{told}", self.line);
        self
    }

    pub fn told(&self) -> String {
        format!("--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("`{}` printed no JSON: {error}\n{}", self.line, self.told()))
    }
}

/// A command that is still at it.
pub struct Running {
    line: String,
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    began: Instant,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("look at a child").is_some()
    }

    /// kubectl replaces itself by the plugin, so the signal reaches the plugin.
    pub fn signal(&self, name: &str) {
        let status =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name} {}", self.child.id());
    }

    pub fn ended(mut self, within: u64) -> Ended {
        let deadline = Instant::now() + Duration::from_secs(within);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("look at a child") {
                break status;
            }
            if Instant::now() > deadline {
                drop(self.child.kill());
                let told =
                    format!("{}\n{}", self.stdout.join().unwrap_or_default(), self.stderr.join().unwrap_or_default());
                panic!("`{}` did not end within {within} s\n{told}", self.line);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let ended = Ended {
            line: self.line,
            code: status.code(),
            stdout: self.stdout.join().unwrap_or_default(),
            stderr: self.stderr.join().unwrap_or_default(),
            took: self.began.elapsed(),
        };
        assert!(!secret::tells_a_secret(&ended.told()), "`{}` prints a password\n{}", ended.line, ended.told());
        ended
    }
}

impl Node {
    /// `kubectl dr ARGS`, to its end.
    pub fn dr(&self, args: &[&str]) -> Ended {
        self.dr_start(args, &[], self.bin()).ended(600)
    }

    /// `kubectl dr ARGS` with variables, the plugins taken from `bin`, as somebody who may do that and nothing else.
    pub fn dr_start(&self, args: &[&str], env: &[(&str, &str)], bin: &Path) -> Running {
        let mut command = self.command(self.dir().join("bin/kubectl"), bin);
        command.env("KUBECONFIG", self.kubeconfig(As::whoever_does(args)));
        command.arg("dr").args(args).envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start kubectl: {error}"));
        let out = child.stdout.take().expect("a pipe");
        let err = child.stderr.take().expect("a pipe");
        let read = |mut from: Box<dyn std::io::Read + Send>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                drop(from.read_to_end(&mut bytes));
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        Running {
            line: format!("kubectl dr {}", args.join(" ")),
            child,
            stdout: read(Box::new(out)),
            stderr: read(Box::new(err)),
            began,
        }
    }
}
