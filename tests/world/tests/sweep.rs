//! Whole restores of random applications, stopped at every point.

#![allow(clippy::panic, reason = "a failed sweep is told whole")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use dr_world::app::shapes;
use dr_world::drive::Answers;
use dr_world::facts;
use dr_world::sweep::Sweep;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

/// Sweeps random applications until so many runs are done; a failure says which application and what happened.
fn sweep(at_least: usize, within: Duration, answers: Answers) -> usize {
    let began = Instant::now();
    let runs = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 10_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/sweep.txt"
        )))),
        max_shrink_iters: 16,
        ..ProptestConfig::default()
    });
    let result = runner.run(&shapes(), |shape| {
        if runs.get() >= at_least || began.elapsed() > within {
            return Ok(());
        }
        let app = shape.bring_up();
        let plan = facts::plan(&app).map_err(|refusal| TestCaseError::fail(format!("{refusal:?}")))?;
        let mut sweep = Sweep::new(&app, &plan, answers);
        let result = sweep.run();
        runs.set(runs.get() + sweep.runs.get());
        result.map_err(TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    runs.get()
}

/// The time is a backstop for slow machines; the number of runs is what counts.
const WITHIN: Duration = Duration::from_secs(600);

#[test]
fn a_crash_at_any_point_ends_where_the_undisturbed_run_ends() {
    let runs = sweep(10_000, WITHIN, Answers::default());
    assert!(runs >= 10_000, "only {runs} runs in {WITHIN:?}");
}

#[test]
fn a_copy_that_is_not_what_the_backup_recorded_leaves_everything_as_it_was() {
    let runs = sweep(1_000, WITHIN, Answers { damaged: true, ..Answers::default() });
    assert!(runs >= 1_000, "only {runs} runs in {WITHIN:?}");
}

#[test]
fn a_no_leaves_everything_as_it_was() {
    let runs = sweep(1_000, WITHIN, Answers { declines: true, ..Answers::default() });
    assert!(runs >= 1_000, "only {runs} runs in {WITHIN:?}");
}
