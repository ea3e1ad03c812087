//! Whole restores by the real executor over the world behind HTTP, with faults on the way and processes that die.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failed run is told whole")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dr_cluster::connect::Connection;
use dr_cluster::exec::{Examiner, ExecError};
use dr_cluster::execute::{Consent, Ended, ExecuteError, Executor, Notice, Watcher};
use dr_cluster::journal_store::{JournalStore, StoreError};
use dr_cluster::takeover::take;
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::action::{Examination, Step};
use dr_run::decide::Said;
use dr_run::journal::{Direction, Event, Turn};
use dr_run::plan::{Plan, Section};
use dr_run::run::{Outcome, Run};
use dr_world::app::{App, ID, PLANTED, shapes};
use dr_world::controllers::velero::VELERO;
use dr_world::drive::{self, Answers};
use dr_world::facts;
use dr_world::fake_api::{FakeApi, Faults};
use dr_world::normal::But;
use dr_world::rng::Rng;
use dr_world::sweep::{Sweep, rest};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use tokio_util::sync::CancellationToken;

struct InWorld(FakeApi);

impl Examiner for InWorld {
    async fn examine(&self, pod: &Key, examination: &Examination) -> Result<Said, ExecError> {
        let said = drive::examine(&self.0.world(), Answers::default(), pod, examination);
        said.ok_or_else(|| ExecError::NotStarted(format!("{pod} does not answer")))
    }
}

/// Says yes, and notices when the switch begins: from then on the staged copy is no scratch data.
struct Told<'a> {
    plan: &'a Plan,
    touched: Arc<AtomicBool>,
}

impl Watcher for Told<'_> {
    fn notice(&mut self, notice: Notice) {
        if let Notice::Began { steps, .. } = notice {
            let switch = self.plan.waves.iter().filter(|wave| wave.section == Section::Switch);
            if switch.flat_map(|wave| &wave.steps).any(|step| steps.contains(&step.name)) {
                self.touched.store(true, Ordering::SeqCst);
            }
        }
    }

    fn ask(&mut self, _: &Run, _: &Step) -> Consent {
        Consent::Yes { how: "--yes".to_owned() }
    }
}

fn clock() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// One process: takes the run and carries it on until something stops it.
async fn process(
    fake: &FakeApi,
    plan: &Plan,
    name: &str,
    undo: bool,
    touched: &Arc<AtomicBool>,
) -> Result<Ended, ExecuteError> {
    let connection = Connection::for_tests(fake.client());
    let store = JournalStore::new(&connection, VELERO);
    match store.create(plan).await {
        Ok(()) | Err(StoreError::Exists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut held = take(&store, ID, name, clock()).await?;
    if held.run.wants_withheld() {
        let known = drive::withheld(&fake.world(), plan);
        held.run.know(known);
    }
    if held.run.switch_touched() {
        touched.store(true, Ordering::SeqCst);
    }
    let (cancel, overdue) = (CancellationToken::new(), CancellationToken::new());
    let executor = Executor { store: &store, examiner: InWorld(fake.clone()), clock, cancel, overdue };
    if undo && held.run.direction() == Direction::Forward {
        let because = "asked for".to_owned();
        let event = Event::Turned { to: Direction::Back, why: Turn::UndoRequested, because };
        executor.append(&mut held, vec![event]).await?;
    }
    let mut told = Told { plan, touched: Arc::clone(touched) };
    executor.execute(&mut held, &mut told).await
}

/// A run with so many deaths on the way; the last process has no more to fear than faults.
async fn whole(app: &App, plan: &Plan, seed: u64) -> Result<(FakeApi, Outcome, bool), String> {
    let mut rng = Rng::new(seed);
    let fake = FakeApi::new(app.world.clone(), rng.word());
    let touched = Arc::new(AtomicBool::new(false));
    let (watch, seen) = (app.watch.clone(), Arc::clone(&touched));
    fake.set_check(move |world| watch.check(world, seen.load(Ordering::SeqCst)));
    let mut deaths = rng.below(4);
    let mut undo = false;
    let once_in = [0, 60, 25][rng.below(3)];
    for number in 0..60 {
        let crash_at = (deaths > 0).then(|| 1 + rng.word() % 500);
        // After a while the network is well again: what is tested is that the run ends, not that it never gives up.
        let once_in = if number < 12 { once_in } else { 0 };
        fake.set_faults(Faults { once_in, crash_at });
        let name = format!("process {number}");
        let ended = tokio::select! {
            ended = process(&fake, plan, &name, undo, &touched) => Some(ended),
            () = fake.crashed() => None,
        };
        fake.change(|world| world.tell(format!("--- {name} ended {ended:?}")));
        if let Some(why) = fake.broken() {
            return Err(Sweep::blame(&fake.world(), &why));
        }
        match ended {
            None => {
                deaths -= 1;
                undo = undo || rng.once_in(2);
            }
            Some(Ok(Ended::Finished(Outcome::Stuck { .. } | Outcome::Untidy { .. }))) => {}
            Some(Ok(Ended::Finished(outcome))) => {
                return Ok((fake, outcome, touched.load(Ordering::SeqCst)));
            }
            Some(Ok(Ended::Detached { .. } | Ended::Late { .. } | Ended::TakenOver { .. })) => {}
            Some(Err(ExecuteError::Store(StoreError::Api { .. }) | ExecuteError::Observe(_))) => {}
            Some(Err(error)) => return Err(Sweep::blame(&fake.world(), &format!("{error:?}"))),
        }
    }
    Err(Sweep::blame(&fake.world(), "the run does not end"))
}

const RUNS: usize = 300;
const RUNS_PER_APPLICATION: u64 = 10;

#[test]
fn the_executor_ends_where_an_undisturbed_run_ends_whatever_the_network_does() {
    let ends: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 10_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/proptest-regressions/over_http.txt"
        )))),
        max_shrink_iters: 8,
        ..ProptestConfig::default()
    });
    let result = runner.run(&(shapes(), any::<u64>()), |(shape, seed)| {
        if ends.borrow().values().sum::<usize>() >= RUNS {
            return Ok(());
        }
        let app = shape.bring_up();
        let plan = facts::plan(&app).map_err(|refusal| TestCaseError::fail(format!("{refusal:?}")))?;
        let mut expected = Sweep::new(&app, &plan, Answers::default());
        expected.undisturbed().map_err(TestCaseError::fail)?;
        for number in 0..RUNS_PER_APPLICATION {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let (fake, outcome, touched) = runtime
                .block_on(whole(&app, &plan, seed.wrapping_add(number)))
                .map_err(|why| TestCaseError::fail(format!("run {number} of seed {seed}\n{why}")))?;
            let mut world = fake.world();
            rest(&mut world);
            let told = world.of(Kind::ConfigMap).find(|(_, map)| map.0.to_string().contains(PLANTED));
            prop_assert!(told.is_none(), "a secret is in {:?}", told.map(|(key, _)| key));
            expected
                .judge_end(touched, &world, &outcome, But::Nothing)
                .map_err(|why| TestCaseError::fail(format!("run {number} of seed {seed}\n{why}")))?;
            let end = match outcome {
                Outcome::Restored => "restored",
                Outcome::Undone => "undone",
                _ => "rolled back",
            };
            *ends.borrow_mut().entry(end).or_default() += 1;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let ends = ends.into_inner();
    assert!(ends.values().sum::<usize>() >= RUNS, "{ends:?}");
    assert!(ends.get("restored").is_some_and(|restored| *restored >= RUNS / 4), "few were restored: {ends:?}");
    assert!(ends.get("undone").is_some_and(|undone| *undone >= RUNS / 10), "few were undone: {ends:?}");
}
