use dr_core::object::Object;
use dr_run::action::StepName;
use dr_run::journal::Direction;
use dr_run::plan::{Expectation, Place, Source};
use serde_json::json;

use super::*;
use crate::fake::{Fake, Fault};

pub(crate) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn plan(id: &str) -> Plan {
    Plan {
        format: dr_run::plan::FORMAT,
        id: id.to_owned(),
        made: time(0),
        place: Place {
            context: "test".to_owned(),
            server: "https://test.invalid".to_owned(),
            namespace: "shop".to_owned(),
            cluster_uid: "uid".to_owned(),
            velero_namespace: "velero".to_owned(),
            staging_namespace: format!("shop-dr-{id}"),
        },
        source: Source {
            backup: "nightly".to_owned(),
            uid: "b".to_owned(),
            started: time(-60),
            because: "named".to_owned(),
            passed_over: Vec::new(),
        },
        namespace_gone: false,
        volumes: Vec::new(),
        left_out: Vec::new(),
        objects_missing: Vec::new(),
        objects_restored: false,
        warnings: Vec::new(),
        expectation: Expectation {
            outage_seconds: 1,
            outage_because: "test".to_owned(),
            data_loss_seconds: 60,
            stage_seconds: 1,
        },
        bindings: dr_run::slot::Bindings::new(),
        withheld: Vec::new(),
        premises: Vec::new(),
        waves: Vec::new(),
    }
}

fn failed(epoch: u64, second: i64, because: &str) -> Entry {
    let event = Event::Failed {
        step: StepName("swap/data".to_owned()),
        direction: Direction::Forward,
        because: because.to_owned(),
    };
    Entry { at: time(second), epoch, event }
}

async fn started(fake: &Fake) -> (JournalStore, Position) {
    let store = JournalStore::new(&fake.connection(), "velero");
    store.create(&plan("r1")).await.unwrap();
    let (_, _, position) = store.take("r1", "me", time(1)).await.unwrap();
    (store, position)
}

async fn read(store: &JournalStore) -> Vec<Entry> {
    store.load("r1").await.unwrap().1
}

#[tokio::test]
async fn a_plan_larger_than_a_config_map_comes_back_whole() {
    let fake = Fake::default();
    let store = JournalStore::new(&fake.connection(), "velero");
    let mut large = plan("r1");
    // Digests do not compress.
    let mut state = 1_u64;
    for _ in 0..120_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        large.warnings.push(format!("{state:x}"));
    }
    store.create(&large).await.unwrap();
    assert!(fake.get("/api/v1/namespaces/velero/configmaps/dr-r1-plan-1").is_some());
    let (found, entries, position) = store.load("r1").await.unwrap();
    assert_eq!((found, entries, position.epoch()), (large.clone(), Vec::new(), 0));
    let listed = store.list(Some("shop")).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["r1"]);
    assert_eq!(store.list(Some("other")).await.unwrap(), []);
    assert!(matches!(store.create(&large).await, Err(StoreError::Exists { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_append_whose_answer_was_lost_is_written_once() {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Status(500)] {
        let fake = Fake::default();
        let (store, mut position) = started(&fake).await;
        fake.fault(fault);
        let entry = failed(1, 2, "once");
        store.append(&mut position, std::slice::from_ref(&entry)).await.unwrap();
        store.append(&mut position, &[failed(1, 3, "then")]).await.unwrap();
        let found = read(&store).await;
        assert_eq!(found.iter().filter(|found| **found == entry).count(), 1, "{fault:?}");
        assert_eq!(found.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_segment_is_sealed_and_nothing_is_lost_whatever_breaks() {
    let fake = Fake::default();
    let (store, mut position) = started(&fake).await;
    let long = "x".repeat(9_000);
    for second in 0..40 {
        match second % 4 {
            0 => fake.fault(Fault::LostAfter),
            1 => fake.fault(Fault::LostBefore),
            _ => {}
        }
        store.append(&mut position, &[failed(1, second, &long)]).await.unwrap();
    }
    assert!(fake.get("/api/v1/namespaces/velero/configmaps/dr-r1-journal-5").is_some());
    let found = read(&store).await;
    assert_eq!(found.iter().skip(1).map(|entry| entry.at).collect::<Vec<_>>(), (0..40).map(time).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_older_process_cannot_write_behind_a_takeover() {
    let fake = Fake::default();
    let (store, mut older) = started(&fake).await;
    let (_, _, mut newer) = store.take("r1", "colleague", time(2)).await.unwrap();
    let error = store.append(&mut older, &[failed(1, 3, "late")]).await.unwrap_err();
    assert!(matches!(&error, StoreError::TakenOver { by, epoch: 2 } if by == "colleague"), "{error}");
    let checked = store.check("r1", 1).await.unwrap_err();
    assert!(matches!(&checked, StoreError::TakenOver { by, epoch: 2 } if by == "colleague"), "{checked}");
    store.check("r1", 2).await.unwrap();
    store.append(&mut newer, &[failed(2, 4, "goes on")]).await.unwrap();
    assert_eq!(read(&store).await.iter().map(|entry| entry.epoch).collect::<Vec<_>>(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_older_process_cannot_make_the_segment_behind_a_seal() {
    let fake = Fake::default();
    let (store, mut older) = started(&fake).await;
    for second in 0..7 {
        store.append(&mut older, &[failed(1, second, &"x".repeat(9_000))]).await.unwrap();
    }
    let (_, _, mut newer) = store.take("r1", "colleague", time(9)).await.unwrap();
    for second in 10..14 {
        store.append(&mut newer, &[failed(2, second, &"y".repeat(9_000))]).await.unwrap();
    }
    let error = store.append(&mut older, &[failed(1, 20, &"x".repeat(9_000))]).await.unwrap_err();
    assert!(matches!(error, StoreError::TakenOver { epoch: 2, .. }), "{error}");
    assert!(read(&store).await.iter().all(|entry| entry.at != time(20)));
}

#[tokio::test(start_paused = true)]
async fn two_who_take_a_run_at_once_get_different_epochs() {
    let fake = Fake::default();
    let (store, _) = started(&fake).await;
    let takes = (0..5).map(|number| {
        let store = store.clone();
        async move { store.take("r1", &format!("p{number}"), time(number)).await.unwrap().2.epoch() }
    });
    let mut epochs = futures::future::join_all(takes).await;
    epochs.sort_unstable();
    assert_eq!(epochs, [2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_refused_and_what_is_damaged_is_named() {
    let fake = Fake::default();
    let (store, _) = started(&fake).await;
    let path = "/api/v1/namespaces/velero/configmaps/dr-r1-journal-0";
    let whole = fake.get(path).unwrap();
    let mut changed = whole.clone();
    changed["data"]["format"] = json!("7");
    fake.put(path, changed);
    assert!(matches!(store.load("r1").await, Err(StoreError::NewerFormat { found: 7, what: "journal", .. })));
    let mut changed = whole;
    changed["data"]["entries"] = json!("{\"at\":");
    fake.put(path, changed);
    let error = store.load("r1").await.unwrap_err().to_string();
    assert!(error.starts_with("run r1 cannot be read: line 1 of its journal"), "{error}");
    assert!(matches!(store.load("r2").await, Err(StoreError::NoSuchRun { .. })));
}

#[tokio::test]
async fn after_finalize_only_the_record_is_left() {
    let fake = Fake::default();
    let (store, _) = started(&fake).await;
    store.set_record("r1", Some(&dr_run::run::Outcome::Restored), Some(&json!({ "who": "me" }))).await.unwrap();
    store.delete_pieces("r1").await.unwrap();
    let left: Vec<String> =
        fake.state().objects.values().map(|value| Object(value.clone()).name().to_owned()).collect();
    assert_eq!(left, ["dr-r1"]);
    let record = store.record("r1").await.unwrap().unwrap();
    assert_eq!(record.outcome, Some(dr_run::run::Outcome::Restored));
    assert_eq!(record.epoch, 1);
}

#[test]
fn the_local_copy_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let copy = LocalCopy::in_folder(folder.path().join("state"));
    copy.plan(&plan("r1"));
    copy.append("r1", &[failed(1, 1, "a")]);
    copy.append("r1", &[failed(1, 2, "b")]);
    let journal = folder.path().join("state/r1.journal.jsonl");
    assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 2);
    assert_eq!(std::fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o600);
}
