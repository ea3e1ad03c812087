//! Performs a run on a world the way the executor does on a cluster, one small step at a time.
//!
//! A [`Driver`] is a value: to crash it is to drop it, to put it to sleep is to keep a copy.

use std::sync::Arc;

use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::action::{Action, Examination, Late, Move, Reading, Step, StepName, Undo};
use dr_run::decide::{self, Answer, Decision, Request, Said};
use dr_run::finalize::{self, KeptVolume};
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::plan::Plan;
use dr_run::run::{Next, Outcome, Run};
use dr_run::slot::Bindings;
use dr_run::withheld;
use serde_json::{Value, json};

use crate::api::{DeleteOptions, Refusal};
use crate::rng::Rng;
use crate::volume::Content;
use crate::world::World;

/// What one small step came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Moved {
    /// Something was written, sent or decided.
    On,
    /// Nothing but time went by.
    Waited,
    Finished(Outcome),
    /// A step that goes on in the cluster is late; the process lets go.
    Detached,
    /// Another process has taken the run.
    Fenced,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Flight {
    Look,
    /// Decided and checked against the journal; not sent yet.
    Act(Request),
    Done(Bindings),
    Failed(String),
}

#[derive(Debug, Clone)]
pub struct InFlight {
    pub step: StepName,
    deadline: u64,
    pub flight: Flight,
}

#[derive(Debug, Clone)]
struct Wave {
    direction: Direction,
    open: Vec<InFlight>,
}

/// What the person at the terminal and the examined engines say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    pub declines: bool,
    /// The staged copy's examination reports another content.
    pub damaged: bool,
}

#[derive(Debug, Clone)]
pub struct Driver {
    pub epoch: u64,
    run: Run,
    wave: Option<Wave>,
    /// Objects whose resourceVersion is still to be raised after a takeover; with the annotation set already or not.
    touch: Vec<(Key, bool)>,
    answers: Answers,
    rng: Rng,
    /// For testing the tests: leaves the touches of a takeover out.
    pub unfenced: bool,
}

const FENCE: &str = "kubectl-dr/fence";

impl Driver {
    /// Takes the run over from whoever held it, from the journal alone.
    pub fn take(world: &mut World, plan: &Plan, answers: Answers, seed: u64) -> Self {
        let mut run = Run::replay(plan.clone(), &world.journal).expect("the journal follows from itself");
        let epoch = run.epoch() + 1;
        let entry = Entry { at: world.timestamp(), epoch, event: Event::Taken { by: format!("process {epoch}") } };
        run.apply(&entry).expect("a higher epoch may always take a run");
        world.journal.push(entry);
        world.tell(format!("[{epoch}] taken"));
        if run.wants_withheld() {
            run.know(withheld(world, plan));
        }
        let mut touch = Vec::new();
        for (step, direction) in run.open_intents() {
            let Some(open) = one_way(step, direction) else { continue };
            let target = match &open.action {
                Action::Patch { target, .. } | Action::Delete { target, .. } => &target.object,
                Action::Observe
                | Action::Confirm
                | Action::Create { .. }
                | Action::Copy { .. }
                | Action::Clear { .. }
                | Action::PatchEach { .. }
                | Action::Examine(_) => {
                    continue;
                }
            };
            if let Ok(key) = target.resolve(run.bindings()) {
                touch.push((key, false));
            }
        }
        Self { epoch, run, wave: None, touch, answers, rng: Rng::new(seed), unfenced: false }
    }

    /// Writes down that the run is to go the other way. False when it goes there already.
    pub fn turn(&mut self, world: &mut World, to: Direction, why: Turn) -> bool {
        if self.run.direction() == to {
            return false;
        }
        let because = "asked for".to_owned();
        self.append(world, Event::Turned { to, why, because });
        true
    }

    pub fn run(&self) -> &Run {
        &self.run
    }

    pub fn in_flight(&self) -> &[InFlight] {
        self.wave.as_ref().map_or(&[], |wave| &wave.open)
    }

    /// It has not yet touched everything that its predecessor may still be about to change.
    pub fn takes_over(&self) -> bool {
        !self.touch.is_empty()
    }

    /// The copy's request is lost on the way: it looks again.
    pub fn lose_requests(&mut self) {
        for flight in self.wave.iter_mut().flat_map(|wave| &mut wave.open) {
            if matches!(flight.flight, Flight::Act(_)) {
                flight.flight = Flight::Look;
            }
        }
    }

    /// A process that wakes up sends what it had decided on, and learns only at its next write that it is too late.
    pub fn wake(&mut self, world: &mut World) {
        let requests: Vec<Request> = self
            .in_flight()
            .iter()
            .filter_map(|flight| match &flight.flight {
                Flight::Act(request) => Some(request.clone()),
                Flight::Look | Flight::Done(_) | Flight::Failed(_) => None,
            })
            .collect();
        for request in requests {
            let result = send(world, &request);
            world.tell(format!("[{}] wakes: {} -> {result:?}", self.epoch, describe(&request)));
        }
    }

    fn fenced(&self, world: &World) -> bool {
        world.journal.last().is_some_and(|entry| entry.epoch > self.epoch)
    }

    /// False when the journal is somebody else's by now; nothing is written then.
    fn append(&mut self, world: &mut World, event: Event) -> bool {
        if self.fenced(world) {
            return false;
        }
        world.tell(format!("[{}] {}", self.epoch, brief(&event)));
        let entry = Entry { at: world.timestamp(), epoch: self.epoch, event };
        if let Err(illegal) = self.run.apply(&entry) {
            panic!("{illegal}\n{}", world.trace.join("\n"));
        }
        world.journal.push(entry);
        true
    }

    /// One small step.
    pub fn advance(&mut self, world: &mut World) -> Moved {
        if let Some((key, set)) = self.touch.pop() {
            self.raise(world, key, set);
            return Moved::On;
        }
        if self.wave.as_ref().is_some_and(|wave| !wave.open.is_empty()) {
            return self.advance_wave(world);
        }
        let event = match self.run.next() {
            Next::Finished(outcome) => return Moved::Finished(outcome),
            Next::Turn { to, why, because } => Event::Turned { to, why, because },
            Next::Settle(steps) => {
                let step = steps[self.rng.below(steps.len())];
                let bound = match decide::queries(&step.forward, self.run.bindings()) {
                    Err(_nothing_to_name) => Bindings::new(),
                    Ok(queries) => {
                        decide::settle(&step.forward, &world.observe(&queries), self.run.bindings()).unwrap_or_default()
                    }
                };
                Event::Settled { step: step.name.clone(), bound }
            }
            Next::Perform { direction, steps } => {
                // The executor performs at most 16 at once; a smaller number here makes more orders.
                let steps: Vec<StepName> = steps.iter().map(|step| step.name.clone()).collect();
                let flight = |step: &StepName| {
                    let step = step.clone();
                    let within = self.direction(&step, direction).map_or(0, |open| open.within);
                    InFlight { step, deadline: world.now + within * 1000, flight: Flight::Look }
                };
                let open = steps.iter().map(flight).collect();
                self.wave = Some(Wave { direction, open });
                Event::Intent { steps, direction }
            }
        };
        if self.append(world, event) { Moved::On } else { Moved::Fenced }
    }

    fn raise(&mut self, world: &mut World, key: Key, set: bool) {
        if self.unfenced {
            return;
        }
        if world.get(&key).is_none() {
            return;
        }
        let value = if set { Value::Null } else { json!(self.epoch.to_string()) };
        let _gone_meanwhile = world.patch(&key, &json!({ "metadata": { "annotations": { FENCE: value } } }));
        world.tell(format!("[{}] touched {key}", self.epoch));
        if !set {
            self.touch.push((key, true));
        }
    }

    fn step(&self, name: &StepName) -> &Step {
        self.run.plan().steps().find(|step| step.name == *name).expect("the run names its own steps")
    }

    fn direction(&self, name: &StepName, direction: Direction) -> Option<&Move> {
        let step = self.step(name);
        if direction == Direction::Back && self.run.left_nothing(step) {
            return None;
        }
        one_way(step, direction)
    }

    fn advance_wave(&mut self, world: &mut World) -> Moved {
        let Some(wave) = self.wave.clone() else { return Moved::On };
        let index = self.rng.below(wave.open.len());
        let InFlight { step, deadline, flight } = wave.open[index].clone();
        let next = match flight {
            Flight::Look => match self.look(world, &step, wave.direction, deadline) {
                Ok(next) => next,
                Err(moved) => return moved,
            },
            Flight::Act(request) => {
                let result = send(world, &request);
                world.tell(format!("[{}] {} -> {}", self.epoch, describe(&request), outcome(&result)));
                match result {
                    Ok(()) => Flight::Look,
                    Err(refusal) if again(&refusal) => Flight::Look,
                    Err(refusal) => Flight::Failed(refusal.to_string()),
                }
            }
            Flight::Done(bound) => {
                let event = Event::Done { step, direction: wave.direction, bound };
                return self.close(world, index, event);
            }
            Flight::Failed(because) => {
                let event = Event::Failed { step, direction: wave.direction, because };
                return self.close(world, index, event);
            }
        };
        if let Some(wave) = &mut self.wave {
            wave.open[index].flight = next;
        }
        Moved::On
    }

    fn close(&mut self, world: &mut World, index: usize, event: Event) -> Moved {
        if !self.append(world, event) {
            return Moved::Fenced;
        }
        if let Some(wave) = &mut self.wave {
            wave.open.remove(index);
        }
        Moved::On
    }

    /// Observes, checks that the run is still ours, decides.
    fn look(
        &mut self,
        world: &mut World,
        step: &StepName,
        direction: Direction,
        deadline: u64,
    ) -> Result<Flight, Moved> {
        let Some(open) = self.direction(step, direction) else { return Ok(Flight::Done(Bindings::new())) };
        let bindings = self.run.bindings();
        let (late, within) = (open.late, open.within);
        let queries = decide::queries(open, bindings).unwrap_or_else(|error| panic!("{}: {error}", step.0));
        let seen = world.observe(&queries);
        if self.fenced(world) {
            return Err(Moved::Fenced);
        }
        let decision = decide::decide(open, &seen, bindings).unwrap_or_else(|error| panic!("{}: {error}", step.0));
        let because = match decision {
            Decision::Done(bound) => return Ok(Flight::Done(bound)),
            Decision::Act(request) | Decision::Anew { request, .. } => return Ok(Flight::Act(request)),
            Decision::Refused { because } => return Ok(Flight::Failed(because)),
            Decision::Ask => {
                if self.answers.declines {
                    return Ok(Flight::Failed("declined".to_owned()));
                }
                let event = Event::Confirmed { step: step.clone(), how: "--yes".to_owned() };
                return if self.append(world, event) { Ok(Flight::Done(Bindings::new())) } else { Err(Moved::Fenced) };
            }
            Decision::Examine { pod, examination } => match examine(world, self.answers, &pod, &examination) {
                Some(said) => {
                    let answer = decide::judge_answer(&examination, &said, bindings);
                    return Ok(match answer.unwrap_or_else(|error| panic!("{}: {error}", step.0)) {
                        Answer::Fits(bound) => Flight::Done(bound),
                        Answer::Rejected { because } => Flight::Failed(because),
                    });
                }
                None => format!("{pod} does not answer"),
            },
            Decision::Wait { because } => because,
        };
        if world.now >= deadline {
            return match late {
                Late::Detach => Err(Moved::Detached),
                Late::Fail => Ok(Flight::Failed(format!("not within {within} s: {because}"))),
            };
        }
        world.tick();
        Err(Moved::Waited)
    }
}

/// What the plan withholds, read where it stands.
pub fn withheld(world: &World, plan: &Plan) -> Bindings {
    let archive = world.backups.get(&plan.source.backup).map(|backup| crate::facts::archive(backup));
    let seen = world.observe(&withheld::queries(plan));
    withheld::values(plan, &seen, archive.as_ref()).expect("nothing of it was changed")
}

/// Closes a run as `finalize` does; what stays, or every reason why something was not done.
pub fn close(world: &mut World, run: &Run, discard_old: bool) -> Result<Vec<KeptVolume>, Vec<String>> {
    let seen = world.observe(&finalize::queries(run));
    let todo = finalize::closing(run, &seen, discard_old).map_err(|not_yet| vec![not_yet.to_string()])?;
    let mut left = Vec::new();
    for step in &todo.steps {
        if let Err(because) = close_step(world, &step.forward, run.bindings()) {
            left.push(format!("{}: {because}", step.title));
        }
    }
    let mut finalized = run.clone();
    let entry = Entry { at: world.timestamp(), epoch: run.epoch(), event: Event::Finalized };
    finalized.apply(&entry).expect("a run that has ended may be closed");
    world.journal.push(entry);
    if left.is_empty() { Ok(todo.kept) } else { Err(left) }
}

fn close_step(world: &mut World, forward: &Move, bindings: &Bindings) -> Result<(), String> {
    let queries = decide::queries(forward, bindings).map_err(|unbound| unbound.to_string())?;
    let deadline = world.now + forward.within * 1000;
    loop {
        let seen = world.observe(&queries);
        let because = match decide::decide(forward, &seen, bindings).map_err(|error| error.to_string())? {
            Decision::Done(_) => return Ok(()),
            Decision::Refused { because } => return Err(because),
            Decision::Act(request) | Decision::Anew { request, .. } => match send(world, &request) {
                Ok(()) => continue,
                Err(refusal) => refusal.to_string(),
            },
            Decision::Wait { because } => because,
            Decision::Ask | Decision::Examine { .. } => return Err("nobody can be asked here".to_owned()),
        };
        if world.now >= deadline {
            return Err(because);
        }
        world.tick();
    }
}

/// What an examination's shell prints: none while nothing answers.
pub fn examine(world: &World, answers: Answers, pod: &Key, examination: &Examination) -> Option<Said> {
    let silent = match examination.reading {
        Reading::Report => Some(Said { exit_code: 1, stdout: String::new(), stderr: "it does not answer".to_owned() }),
        Reading::Fingerprint { .. } | Reading::SameAs { .. } => None,
    };
    let Some(content) = mounted(world, pod, examination) else { return silent };
    let mut content = content.clone();
    if answers.damaged && pod.namespace.as_deref() != Some(crate::app::NAMESPACE) {
        content.digest ^= 1;
    }
    let stdout = match examination.reading {
        Reading::SameAs { .. } => content.identity.to_string(),
        Reading::Report | Reading::Fingerprint { .. } => content.answer(),
    };
    Some(Said { exit_code: 0, stdout, stderr: String::new() })
}

/// The content of the volume that the examined container has at the examined path.
fn mounted<'a>(world: &'a World, pod: &Key, examination: &Examination) -> Option<&'a Content> {
    let pod = world.get(pod).filter(|pod| pod.str_at("/status/phase") == Some("Running"))?;
    let mounts = world.mounts.get(pod.uid()?)?;
    let container = pod.list_at("/spec/containers").iter().find(|one| one["name"] == examination.container.as_str())?;
    let told = |path: &str| examination.command.iter().any(|word| word.contains(&format!("DR_MOUNT='{path}'\n")));
    let mount =
        container["volumeMounts"].as_array()?.iter().find(|mount| mount["mountPath"].as_str().is_some_and(told))?;
    let volume = pod.list_at("/spec/volumes").iter().find(|volume| volume["name"] == mount["name"])?;
    let claim = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()?;
    let mount = mounts.iter().find(|mount| mount.claim == claim)?;
    world.volumes.get(&mount.handle).map(|disk| &disk.content)
}

fn one_way(step: &Step, direction: Direction) -> Option<&Move> {
    match (direction, &step.undo) {
        (Direction::Forward, _) => Some(&step.forward),
        (Direction::Back, Undo::Move(back)) => Some(back),
        (Direction::Back, Undo::Nothing { .. } | Undo::Impossible { .. }) => None,
    }
}

/// Refusals after which the executor looks again.
fn again(refusal: &Refusal) -> bool {
    matches!(refusal.code, 404 | 409) || (refusal.code == 422 && refusal.message.contains("metadata.uid"))
}

/// Sends a request; what the server answers is what the world answers.
pub fn send(world: &mut World, request: &Request) -> Result<(), Refusal> {
    match request {
        Request::Create { key, object } => world.create(key, object).map(drop),
        Request::Copy { from, to, labels } => {
            let source = world.get(from).cloned().ok_or_else(|| Refusal::not_found(from))?;
            let mut object = source.0.clone();
            object["metadata"] = json!({ "labels": labels });
            world.create(to, &object).map(drop)
        }
        Request::Patch { key, patch } => world.patch(key, patch).map(drop),
        Request::Delete { key, uid, resource_version, grace_seconds } => {
            let options = DeleteOptions {
                uid: Some(uid.clone()),
                resource_version: Some(resource_version.clone()).filter(|version| !version.is_empty()),
                grace_seconds: *grace_seconds,
                orphan: false,
            };
            world.delete(key, &options).map(drop)
        }
    }
}

fn describe(request: &Request) -> String {
    match request {
        Request::Create { key, .. } => format!("create {key}"),
        Request::Copy { from, to, .. } => format!("copy {from} to {to}"),
        Request::Patch { key, patch } => format!("patch {key} {patch}"),
        Request::Delete { key, uid, .. } => format!("delete {key} {uid}"),
    }
}

fn outcome(result: &Result<(), Refusal>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}

fn brief(event: &Event) -> String {
    let names = |steps: &[StepName]| steps.iter().map(|step| step.0.as_str()).collect::<Vec<_>>().join(", ");
    match event {
        Event::Taken { by } => format!("taken by {by}"),
        Event::Intent { steps, direction } => format!("intent {direction:?} {}", names(steps)),
        Event::Done { step, direction, .. } => format!("done {direction:?} {}", step.0),
        Event::Failed { step, direction, because } => format!("failed {direction:?} {}: {because}", step.0),
        Event::Settled { step, bound } => format!("settled {} {bound:?}", step.0),
        Event::Confirmed { step, .. } => format!("confirmed {}", step.0),
        Event::Turned { to, why, because } => format!("turned {to:?} {why:?} {because}"),
        Event::Finalized => "finalized".to_owned(),
    }
}

/// The last lines of what happened.
pub fn tail(world: &World, lines: usize) -> String {
    let from = world.trace.len().saturating_sub(lines);
    let lines: Vec<Arc<str>> = world.trace[from..].to_vec();
    lines.join("\n")
}

/// For a test that fails: everything of a namespace that matters, in a line each.
pub fn sketch(world: &World) -> String {
    let shown = [Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::Pod, Kind::StatefulSet, Kind::Deployment];
    let objects = world.objects().filter(|(key, _)| shown.contains(&key.kind));
    let line = |(key, object): (&Key, &Arc<dr_core::object::Object>)| {
        let phase = object.str_at("/status/phase").unwrap_or("");
        let volume = object.str_at("/spec/volumeName").unwrap_or("");
        let reference = object.at("/spec/claimRef").map(ToString::to_string).unwrap_or_default();
        format!("  {key} {phase} {volume} {reference} terminating={}", object.is_terminating())
    };
    world.without_uids(&objects.map(line).collect::<Vec<_>>().join("\n"))
}
