//! The sweep finds what is taken out: each of these plans or processes lacks one thing that keeps a restore safe.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test of tests")]

use dr_run::action::{Action, Phase, Step, Undo};
use dr_run::condition::Condition;
use dr_run::plan::{Plan, Section};
use dr_world::app::{Keeps, Paths, Shape, Workload};
use dr_world::drive::Answers;
use dr_world::facts;
use dr_world::sweep::Sweep;

fn shape(seed: u64) -> Shape {
    let workload =
        |keeps| Workload { keeps, replicas: 1, postgres: true, when_scaled_delete: true, when_deleted_delete: false };
    Shape {
        seed,
        workloads: vec![workload(Keeps::Templates(1)), workload(Keeps::Nothing)],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Files,
        cron: false,
        claims_lost: false,
    }
}

/// Sweeps some applications with their plan changed; what the first complaint is, if there is one.
fn complaint(change: impl Fn(&mut Plan), unfenced: bool) -> Option<String> {
    (0..2).find_map(|seed| {
        let app = shape(seed).bring_up();
        let mut plan = facts::plan(&app).unwrap();
        change(&mut plan);
        let mut sweep = Sweep::new(&app, &plan, Answers::default());
        sweep.unfenced = unfenced;
        sweep.run().err()
    })
}

#[track_caller]
fn is_found(change: impl Fn(&mut Plan)) {
    assert!(complaint(change, false).is_some(), "nobody noticed");
}

fn each(plan: &mut Plan, phase: Phase, change: impl Fn(&mut Step)) {
    let steps = plan.waves.iter_mut().flat_map(|wave| &mut wave.steps).filter(|step| step.phase == phase);
    steps.for_each(change);
}

#[test]
fn the_plan_as_it_is_is_not_complained_about() {
    assert_eq!(complaint(|_| {}, false), None);
}

#[test]
fn old_volumes_that_are_not_protected() {
    is_found(|plan| {
        plan.waves.retain(|wave| wave.steps.iter().all(|step| step.phase != Phase::Protect));
        each(plan, Phase::Swap, |step| step.forward.expect.clear());
    });
}

#[test]
fn a_staged_volume_that_is_not_set_to_retain() {
    is_found(|plan| {
        for wave in &mut plan.waves {
            wave.steps.retain(|step| !(step.name.0.starts_with("verify/") && step.name.0.ends_with("/retain")));
        }
        each(plan, Phase::Release, |step| {
            step.forward.expect.clear();
            step.forward.until.retain(|condition| matches!(condition, Condition::Gone { .. }));
        });
    });
}

#[test]
fn claims_that_are_exchanged_under_running_pods() {
    is_found(|plan| {
        each(plan, Phase::Quiesce, |step| step.forward.until.clear());
        plan.waves.retain(|wave| !wave.steps.iter().any(|step| step.name.0.ends_with("/unused")));
        each(plan, Phase::Swap, |step| {
            step.forward.expect.retain(|condition| !matches!(condition, Condition::Unused { .. }));
        });
    });
}

#[test]
fn an_undo_in_forward_order() {
    is_found(|plan| {
        let undos: Vec<Undo> = switch(plan).map(|step| step.undo.clone()).collect();
        for (step, undo) in switch(plan).zip(undos.into_iter().rev()) {
            step.undo = undo;
        }
    });
}

fn switch(plan: &mut Plan) -> impl Iterator<Item = &mut Step> {
    plan.waves.iter_mut().filter(|wave| wave.section == Section::Switch).flat_map(|wave| &mut wave.steps)
}

#[test]
fn an_undo_that_leaves_the_reclaim_policy() {
    is_found(|plan| each(plan, Phase::Protect, |step| step.undo = Undo::nothing("forgotten")));
}

#[test]
fn an_undo_that_does_not_free_the_old_volume() {
    is_found(|plan| {
        each(plan, Phase::Swap, |step| {
            if matches!(step.forward.action, Action::Delete { .. }) {
                step.undo = Undo::nothing("forgotten");
            }
        });
    });
}

#[test]
fn writers_that_are_not_started_again() {
    is_found(|plan| plan.waves.retain(|wave| wave.steps.iter().all(|step| step.phase != Phase::Quiesce)));
}

#[test]
fn a_takeover_that_touches_nothing() {
    assert!(complaint(|_| {}, true).is_some(), "nobody noticed");
}
