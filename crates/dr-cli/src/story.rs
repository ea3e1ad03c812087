//! A run with everything that was written down of it, and what follows for whoever reads about it.

use std::collections::BTreeMap;

use dr_core::fingerprint::{Degree, Difference, Evidence, Fingerprint, differences};
use dr_run::action::{Action, Phase, Reading, Step, StepName};
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::run::{Next, Outcome, Run, StepState};
use jiff::{SignedDuration, Timestamp};

use crate::exit::Exit;

mod ahead;

/// A run and its journal.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) run: Run,
    pub(crate) entries: Vec<Entry>,
}

/// How long one phase took, in the direction the run walks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PhaseTime {
    pub(crate) phase: Phase,
    pub(crate) done: usize,
    pub(crate) total: usize,
    pub(crate) began: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

impl PhaseTime {
    pub(crate) fn took(&self) -> Option<SignedDuration> {
        Some(self.ended?.duration_since(self.began?))
    }
}

/// What is known of one staged volume.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    pub(crate) claim: String,
    pub(crate) degree: Degree,
    pub(crate) notes: Vec<String>,
    pub(crate) staged: Fingerprint,
    /// What the live volume holds, where it could be read.
    pub(crate) live: Option<Fingerprint>,
}

impl Proof {
    /// Part by part, what differs; none when the live volume could not be read.
    pub(crate) fn differences(&self) -> Option<Vec<Difference>> {
        self.live.as_ref().map(|live| differences(live, &self.staged))
    }
}

impl Story {
    /// How the run ended, or none while it is to go on.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self.run.next() {
            Next::Finished(outcome) => Some(outcome),
            Next::Settle(_) | Next::Perform { .. } | Next::Turn { .. } => None,
        }
    }

    /// What comes next, as sentences.
    pub(crate) fn ahead(&self) -> Vec<String> {
        match self.run.next() {
            Next::Finished(_) => Vec::new(),
            Next::Settle(steps) => steps.iter().map(|step| format!("look what is left of: {}", step.title)).collect(),
            Next::Perform { direction: Direction::Forward, steps } => {
                steps.iter().map(|step| step.title.clone()).collect()
            }
            Next::Perform { direction: Direction::Back, steps } => {
                steps.iter().map(|step| format!("take back: {}", step.title)).collect()
            }
            Next::Turn { because, .. } => vec![format!("take back what was done: {because}")],
        }
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        let outcome = self.outcome()?;
        // A copy that brings nothing back is no use to anybody: the backup is younger than the damage.
        if let Outcome::RolledBack { why: Turn::Declined, .. } = &outcome
            && brings_back(&self.proofs()) == Some(false)
        {
            return Some(Exit::NotVerified);
        }
        Some(Exit::from(&outcome))
    }

    /// Entries of the direction the run walks now.
    fn leg(&self) -> &[Entry] {
        let turned = self.entries.iter().rposition(|entry| matches!(entry.event, Event::Turned { .. }));
        turned.and_then(|at| self.entries.get(at..)).unwrap_or(&self.entries)
    }

    pub(crate) fn phases(&self) -> Vec<PhaseTime> {
        let mut times = Vec::new();
        for phase in Phase::ALL {
            let steps: Vec<&Step> = self.run.plan().steps().filter(|step| step.phase == phase).collect();
            if steps.is_empty() {
                continue;
            }
            let (began, ended) = self.span(|step| step.phase == phase);
            let direction = self.run.direction();
            let done = steps.iter().filter(|step| arrived(self.run.state(&step.name), direction)).count();
            let total = steps.len();
            times.push(PhaseTime { phase, done, total, began, ended: ended.filter(|_| done == total) });
        }
        times
    }

    /// The time from the first intent to the last result among the chosen steps.
    fn span(&self, of: impl Fn(&Step) -> bool) -> (Option<Timestamp>, Option<Timestamp>) {
        let by_name: BTreeMap<&StepName, &Step> = self.run.plan().steps().map(|step| (&step.name, step)).collect();
        let chosen = |name: &StepName| by_name.get(name).is_some_and(|step| of(step));
        let (mut began, mut ended) = (None, None);
        for entry in self.leg() {
            match &entry.event {
                Event::Intent { steps, .. } if steps.iter().any(chosen) => {
                    began = began.or(Some(entry.at));
                }
                Event::Done { step, .. } | Event::Failed { step, .. } if chosen(step) => ended = Some(entry.at),
                Event::Intent { .. }
                | Event::Done { .. }
                | Event::Failed { .. }
                | Event::Taken { .. }
                | Event::Settled { .. }
                | Event::Confirmed { .. }
                | Event::Turned { .. }
                | Event::Finalized => {}
            }
        }
        (began, ended)
    }

    /// From the first writer being stopped to the last one being back, as the journal saw it.
    pub(crate) fn outage(&self) -> Option<SignedDuration> {
        let all_back =
            self.phases().into_iter().filter(|time| time.phase == Phase::Back).all(|time| time.ended.is_some());
        let (began, ended) = self.span(|step| matches!(step.phase, Phase::Quiesce | Phase::Swap | Phase::Back));
        if all_back { Some(ended?.duration_since(began?)) } else { None }
    }

    pub(crate) fn proofs(&self) -> Vec<Proof> {
        proofs(&self.run)
    }
}

/// What was found in each staged volume, in the order of the plan.
pub(crate) fn proofs(run: &Run) -> Vec<Proof> {
    let steps: Vec<(&str, &Reading, &str)> = run
        .plan()
        .steps()
        .filter_map(|step| match &step.forward.action {
            Action::Examine(examination) => {
                let bound = run.bindings().get(&examination.into)?;
                Some((subject(&step.name), &examination.reading, bound.as_str()))
            }
            Action::Observe
            | Action::Confirm
            | Action::Create { .. }
            | Action::Copy { .. }
            | Action::Patch { .. }
            | Action::Delete { .. }
            | Action::Clear { .. }
            | Action::PatchEach { .. } => None,
        })
        .collect();
    let live = |claim: &str| {
        let reported = steps.iter().find(|(of, reading, _)| *of == claim && matches!(reading, Reading::Report));
        reported.and_then(|(_, _, bound)| serde_json::from_str(bound).ok())
    };
    let mut proofs = Vec::new();
    for (claim, reading, bound) in &steps {
        if matches!(reading, Reading::Fingerprint { .. })
            && let Ok(Evidence { degree, found, notes }) = serde_json::from_str(bound)
            && !proofs.iter().any(|proof: &Proof| proof.claim == *claim)
        {
            let claim = (*claim).to_owned();
            proofs.push(Proof { live: live(&claim), claim, degree, notes, staged: found });
        }
    }
    proofs
}

/// Whether any of the staged volumes has something that the live ones lack; none when that cannot be known.
pub(crate) fn brings_back(proofs: &[Proof]) -> Option<bool> {
    let known: Option<Vec<bool>> =
        proofs.iter().map(|proof| proof.differences().map(|all| all.iter().any(Difference::brings_back))).collect();
    known.filter(|known| !known.is_empty()).map(|known| known.into_iter().any(|brings| brings))
}

/// The claim in a step's name: `verify/data-postgres-0/fingerprint`.
fn subject(name: &StepName) -> &str {
    name.0.split('/').nth(1).unwrap_or("")
}

fn arrived(state: &StepState, direction: Direction) -> bool {
    match (state, direction) {
        (StepState::Done, Direction::Forward) | (StepState::Pending, Direction::Back) => true,
        (StepState::Pending | StepState::Started(_) | StepState::Failed { .. }, Direction::Forward)
        | (StepState::Done | StepState::Started(_) | StepState::Failed { .. }, Direction::Back) => false,
    }
}
