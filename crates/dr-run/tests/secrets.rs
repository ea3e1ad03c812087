//! No value that may be secret is in a plan; whoever carries the run on reads it where it stands.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use std::collections::BTreeMap;

use common::{Bookstore, By};
use dr_core::facts::{Archive, Document};
use dr_core::kind::Kind;
use dr_run::action::Action;
use dr_run::condition::{Observation, Query};
use dr_run::plan::Plan;
use dr_run::run::Run;
use dr_run::slot::Bindings;
use dr_run::withheld::{self, Lost};
use serde_json::{Value, json};

const PLANTED: &str = "planted-hunter2";
const ELSEWHERE: &str = "planted-in-args";

/// The container of the StatefulSet with literals in its environment and its arguments.
fn plant(container: &mut Value) {
    container["env"] = json!([
        { "name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata" },
        { "name": "POSTGRES_PASSWORD", "value": PLANTED },
        { "name": "EMPTY", "value": "" },
        { "name": "FROM", "valueFrom": { "secretKeyRef": { "name": "postgres", "key": "password" } } },
    ]);
    container["args"] = json!(["postgres", "-c", format!("primary_conninfo=password={ELSEWHERE}")]);
}

fn planted() -> Bookstore {
    let mut bookstore = Bookstore::new(By::Files);
    let mut container = json!({});
    if let Some(set) = bookstore.facts.all(Kind::StatefulSet).unwrap().iter().find(|set| set.name() == "postgres") {
        container = set.at("/spec/template/spec/containers/0").unwrap().clone();
    }
    plant(&mut container);
    bookstore.set(Kind::StatefulSet, "postgres", "/spec/template/spec/containers", json!([container]));
    let documents = bookstore.facts.documents.get_mut("nightly").unwrap();
    let Document::Read(archive) = &mut documents.archive else { panic!() };
    for object in &mut archive.objects {
        for pointer in ["/spec/template/spec/containers/0", "/spec/containers/0"] {
            if let Some(container) = object.0.pointer_mut(pointer) {
                plant(container);
            }
        }
    }
    bookstore
}

fn archive(bookstore: &Bookstore) -> &Archive {
    match &bookstore.facts.documents["nightly"].archive {
        Document::Read(archive) => archive,
        Document::NotRead | Document::Failed(_) => panic!("no archive"),
    }
}

fn values(plan: &Plan, bookstore: &Bookstore) -> Result<Bindings, Lost> {
    let answers = withheld::queries(plan).into_iter().map(|query| {
        let Query::Get(key) = &query else { panic!() };
        let found = bookstore.facts.get(key).unwrap().cloned();
        (query, found.into_iter().collect())
    });
    let seen = Observation(answers.collect::<BTreeMap<_, _>>());
    let archive = withheld::wants_archive(plan).then(|| archive(bookstore));
    withheld::values(plan, &seen, archive)
}

/// The staged pod's container as it is sent to the server.
fn staged(plan: &Plan, values: &Bindings) -> Value {
    let step = plan.steps().find(|step| step.name.0 == "verify/postgres-0/open").unwrap();
    let Action::Create { template, .. } = &step.forward.action else { panic!() };
    template.resolve(values).unwrap()["spec"]["containers"][0].clone()
}

fn holds_none(plan: &Plan) {
    let text = serde_json::to_string(plan).unwrap();
    for secret in [PLANTED, ELSEWHERE] {
        assert!(!text.contains(secret), "{secret} is in the plan");
    }
}

#[test]
fn a_plan_holds_no_literal_and_the_staged_pod_gets_them_all() {
    let bookstore = planted();
    let plan = bookstore.plan();
    holds_none(&plan);
    assert!(!withheld::wants_archive(&plan));
    let container = staged(&plan, &values(&plan, &bookstore).unwrap());
    let mut given = json!({});
    plant(&mut given);
    assert_eq!(container["env"], given["env"]);
    assert_eq!(container["args"][2], given["args"][2]);
    assert!(container["args"].to_string().contains("archive_mode=off"), "{container}");
}

#[test]
fn of_a_namespace_that_is_gone_the_archive_has_them() {
    let mut bookstore = planted();
    bookstore.lose_namespace();
    let plan = bookstore.plan();
    holds_none(&plan);
    assert!(withheld::wants_archive(&plan));
    let container = staged(&plan, &values(&plan, &bookstore).unwrap());
    assert_eq!(container["env"][1]["value"], PLANTED);
}

#[test]
fn what_was_taken_away_since_is_named_and_not_guessed() {
    let mut bookstore = planted();
    let plan = bookstore.plan();
    bookstore.set(Kind::StatefulSet, "postgres", "/spec/template/spec/containers/0/env", json!([]));
    assert_eq!(
        values(&plan, &bookstore).unwrap_err().to_string(),
        "statefulsets/bookstore/postgres has no environment variable POSTGRES_PASSWORD in container postgres any more"
    );
}

#[test]
fn they_are_wanted_until_the_staged_pod_is_there_and_by_no_undo() {
    use dr_run::journal::{Direction, Entry, Event, Turn};
    let run = Run::new(planted().plan());
    assert!(run.wants_withheld());
    assert!(!Run::new(Bookstore::new(By::Files).plan()).wants_withheld(), "nothing is withheld");
    let mut back = run.clone();
    let event = Event::Turned { to: Direction::Back, why: Turn::UndoRequested, because: "asked for".into() };
    back.apply(&Entry { at: "2026-01-02T12:00:00Z".parse().unwrap(), epoch: 1, event }).unwrap();
    assert!(!back.wants_withheld());
}
