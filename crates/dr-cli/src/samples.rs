//! One plan and its runs, as tests of the face need them.

use std::collections::BTreeMap;

use dr_core::fingerprint::{Degree, Evidence, Expected, Fingerprint, Part, Taken};
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::action::{Action, Examination, Move, Phase, Reading, Step, StepName, Target, Undo};
use dr_run::condition::{Condition, Field};
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::plan::{DataPath, Expectation, LeftOut, PassedOver, Place, Plan, Section, Source, VolumePlan, Wave};
use dr_run::run::Run;
use dr_run::slot::{Bindings, Slot, Spot};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::story::Story;

pub(crate) const MADE: Timestamp = Timestamp::constant(1_769_828_400, 0);

fn ago(seconds: i64) -> Timestamp {
    MADE - SignedDuration::from_secs(seconds)
}

pub(crate) fn plan() -> Plan {
    Plan {
        format: dr_run::plan::FORMAT,
        id: "q4ws2tze".into(),
        made: MADE,
        place: Place {
            context: "prod".into(),
            server: "https://kube.example:6443".into(),
            namespace: "shop".into(),
            cluster_uid: "5f0c".into(),
            velero_namespace: "velero".into(),
            staging_namespace: "shop-dr-q4ws2tze".into(),
        },
        source: Source {
            backup: "nightly-2".into(),
            uid: "b2".into(),
            started: ago(18_732),
            because: "the newest that covers every volume asked for; 1 newer passed over".into(),
            passed_over: vec![PassedOver { backup: "nightly-3".into(), because: "its phase is Failed".into() }],
        },
        namespace_gone: false,
        volumes: vec![VolumePlan {
            claim: "data-postgres-0".into(),
            path: DataPath::FileSystem,
            taken: ago(18_700),
            bytes: Some(47_652_502),
            engine: "postgres".into(),
            old_volume: Some("pvc-old".into()),
            old_volume_uid: Some("v1".into()),
            older_run: None,
            reclaim_policy: "Delete".into(),
            storage_class: "fast".into(),
            request: "1Gi".into(),
            because: "file-system backup of volume data in pod postgres-0".into(),
        }],
        left_out: vec![LeftOut { claim: "cache-0".into(), because: "named by --leave".into() }],
        objects_missing: vec!["configmap/settings".into()],
        objects_restored: false,
        warnings: vec!["deployment/orders has no readiness probe".into()],
        expectation: Expectation {
            outage_seconds: 30,
            outage_because: "stopping the pods, exchanging claims, starting them".into(),
            data_loss_seconds: 18_700,
            stage_seconds: 16,
        },
        bindings: Bindings::from([(Slot::new("claim-uid/data-postgres-0"), "c1".to_owned())]),
        withheld: Vec::new(),
        premises: vec![Condition::is(claim(), "c1", vec![Field::equals("/spec/volumeName", "pvc-old")])],
        waves: vec![
            wave(Section::Prepare, vec![stage()]),
            wave(Section::Prepare, vec![read(), live()]),
            wave(Section::Prepare, vec![confirm()]),
            wave(Section::Switch, vec![scale("quiesce", Phase::Quiesce, 1, 0)]),
            wave(Section::Switch, vec![delete()]),
            wave(Section::Switch, vec![scale("back", Phase::Back, 0, 1)]),
        ],
    }
}

fn wave(section: Section, steps: Vec<Step>) -> Wave {
    Wave { section, steps }
}

fn step(name: &str, phase: Phase, title: &str, forward: Move, undo: Undo) -> Step {
    Step { name: StepName(name.to_owned()), phase, title: title.to_owned(), forward, undo }
}

fn claim() -> Key {
    Key::namespaced(Kind::PersistentVolumeClaim, "shop", "data-postgres-0")
}

fn stage() -> Step {
    let object = Spot::cluster(Kind::Namespace, "shop-dr-q4ws2tze");
    let action = Action::Create { object: object.clone(), template: json!({ "metadata": {} }).into() };
    let forward = Move::new(action, 60).bind("staging-uid", object, "/metadata/uid");
    step("stage/namespace", Phase::Stage, "create the staging namespace", forward, Undo::nothing("kept for the test"))
}

fn examine(name: &str, title: &str, reading: Reading, into: &str) -> Step {
    let examination = Examination {
        pod: Spot::namespaced(Kind::Pod, "shop-dr-q4ws2tze", "dr-postgres-0"),
        container: "postgres".into(),
        command: vec!["sh".into(), "-c".into(), "true".into()],
        seconds: 60,
        reading,
        into: Slot::new(into),
    };
    step(name, Phase::Verify, title, Move::new(Action::Examine(examination), 120), Undo::nothing("it only read"))
}

fn read() -> Step {
    let expected = Expected {
        engine: "postgres".into(),
        taken: Taken::FileCopy,
        before: None,
        after: None,
        accept_unproven: false,
    };
    let reading = Reading::Fingerprint { expected: Box::new(expected) };
    examine("verify/data-postgres-0/read", "read the restored data-postgres-0 through", reading, "evidence")
}

fn live() -> Step {
    examine("verify/data-postgres-0/live", "read what the live data-postgres-0 holds now", Reading::Report, "live")
}

fn confirm() -> Step {
    let forward = Move::new(Action::Confirm, 3600);
    step(
        "confirm",
        Phase::Confirm,
        "show what comes back and what is lost, and ask",
        forward,
        Undo::nothing("a question"),
    )
}

fn scale(name: &str, phase: Phase, from: i64, to: i64) -> Step {
    let set = Key::namespaced(Kind::StatefulSet, "shop", "postgres");
    let patch = |replicas: i64| {
        let target = Target { object: set.clone().into(), uid: "s1".into() };
        let action = Action::Patch { target, patch: json!({ "spec": { "replicas": replicas } }).into() };
        Move::new(action, 300).until(Condition::is(set.clone(), "s1", vec![Field::equals("/spec/replicas", replicas)]))
    };
    let title = format!("scale statefulset/postgres from {from} to {to}");
    step(&format!("{name}/postgres"), phase, &title, patch(to), Undo::by(patch(from)))
}

fn delete() -> Step {
    let target = Target { object: claim().into(), uid: "c1".into() };
    let forward = Move::new(Action::Delete { target, grace_seconds: None }, 60);
    let undo = Undo::Impossible { because: "only in this test".into() };
    step("swap/data-postgres-0/delete", Phase::Swap, "delete the live claim data-postgres-0", forward, undo)
}

/// Tables with their rows.
pub(crate) fn fingerprint(tables: &[(&str, u64)]) -> Fingerprint {
    let part = |count: u64| Part { count, bytes: None, digest: Some(format!("d{count}")) };
    let parts: BTreeMap<String, Part> = tables.iter().map(|(name, count)| ((*name).to_owned(), part(*count))).collect();
    Fingerprint { format: 1, engine: "postgres".into(), identity: None, version: None, parts, notes: Vec::new() }
}

/// What is written while the plan is carried out, a second apart.
pub(crate) struct Diary {
    run: Run,
    entries: Vec<Entry>,
    at: Timestamp,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self { run: Run::new(plan()), entries: Vec::new(), at: MADE }
    }

    fn write(&mut self, event: Event) {
        self.at += SignedDuration::from_secs(1);
        let entry = Entry { at: self.at, epoch: 1, event };
        self.run.apply(&entry).unwrap();
        self.entries.push(entry);
    }

    pub(crate) fn turned(mut self, why: Turn, because: &str) -> Self {
        self.write(Event::Turned { to: Direction::Back, why, because: because.to_owned() });
        self
    }

    /// Goes back to the end.
    pub(crate) fn taken_back(mut self) -> Self {
        use dr_run::run::Next;
        let direction = Direction::Back;
        loop {
            let events: Vec<Event> = match self.run.next() {
                Next::Perform { steps, .. } => {
                    let names: Vec<StepName> = steps.iter().map(|step| step.name.clone()).collect();
                    let done = |step| Event::Done { step, direction, bound: Bindings::new() };
                    let intent = Event::Intent { steps: names.clone(), direction };
                    std::iter::once(intent).chain(names.into_iter().map(done)).collect()
                }
                Next::Finished(_) | Next::Settle(_) | Next::Turn { .. } => return self,
            };
            for event in events {
                self.write(event);
            }
        }
    }

    /// Does every step up to this one, this one included.
    pub(crate) fn up_to(mut self, last: &str, live: Option<&Fingerprint>, staged: &Fingerprint) -> Self {
        self.write(Event::Taken { by: "me@laptop/1".into() });
        for wave in plan().waves {
            let names: Vec<StepName> = wave.steps.iter().map(|step| step.name.clone()).collect();
            self.write(Event::Intent { steps: names.clone(), direction: Direction::Forward });
            for step in names.clone() {
                let bound = match step.0.as_str() {
                    "verify/data-postgres-0/read" => {
                        let notes = vec!["2 of 2 equal to the fingerprint".to_owned()];
                        let evidence = Evidence { degree: Degree::Proven, found: staged.clone(), notes };
                        Bindings::from([(Slot::new("evidence"), serde_json::to_string(&evidence).unwrap())])
                    }
                    "verify/data-postgres-0/live" => {
                        let text = live.map_or_else(String::new, |live| serde_json::to_string(live).unwrap());
                        Bindings::from([(Slot::new("live"), text)])
                    }
                    _ => Bindings::new(),
                };
                self.write(Event::Done { step, direction: Direction::Forward, bound });
            }
            if names.iter().any(|name| name.0 == last) {
                break;
            }
        }
        self
    }

    /// The wave after is begun, and this step of it failed.
    pub(crate) fn failed(mut self, name: &str, because: &str) -> Self {
        let step = StepName(name.to_owned());
        let direction = Direction::Forward;
        self.write(Event::Intent { steps: vec![step.clone()], direction });
        self.write(Event::Failed { step, direction, because: because.to_owned() });
        self
    }

    pub(crate) fn story(self) -> Story {
        Story { run: self.run, entries: self.entries }
    }
}

/// The table `books` was dropped; `orders` went on growing.
pub(crate) fn restored() -> Story {
    let live = fingerprint(&[("shop.public.orders", 60)]);
    let staged = fingerprint(&[("shop.public.books", 1000), ("shop.public.orders", 20)]);
    Diary::new().up_to("back/postgres", Some(&live), &staged).story()
}
