use serde_json::json;

use super::*;
use crate::fake::{Fake, Fault};

const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";

async fn asked(fake: &Fake, within: Duration) -> Asked {
    let snapshot = Snapshot { driver: "csi.test".into(), handle: "snap-1".into() };
    let mut all = asked_for(fake, &BTreeSet::from([snapshot.clone()]), within, &CancellationToken::new()).await;
    assert_eq!(fake.get(&format!("{CONTENTS}/q-0")), None, "the question is left");
    all.remove(&snapshot).unwrap()
}

async fn asked_for(
    fake: &Fake,
    wanted: &BTreeSet<Snapshot>,
    within: Duration,
    cancel: &CancellationToken,
) -> BTreeMap<Snapshot, Asked> {
    let facts = Facts {
        format: dr_core::facts::FORMAT,
        taken: "2026-01-02T12:00:00Z".parse().unwrap(),
        context: String::new(),
        server: String::new(),
        server_version: String::new(),
        cluster_uid: String::new(),
        namespace: String::new(),
        velero_namespace: "velero".into(),
        objects: BTreeMap::new(),
        documents: BTreeMap::new(),
    };
    let limits = Limits { each: Duration::from_secs(30), all: Instant::now() + within, cancel };
    ask(&fake.connection(), &facts, wanted, "q", limits).await
}

#[tokio::test(start_paused = true)]
async fn whoever_presses_ctrl_c_waits_no_longer_and_leaves_no_question() {
    let fake = Fake::default();
    let cancel = CancellationToken::new();
    let wanted: BTreeSet<Snapshot> =
        (0..40).map(|number| Snapshot { driver: "csi.test".into(), handle: format!("snap-{number}") }).collect();
    let (pressed, open) = (cancel.clone(), fake.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(open.get(&format!("{CONTENTS}/q-0")).is_some(), "nothing was asked yet");
        pressed.cancel();
    });
    let began = Instant::now();
    let all = asked_for(&fake, &wanted, Duration::from_secs(600), &cancel).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(all.len(), 40);
    assert!(all.values().all(|asked| *asked == Asked::NoAnswer("it was interrupted".into())), "{all:?}");
    for number in 0..40 {
        assert_eq!(fake.get(&format!("{CONTENTS}/q-{number}")), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_goes_also_where_there_is_nothing_to_ask() {
    let fake = Fake::default();
    let left = |name: &str, made: &str| {
        let content = json!({
            "metadata": { "name": name, "creationTimestamp": made, "labels": { PROBE: "true" } },
            "spec": { "deletionPolicy": "Retain" },
        });
        fake.put(&format!("{CONTENTS}/{name}"), content);
    };
    left("old", "2026-01-02T11:00:00Z");
    left("young", "2026-01-02T11:50:00Z");
    asked_for(&fake, &BTreeSet::new(), Duration::from_secs(600), &CancellationToken::new()).await;
    assert_eq!(fake.get(&format!("{CONTENTS}/old")), None);
    assert!(fake.get(&format!("{CONTENTS}/young")).is_some(), "another's that is still open");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_waited_for() {
    let fake = Fake::default();
    let sidecar = fake.clone();
    tokio::spawn(async move {
        let path = format!("{CONTENTS}/q-0");
        tokio::time::sleep(Duration::from_secs(20)).await;
        let mut content = sidecar.get(&path).unwrap();
        content["status"] = json!({ "readyToUse": true, "creationTime": 5, "restoreSize": 1024 });
        sidecar.put(&path, content);
    });
    assert_eq!(asked(&fake, Duration::from_secs(600)).await, Asked::Exists);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_never_answers_is_given_up_and_the_question_taken_back() {
    let fake = Fake::default();
    let began = Instant::now();
    let Asked::NoAnswer(because) = asked(&fake, Duration::from_secs(600)).await else { panic!("it was answered") };
    assert_eq!(because, "no answer within 30 s: nobody has asked the driver: is its csi-snapshotter running?");
    assert!(began.elapsed() < Duration::from_secs(32), "{:?}", began.elapsed());
    let Asked::NoAnswer(because) = asked(&fake, Duration::ZERO).await else { panic!("it was answered") };
    assert_eq!(because, "the time given was over before its driver was asked");
}

#[tokio::test(start_paused = true)]
async fn rights_that_do_not_reach_are_told_with_the_role_that_does() {
    let fake = Fake::default();
    fake.fault(Fault::Status(403));
    let Asked::NoAnswer(because) = asked(&fake, Duration::from_secs(600)).await else { panic!("it was answered") };
    assert!(because.starts_with("its driver cannot be asked: "), "{because}");
    assert!(because.ends_with(" (docs/rbac/verify.yaml grants it)"), "{because}");
}

#[tokio::test(start_paused = true)]
async fn a_question_whose_answer_was_lost_on_the_way_is_taken_back_all_the_same() {
    let fake = Fake::default();
    fake.fault(Fault::LostAfter);
    assert!(matches!(asked(&fake, Duration::from_secs(600)).await, Asked::NoAnswer(_)));
}
