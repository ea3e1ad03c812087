//! What a plan was made from: with what was there it holds, and each change is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    unreachable_pub,
    dead_code,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use common::{Bookstore, By};
use dr_core::facts::Listed;
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_run::condition::{Observation, Query, Verdict};
use dr_run::plan::Plan;
use serde_json::{Value, json};

/// What a read of the cluster would answer.
fn observe(bookstore: &Bookstore, queries: impl IntoIterator<Item = Query>) -> Observation {
    let objects = |kind: Kind| match bookstore.facts.objects.get(&kind) {
        Some(Listed::Objects(objects)) => objects.clone(),
        Some(Listed::NotServed | Listed::Forbidden(_)) | None => panic!("{kind} is asked for and not served"),
    };
    let answer = |query: &Query| -> Vec<Object> {
        match query {
            Query::Get(key) => {
                let mut found = objects(key.kind);
                found.retain(|object| object.name() == key.name && object.namespace() == key.namespace.as_deref());
                found
            }
            Query::List(listing) => {
                let mut found = objects(listing.kind);
                found
                    .retain(|object| listing.namespace.is_none() || object.namespace() == listing.namespace.as_deref());
                found
            }
        }
    };
    Observation(queries.into_iter().map(|query| (query.clone(), answer(&query))).collect())
}

/// Everything that does not hold any more.
fn changed(plan: &Plan, bookstore: &Bookstore) -> Vec<String> {
    let queries = plan.premises.iter().flat_map(|premise| premise.queries(&plan.bindings).unwrap());
    let seen = observe(bookstore, queries);
    let judged = plan.premises.iter().map(|premise| premise.judge(&seen, &plan.bindings).unwrap());
    judged
        .filter_map(|verdict| match verdict {
            Verdict::Holds => None,
            Verdict::Not { because } => Some(because),
        })
        .collect()
}

fn object(name: &str, extra: &Value) -> Value {
    let mut object = json!({ "metadata": { "name": name, "namespace": "bookstore", "uid": format!("uid-{name}") } });
    json_patch::merge(&mut object, extra);
    object
}

fn owned_by(kind: &str) -> Value {
    json!({ "metadata": { "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": "x", "controller": true }] } })
}

#[test]
fn while_nothing_changes_a_plan_holds() {
    for by in [By::Files, By::Snapshot] {
        let bookstore = Bookstore::new(by);
        assert_eq!(changed(&bookstore.plan(), &bookstore), [""; 0]);
    }
}

#[test]
fn what_comes_and_goes_by_itself_changes_nothing() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.facts.objects.insert(Kind::ScaledJob, Listed::NotServed);
    let plan = bookstore.plan();
    bookstore.add(Kind::ReplicaSet, object("orders-5d9c7b", &owned_by("Deployment")));
    bookstore.add(Kind::Job, object("report-29", &owned_by("CronJob")));
    bookstore.add(Kind::Job, object("migrate", &json!({ "status": { "completionTime": "2026-01-02T12:00:00Z" } })));
    bookstore.add(Kind::Pod, object("orders-5d9c7b-x", &owned_by("ReplicaSet")));
    assert_eq!(changed(&plan, &bookstore), [""; 0]);
}

#[test]
fn what_was_added_after_the_plan_is_named() {
    let plan = Bookstore::new(By::Files).plan();
    let added = [
        (Kind::PersistentVolumeClaim, json!({})),
        (Kind::Deployment, json!({})),
        (Kind::StatefulSet, json!({})),
        (Kind::DaemonSet, json!({})),
        (Kind::CronJob, json!({})),
        (Kind::Job, json!({})),
        (Kind::Pod, json!({})),
        (Kind::ReplicaSet, owned_by("Rollout")),
        (Kind::ScaledObject, json!({})),
    ];
    for (kind, extra) in added {
        let mut bookstore = Bookstore::new(By::Files);
        bookstore.add(kind, object("new-one", &extra));
        assert_eq!(changed(&plan, &bookstore), [format!("{} new-one is new", kind.info().plural)]);
    }
}

#[test]
fn what_was_changed_after_the_plan_is_named_with_its_field() {
    let cases: Vec<(Box<dyn Fn(&mut Bookstore)>, &str)> = vec![
        (
            Box::new(|b| b.set(Kind::Deployment, "orders", "/spec/replicas", json!(3))),
            "deployments/bookstore/orders: wanted spec.replicas = 2, found 3",
        ),
        (
            Box::new(|b| {
                let volumes = json!([{ "name": "d", "persistentVolumeClaim": { "claimName": "data-postgres-0" } }]);
                b.set(Kind::Deployment, "orders", "/spec/template/spec/volumes", volumes);
            }),
            "deployments/bookstore/orders: wanted spec.template.spec.volumes is not set, found",
        ),
        (
            Box::new(|b| {
                b.set(Kind::StatefulSet, "postgres", "/spec/template/spec/containers/0/image", json!("postgres:16"));
            }),
            "statefulsets/bookstore/postgres: wanted spec.template.spec.containers.0.image = \"postgres:15\", found \"postgres:16\"",
        ),
        (
            Box::new(|b| b.set(Kind::Deployment, "orders", "/metadata/uid", json!("another"))),
            "deployments/bookstore/orders is another object than the one the plan was made for",
        ),
    ];
    let plan = Bookstore::new(By::Files).plan();
    for (change, expected) in cases {
        let mut bookstore = Bookstore::new(By::Files);
        change(&mut bookstore);
        let changed = changed(&plan, &bookstore);
        assert!(changed.iter().any(|found| found.starts_with(expected)), "wanted {expected:?} in {changed:#?}");
    }
}

#[test]
fn a_number_that_an_autoscaler_has_chosen_since_is_no_change() {
    let plan = Bookstore::new(By::Files).plan();
    let mut bookstore = Bookstore::new(By::Files);
    let target =
        json!({ "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "orders" } } });
    bookstore.add(Kind::HorizontalPodAutoscaler, object("orders", &target));
    bookstore.set(Kind::Deployment, "orders", "/spec/replicas", json!(7));
    assert_eq!(changed(&plan, &bookstore), [""; 0]);
    bookstore.set(Kind::Deployment, "orders", "/spec/replicas", json!(0));
    assert_eq!(changed(&plan, &bookstore).len(), 1, "at 0 it sleeps: somebody else has stopped it");
}
