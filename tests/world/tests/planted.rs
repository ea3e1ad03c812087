//! A secret in a literal environment variable: the staged pod gets it, and nothing that is written down holds it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use dr_core::kind::Kind;
use dr_run::run::Outcome;
use dr_world::app::{Keeps, NAMESPACE, PLANTED, Paths, Shape, Workload};
use dr_world::drive::{Answers, Driver, Moved};
use dr_world::facts;

#[test]
fn a_literal_of_the_application_is_in_the_staged_pod_and_in_nothing_else_of_ours() {
    let workload = |keeps, postgres| Workload {
        keeps,
        replicas: 1,
        postgres,
        when_scaled_delete: false,
        when_deleted_delete: false,
    };
    let shape = Shape {
        seed: 23,
        workloads: vec![workload(Keeps::Templates(1), true), workload(Keeps::Claim, false)],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Mixed,
        cron: false,
        claims_lost: false,
    };
    let app = shape.bring_up();
    let plan = facts::plan(&app).unwrap();
    assert!(!serde_json::to_string(&plan).unwrap().contains(PLANTED), "it is in the plan");
    let mut world = app.world.clone();
    let mut driver = Driver::take(&mut world, &plan, Answers::default(), 3);
    let mut staged = false;
    let outcome = (0..20_000).find_map(|_| {
        let moved = driver.advance(&mut world);
        for (key, object) in world.objects().filter(|(key, _)| key.namespace.as_deref() != Some(NAMESPACE)) {
            let holds = object.0.to_string().contains(PLANTED);
            staged = staged || (holds && key.kind == Kind::Pod);
            assert!(!holds || key.kind == Kind::Pod, "it is in {key}");
        }
        match moved {
            Moved::Finished(outcome) => Some(outcome),
            Moved::On | Moved::Waited => None,
            moved @ (Moved::Detached | Moved::Fenced) => panic!("{moved:?}"),
        }
    });
    assert_eq!(outcome, Some(Outcome::Restored));
    assert!(staged, "the staged pod lacks it");
    assert!(!serde_json::to_string(&world.journal).unwrap().contains(PLANTED), "it is in the journal");
    assert!(!world.trace.iter().any(|told| told.contains(PLANTED)), "it is told");
}
