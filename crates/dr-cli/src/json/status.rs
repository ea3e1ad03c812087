//! `kind: RunStatus`: a run with its evidence, times and what is next.

use dr_core::fingerprint::{Degree, Difference};
use dr_run::action::Phase;
use dr_run::journal::Direction;
use dr_run::run::Outcome;
use jiff::Timestamp;
use serde::Serialize;

use crate::exit::Exit;
use crate::json::VERSION;
use crate::story::{PhaseTime, Proof, Story};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunStatusV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    id: &'a str,
    namespace: &'a str,
    backup: &'a str,
    context: &'a str,
    server: &'a str,
    made: Timestamp,
    direction: Direction,
    /// Null while the run is to go on.
    outcome: Option<Outcome>,
    exit_code: Option<u8>,
    finalized: bool,
    /// The application runs on the restored volumes.
    switched: bool,
    outage_seconds: Option<f64>,
    expected_outage_seconds: u64,
    phases: Vec<PhaseV1>,
    steps: Vec<StepV1<'a>>,
    evidence: Vec<ProofV1>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhaseV1 {
    phase: Phase,
    done: usize,
    total: usize,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct StepV1<'a> {
    name: &'a str,
    phase: Phase,
    title: &'a str,
    state: String,
}

#[derive(Debug, Serialize)]
struct ProofV1 {
    claim: String,
    degree: Degree,
    notes: Vec<String>,
    engine: String,
    parts: usize,
    /// Null when the live volume could not be read.
    differences: Option<Vec<DifferenceV1>>,
}

#[derive(Debug, Serialize)]
struct DifferenceV1 {
    part: String,
    live: Option<u64>,
    staged: Option<u64>,
    changed: bool,
}

impl<'a> From<&'a Story> for RunStatusV1<'a> {
    fn from(story: &'a Story) -> Self {
        let plan = story.run.plan();
        let steps = plan.steps().map(|step| StepV1 {
            name: &step.name.0,
            phase: step.phase,
            title: &step.title,
            state: story.run.state(&step.name).to_string(),
        });
        Self {
            api_version: VERSION,
            kind: "RunStatus",
            id: &plan.id,
            namespace: &plan.place.namespace,
            backup: &plan.source.backup,
            context: &plan.place.context,
            server: &plan.place.server,
            made: plan.made,
            direction: story.run.direction(),
            outcome: story.outcome(),
            exit_code: story.exit().map(Exit::code),
            finalized: story.run.is_finalized(),
            switched: story.run.switched(),
            outage_seconds: story.outage().map(|outage| outage.as_secs_f64()),
            expected_outage_seconds: plan.expectation.outage_seconds,
            phases: story.phases().into_iter().map(PhaseV1::from).collect(),
            steps: steps.collect(),
            evidence: story.proofs().into_iter().map(ProofV1::from).collect(),
            next: story.ahead(),
        }
    }
}

impl RunStatusV1<'_> {
    /// With everything that would be done, not only what comes first.
    pub(crate) fn with_next(mut self, next: Vec<String>) -> Self {
        self.next = next;
        self
    }
}

impl From<PhaseTime> for PhaseV1 {
    fn from(time: PhaseTime) -> Self {
        let seconds = time.took().map(|took| took.as_secs_f64());
        let PhaseTime { phase, done, total, began, ended } = time;
        Self { phase, done, total, began, ended, seconds }
    }
}

impl From<Proof> for ProofV1 {
    fn from(proof: Proof) -> Self {
        let differences = proof.differences().map(|all| all.into_iter().map(DifferenceV1::from).collect());
        let Proof { claim, degree, notes, staged, live: _ } = proof;
        Self { claim, degree, notes, engine: staged.engine, parts: staged.parts.len(), differences }
    }
}

impl From<Difference> for DifferenceV1 {
    fn from(difference: Difference) -> Self {
        let Difference { part, live, staged, changed } = difference;
        Self { part, live, staged, changed }
    }
}
