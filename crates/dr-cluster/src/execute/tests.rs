use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::action::{Action, Examination, Phase, Target};
use dr_run::condition::{Condition, Field};
use dr_run::decide::Said;
use dr_run::plan::{Plan, Section, Wave};
use dr_run::slot::{Spot, Text};
use serde_json::{Value, json};

use super::*;
use crate::connect::Connection;
use crate::exec::ExecError;
use crate::fake::{Fake, Fault};
use crate::journal_store::tests::{plan, time};
use crate::takeover::take;

const SHOP: &str = "/api/v1/namespaces/shop/configmaps";

struct Nobody;

impl Examiner for Nobody {
    async fn examine(&self, _: &Key, _: &Examination) -> Result<Said, ExecError> {
        Err(ExecError::NotStarted("nobody here".to_owned()))
    }
}

#[derive(Default)]
struct Told {
    notices: Vec<Notice>,
    declines: bool,
}

impl Watcher for Told {
    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    fn ask(&mut self, _: &Run, _: &Step) -> Consent {
        if self.declines { Consent::No { because: "no".to_owned() } } else { Consent::Yes { how: "--yes".to_owned() } }
    }
}

fn key(name: &str) -> Key {
    Key::namespaced(Kind::ConfigMap, "shop", name)
}

fn step(name: &str, phase: Phase, forward: Move, undo: Undo) -> Step {
    Step { name: StepName(name.to_owned()), phase, title: name.to_owned(), forward, undo }
}

/// Makes a ConfigMap; its undo deletes it.
fn make(name: &str) -> Step {
    let slot = format!("uid/{name}");
    let action = Action::Create { object: key(name).into(), template: json!({ "data": { "by": "us" } }).into() };
    let forward = Move::new(action, 30).bind(slot.clone(), key(name), "/metadata/uid");
    let target = Target { object: key(name).into(), uid: Text::slot(slot.clone()) };
    let back = Move::new(Action::Delete { target, grace_seconds: None }, 30)
        .until(Condition::Gone { object: key(name).into(), uid: Text::slot(slot) });
    step(&format!("make/{name}"), Phase::Stage, forward, Undo::by(back))
}

/// Sets a field of a ConfigMap that is there already.
fn set(name: &str, from: &str, to: &str) -> Step {
    let patch = |value: &str| Action::Patch {
        target: Target { object: Spot::from(key(name)), uid: Text::from("live") },
        patch: json!({ "data": { "value": value } }).into(),
    };
    step(&format!("set/{name}"), Phase::Swap, Move::new(patch(to), 30), Undo::by(Move::new(patch(from), 30)))
}

fn wait_for(name: &str, field: Field) -> Move {
    Move::new(Action::Observe, 30).until(Condition::Is { object: key(name).into(), uid: None, fields: vec![field] })
}

fn wave(section: Section, steps: Vec<Step>) -> Wave {
    Wave { section, steps }
}

fn with(waves: Vec<Wave>) -> Plan {
    Plan { waves, ..plan("r1") }
}

fn small() -> Plan {
    with(vec![
        wave(Section::Prepare, (0..20).map(|number| make(&format!("m{number}"))).collect()),
        wave(Section::Switch, vec![set("live", "old", "new")]),
    ])
}

fn live(fake: &Fake) {
    fake.put(
        &format!("{SHOP}/live"),
        json!({ "metadata": { "name": "live", "uid": "live" }, "data": { "value": "old" } }),
    );
}

fn value(fake: &Fake) -> Value {
    fake.get(&format!("{SHOP}/live")).unwrap()["data"]["value"].clone()
}

fn made(fake: &Fake) -> usize {
    fake.state().objects.keys().filter(|path| path.starts_with(&format!("{SHOP}/m"))).count()
}

async fn begin(connection: &Connection, plan: &Plan) -> (JournalStore, Held) {
    let store = JournalStore::new(connection, "velero");
    store.create(plan).await.unwrap();
    let held = take(&store, &plan.id, "me", time(1)).await.unwrap();
    (store, held)
}

fn executor(store: &JournalStore) -> Executor<'_, Nobody> {
    Executor {
        store,
        examiner: Nobody,
        clock: || time(2),
        cancel: CancellationToken::new(),
        overdue: CancellationToken::new(),
    }
}

async fn run(fake: &Fake, plan: &Plan, told: &mut Told) -> Ended {
    let (store, mut held) = begin(&fake.connection(), plan).await;
    let ended = executor(&store).execute(&mut held, told).await.unwrap();
    let (_, entries, _) = store.load(&plan.id).await.unwrap();
    assert_eq!(Run::replay(plan.clone(), &entries).unwrap(), held.run, "the journal tells the same");
    ended
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_restored_and_writes_one_intent_per_wave() {
    let fake = Fake::default();
    live(&fake);
    assert_eq!(run(&fake, &small(), &mut Told::default()).await, Ended::Finished(Outcome::Restored));
    assert_eq!((made(&fake), value(&fake)), (20, json!("new")));
    let journal = fake.get("/api/v1/namespaces/velero/configmaps/dr-r1-journal-0").unwrap();
    assert_eq!(journal["data"]["entries"].as_str().unwrap().matches("\"intent\"").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn lost_requests_and_lost_answers_change_nothing_about_the_end() {
    for pattern in 0..40_u32 {
        let fake = Fake::default();
        live(&fake);
        let plan = small();
        let (store, mut held) = begin(&fake.connection(), &plan).await;
        for place in 0..30 {
            match (pattern.wrapping_mul(2_654_435_761) >> (place % 29)) % 5 {
                0 => fake.fault(Fault::LostAfter),
                1 => fake.fault(Fault::LostBefore),
                2 => fake.fault(Fault::Status(503)),
                _ => {}
            }
        }
        let ended = executor(&store).execute(&mut held, &mut Told::default()).await.unwrap();
        assert_eq!(ended, Ended::Finished(Outcome::Restored), "{pattern}");
        assert_eq!((made(&fake), value(&fake)), (20, json!("new")), "{pattern}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_step_takes_everything_back() {
    let fake = Fake::default();
    live(&fake);
    let mut plan = small();
    let never = wait_for("never", Field::present("/data/value"));
    let hopeless = step("hopeless", Phase::Swap, never, Undo::nothing("reads only"));
    plan.waves.push(wave(Section::Switch, vec![hopeless]));
    let ended = run(&fake, &plan, &mut Told::default()).await;
    let Ended::Finished(Outcome::RolledBack { why: Turn::StepFailed, because }) = ended else { panic!("{ended:?}") };
    assert!(because.starts_with("hopeless: not done within 30 s: configmaps/shop/never does not exist"), "{because}");
    assert_eq!(value(&fake), json!("old"));
}

#[tokio::test(start_paused = true)]
async fn a_declined_confirmation_leaves_nothing_behind() {
    let fake = Fake::default();
    live(&fake);
    let mut plan = small();
    let confirm = step("confirm", Phase::Confirm, Move::new(Action::Confirm, 30), Undo::nothing("a question"));
    plan.waves.insert(1, wave(Section::Prepare, vec![confirm]));
    let mut told = Told { declines: true, ..Told::default() };
    let ended = run(&fake, &plan, &mut told).await;
    assert!(matches!(ended, Ended::Finished(Outcome::RolledBack { why: Turn::Declined, .. })), "{ended:?}");
    assert_eq!((made(&fake), value(&fake)), (0, json!("old")));
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_lets_go_and_another_process_goes_on() {
    let fake = Fake::default();
    live(&fake);
    let mut plan = small();
    let waits =
        step("wait", Phase::Stage, wait_for("late", Field::present("/data/value")), Undo::nothing("reads only"));
    plan.waves.insert(1, wave(Section::Prepare, vec![waits]));
    let (store, mut held) = begin(&fake.connection(), &plan).await;
    let first = executor(&store);
    let cancel = first.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cancel.cancel();
    });
    let ended = first.execute(&mut held, &mut Told::default()).await.unwrap();
    assert_eq!(ended, Ended::Detached { because: "interrupted".to_owned() });
    assert_eq!((made(&fake), value(&fake)), (20, json!("old")));
    fake.put(&format!("{SHOP}/late"), json!({ "metadata": { "name": "late" }, "data": { "value": "here" } }));
    let mut again = take(&store, "r1", "colleague", time(3)).await.unwrap();
    let ended = executor(&store).execute(&mut again, &mut Told::default()).await.unwrap();
    assert_eq!(ended, Ended::Finished(Outcome::Restored));
}

fn after(seconds: u64, token: &CancellationToken) {
    let token = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        token.cancel();
    });
}

/// Waits for an object that comes after so many seconds, in a plan that has made objects and then changes a live one.
async fn timed(section: Section, at: usize, comes_after: u64, timeout: u64) -> (Ended, Value) {
    let fake = Fake::default();
    live(&fake);
    let mut plan = small();
    let phase = if section == Section::Switch { Phase::Swap } else { Phase::Stage };
    let waits = step("wait", phase, wait_for("late", Field::present("/data/value")), Undo::nothing("reads only"));
    plan.waves.insert(at, wave(section, vec![waits]));
    let (store, mut held) = begin(&fake.connection(), &plan).await;
    let executor = executor(&store);
    after(timeout, &executor.overdue);
    let late = fake.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(comes_after)).await;
        late.put(&format!("{SHOP}/late"), json!({ "metadata": { "name": "late" }, "data": { "value": "here" } }));
    });
    let ended = executor.execute(&mut held, &mut Told::default()).await.unwrap();
    (ended, value(&fake))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_lets_go_before_the_switch_and_never_within_it() {
    let because = "the time given with --timeout is over".to_owned();
    let before = timed(Section::Prepare, 1, 20, 5).await;
    assert_eq!(before, (Ended::Detached { because: because.clone() }, json!("old")));
    // Half way through the switch, and at its very beginning.
    for at in [1, 2] {
        let within = timed(Section::Switch, at, 20, 5).await;
        assert_eq!(within, (Ended::Finished(Outcome::Restored), json!("new")));
    }
    // What does not come by its own deadline of 30 s is taken back, although the time was over long before.
    let (ended, value) = timed(Section::Switch, 2, 1000, 5).await;
    assert!(matches!(ended, Ended::Finished(Outcome::RolledBack { why: Turn::StepFailed, .. })), "{ended:?}");
    assert_eq!(value, json!("old"));
    let after = timed(Section::Keep, 2, 20, 5).await;
    assert_eq!(after, (Ended::Detached { because }, json!("new")));
}

#[tokio::test(start_paused = true)]
async fn who_wakes_after_a_takeover_changes_nothing() {
    let fake = Fake::default();
    live(&fake);
    let mut plan = small();
    let waits =
        step("wait", Phase::Stage, wait_for("late", Field::present("/data/value")), Undo::nothing("reads only"));
    plan.waves.insert(1, wave(Section::Prepare, vec![waits]));
    let (store, mut older) = begin(&fake.connection(), &plan).await;
    let sleeper = executor(&store);
    let mut told = Told::default();
    let newer = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut held = take(&store, "r1", "colleague", time(3)).await.unwrap();
        fake.put(&format!("{SHOP}/late"), json!({ "metadata": { "name": "late" }, "data": { "value": "here" } }));
        executor(&store).execute(&mut held, &mut Told::default()).await.unwrap()
    };
    let (slept, went_on) = tokio::join!(sleeper.execute(&mut older, &mut told), newer);
    assert_eq!(slept.unwrap(), Ended::TakenOver { by: "colleague".to_owned() });
    assert_eq!(went_on, Ended::Finished(Outcome::Restored));
}

#[tokio::test(start_paused = true)]
async fn taking_over_touches_what_an_open_intent_would_change() {
    let fake = Fake::default();
    live(&fake);
    let plan = with(vec![wave(Section::Switch, vec![set("live", "old", "new")])]);
    let (store, mut held) = begin(&fake.connection(), &plan).await;
    let intent = Event::Intent { steps: vec![StepName("set/live".to_owned())], direction: Direction::Forward };
    executor(&store).append(&mut held, vec![intent]).await.unwrap();
    let before = fake.get(&format!("{SHOP}/live")).unwrap();
    take(&store, "r1", "colleague", time(3)).await.unwrap();
    let after = fake.get(&format!("{SHOP}/live")).unwrap();
    assert_ne!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"]);
    assert!(after.pointer("/metadata/annotations/kubectl-dr~1fence").is_none(), "{after}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_in_the_cluster_is_left_running_when_it_is_late() {
    let fake = Fake::default();
    let late = wait_for("restore", Field::present("/data/value")).detach_when_late();
    let plan = with(vec![wave(Section::Prepare, vec![step("wait", Phase::Stage, late, Undo::nothing("reads only"))])]);
    let ended = run(&fake, &plan, &mut Told::default()).await;
    let waiting_for = "configmaps/shop/restore does not exist".to_owned();
    assert_eq!(ended, Ended::Late { step: StepName("wait".to_owned()), waiting_for });
}
