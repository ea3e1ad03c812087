//! What comes next: folded from the plan and the journal's events, and from nothing else.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{Phase, Step, StepName, Undo};
use crate::journal::{Direction, Entry, Event, Turn};
use crate::plan::{Plan, Section, Wave};
use crate::slot::Bindings;

/// Where one step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Not begun, or taken back.
    Pending,
    /// Intent written, result unknown.
    Started(Direction),
    Done,
    Failed {
        direction: Direction,
        because: String,
    },
}

/// How a run ended, or where it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    Restored,
    /// Restored or taken back, but of what was to be done afterwards this failed: something is not tidied up, or objects
    /// that were missing are not back.
    Untidy {
        step: StepName,
        because: String,
    },
    /// A step failed; what was done before it was taken back.
    RolledBack {
        why: Turn,
        because: String,
    },
    Undone,
    /// Taking a step back failed; a person must look.
    Stuck {
        step: StepName,
        because: String,
    },
}

/// What the edge does next.
#[derive(Debug, PartialEq)]
pub enum Next<'a> {
    /// Look what these started steps have left, before they are taken back.
    Settle(Vec<&'a Step>),
    /// Do these; they do not depend on each other.
    Perform {
        direction: Direction,
        steps: Vec<&'a Step>,
    },
    /// Write down that the run turns.
    Turn {
        to: Direction,
        why: Turn,
        because: String,
    },
    Finished(Outcome),
}

/// An event that does not fit what happened before it: the journal is damaged, or of a newer version.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the journal says {event:?}, which cannot follow on {state}")]
pub struct IllegalEvent {
    pub event: Box<Event>,
    pub state: String,
}

/// A time in which volumes were being exchanged; a backup that overlaps it holds neither the old nor the new state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub from: Timestamp,
    /// None while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A plan, and everything that has happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    plan: Plan,
    bindings: Bindings,
    states: BTreeMap<StepName, StepState>,
    settled: BTreeMap<StepName, bool>,
    direction: Direction,
    turned: Option<(Turn, String)>,
    /// Some step of the switch was begun once. From then on the staged copy is no scratch data any more, and what was
    /// prepared is tidied, never taken back.
    switch_touched: bool,
    exchanges: Vec<Exchange>,
    epoch: u64,
    finalized: bool,
}

impl Run {
    pub fn new(plan: Plan) -> Self {
        let states = plan.steps().map(|step| (step.name.clone(), StepState::Pending)).collect();
        let bindings = plan.bindings.clone();
        Self {
            plan,
            bindings,
            states,
            settled: BTreeMap::new(),
            direction: Direction::Forward,
            turned: None,
            switch_touched: false,
            exchanges: Vec::new(),
            epoch: 0,
            finalized: false,
        }
    }

    /// The run that a journal tells of.
    pub fn replay(plan: Plan, entries: &[Entry]) -> Result<Self, IllegalEvent> {
        let mut run = Self::new(plan);
        for entry in entries {
            run.apply(entry)?;
        }
        Ok(run)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Whether what the plan withholds is still to be written into a pod.
    pub fn wants_withheld(&self) -> bool {
        let reads = |step: &Step| {
            let slots = step.forward.reads();
            self.plan.withheld.iter().any(|withheld| slots.contains(&withheld.slot))
        };
        self.direction == Direction::Forward
            && !self.switch_touched
            && self.plan.steps().any(|step| *self.state(&step.name) != StepState::Done && reads(step))
    }

    /// Values of what the plan withholds, for this process alone: no event carries them.
    pub fn know(&mut self, withheld: Bindings) {
        self.bindings.extend(withheld);
    }

    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Of the process that holds the run; 0 before anybody took it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn is_finalized(&self) -> bool {
        self.finalized
    }

    pub fn state(&self, step: &StepName) -> &StepState {
        self.states.get(step).unwrap_or(&StepState::Pending)
    }

    /// The steps whose intent is written and whose result is not: whoever takes the run over touches their objects.
    pub fn open_intents(&self) -> Vec<(&Step, Direction)> {
        self.plan
            .steps()
            .filter_map(|step| match self.state(&step.name) {
                StepState::Started(direction) => Some((step, *direction)),
                StepState::Pending | StepState::Done | StepState::Failed { .. } => None,
            })
            .collect()
    }

    /// Whether anything the application could notice was ever begun.
    pub fn switch_touched(&self) -> bool {
        self.switch_touched
    }

    /// When volumes were being exchanged, oldest first.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Nothing of the switch is half done: the application runs on what it had, or on what it gets. A process may let
    /// go of the run here without leaving the application stopped.
    pub fn resting(&self) -> bool {
        !self.begun(Section::Switch) || (self.direction == Direction::Forward && self.switched())
    }

    fn note_exchange(&mut self, at: Timestamp) {
        let resting = match self.direction {
            Direction::Forward => self.switched(),
            Direction::Back => !self.begun(Section::Switch),
        };
        let open = self.exchanges.last().is_some_and(|last| last.until.is_none());
        let moving =
            self.open_intents().iter().any(|(step, _)| self.of(Section::Switch).any(|of| of.name == step.name));
        if !open && moving {
            self.exchanges.push(Exchange { from: at, until: None });
        } else if open
            && resting
            && let Some(last) = self.exchanges.last_mut()
        {
            last.until = Some(at);
        }
    }

    /// Every step of the switch is done: the application runs on the restored volumes.
    pub fn switched(&self) -> bool {
        self.of(Section::Switch).all(|step| *self.state(&step.name) == StepState::Done)
    }

    fn begun(&self, section: Section) -> bool {
        self.of(section).any(|step| *self.state(&step.name) != StepState::Pending)
    }

    fn of(&self, section: Section) -> impl Iterator<Item = &Step> {
        self.plan.waves.iter().filter(move |wave| wave.section == section).flat_map(|wave| &wave.steps)
    }

    pub fn next(&self) -> Next<'_> {
        match self.direction {
            Direction::Forward => self.next_forward(),
            Direction::Back => self.next_back(),
        }
    }

    fn next_forward(&self) -> Next<'_> {
        let mut untidy = None;
        for wave in &self.plan.waves {
            let open: Vec<&Step> =
                wave.steps.iter().filter(|step| *self.state(&step.name) != StepState::Done).collect();
            if open.is_empty() {
                continue;
            }
            let running: Vec<&Step> = open.iter().copied().filter(|step| !self.failed(&step.name)).collect();
            return match (self.failure(&open), wave.section) {
                (None, _) => Next::Perform { direction: Direction::Forward, steps: running },
                (Some((step, because)), Section::Keep) => {
                    untidy = untidy.or_else(|| Some(Outcome::Untidy { step: step.name.clone(), because }));
                    if running.is_empty() {
                        continue;
                    }
                    Next::Perform { direction: Direction::Forward, steps: running }
                }
                (Some((step, because)), Section::Prepare | Section::Switch) => {
                    let why = match step.phase {
                        Phase::Verify | Phase::Back => Turn::NotVerified,
                        Phase::Confirm => Turn::Declined,
                        Phase::Stage | Phase::Release | Phase::Protect | Phase::Quiesce | Phase::Swap | Phase::Keep => {
                            Turn::StepFailed
                        }
                    };
                    let because = format!("{}: {because}", step.title);
                    Next::Turn { to: Direction::Back, why, because }
                }
            };
        }
        Next::Finished(untidy.unwrap_or(Outcome::Restored))
    }

    fn failure<'a>(&self, steps: &[&'a Step]) -> Option<(&'a Step, String)> {
        steps.iter().find_map(|step| match self.state(&step.name) {
            StepState::Failed { because, .. } => Some((*step, because.clone())),
            StepState::Pending | StepState::Started(_) | StepState::Done => None,
        })
    }

    fn next_back(&self) -> Next<'_> {
        let section = if self.switch_touched { Section::Switch } else { Section::Prepare };
        for wave in self.plan.waves.iter().rev().filter(|wave| wave.section == section) {
            if let Some(next) = self.wave_back(wave) {
                return next;
            }
        }
        if self.switch_touched
            && let Some(next) = self.tidy()
        {
            return next;
        }
        Next::Finished(match &self.turned {
            None | Some((Turn::UndoRequested, _)) => Outcome::Undone,
            Some((why @ (Turn::StepFailed | Turn::NotVerified | Turn::Declined | Turn::RedoRequested), because)) => {
                Outcome::RolledBack { why: why.clone(), because: because.clone() }
            }
        })
    }

    fn wave_back<'a>(&'a self, wave: &'a Wave) -> Option<Next<'a>> {
        let open: Vec<&Step> = wave.steps.iter().filter(|step| *self.state(&step.name) != StepState::Pending).collect();
        if open.is_empty() {
            return None;
        }
        for step in &open {
            if let StepState::Failed { direction: Direction::Back, because } = self.state(&step.name) {
                return Some(Next::Finished(Outcome::Stuck { step: step.name.clone(), because: because.clone() }));
            }
        }
        let unsettled: Vec<&Step> = open.iter().copied().filter(|step| self.needs_settling(&step.name)).collect();
        if !unsettled.is_empty() {
            return Some(Next::Settle(unsettled));
        }
        Some(Next::Perform { direction: Direction::Back, steps: open })
    }

    fn needs_settling(&self, name: &StepName) -> bool {
        let forward_unknown = matches!(
            self.state(name),
            StepState::Started(Direction::Forward) | StepState::Failed { direction: Direction::Forward, .. }
        );
        forward_unknown && !self.settled.get(name).copied().unwrap_or(false)
    }

    /// What is tidied up after the switch was taken back: the steps of `Keep`, forward. Those that bring something that
    /// nobody takes back are left out: whoever goes back wants nothing more of this backup.
    fn tidy(&self) -> Option<Next<'_>> {
        let mut untidy = None;
        for wave in self.plan.waves.iter().filter(|wave| wave.section == Section::Keep) {
            let open: Vec<&Step> = wave
                .steps
                .iter()
                .filter(|step| !matches!(step.undo, Undo::Impossible { .. }))
                .filter(|step| *self.state(&step.name) != StepState::Done)
                .collect();
            let running: Vec<&Step> = open.iter().copied().filter(|step| !self.failed(&step.name)).collect();
            if let Some((step, because)) = self.failure(&open) {
                untidy = untidy.or_else(|| Some(Outcome::Untidy { step: step.name.clone(), because }));
            }
            if !running.is_empty() {
                return Some(Next::Perform { direction: Direction::Forward, steps: running });
            }
        }
        untidy.map(Next::Finished)
    }

    fn failed(&self, name: &StepName) -> bool {
        matches!(self.state(name), StepState::Failed { .. })
    }

    /// A step that is taken back without having left anything: its undo has nothing to name.
    pub fn left_nothing(&self, step: &Step) -> bool {
        match &step.undo {
            Undo::Nothing { .. } | Undo::Impossible { .. } => true,
            Undo::Move(back) => {
                self.settled.contains_key(&step.name)
                    && back.reads().iter().any(|slot| !self.bindings.contains_key(slot))
            }
        }
    }

    pub fn apply(&mut self, entry: &Entry) -> Result<(), IllegalEvent> {
        let illegal = |state: String| Err(IllegalEvent { event: Box::new(entry.event.clone()), state });
        if entry.epoch < self.epoch {
            return illegal(format!("epoch {}", self.epoch));
        }
        if self.finalized {
            return illegal("a finalized run".to_owned());
        }
        match &entry.event {
            Event::Taken { .. } => {
                if entry.epoch <= self.epoch {
                    return illegal(format!("epoch {}", self.epoch));
                }
                self.epoch = entry.epoch;
                self.retry_failed();
            }
            Event::Intent { steps, direction } => {
                for step in steps {
                    match (self.state(step), direction) {
                        (StepState::Pending | StepState::Started(Direction::Forward), Direction::Forward)
                        | (
                            StepState::Done
                            | StepState::Started(_)
                            | StepState::Failed { direction: Direction::Forward, .. },
                            Direction::Back,
                        ) => {}
                        (state, _) => return illegal(format!("{step} {state}")),
                    }
                }
                for step in steps {
                    self.states.insert(step.clone(), StepState::Started(*direction));
                }
                self.switch_touched = self.switch_touched || self.begun(Section::Switch);
            }
            Event::Done { step, direction, bound } => match (self.state(step), direction) {
                (StepState::Started(started), direction) if started == direction => {
                    let state = if *direction == Direction::Forward { StepState::Done } else { StepState::Pending };
                    self.states.insert(step.clone(), state);
                    self.settled.remove(step);
                    self.bindings.extend(bound.clone());
                }
                (state, _) => return illegal(format!("{step} {state}")),
            },
            Event::Failed { step, direction, because } => match (self.state(step), direction) {
                (StepState::Started(started), direction) if started == direction => {
                    let state = StepState::Failed { direction: *direction, because: because.clone() };
                    self.states.insert(step.clone(), state);
                }
                (state, _) => return illegal(format!("{step} {state}")),
            },
            Event::Settled { step, bound } => {
                if !self.needs_settling(step) {
                    return illegal(format!("{step} {}", self.state(step)));
                }
                self.settled.insert(step.clone(), true);
                // What an earlier pass had bound is not what this one has left.
                let stale: Vec<_> = self
                    .plan
                    .steps()
                    .filter(|known| known.name == *step)
                    .flat_map(|known| known.forward.bound())
                    .collect();
                for slot in stale {
                    self.bindings.remove(&slot);
                }
                self.bindings.extend(bound.clone());
            }
            Event::Confirmed { .. } => {}
            Event::Turned { to, why, because } => {
                if *to == self.direction {
                    return illegal(format!("a run that goes {} already", direction_name(*to)));
                }
                self.direction = *to;
                self.turned = Some((why.clone(), because.clone()));
                self.settled.clear();
                if *to == Direction::Forward {
                    self.begin_again();
                }
            }
            Event::Finalized => self.finalized = true,
        }
        self.note_exchange(entry.at);
        Ok(())
    }

    /// A new holder tries again what has failed in a way that ended the walk.
    fn retry_failed(&mut self) {
        self.look_again_behind();
        let keep: Vec<StepName> = self.of(Section::Keep).map(|step| step.name.clone()).collect();
        for (name, state) in &mut self.states {
            if let StepState::Failed { direction, .. } = state
                && (*direction == Direction::Back || keep.contains(name))
            {
                *state = StepState::Started(*direction);
            }
        }
    }

    /// What stands in the way of an undo may be what an earlier process made after the steps behind were taken back: a
    /// request that was on its way for long. So the steps behind a stuck one are looked at and taken back once more.
    fn look_again_behind(&mut self) {
        let stuck =
            |step: &Step| matches!(self.state(&step.name), StepState::Failed { direction: Direction::Back, .. });
        let Some(at) = self.plan.waves.iter().position(|wave| wave.steps.iter().any(stuck)) else { return };
        let Some(section) = self.plan.waves.get(at).map(|wave| wave.section) else { return };
        let behind = self.plan.waves.iter().skip(at + 1).filter(|wave| wave.section == section);
        for step in behind.flat_map(|wave| &wave.steps) {
            if self.states.get(&step.name) == Some(&StepState::Pending) {
                self.states.insert(step.name.clone(), StepState::Started(Direction::Forward));
                self.settled.remove(&step.name);
            }
        }
    }

    /// A redo starts from a switch that was taken back whole; whatever is still open there is done again.
    fn begin_again(&mut self) {
        for state in self.states.values_mut() {
            match state {
                StepState::Failed { .. } | StepState::Started(Direction::Back) => {
                    *state = StepState::Started(Direction::Forward);
                }
                StepState::Pending | StepState::Started(Direction::Forward) | StepState::Done => {}
            }
        }
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Back => "back",
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Started(direction) => write!(f, "started {}", direction_name(*direction)),
            Self::Done => f.write_str("done"),
            Self::Failed { direction, because } => write!(f, "failed {}: {because}", direction_name(*direction)),
        }
    }
}
