//! Where the demo types its commands, and the transcript of what was typed and said.

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::bookstore::now;
use crate::place::Place;

/// One command as it was typed.
pub(crate) struct Typed {
    pub(crate) began: f64,
    pub(crate) ended: f64,
    pub(crate) took: f64,
}

pub(crate) struct Stage<'p> {
    pub(crate) place: &'p Place,
    pub(crate) transcript: Vec<String>,
}

impl<'p> Stage<'p> {
    pub(crate) fn new(place: &'p Place) -> Self {
        Self { place, transcript: Vec::new() }
    }

    pub(crate) fn say(&mut self, text: &str) {
        for line in text.split('\n') {
            println!("{line}");
            self.transcript.push(line.trim_end().to_owned());
        }
    }

    /// kubectl with these arguments, which has to succeed.
    pub(crate) fn kubectl(&mut self, args: &[&str]) -> Result<Typed> {
        let command = self.place.kubectl(args);
        self.types(&format!("kubectl {}", args.join(" ")), command)
    }

    /// kubectl with these arguments, which has to end with this code.
    pub(crate) fn kubectl_ending(&mut self, args: &[&str], code: i32) -> Result<Typed> {
        let command = self.place.kubectl(args);
        self.types_ending(&format!("kubectl {}", args.join(" ")), command, code)
    }

    /// Types a command, which has to succeed.
    pub(crate) fn types(&mut self, shown: &str, command: Command) -> Result<Typed> {
        self.types_ending(shown, command, 0)
    }

    /// Types a command and passes on what it says as it says it, both streams in their order.
    fn types_ending(&mut self, shown: &str, mut command: Command, code: i32) -> Result<Typed> {
        self.say(&format!("\n$ {shown}"));
        let (reader, writer) = std::io::pipe().context("make a pipe")?;
        command.stdout(writer.try_clone().context("copy a pipe")?).stderr(writer);
        let (start, began) = (Instant::now(), now());
        let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
        // Its ends of the pipe are the child's alone from here on.
        drop(command);
        for line in BufReader::new(reader).lines() {
            self.say(&line.with_context(|| format!("read what {shown} says"))?);
        }
        let status = child.wait().with_context(|| format!("wait for {shown}"))?;
        let typed = Typed { began, ended: now(), took: start.elapsed().as_secs_f64() };
        if status.code() != Some(code) {
            bail!("`{shown}` ended with {status}");
        }
        if code != 0 {
            self.say(&format!("\nexit {code}"));
        }
        Ok(typed)
    }
}
