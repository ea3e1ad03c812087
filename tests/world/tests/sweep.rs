//! Whole restores of random applications, stopped at every point.

#![allow(clippy::panic, clippy::expect_used, reason = "a failed sweep is told whole")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::decide::Request;
use dr_run::journal::{Direction, Turn};
use dr_run::run::Outcome;
use dr_world::app::{Keeps, NAMESPACE, Paths, Shape, Workload, shapes};
use dr_world::drive::{Answers, Driver, Flight, Moved};
use dr_world::facts;
use dr_world::sweep::{Sweep, rest};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

/// Sweeps random applications until so many runs are done; a failure says which application and what happened.
fn sweep(at_least: usize, paths: &'static [Paths], answers: Answers) {
    let began = Instant::now();
    let runs = Cell::new(0);
    let config = ProptestConfig {
        cases: 10_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/sweep.txt"
        )))),
        max_shrink_iters: 16,
        ..ProptestConfig::default()
    };
    let seed = seed();
    println!("DR_SEED={seed}");
    let mut bytes = [0; 32];
    for (byte, of_seed) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *byte = of_seed;
    }
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let shapes = shapes().prop_map(|shape| {
        let chosen = usize::try_from(shape.seed % 7).map_or(0, |seed| seed % paths.len());
        Shape { paths: *paths.get(chosen).unwrap_or(&shape.paths), ..shape }
    });
    let result = runner.run(&shapes, |shape| {
        if runs.get() >= at_least || began.elapsed() > WITHIN {
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
    let runs = runs.get();
    assert!(runs >= at_least, "only {runs} runs in {WITHIN:?}");
}

/// New applications on every run, or those of `DR_SEED` once more.
fn seed() -> u64 {
    let given = std::env::var("DR_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
    })
}

/// The time is a backstop for slow machines; the number of runs is what counts.
const WITHIN: Duration = Duration::from_secs(1800);

const FILES: &[Paths] = &[Paths::Files, Paths::Mixed];
const ALL: &[Paths] = &[Paths::Files, Paths::Snapshots, Paths::Mixed];

#[test]
fn a_crash_at_any_point_of_a_restore_from_files_ends_where_the_undisturbed_run_ends() {
    sweep(5_000, FILES, Answers::default());
}

#[test]
fn a_crash_at_any_point_of_a_restore_from_snapshots_ends_where_the_undisturbed_run_ends() {
    sweep(5_000, &[Paths::Snapshots], Answers::default());
}

#[test]
fn a_copy_that_is_not_what_the_backup_recorded_leaves_everything_as_it_was() {
    sweep(1_000, ALL, Answers { damaged: true, ..Answers::default() });
}

#[test]
fn a_no_leaves_everything_as_it_was() {
    sweep(1_000, ALL, Answers { declines: true, ..Answers::default() });
}

#[test]
fn an_autoscaler_that_wants_another_number_than_before_is_not_quarrelled_with() {
    let shape = Shape {
        seed: 5,
        workloads: vec![workload(Keeps::Claim, 1), workload(Keeps::Nothing, 2)],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Files,
        cron: false,
        claims_lost: false,
    };
    for (index, [least, most]) in [(1, [2, 3]), (1, [2, 1]), (0, [1, 2])] {
        let mut app = shape.bring_up();
        let name = Shape::name(index);
        let scaler = json!({ "spec": {
            "minReplicas": least, "maxReplicas": most,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
        } });
        let key = Key::namespaced(Kind::HorizontalPodAutoscaler, NAMESPACE, "scaler");
        app.world.create(&key, &scaler).expect("a new autoscaler");
        let plan = facts::plan(&app).expect("a plan");
        let mut sweep = Sweep::new(&app, &plan, Answers::default());
        let world = sweep.undisturbed().unwrap_or_else(|why| panic!("{why}"));
        let replicas = world.find(Kind::Deployment, NAMESPACE, &name).and_then(|found| found.i64_at("/spec/replicas"));
        assert_eq!(replicas, Some(most), "{name}");
        sweep.run().unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Whole sweeps that found something once, as applications: a seed of proptest means another one after any change of
/// `shapes`.
fn again(shape: &Shape) {
    again_with(shape, Answers::default());
}

fn again_with(shape: &Shape, answers: Answers) {
    let app = shape.bring_up();
    let plan = facts::plan(&app).expect("a plan");
    if let Err(why) = Sweep::new(&app, &plan, answers).run() {
        panic!("{why}");
    }
}

fn workload(keeps: Keeps, replicas: usize) -> Workload {
    Workload { keeps, replicas, postgres: false, when_scaled_delete: false, when_deleted_delete: false }
}

#[test]
fn a_claim_that_a_sleeper_created_behind_an_undo_does_not_keep_the_other_claims_from_being_taken_back() {
    again(&Shape {
        seed: 189_104_968_283_080_374,
        workloads: vec![
            workload(Keeps::Templates(1), 1),
            workload(Keeps::Templates(1), 2),
            workload(Keeps::Nothing, 2),
        ],
        wait_for_first_consumer: true,
        retain: false,
        paths: Paths::Files,
        cron: true,
        claims_lost: false,
    });
}

#[test]
fn a_claim_that_a_sleeper_created_where_none_was_is_known_by_the_label_of_its_run() {
    let postgres = |keeps, when_scaled_delete| Workload { postgres: true, when_scaled_delete, ..workload(keeps, 1) };
    again(&Shape {
        seed: 3_171_723_634_004_659_479,
        workloads: vec![postgres(Keeps::Templates(2), true)],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Snapshots,
        cron: true,
        claims_lost: true,
    });
    again(&Shape {
        seed: 8_102_882_671_143_296_712,
        workloads: vec![workload(Keeps::Claim, 1), postgres(Keeps::Templates(1), false), workload(Keeps::Nothing, 2)],
        wait_for_first_consumer: true,
        retain: false,
        paths: Paths::Files,
        cron: true,
        claims_lost: true,
    });
}

#[test]
fn an_undo_right_after_a_pod_was_told_to_end_waits_for_the_next_one() {
    let database = |keeps: Keeps| Workload { postgres: true, ..workload(keeps, 1) };
    again(&Shape {
        seed: 3_860_140_119_801_583_534,
        workloads: vec![
            Workload { when_deleted_delete: true, ..database(Keeps::Templates(1)) },
            Workload { when_scaled_delete: true, ..database(Keeps::Claim) },
            database(Keeps::Templates(2)),
        ],
        wait_for_first_consumer: false,
        retain: true,
        paths: Paths::Snapshots,
        cron: false,
        claims_lost: false,
    });
}

#[test]
fn a_restore_that_a_sleeper_created_behind_the_end_of_the_copies_is_called_off_too() {
    let set = |keeps: Keeps, replicas: usize| Workload { postgres: true, ..workload(keeps, replicas) };
    let shape = Shape {
        seed: 8_483_776_113_104_101_570,
        workloads: vec![
            Workload { when_scaled_delete: true, ..set(Keeps::Templates(2), 2) },
            Workload { when_deleted_delete: true, ..set(Keeps::Templates(1), 1) },
        ],
        wait_for_first_consumer: false,
        retain: true,
        paths: Paths::Mixed,
        cron: false,
        claims_lost: true,
    };
    again_with(&shape, Answers { declines: true, ..Answers::default() });
}

#[test]
fn a_restore_that_a_sleeper_creates_at_any_point_of_an_undo_lets_it_end_and_leaves_no_staging_namespace() {
    // Whether the resource modifiers are still there when Velero looks is the order in which the undo takes things away.
    for (paths, order) in ALL.iter().flat_map(|paths| (0..16).map(move |order| (paths, order))) {
        let shape = Shape {
            seed: 3,
            workloads: vec![workload(Keeps::Templates(1), 2), workload(Keeps::Claim, 1)],
            wait_for_first_consumer: false,
            retain: false,
            paths: *paths,
            cron: false,
            claims_lost: false,
        };
        let app = shape.bring_up();
        let plan = facts::plan(&app).expect("a plan");
        let mut world = app.world.clone();
        let mut sleeper = Driver::take(&mut world, &plan, Answers::default(), 1);
        while !is_about_to_restore(&sleeper) {
            sleeper.advance(&mut world);
        }
        let mut woken = 0;
        for wakes_after in 0.. {
            let mut world = world.clone();
            let mut undo = Driver::take(&mut world, &plan, Answers::default(), order);
            undo.turn(&mut world, Direction::Back, Turn::UndoRequested);
            if (0..wakes_after).any(|_| matches!(undo.advance(&mut world), Moved::Finished(_))) {
                break;
            }
            sleeper.clone().wake(&mut world);
            let in_time = !undo.in_flight().iter().any(|flight| flight.step.0.starts_with("stage/late-"));
            let end = loop {
                match undo.advance(&mut world) {
                    Moved::On | Moved::Waited => {}
                    end @ (Moved::Finished(_) | Moved::Detached | Moved::Fenced) => break end,
                }
            };
            rest(&mut world);
            let blame =
                || Sweep::blame(&world, &format!("{paths:?}, order {order}, woken after {wakes_after}: {end:?}"));
            assert_eq!(end, Moved::Finished(Outcome::Undone), "{}", blame());
            let staging = world.of(Kind::Namespace).any(|(key, _)| key.name.contains("-dr-"));
            assert!(!in_time || !staging, "{}", blame());
            woken += 1;
        }
        assert!(woken > 10, "only {woken} points");
    }
}

fn is_about_to_restore(driver: &Driver) -> bool {
    driver
        .in_flight()
        .iter()
        .any(|flight| matches!(&flight.flight, Flight::Act(Request::Create { key, .. }) if key.kind == Kind::Restore))
}
