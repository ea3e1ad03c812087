//! What a plan holds: its steps in order, and what the checker finds in one that was tampered with.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::type_complexity,
    clippy::semicolon_if_nothing_returned,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use common::{Bookstore, By};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::action::{Action, Phase, Step, StepName, Undo};
use dr_run::check::{Fault, check};
use dr_run::condition::{Condition, Observation, Query};
use dr_run::decide::{self, Decision, Request};
use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::plan::{OPERATION, Plan};
use dr_run::run::{Next, Run};
use dr_run::slot::{Bindings, Slot};
use serde_json::json;

/// What the bookstore's PodVolumeBackup holds.
const BYTES: i64 = 47_652_502;

fn outline(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for wave in &plan.waves {
        let names: Vec<&str> = wave.steps.iter().map(|step| step.name.0.as_str()).collect();
        lines.push(format!("{:?}: {}", wave.section, names.join(", ")));
    }
    lines.join("\n")
}

fn step_of<'p>(plan: &'p Plan, name: &str) -> &'p Step {
    plan.steps().find(|step| step.name.0 == name).unwrap()
}

#[test]
fn a_file_copy_is_staged_through_a_neutral_pod_and_swapped() {
    insta::assert_snapshot!(outline(&Bookstore::new(By::Files).plan()), @r"
    Prepare: stage/late-namespace, stage/late-copying
    Prepare: stage/namespace, stage/modifier
    Prepare: stage/deny-all, stage/service-account, stage/copy/secret/postgres
    Prepare: stage/copying
    Prepare: stage/restore
    Prepare: verify/moved
    Prepare: verify/carrier/postgres-0/end
    Prepare: verify/postgres-0/open
    Prepare: verify/data-postgres-0/bound
    Prepare: verify/data-postgres-0/volume
    Prepare: verify/data-postgres-0/retain
    Prepare: verify/data-postgres-0/read
    Prepare: verify/data-postgres-0/live
    Prepare: confirm
    Switch: release/postgres-0/end
    Switch: release/data-postgres-0/claim
    Switch: release/data-postgres-0/reserve
    Switch: release/data-postgres-0/detached
    Switch: protect/data-postgres-0/holder
    Switch: protect/data-postgres-0/retain
    Switch: quiesce/deployment/orders
    Switch: quiesce/statefulset/postgres
    Switch: swap/data-postgres-0/unused
    Switch: swap/at-rest
    Switch: swap/data-postgres-0/note
    Switch: swap/data-postgres-0/delete-claim
    Switch: swap/data-postgres-0/create-claim
    Switch: swap/data-postgres-0/unmark
    Switch: swap/data-postgres-0/held
    Switch: back/statefulset/postgres
    Switch: back/data-postgres-0/identity
    Switch: back/deployment/orders
    Keep: keep/namespace, keep/modifier
    ");
}

#[test]
fn a_snapshot_needs_no_carrier_and_its_import_is_tidied_up() {
    insta::assert_snapshot!(outline(&Bookstore::new(By::Snapshot).plan()), @r"
    Prepare: stage/late-namespace, stage/imports
    Prepare: stage/namespace, stage/modifier
    Prepare: stage/deny-all, stage/service-account, stage/copy/secret/postgres
    Prepare: stage/restore
    Prepare: verify/moved
    Prepare: verify/data-postgres-0/source
    Prepare: verify/data-postgres-0/snapshot
    Prepare: verify/data-postgres-0/content
    Prepare: verify/postgres-0/open
    Prepare: verify/data-postgres-0/bound
    Prepare: verify/data-postgres-0/volume
    Prepare: verify/data-postgres-0/retain
    Prepare: verify/data-postgres-0/read
    Prepare: verify/data-postgres-0/live
    Prepare: confirm
    Switch: release/postgres-0/end
    Switch: release/data-postgres-0/claim
    Switch: release/data-postgres-0/reserve
    Switch: release/data-postgres-0/detached
    Switch: protect/data-postgres-0/holder
    Switch: protect/data-postgres-0/retain
    Switch: quiesce/deployment/orders
    Switch: quiesce/statefulset/postgres
    Switch: swap/data-postgres-0/unused
    Switch: swap/at-rest
    Switch: swap/data-postgres-0/note
    Switch: swap/data-postgres-0/delete-claim
    Switch: swap/data-postgres-0/create-claim
    Switch: swap/data-postgres-0/unmark
    Switch: swap/data-postgres-0/held
    Switch: back/statefulset/postgres
    Switch: back/data-postgres-0/identity
    Switch: back/deployment/orders
    Keep: keep/namespace, keep/modifier
    Keep: keep/data-postgres-0/content
    ");
}

#[test]
fn a_namespace_that_is_gone_gets_its_claims_before_its_workloads() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.lose_namespace();
    insta::assert_snapshot!(outline(&bookstore.plan()), @r"
    Prepare: stage/late-namespace, stage/late-copying
    Prepare: stage/namespace, stage/modifier
    Prepare: stage/deny-all, stage/service-account
    Prepare: stage/configuration
    Prepare: stage/copying
    Prepare: stage/restore
    Prepare: verify/moved
    Prepare: verify/carrier/postgres-0/end
    Prepare: verify/postgres-0/open
    Prepare: verify/data-postgres-0/bound
    Prepare: verify/data-postgres-0/volume
    Prepare: verify/data-postgres-0/retain
    Prepare: verify/data-postgres-0/read
    Prepare: confirm
    Switch: release/postgres-0/end
    Switch: release/data-postgres-0/claim
    Switch: release/data-postgres-0/reserve
    Switch: release/data-postgres-0/detached
    Switch: swap/namespace
    Switch: swap/data-postgres-0/create-claim
    Switch: swap/data-postgres-0/unmark
    Switch: back/objects
    Switch: back/statefulset/postgres
    Switch: back/data-postgres-0/identity
    Keep: keep/namespace, keep/modifier
    ");
}

#[test]
fn a_claim_that_is_gone_has_nothing_to_protect_and_nothing_to_delete() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.remove(Kind::PersistentVolumeClaim, "data-postgres-0");
    bookstore.remove(Kind::PersistentVolume, "pv-old");
    let outline = outline(&bookstore.plan());
    assert!(!outline.contains("protect/") && !outline.contains("delete-claim"), "{outline}");
    assert!(outline.contains("swap/data-postgres-0/create-claim"), "{outline}");
}

#[test]
fn a_set_that_deletes_its_claims_when_scaled_down_is_told_to_keep_them_first() {
    let mut bookstore = Bookstore::new(By::Files);
    let policy = json!({ "whenScaled": "Delete", "whenDeleted": "Retain" });
    bookstore.set(Kind::StatefulSet, "postgres", "/spec/persistentVolumeClaimRetentionPolicy", policy);
    let plan = bookstore.plan();
    let position =
        |name: &str| plan.waves.iter().position(|wave| wave.steps.iter().any(|step| step.name.0 == name)).unwrap();
    assert!(position("protect/postgres/claims") < position("quiesce/statefulset/postgres"));
    assert!(position("back/statefulset/postgres") < position("back/postgres/claims"));
}

#[test]
fn a_plan_survives_json_and_back() {
    for by in [By::Files, By::Snapshot] {
        let plan = Bookstore::new(by).plan();
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}

#[test]
fn the_same_facts_give_the_same_plan() {
    assert_eq!(Bookstore::new(By::Files).plan(), Bookstore::new(By::Files).plan());
}

#[test]
fn the_recreated_claim_is_the_live_one_down_to_labels_and_annotations() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.set(
        Kind::PersistentVolumeClaim,
        "data-postgres-0",
        "/metadata/annotations",
        json!({
        "pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes", "team": "shop" }),
    );
    let plan = bookstore.plan();
    let step = plan.steps().find(|step| step.name.0 == "swap/data-postgres-0/note").unwrap();
    let Undo::Move(undo) = &step.undo else { panic!() };
    let Action::Create { template, .. } = &undo.action else { panic!() };
    assert_eq!(
        template.0,
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": "data-postgres-0", "namespace": "bookstore", "labels": { "app": "postgres" },
                          "annotations": { "pv.kubernetes.io/bound-by-controller": "yes", "team": "shop" } },
            "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "csi", "volumeName": "pv-old", "volumeMode": "Filesystem",
                      "resources": { "requests": { "storage": "1Gi" } } },
        })
    );
}

#[test]
fn a_volume_that_was_grown_since_the_backup_is_staged_at_its_live_size() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.set(Kind::PersistentVolumeClaim, "data-postgres-0", "/status/capacity", json!({ "storage": "5Gi" }));
    assert_eq!(bookstore.plan().volumes[0].request, "5Gi");
}

#[test]
fn the_staged_engine_gets_no_token_no_names_and_does_not_archive() {
    let plan = Bookstore::new(By::Files).plan();
    let step = plan.steps().find(|step| step.name.0 == "verify/postgres-0/open").unwrap();
    let Action::Create { template, .. } = &step.forward.action else { panic!() };
    let spec = &template.0["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["enableServiceLinks"], false);
    assert_eq!((&spec["dnsPolicy"], &spec["dnsConfig"]["nameservers"]), (&json!("None"), &json!(["127.0.0.1"])));
    let args = spec["containers"][0]["args"].to_string();
    assert!(args.starts_with(r#"["postgres","-c","archive_mode=off""#), "{args}");
    assert_eq!(
        template.0["metadata"]["labels"],
        json!({ OPERATION: "k7x2p", "velero.io/exclude-from-backup": "true" })
    );
    assert_eq!(spec["initContainers"][0]["name"], "dr-look");
}

#[test]
fn the_staging_namespace_is_as_strict_as_the_source_and_no_more_like_it() {
    let plan = Bookstore::new(By::Files).plan();
    let Action::Create { template, .. } = &step_of(&plan, "stage/namespace").forward.action else { panic!() };
    assert_eq!(
        template.0["metadata"]["labels"],
        json!({ OPERATION: "k7x2p", "pod-security.kubernetes.io/enforce": "restricted" })
    );
}

/// Its undo takes along a namespace of that name, whoever made it.
#[test]
fn a_plan_does_not_begin_where_a_namespace_has_the_name_of_its_staging_namespace() {
    let plan = Bookstore::new(By::Files).plan();
    let Action::Create { object, .. } = &step_of(&plan, "stage/namespace").forward.action else { panic!() };
    assert!(plan.premises.contains(&Condition::Absent { object: object.clone() }));
}

#[test]
fn no_secret_value_can_be_in_a_plan_because_none_is_in_the_facts() {
    let plan = Bookstore::new(By::Files).plan();
    let copies: Vec<_> = plan.steps().filter(|step| matches!(step.forward.action, Action::Copy { .. })).collect();
    assert_eq!(copies.len(), 1);
    assert!(!serde_json::to_string(&copies).unwrap().contains("\"data\":"));
}

/// Velero's own name for a restore that lost something is not a failure of the run: the backup's data may not be used.
#[test]
fn data_that_did_not_arrive_whole_is_not_verified() {
    let plan = Bookstore::new(By::Files).plan();
    let step = plan.steps().find(|step| step.name.0 == "verify/moved").unwrap();
    let answer = |phase: &str, copy: &str, bytes: i64| {
        let restore = json!({ "metadata": { "name": "dr-k7x2p" }, "status": { "phase": phase } });
        let copied = json!({
            "metadata": { "name": "dr-k7x2p-1" },
            "spec": { "pod": { "name": "postgres-0" }, "volume": "data" },
            "status": { "phase": copy, "progress": { "totalBytes": BYTES, "bytesDone": bytes } },
        });
        let carrier = json!({ "metadata": { "name": "postgres-0", "uid": "u-carrier" } });
        let queries = decide::queries(&step.forward, &plan.bindings).unwrap();
        let found = |query: Query| {
            let object = match &query {
                Query::Get(key) if key.kind == Kind::Restore => restore.clone(),
                Query::Get(_) => carrier.clone(),
                Query::List(_) => copied.clone(),
            };
            (query, vec![Object(object)])
        };
        let seen = Observation(queries.into_iter().map(found).collect());
        decide::decide(&step.forward, &seen, &plan.bindings).unwrap()
    };
    assert!(matches!(answer("Completed", "Completed", BYTES), Decision::Done(_)));
    let Decision::Wait { because } = answer("Completed", "Completed", BYTES - 1) else { panic!() };
    assert!(because.contains("bytesDone"), "{because}");
    let Decision::Refused { because } = answer("PartiallyFailed", "Failed", 0) else { panic!() };
    assert!(because.starts_with("the files of data-postgres-0 could not be brought back"), "{because}");

    let mut run = Run::new(plan.clone());
    let mut tell = |event| run.apply(&Entry { at: plan.made, epoch: 1, event }).unwrap();
    tell(Event::Taken { by: "ann".into() });
    for step in plan.steps() {
        let (steps, direction) = (vec![step.name.clone()], Direction::Forward);
        tell(Event::Intent { steps, direction });
        if step.name.0 == "verify/moved" {
            tell(Event::Failed { step: step.name.clone(), direction, because });
            break;
        }
        tell(Event::Done { step: step.name.clone(), direction, bound: Bindings::new() });
    }
    let Next::Turn { why, .. } = run.next() else { panic!("{:?}", run.next()) };
    assert_eq!(why, Turn::NotVerified);
}

/// Velero reads ConfigMaps from a cache that may be behind: what it refuses for that alone is asked once more.
#[test]
fn a_restore_that_velero_refuses_because_its_cache_is_behind_is_made_anew() {
    let plan = Bookstore::new(By::Snapshot).plan();
    let step = plan.steps().find(|step| step.name.0 == "stage/restore").unwrap();
    let answer = |error: &str| {
        let restore = json!({
            "metadata": { "name": "dr-k7x2p", "uid": "u", "resourceVersion": "7" },
            "status": { "phase": "FailedValidation", "validationErrors": [error] },
        });
        let queries = decide::queries(&step.forward, &plan.bindings).unwrap();
        let seen = queries.into_iter().map(|query| (query, vec![Object(restore.clone())])).collect();
        decide::decide(&step.forward, &Observation(seen), &plan.bindings).unwrap()
    };
    let key = Key::namespaced(Kind::Restore, "velero", "dr-k7x2p");
    let unseen = "failed to get resource modifiers configmap velero/dr-k7x2p-modifier";
    let Decision::Anew { request, seconds: 120, .. } = answer(unseen) else { panic!("{:?}", answer(unseen)) };
    let (uid, resource_version) = ("u".to_owned(), "7".to_owned());
    assert_eq!(request, Request::Delete { key, uid, resource_version, grace_seconds: None });
    let Decision::Refused { because } = answer("backup not found") else { panic!() };
    assert_eq!(because, "Velero refuses the restore: backup not found");
}

/// The names are Velero's own, and a run that was killed before it saw them has to take the objects along.
#[test]
fn what_velero_imported_is_taken_along_one_by_one() {
    let plan = Bookstore::new(By::Snapshot).plan();
    let Undo::Move(back) = &step_of(&plan, "stage/imports").undo else { panic!() };
    let answer = |restore: serde_json::Value, contents: &[serde_json::Value]| {
        let queries = decide::queries(back, &plan.bindings).unwrap();
        let found = |query: Query| {
            let Query::List(listing) = &query else { panic!("{query:?}") };
            let objects = match listing.kind {
                Kind::Restore => vec![restore.clone()],
                Kind::VolumeSnapshotContent => contents.to_vec(),
                other => panic!("{other:?}"),
            };
            (query, objects.into_iter().map(Object).collect())
        };
        decide::decide(back, &Observation(queries.into_iter().map(found).collect()), &plan.bindings).unwrap()
    };
    let content = |name: &str| json!({ "metadata": { "name": name, "uid": "u", "resourceVersion": "1" } });
    let restore = |phase: &str| json!({ "metadata": { "name": "dr-k7x2p" }, "status": { "phase": phase } });
    let both = [content("a"), content("b")];
    assert!(matches!(answer(restore("InProgress"), &both), Decision::Wait { .. }), "it may make more of them");
    let Decision::Act(Request::Delete { key, .. }) = answer(restore("Completed"), &both) else { panic!() };
    assert_eq!(key, Key::cluster(Kind::VolumeSnapshotContent, "a"));
    assert!(matches!(answer(restore("Completed"), &[]), Decision::Done(_)));
}

/// Velero waits for hours for what node-agent cannot write any more once the staging namespace is gone.
#[test]
fn what_node_agent_still_writes_is_called_off_before_the_staging_namespace_goes() {
    let plan = Bookstore::new(By::Files).plan();
    let Undo::Move(back) = &step_of(&plan, "stage/copying").undo else { panic!() };
    let answer = |restore: &str, copy: &str, cancel: bool| {
        let restore = json!({ "metadata": { "name": "dr-k7x2p" }, "status": { "phase": restore } });
        let copied = json!({
            "metadata": { "name": "dr-k7x2p-1", "namespace": "velero", "uid": "u", "resourceVersion": "3" },
            "spec": { "cancel": cancel },
            "status": { "phase": copy },
        });
        let queries = decide::queries(back, &plan.bindings).unwrap();
        let found = |query: Query| {
            let Query::List(listing) = &query else { panic!("{query:?}") };
            let object = if listing.kind == Kind::Restore { restore.clone() } else { copied.clone() };
            (query, vec![Object(object)])
        };
        decide::decide(back, &Observation(queries.into_iter().map(found).collect()), &plan.bindings).unwrap()
    };
    let Decision::Act(Request::Patch { key, patch }) = answer("InProgress", "New", false) else { panic!() };
    assert_eq!(key, Key::namespaced(Kind::PodVolumeRestore, "velero", "dr-k7x2p-1"));
    assert_eq!(patch, json!({ "spec": { "cancel": true }, "metadata": { "uid": "u", "resourceVersion": "3" } }));
    assert!(matches!(answer("InProgress", "New", true), Decision::Wait { .. }));
    assert!(matches!(answer("InProgress", "Completed", false), Decision::Wait { .. }));
    assert!(matches!(answer("PartiallyFailed", "Canceled", true), Decision::Done(_)));
}

fn reasons(change: impl FnOnce(&mut Bookstore)) -> String {
    let mut bookstore = Bookstore::new(By::Files);
    change(&mut bookstore);
    bookstore.compute().expect_err("nothing was refused").to_string()
}

#[test]
fn what_would_go_wrong_later_is_refused_now() {
    let claim = "data-postgres-0";
    let cases: Vec<(Box<dyn FnOnce(&mut Bookstore)>, &str)> = vec![
        (
            Box::new(|b| {
                b.set(Kind::PersistentVolumeClaim, claim, "/metadata/deletionTimestamp", json!("2026-01-02T11:00:00Z"))
            }),
            "claim data-postgres-0: it is being deleted, and its volume may go with it",
        ),
        (
            Box::new(|b| b.set(Kind::PersistentVolumeClaim, claim, "/status/phase", json!("Lost"))),
            "claim data-postgres-0: it is Lost, not bound to a volume",
        ),
        (
            Box::new(|b| {
                b.set(Kind::Namespace, "bookstore", "/metadata/deletionTimestamp", json!("2026-01-02T11:00:00Z"))
            }),
            "namespace bookstore: it is being deleted",
        ),
        (Box::new(|b| b.remove(Kind::StorageClass, "csi")), "its storage class csi does not exist in this cluster"),
        (Box::new(|b| b.remove(Kind::Secret, "postgres")), "secret postgres: the pods that open the volume need it"),
        (Box::new(|b| b.remove(Kind::DaemonSet, "node-agent")), "node-agent: it is not installed"),
        (
            Box::new(|b| b.set(Kind::Deployment, "velero", "/status/availableReplicas", json!(0))),
            "velero: its server is not available",
        ),
        (
            Box::new(|b| {
                b.add(Kind::Restore, json!({ "metadata": { "name": "other", "namespace": "velero" }, "status": { "phase": "InProgress" } }))
            }),
            "restore other: it is InProgress, and Velero restores one after the other",
        ),
        (
            Box::new(|b| {
                let progress = json!({ "totalBytes": 2_i64 << 30, "bytesDone": 2_i64 << 30 });
                b.set(Kind::PodVolumeBackup, "nightly-1", "/status/progress", progress);
            }),
            "claim data-postgres-0: the backup holds 2147483648 bytes of it, and it has room for 1Gi",
        ),
    ];
    for (change, expected) in cases {
        let reasons = reasons(change);
        assert!(reasons.contains(expected), "wanted {expected:?} in {reasons}");
    }
}

#[test]
fn a_snapshot_is_refused_where_velero_would_restore_an_empty_volume_from_it() {
    let mut bookstore = Bookstore::new(By::Snapshot);
    bookstore.set(Kind::Deployment, "velero", "/spec/template/spec/containers", json!([{ "args": ["server"] }]));
    let refusal = bookstore.compute().unwrap_err().to_string();
    assert!(refusal.contains("runs without --features=EnableCSI"), "{refusal}");
}

/// Each fault is found when its reason is put into an otherwise sound plan.
#[test]
fn the_checker_finds_what_was_tampered_with() {
    let tampered = |change: &dyn Fn(&mut Plan)| {
        let mut plan = Bookstore::new(By::Files).plan();
        assert_eq!(check(&plan), []);
        change(&mut plan);
        check(&plan)
    };
    let at = |plan: &Plan, name: &str| {
        plan.waves.iter().position(|wave| wave.steps.iter().any(|step| step.name.0 == name)).unwrap()
    };

    let faults = tampered(&|plan| plan.format = 99);
    assert_eq!(faults, [Fault::NewerFormat { found: 99 }]);

    let faults = tampered(&|plan| plan.waves.clear());
    assert_eq!(faults, [Fault::Empty]);

    let faults = tampered(&|plan| {
        let protect = at(plan, "protect/data-postgres-0/retain");
        plan.waves.remove(protect);
    });
    assert_eq!(faults, [Fault::DeletedUnprotected { step: StepName("swap/data-postgres-0/delete-claim".into()) }]);

    let faults = tampered(&|plan| {
        let delete = at(plan, "swap/data-postgres-0/delete-claim");
        plan.waves[delete].steps[0].forward.expect.clear();
    });
    assert_eq!(faults, [Fault::DeletedUnprotected { step: StepName("swap/data-postgres-0/delete-claim".into()) }]);

    let faults = tampered(&|plan| {
        let bound = at(plan, "verify/data-postgres-0/bound");
        plan.waves.remove(bound);
    });
    assert!(faults.contains(&Fault::Unbound {
        step: StepName("verify/data-postgres-0/volume".into()),
        slot: Slot::new("staged-volume/data-postgres-0"),
    }));

    let faults = tampered(&|plan| {
        let confirm = at(plan, "confirm");
        plan.waves.remove(confirm);
    });
    assert!(faults.iter().any(|fault| matches!(fault, Fault::TooEarly { .. })), "{faults:?}");

    let faults = tampered(&|plan| {
        let wave = at(plan, "quiesce/deployment/orders");
        plan.waves[wave].steps[0].undo = Undo::nothing("forgotten");
    });
    assert_eq!(faults, [Fault::NoWayBack { step: StepName("quiesce/deployment/orders".into()) }]);

    let faults = tampered(&|plan| {
        let wave = at(plan, "quiesce/deployment/orders");
        let mut twin = plan.waves[wave].steps[0].clone();
        twin.name = StepName("quiesce/twin".into());
        plan.waves[wave].steps.push(twin);
    });
    assert!(matches!(faults.as_slice(), [Fault::Collision { .. }]), "{faults:?}");

    let faults = tampered(&|plan| {
        let first = plan.waves[0].steps[0].clone();
        plan.waves.last_mut().unwrap().steps.push(first);
    });
    assert!(faults.contains(&Fault::SameName { step: StepName("stage/late-namespace".into()) }), "{faults:?}");

    let faults = tampered(&|plan| plan.waves.reverse());
    assert!(faults.contains(&Fault::SectionsOutOfOrder));

    let faults = tampered(&|plan| plan.waves[0].steps[0].forward.within = 0);
    assert_eq!(faults, [Fault::NoDeadline { step: StepName("stage/late-namespace".into()) }]);
}

#[test]
fn everything_the_application_could_notice_comes_after_the_confirmation() {
    for by in [By::Files, By::Snapshot] {
        let plan = Bookstore::new(by).plan();
        let confirm = plan.steps().position(|step| step.phase == Phase::Confirm).unwrap();
        for (index, step) in plan.steps().enumerate() {
            let live = step.forward.changes().is_some_and(|spot| spot.namespace.as_deref() == Some("bookstore"));
            assert!(!live || index > confirm, "{} is before the confirmation", step.name);
        }
    }
}

#[test]
fn that_nothing_scaled_back_is_seen_once_however_many_claims_there_are() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.second_claim();
    let plan = bookstore.plan();
    let steps: Vec<&str> = plan
        .steps()
        .filter(|step| step.name.0.starts_with("swap/") && json!(step.forward).to_string().contains("/spec/replicas"))
        .map(|step| step.name.0.as_str())
        .collect();
    assert_eq!(steps, ["swap/at-rest"]);
}

#[test]
fn the_outage_begins_shortly_before_a_kubelet_reports_its_volumes_where_volumes_are_attached() {
    let rests = |attached: serde_json::Value| {
        let mut bookstore = Bookstore::new(By::Files);
        let class = json!({ "metadata": { "name": "csi.test" }, "spec": { "attachRequired": attached } });
        bookstore.set(Kind::StorageClass, "csi", "/provisioner", json!("csi.test"));
        bookstore.remove(Kind::CSIDriver, "csi.test");
        bookstore.add(Kind::CSIDriver, class);
        let plan = bookstore.plan();
        let resting = plan.steps().filter(|step| step.forward.rest > 0);
        resting.map(|step| (step.name.0.clone(), step.forward.rest)).collect::<Vec<_>>()
    };
    let rest = [("release/data-postgres-0/detached".to_owned(), 4)];
    assert_eq!(rests(json!(true)), rest);
    assert_eq!(rests(json!(null)), rest, "a driver that says nothing");
    assert_eq!(rests(json!(false)), []);
}
