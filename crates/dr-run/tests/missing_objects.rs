//! `--objects missing`: what comes of it when some object cannot be had.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use common::{Bookstore, By};
use dr_run::action::StepName;
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::plan::Plan;
use dr_run::run::{Next, Outcome, Run};
use dr_run::slot::Bindings;

const MISSING: &str = "keep/missing";

struct Told {
    run: Run,
    performed: Vec<String>,
}

impl Told {
    fn new(plan: Plan) -> Self {
        let mut told = Self { run: Run::new(plan), performed: Vec::new() };
        told.event(Event::Taken { by: "me".into() });
        told
    }

    fn event(&mut self, event: Event) {
        let at = "2026-01-02T12:00:00Z".parse().unwrap();
        self.run.apply(&Entry { at, epoch: 1, event }).unwrap();
    }

    /// To the end; the steps of these names fail on their way forward.
    fn on(&mut self, fails: &[&str]) -> Outcome {
        loop {
            match self.run.next() {
                Next::Finished(outcome) => return outcome,
                Next::Turn { to, why, because } => self.event(Event::Turned { to, why, because }),
                Next::Settle(steps) => {
                    let step = steps[0].name.clone();
                    self.event(Event::Settled { step, bound: Bindings::new() });
                }
                Next::Perform { direction, steps } => {
                    let steps: Vec<StepName> = steps.iter().map(|step| step.name.clone()).collect();
                    self.event(Event::Intent { steps: steps.clone(), direction });
                    for step in steps {
                        self.performed.push(format!("{direction:?} {step}"));
                        let event = if direction == Direction::Forward && fails.contains(&step.0.as_str()) {
                            Event::Failed { step, direction, because: "PartiallyFailed".into() }
                        } else {
                            Event::Done { step, direction, bound: Bindings::new() }
                        };
                        self.event(event);
                    }
                }
            }
        }
    }
}

fn plan() -> Plan {
    let mut bookstore = Bookstore::new(By::Snapshot);
    bookstore.request.objects_missing = true;
    bookstore.plan()
}

#[test]
fn an_object_that_cannot_be_had_is_said_and_no_data_is_taken_back() {
    let mut told = Told::new(plan());
    let outcome = told.on(&[MISSING]);
    assert_eq!(outcome, Outcome::Untidy { step: StepName(MISSING.into()), because: "PartiallyFailed".into() });
    assert!(told.run.switched());
    assert!(told.performed.iter().all(|done| done.starts_with("Forward")), "{:?}", told.performed);
    // What is behind it is tidied up all the same.
    assert!(told.performed.contains(&"Forward keep/data-postgres-0/content".to_owned()), "{:?}", told.performed);
}

#[test]
fn it_comes_after_the_application_is_back_and_can_be_tried_again() {
    let mut told = Told::new(plan());
    told.on(&[MISSING]);
    let at = |name: &str| told.performed.iter().position(|done| *done == format!("Forward {name}")).unwrap();
    assert!(at("back/deployment/orders") < at(MISSING));
    let again =
        Entry { at: "2026-01-02T12:00:00Z".parse().unwrap(), epoch: 2, event: Event::Taken { by: "me".into() } };
    told.run.apply(&again).unwrap();
    let Next::Perform { direction: Direction::Forward, steps } = told.run.next() else { panic!() };
    assert_eq!(steps.iter().map(|step| step.name.0.as_str()).collect::<Vec<_>>(), [MISSING]);
}

#[test]
fn whoever_goes_back_gets_no_more_objects() {
    let mut told = Told::new(plan());
    let outcome = told.on(&["back/deployment/orders"]);
    assert!(matches!(outcome, Outcome::RolledBack { why: Turn::NotVerified, .. }), "{outcome:?}");
    assert!(!told.performed.iter().any(|done| done.contains(MISSING)), "{:?}", told.performed);
    assert!(told.performed.contains(&"Forward keep/namespace".to_owned()), "{:?}", told.performed);
}
