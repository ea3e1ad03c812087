//! What a person sees while a run goes on: a line that moves on a terminal, one line per event elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use colored::Colorize;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::flags::Output;
use crate::{out, render};

/// Without a terminal, a step that waits says so this often.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Progress of one run; shared by steps that go on at the same time.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    bar: Option<ProgressBar>,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    phase: Option<String>,
    began: BTreeMap<String, Instant>,
    told: BTreeMap<String, (Instant, String)>,
}

/// A step that has not got what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct Waiting<'a> {
    pub(crate) step: &'a str,
    pub(crate) title: &'a str,
    pub(crate) because: &'a str,
    /// Until it is given up.
    pub(crate) left: Option<Duration>,
    /// Bytes done, of bytes in all.
    pub(crate) bytes: Option<(u64, u64)>,
}

impl Progress {
    pub(crate) fn start(output: Output) -> Self {
        let bar = (out::stderr_is_terminal() && !output.is_for_programs()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { began: Instant::now(), bar, steps: Mutex::default() }
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        let elapsed = elapsed(self.began.elapsed());
        let line = format!("{} {text}", format!("{elapsed:>8}").dimmed());
        match &self.bar {
            Some(bar) => bar.suspend(|| out::prose(&line)),
            None => out::prose(&line),
        }
    }

    /// A new phase begins, when it is another one.
    pub(crate) fn phase(&self, phase: &str) {
        let mut steps = self.steps();
        if steps.phase.as_deref() != Some(phase) {
            steps.phase = Some(phase.to_owned());
            drop(steps);
            self.say(&phase.bold().to_string());
        }
    }

    pub(crate) fn begin(&self, step: &str, title: &str) {
        self.steps().began.insert(step.to_owned(), Instant::now());
        if let Some(bar) = &self.bar {
            bar.set_message(title.to_owned());
        }
    }

    pub(crate) fn waiting(&self, waiting: &Waiting<'_>) {
        let Waiting { step, title, because, left, bytes } = waiting;
        let mut told = format!("{title}: {because}");
        if let Some((done, total)) = bytes {
            told = format!("{title}: {} of {}", render::bytes(*done), render::bytes(*total));
        }
        if let Some(left) = left {
            told = format!("{told} (given up in {})", elapsed(*left));
        }
        if let Some(bar) = &self.bar {
            bar.set_message(told);
            return;
        }
        let mut steps = self.steps();
        let now = Instant::now();
        let began = steps.began.get(*step).copied().unwrap_or(now);
        let last = steps.told.get(*step).map_or(began, |(at, _)| *at);
        if now.duration_since(last) < HEARTBEAT {
            return;
        }
        steps.told.insert((*step).to_owned(), (now, (*because).to_owned()));
        drop(steps);
        self.say(&format!("  waiting: {told}"));
    }

    pub(crate) fn done(&self, step: &str, title: &str) {
        let took = self.forget(step);
        let took = took.filter(|took| *took >= Duration::from_millis(100));
        let took = took.map(|took| format!(" ({})", elapsed(took))).unwrap_or_default();
        self.say(&format!("  {title}{}", took.dimmed()));
    }

    pub(crate) fn failed(&self, step: &str, title: &str, because: &str) {
        self.forget(step);
        self.say(&format!("  {} {title}: {because}", "failed:".red().bold()));
    }

    fn forget(&self, step: &str) -> Option<Duration> {
        let mut steps = self.steps();
        steps.told.remove(step);
        steps.began.remove(step).map(|began| began.elapsed())
    }

    /// Nothing may move on the terminal while a question is open.
    pub(crate) fn suspend<T>(&self, ask: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(ask),
            None => ask(),
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn elapsed(duration: Duration) -> String {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    render::duration(jiff::SignedDuration::from_millis(millis))
}
