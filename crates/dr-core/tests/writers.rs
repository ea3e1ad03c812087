//! What is stopped, how it is started again, and what refuses to be stopped.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::BTreeSet;

use dr_core::facts::Facts;
use dr_core::gitops;
use dr_core::kind::Kind;
use dr_core::refusal::Refusal;
use dr_core::writers::{Tier, Writer, find, starting, stopping};
use serde_json::{Value, json};

mod common;

fn facts(objects: &[(Kind, Value)]) -> Facts {
    let mut facts = common::empty();
    for (kind, value) in objects {
        let mut value = value.clone();
        value["metadata"]["uid"] = json!("uid");
        common::push(&mut facts, *kind, value);
    }
    facts
}

fn search(objects: &[(Kind, Value)]) -> Result<Vec<Writer>, Refusal> {
    find(&facts(objects), &BTreeSet::from(["data-db-0".to_owned()]))
}

fn db() -> (Kind, Value) {
    (
        Kind::StatefulSet,
        json!({ "metadata": { "name": "db" }, "spec": { "replicas": 1, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } }),
    )
}

fn deployment(name: &str) -> (Kind, Value) {
    (Kind::Deployment, json!({ "metadata": { "name": name }, "spec": { "replicas": 3, "template": {} } }))
}

#[track_caller]
fn refused(objects: &[(Kind, Value)], expected: &str) {
    assert_eq!(search(objects).expect_err("nothing was refused").to_string(), expected);
}

#[test]
fn what_mounts_the_volume_is_the_database_and_everything_else_a_client() {
    let found = search(&[deployment("orders"), db()]).unwrap();
    let tiers: Vec<_> = found.iter().map(|writer| (writer.key.name.as_str(), writer.tier)).collect();
    assert_eq!(tiers, [("db", Tier::Database), ("orders", Tier::Client)]);
}

/// Stopping and starting again leaves the object as it was, whatever it was.
#[test]
fn starting_is_the_exact_undo_of_stopping() {
    let daemons = |selector: Value| {
        (
            Kind::DaemonSet,
            json!({ "metadata": { "name": "d" }, "spec": { "template": { "spec": { "nodeSelector": selector } } } }),
        )
    };
    let cron = |suspend: Value| (Kind::CronJob, json!({ "metadata": { "name": "c" }, "spec": { "suspend": suspend } }));
    for object in [deployment("orders"), db(), daemons(json!({ "disk": "ssd" })), cron(json!(false)), cron(json!(true))]
    {
        let writer = search(std::slice::from_ref(&object)).unwrap().remove(0);
        let mut value = object.1.clone();
        json_patch::merge(&mut value, &stopping(&writer));
        assert_ne!((&value, object.1["spec"]["suspend"] == true), (&object.1, false), "it does not stop");
        json_patch::merge(&mut value, &starting(&writer));
        assert_eq!(value, object.1);
    }
}

#[test]
fn a_job_that_has_finished_is_left_alone_and_one_that_runs_is_suspended() {
    let job = |conditions: Value| {
        (Kind::Job, json!({ "metadata": { "name": "migrate" }, "spec": {}, "status": { "conditions": conditions } }))
    };
    assert_eq!(search(&[job(json!([{ "type": "Complete", "status": "True" }]))]).unwrap(), []);
    assert_eq!(search(&[job(json!([]))]).unwrap().len(), 1);
}

#[test]
fn an_operators_workload_is_refused_with_the_operators_object() {
    let mut set = db();
    set.1["metadata"]["ownerReferences"] = json!([{ "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "main", "uid": "u", "controller": true }]);
    refused(
        &[set],
        "statefulset db: it belongs to Cluster main, whose operator would scale it back\n  stop it the way its operator \
         offers, or leave its claims out with --leave; then try again",
    );
}

#[test]
fn a_bare_pod_on_the_volume_is_refused_because_nothing_would_start_it_again() {
    let pod = json!({ "metadata": { "name": "psql" },
        "spec": { "volumes": [{ "name": "d", "persistentVolumeClaim": { "claimName": "data-db-0" } }] } });
    refused(
        &[db(), (Kind::Pod, pod)],
        "pod psql: it mounts data-db-0 and nothing would start it again\n  delete it yourself (kubectl -n shop delete pod \
         psql), then try again",
    );
}

#[test]
fn an_operators_pod_on_the_volume_is_refused_with_the_operators_object() {
    let owner = json!([{ "apiVersion": "acid.zalan.do/v1", "kind": "postgresql", "name": "main", "uid": "u", "controller": true }]);
    let mut pod = on_the_volume("main-0");
    pod["metadata"]["ownerReferences"] = owner;
    refused(
        &[db(), (Kind::Pod, pod)],
        "pod main-0: it mounts data-db-0 and belongs to postgresql main, whose operator would start it again\n  stop it \
         the way its operator offers, or leave the claim out with --leave",
    );
}

fn on_the_volume(name: &str) -> Value {
    json!({ "metadata": { "name": name },
            "spec": { "volumes": [{ "name": "d", "persistentVolumeClaim": { "claimName": "data-db-0" } }] } })
}

/// `kubernetes.io/pvc-protection` counts a finished pod, too: the swap's delete of the claim would wait for ever.
#[test]
fn a_finished_pod_that_still_mounts_the_volume_is_refused_whoever_owns_it() {
    for (phase, told) in [("Succeeded", "succeeded"), ("Failed", "failed")] {
        for owned in [false, true] {
            let mut pod = on_the_volume("migrate-x");
            pod["status"] = json!({ "phase": phase });
            if owned {
                pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "u", "controller": true }]);
            }
            let expected = format!(
                "pod migrate-x: it has {told} and still holds data-db-0: a finished pod keeps its claim from being \
                 deleted\n  delete it: kubectl -n shop delete pod migrate-x"
            );
            refused(&[db(), (Kind::Pod, pod)], &expected);
        }
    }
    let mut elsewhere = on_the_volume("migrate-x");
    elsewhere["status"] = json!({ "phase": "Succeeded" });
    elsewhere["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = json!("other");
    assert!(search(&[db(), (Kind::Pod, elsewhere)]).is_ok());
}

#[test]
fn keda_is_refused_unless_it_is_paused_at_zero() {
    let scaled = |annotations: Value| {
        (
            Kind::ScaledObject,
            json!({ "metadata": { "name": "orders", "annotations": annotations },
                    "spec": { "scaleTargetRef": { "name": "orders" } } }),
        )
    };
    refused(
        &[deployment("orders"), scaled(json!({}))],
        "scaledobject orders: KEDA would scale orders back up while its volume is exchanged\n  pause it: kubectl -n shop \
         annotate scaledobject orders autoscaling.keda.sh/paused-replicas=0",
    );
    let paused = json!({ "autoscaling.keda.sh/paused-replicas": "0" });
    assert!(search(&[deployment("orders"), scaled(paused)]).is_ok());
}

#[test]
fn jobs_that_keda_starts_are_refused_unless_they_are_paused() {
    let scaled = |annotations: Value| {
        (Kind::ScaledJob, json!({ "metadata": { "name": "import", "annotations": annotations }, "spec": {} }))
    };
    refused(
        &[db(), scaled(json!({}))],
        "scaledjob import: KEDA would start jobs while the volumes are exchanged\n  pause it: kubectl -n shop annotate \
         scaledjob import autoscaling.keda.sh/paused=true",
    );
    assert!(search(&[db(), scaled(json!({ "autoscaling.keda.sh/paused": "true" }))]).is_ok());
}

#[test]
fn an_autoscaler_is_no_reason_it_sleeps_at_zero() {
    let hpa = json!({ "metadata": { "name": "orders" }, "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "orders" } } });
    assert!(search(&[deployment("orders"), (Kind::HorizontalPodAutoscaler, hpa)]).is_ok());
}

#[test]
fn argo_cd_and_flux_are_refused_unless_verifiably_paused() {
    let application = |policy: Value| {
        (
            Kind::Application,
            json!({ "metadata": { "name": "shop", "namespace": "argocd" },
                    "spec": { "destination": { "namespace": "shop" }, "syncPolicy": policy } }),
        )
    };
    let kustomization = |suspend: Value| {
        (
            Kind::Kustomization,
            json!({ "metadata": { "name": "apps", "namespace": "flux-system" },
                    "spec": { "targetNamespace": "shop", "suspend": suspend } }),
        )
    };
    let told = |object| gitops::find(&facts(&[object]), &[]).unwrap_err().to_string();
    assert_eq!(
        told(application(json!({ "automated": {} }))),
        "application argocd/shop: Argo CD syncs it automatically and would undo every step within seconds\n  pause it, and \
         the application that owns it if there is one: kubectl -n argocd patch application shop --type merge -p \
         '{\"spec\":{\"syncPolicy\":{\"automated\":null}}}'"
    );
    assert_eq!(
        told(kustomization(Value::Null)),
        "kustomization flux-system/apps: Flux reconciles it and would undo every step at its next interval\n  pause it: \
         flux suspend kustomization apps -n flux-system"
    );
    let refused = |object| gitops::find(&facts(&[object]), &[]).is_err();
    assert!(refused(application(json!({ "automated": { "selfHeal": true } }))));
    assert!(refused(application(json!({ "automated": {} }))));
    assert!(!refused(application(json!({ "automated": { "enabled": false } }))));
    assert!(!refused(application(json!({ "automated": null }))));
    assert!(refused(kustomization(Value::Null)));
    assert!(refused(kustomization(json!(false))));
    assert!(!refused(kustomization(json!(true))));
}
