//! Progress: one line per step with the time it took and the time since the start.

use std::time::Instant;

use anyhow::{Context as _, Result};

pub(crate) struct Steps {
    start: Instant,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Runs one step and prints its line.
    pub(crate) fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = work().with_context(|| name.to_owned())?;
        println!("{:>6.1}s  {:>6.1}s  {name}", self.start.elapsed().as_secs_f64(), began.elapsed().as_secs_f64());
        Ok(done)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
