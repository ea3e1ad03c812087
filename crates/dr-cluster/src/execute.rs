//! The loop that carries a run on: one intent per wave, its steps side by side, their ends written as they come.
//!
//! What comes next is `Run::next`; this observes, acts, waits and writes, and decides nothing.

#[cfg(test)]
mod tests;

use std::time::Duration;

use dr_run::action::{Move, Step, StepName, Undo};
use dr_run::decide;
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::run::{IllegalEvent, Next, Outcome, Run};
use dr_run::slot::Bindings;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exec::Examiner;
use crate::journal_store::{JournalStore, Position, StoreError};
use crate::observe::{ObserveError, observe};
use crate::perform::{self, End, LetGo, Performer};
use crate::stop::{self, Point};

/// Steps of a wave at once: enough to hide latency, few enough for the API server's fair queuing.
const AT_ONCE: usize = 16;

/// What goes on, for whoever watches.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    Began {
        direction: Direction,
        steps: Vec<StepName>,
    },
    Waiting {
        step: StepName,
        because: String,
        left: Duration,
    },
    /// The API server does not answer; the step's deadline stands still.
    Retrying {
        step: StepName,
        because: String,
    },
    /// Bytes moved, of how many, and by which objects.
    Progress {
        step: StepName,
        done: u64,
        total: u64,
        objects: Vec<String>,
    },
    Done {
        step: StepName,
        direction: Direction,
        bound: Bindings,
    },
    Failed {
        step: StepName,
        direction: Direction,
        because: String,
    },
    Turned {
        to: Direction,
        why: Turn,
        because: String,
    },
}

/// What the user said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// `how` is written into the journal: `--yes`, `typed`.
    Yes {
        how: String,
    },
    No {
        because: String,
    },
}

/// Whoever sits in front of the run.
pub trait Watcher {
    fn notice(&mut self, notice: Notice);
    fn ask(&mut self, run: &Run, step: &Step) -> Consent;
}

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Finished(Outcome),
    /// Let go; the run is open and can be resumed.
    Detached {
        because: String,
    },
    /// A step takes longer than expected and goes on in the cluster.
    Late {
        step: StepName,
        waiting_for: String,
    },
    TakenOver {
        by: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error("the run cannot go on")]
    Illegal(#[from] IllegalEvent),
}

/// A run that this process has taken.
#[derive(Debug, Clone)]
pub struct Held {
    pub run: Run,
    pub position: Position,
}

/// Today's time; the one place where this crate reads the clock.
pub fn now() -> Timestamp {
    Timestamp::now()
}

pub struct Executor<'a, E> {
    pub store: &'a JournalStore,
    pub examiner: E,
    pub clock: fn() -> Timestamp,
    /// Cancelled by Ctrl-C: requests in flight are finished, nothing new is begun.
    pub cancel: CancellationToken,
    /// Cancelled when the time given is over. Heeded only while the run rests: a switch that has begun is brought to its
    /// end, or taken back, by the deadlines of its own steps.
    pub overdue: CancellationToken,
}

/// What stops the loop from inside a wave.
enum Stopped {
    Ended(Ended),
    Error(ExecuteError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TakenOver { by, .. } => Self::Ended(Ended::TakenOver { by }),
            StoreError::Api { cause, doing } if cause.is_unknown() => {
                Self::Ended(Ended::Detached { because: format!("cannot {doing}: {cause}") })
            }
            error @ (StoreError::NoSuchRun { .. }
            | StoreError::Exists { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::Damaged { .. }
            | StoreError::Api { .. }) => Self::Error(error.into()),
        }
    }
}

impl From<IllegalEvent> for Stopped {
    fn from(error: IllegalEvent) -> Self {
        Self::Error(error.into())
    }
}

impl<E: Examiner> Executor<'_, E> {
    /// Carries the run on until it is finished, or cannot be carried on here.
    pub async fn execute<W: Watcher>(&self, held: &mut Held, watcher: &mut W) -> Result<Ended, ExecuteError> {
        loop {
            if let Some(because) = self.let_go(held).now()
                && !matches!(held.run.next(), Next::Finished(_))
            {
                return Ok(Ended::Detached { because: because.to_owned() });
            }
            match self.one(held, watcher).await {
                Ok(None) => {}
                Ok(Some(outcome)) => return Ok(Ended::Finished(outcome)),
                Err(Stopped::Ended(ended)) => return Ok(ended),
                Err(Stopped::Error(error)) => return Err(error),
            }
        }
    }

    fn let_go(&self, held: &Held) -> LetGo<'_> {
        LetGo { cancel: &self.cancel, overdue: Some(&self.overdue).filter(|_| held.run.resting()) }
    }

    /// Writes events down and folds them into the run. After an error the run is not known any more: take it again.
    pub async fn append(&self, held: &mut Held, events: Vec<Event>) -> Result<(), ExecuteError> {
        let entries: Vec<Entry> =
            events.into_iter().map(|event| Entry { at: (self.clock)(), epoch: held.position.epoch(), event }).collect();
        // What does not fit is found out before it stands in the journal for good.
        let before = held.run.exchanges().to_vec();
        for entry in &entries {
            held.run.apply(entry)?;
        }
        self.store.append(&mut held.position, &entries).await?;
        if held.run.exchanges() != before {
            self.store.set_exchanges(&held.run.plan().id, held.run.exchanges()).await?;
        }
        Ok(())
    }

    async fn one<W: Watcher>(&self, held: &mut Held, watcher: &mut W) -> Result<Option<Outcome>, Stopped> {
        match held.run.next() {
            Next::Finished(outcome) => return Ok(Some(outcome)),
            Next::Turn { to, why, because } => {
                watcher.notice(Notice::Turned { to, why: why.clone(), because: because.clone() });
                self.write(held, vec![Event::Turned { to, why, because }]).await?;
            }
            Next::Settle(steps) => {
                let mut events = Vec::new();
                for step in steps {
                    let bound = self.settle(&step.forward, held.run.bindings()).await?;
                    events.push(Event::Settled { step: step.name.clone(), bound });
                }
                self.write(held, events).await?;
            }
            Next::Perform { direction, steps } => {
                let steps: Vec<Step> = steps.into_iter().cloned().collect();
                self.wave(held, watcher, direction, &steps).await?;
            }
        }
        Ok(None)
    }

    async fn write(&self, held: &mut Held, events: Vec<Event>) -> Result<(), Stopped> {
        match self.append(held, events).await {
            Ok(()) => Ok(()),
            Err(ExecuteError::Store(error)) => Err(error.into()),
            Err(error @ (ExecuteError::Observe(_) | ExecuteError::Illegal(_))) => Err(Stopped::Error(error)),
        }
    }

    async fn settle(&self, forward: &Move, bindings: &Bindings) -> Result<Bindings, Stopped> {
        // A slot that nothing bound: the step never got as far as a request.
        let Ok(queries) = decide::queries(forward, bindings) else { return Ok(Bindings::new()) };
        let deadline = Instant::now() + perform::UNREACHABLE;
        let seen = observe(self.store.connection(), &queries, deadline).await.map_err(|error| {
            if error.cause.is_passing() {
                Stopped::Ended(Ended::Detached { because: format!("{error}: {}", error.cause) })
            } else {
                Stopped::Error(error.into())
            }
        })?;
        Ok(decide::settle(forward, &seen, bindings).unwrap_or_default())
    }

    async fn wave<W: Watcher>(
        &self,
        held: &mut Held,
        watcher: &mut W,
        direction: Direction,
        steps: &[Step],
    ) -> Result<(), Stopped> {
        let names: Vec<StepName> = steps.iter().map(|step| step.name.clone()).collect();
        for name in &names {
            stop::at(Point::BeforeIntent, &name.0);
        }
        self.write(held, vec![Event::Intent { steps: names.clone(), direction }]).await?;
        watcher.notice(Notice::Began { direction, steps: names.clone() });
        for name in &names {
            stop::at(Point::AfterIntent, &name.0);
        }
        let (notices, mut told) = mpsc::unbounded_channel();
        let id = held.run.plan().id.clone();
        let epoch = held.position.epoch();
        let bindings = held.run.bindings().clone();
        // After the intent: the first wave of the switch is part of it.
        let let_go = self.let_go(held);
        let performer = Performer { store: self.store, examiner: &self.examiner, id: &id, epoch, let_go, notices };
        let performs: Vec<_> = steps
            .iter()
            .map(|step| {
                let one_way = one_way(&held.run, step, direction);
                let (performer, bindings) = (&performer, &bindings);
                async move {
                    let end = match one_way {
                        Some(one_way) => performer.perform(step, &one_way, bindings).await,
                        None => End::Done(Bindings::new()),
                    };
                    (step, end)
                }
            })
            .collect();
        let mut ends = Box::pin(stream::iter(performs).buffer_unordered(AT_ONCE).ready_chunks(AT_ONCE));
        let mut stopped = None;
        loop {
            let arrived = tokio::select! {
                biased;
                Some(notice) = told.recv() => {
                    watcher.notice(notice);
                    continue;
                }
                arrived = ends.next() => arrived,
            };
            let Some(arrived) = arrived else { break };
            let (events, stop) = events(&held.run, watcher, direction, arrived);
            // What ended well before the process must let go is written down all the same.
            let notices = events.iter().filter_map(notice_of).collect::<Vec<_>>();
            if !events.is_empty() {
                self.write(held, events).await?;
            }
            for notice in notices {
                watcher.notice(notice);
            }
            stopped = stopped.or(stop);
            if matches!(stopped, Some(Stopped::Error(_) | Stopped::Ended(Ended::TakenOver { .. }))) {
                break;
            }
        }
        stopped.map_or(Ok(()), Err)
    }
}

/// What is written down of steps that ended, and whether the loop must stop.
fn events<W: Watcher>(
    run: &Run,
    watcher: &mut W,
    direction: Direction,
    ends: Vec<(&Step, End)>,
) -> (Vec<Event>, Option<Stopped>) {
    let mut events = Vec::new();
    let mut stopped = None;
    for (step, end) in ends {
        let name = step.name.clone();
        match end {
            End::Done(bound) => {
                stop::at(Point::BeforeDone, &name.0);
                events.push(Event::Done { step: name, direction, bound });
            }
            End::Failed(because) => events.push(Event::Failed { step: name, direction, because }),
            End::Ask => match watcher.ask(run, step) {
                Consent::Yes { how } => {
                    events.push(Event::Confirmed { step: name.clone(), how });
                    events.push(Event::Done { step: name, direction, bound: Bindings::new() });
                }
                Consent::No { because } => {
                    events.push(Event::Failed { step: name, direction, because: format!("declined: {because}") });
                }
            },
            End::Late { waiting_for } => {
                stopped = stopped.or(Some(Stopped::Ended(Ended::Late { step: name, waiting_for })));
            }
            End::Detached { because } => {
                stopped = stopped.or(Some(Stopped::Ended(Ended::Detached { because })));
            }
            End::Lost(error) => stopped = Some(error.into()),
        }
    }
    (events, stopped)
}

fn notice_of(event: &Event) -> Option<Notice> {
    match event {
        Event::Done { step, direction, bound } => {
            Some(Notice::Done { step: step.clone(), direction: *direction, bound: bound.clone() })
        }
        Event::Failed { step, direction, because } => {
            Some(Notice::Failed { step: step.clone(), direction: *direction, because: because.clone() })
        }
        Event::Taken { .. }
        | Event::Intent { .. }
        | Event::Settled { .. }
        | Event::Confirmed { .. }
        | Event::Turned { .. }
        | Event::Finalized => None,
    }
}

/// What is to be done for a step in this direction; none when there is nothing to take back.
fn one_way(run: &Run, step: &Step, direction: Direction) -> Option<Move> {
    match (direction, &step.undo) {
        (Direction::Forward, _) => Some(step.forward.clone()),
        (Direction::Back, Undo::Move(back)) if !run.left_nothing(step) => Some((**back).clone()),
        (Direction::Back, Undo::Move(_) | Undo::Nothing { .. } | Undo::Impossible { .. }) => None,
    }
}
