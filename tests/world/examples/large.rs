//! `cargo xtask bench plan`: a plan for 10,000 objects and 1,000 claims, and the requests of a capture of them.
//!
//! Facts of one small application are multiplied; the time is that of choosing, planning and checking, on values.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement: whatever it does not expect must stop it"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dr_cluster::capture::capture;
use dr_cluster::connect::Connection;
use dr_core::facts::{Document, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_run::compute::{self, compute};
use dr_world::app::{ID, Keeps, NAMESPACE, Paths, Shape, Workload};
use dr_world::controllers::velero::VELERO;
use http::{Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};

const CLAIMS: usize = 1_000;
const OBJECTS: usize = 10_000;

fn main() {
    let facts = multiplied(CLAIMS, OBJECTS);
    let request =
        compute::Request { id: ID.to_owned(), objects_missing: false, accept_unproven: false, stage_seconds: 3600 };
    let mut best = f64::INFINITY;
    let mut plan = None;
    for _ in 0..3 {
        let began = Instant::now();
        let chosen = dr_world::facts::choose(&facts).unwrap_or_else(|refusal| panic!("{refusal}"));
        let made = compute(&facts, &chosen, &request).unwrap_or_else(|refusal| panic!("{refusal}"));
        best = best.min(began.elapsed().as_secs_f64());
        plan = Some(made);
    }
    let plan = plan.unwrap();
    let few = multiplied(1, 100);
    let result = json!({
        "objects": count(&facts), "claims": plan.volumes.len(), "seconds": best, "waves": plan.waves.len(),
        "steps": plan.steps().count(), "planBytes": serde_json::to_vec(&plan).unwrap().len(),
        "requests": requests(&facts), "fewObjects": count(&few), "fewRequests": requests(&few),
        "kinds": facts.objects.len(),
    });
    println!("{result}");
}

fn count(facts: &Facts) -> usize {
    facts.objects.values().map(|listed| if let Listed::Objects(list) = listed { list.len() } else { 0 }).sum()
}

/// A StatefulSet with so many claims, each with its pod, volume and copied files, among so many objects altogether.
fn multiplied(claims: usize, objects: usize) -> Facts {
    let database = Workload {
        keeps: Keeps::Templates(1),
        replicas: 1,
        postgres: true,
        when_scaled_delete: false,
        when_deleted_delete: false,
    };
    let shop = Workload { keeps: Keeps::Nothing, replicas: 2, postgres: false, ..database.clone() };
    let shape = Shape {
        seed: 1,
        workloads: vec![database, shop],
        wait_for_first_consumer: true,
        retain: false,
        paths: Paths::Files,
        cron: false,
        claims_lost: false,
    };
    let mut facts = dr_world::facts::facts(&shape.bring_up().world);
    let one = |object: &Object| object.name().contains("part0-0") || object.0.to_string().contains("data0-part0-0");
    let mut uids: Vec<String> = Vec::new();
    for listed in facts.objects.values() {
        if let Listed::Objects(list) = listed {
            let mine = list.iter().filter(|object| one(object) && object.str_at("/kind") != Some("StatefulSet"));
            uids.extend(mine.filter_map(|object| object.uid().map(str::to_owned)));
        }
    }
    let volume = list(&facts, Kind::PersistentVolumeClaim)[0].str_at("/spec/volumeName").unwrap().to_owned();
    let again = |value: &Value, number: usize| -> Value {
        let mut text = value.to_string().replace("part0-0", &format!("part0-{number}"));
        for token in uids.iter().chain([&volume]) {
            text = text.replace(&format!("\"{token}\""), &format!("\"{token}-{number}\""));
        }
        serde_json::from_str(&text).unwrap()
    };
    for (kind, listed) in &mut facts.objects {
        let Listed::Objects(list) = listed else { continue };
        match kind {
            Kind::Pod
            | Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::PodVolumeBackup
            | Kind::VolumeAttachment => {
                let first: Vec<Object> = list.iter().filter(|object| one(object)).cloned().collect();
                list.extend(
                    (1..claims)
                        .flat_map(|number| first.iter().map(move |object| (number, object.clone())))
                        .map(|(number, object)| Object(again(&object.0, number))),
                );
            }
            Kind::StatefulSet => {
                for set in list.iter_mut() {
                    set.0["spec"]["replicas"] = json!(claims);
                    set.0["status"]["replicas"] = json!(claims);
                    set.0["status"]["readyReplicas"] = json!(claims);
                }
            }
            Kind::ConfigMap => {
                for map in list.iter_mut().filter(|map| map.label("kubectl-dr/fingerprint").is_some()) {
                    let data = map.0["data"].as_object().unwrap().clone();
                    for number in 1..claims {
                        for (key, print) in &data {
                            map.0["data"][key.replace("part0-0", &format!("part0-{number}"))] = print.clone();
                        }
                    }
                }
            }
            _ => {}
        }
    }
    for documents in facts.documents.values_mut() {
        if let Document::Read(infos) = &mut documents.volume_infos {
            let first = infos.clone();
            infos.extend(
                (1..claims)
                    .flat_map(|number| first.iter().map(move |info| (number, info.clone())))
                    .map(|(number, info)| again(&info, number)),
            );
        }
        if let Document::Read(archive) = &mut documents.archive {
            let first: Vec<Object> = archive
                .objects
                .iter()
                .filter(|object| one(object) && object.str_at("/kind") != Some("StatefulSet"))
                .cloned()
                .collect();
            let items: Vec<String> = archive.items.iter().filter(|item| item.contains("part0-0")).cloned().collect();
            for number in 1..claims {
                archive.objects.extend(first.iter().map(|object| Object(again(&object.0, number))));
                archive.items.extend(items.iter().map(|item| item.replace("part0-0", &format!("part0-{number}"))));
            }
        }
    }
    // Earlier versions of the shop, as a Deployment keeps them.
    let deployment =
        list(&facts, Kind::Deployment).iter().find(|one| one.name() == "part1").unwrap().uid().unwrap().to_owned();
    let missing = objects.saturating_sub(count(&facts));
    for number in 0..missing {
        let (kind, api, name) = [
            (Kind::ConfigMap, "v1", "ConfigMap"),
            (Kind::Secret, "v1", "Secret"),
            (Kind::ReplicaSet, "apps/v1", "ReplicaSet"),
        ][number % 3];
        let owner = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "part1", "uid": deployment, "controller": true }]);
        let object = json!({
            "apiVersion": api, "kind": name,
            "metadata": { "name": format!("other-{number}"), "namespace": NAMESPACE, "uid": format!("uid-other-{number}"),
                          "ownerReferences": if kind == Kind::ReplicaSet { owner } else { json!([]) } },
            "spec": { "replicas": 0 },
        });
        if let Some(Listed::Objects(list)) = facts.objects.get_mut(&kind) {
            list.push(Object(object));
        }
    }
    facts
}

fn list(facts: &Facts, kind: Kind) -> &[Object] {
    match &facts.objects[&kind] {
        Listed::Objects(list) => list,
        other => panic!("{kind}: {other:?}"),
    }
}

/// How many requests a capture of these objects makes of an API server that hands out pages.
fn requests(facts: &Facts) -> usize {
    let counter = Arc::new(AtomicUsize::new(0));
    let facts = Arc::new(facts.clone());
    let service = {
        let (counter, facts) = (Arc::clone(&counter), Arc::clone(&facts));
        tower::service_fn(move |request: Request<Body>| {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer(&facts, request.uri().path(), request.uri().query().unwrap_or_default());
            let code = if answer.is_null() { 404 } else { 200 };
            let body = Body::from(answer.to_string().into_bytes());
            async move { Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap()) }
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let captured = runtime.block_on(async {
        let connection = Connection::for_tests(kube::Client::new(service, "default"));
        capture(&connection, NAMESPACE, Some(VELERO), Timestamp::UNIX_EPOCH).await.unwrap()
    });
    let of = |facts: &Facts| list(facts, Kind::PersistentVolumeClaim).len();
    assert_eq!(of(&captured), of(&facts), "the pages were not read to their end");
    counter.load(Ordering::SeqCst)
}

fn answer(facts: &Facts, path: &str, query: &str) -> Value {
    if path == "/version" {
        return json!({ "gitVersion": "v1.34.2" });
    }
    if path == "/apis" {
        let groups: Vec<Value> = Kind::ALL.iter().map(|kind| json!({ "name": kind.info().group })).collect();
        return json!({ "groups": groups });
    }
    let parts: Vec<&str> = path.split('/').collect();
    let namespace = parts.iter().position(|part| *part == "namespaces").and_then(|at| parts.get(at + 1));
    let (last, before) = (parts[parts.len() - 1], parts[parts.len() - 2]);
    if before == "namespaces" {
        return json!({ "metadata": { "name": last, "uid": format!("uid-{last}") } });
    }
    let Some(kind) = Kind::ALL.iter().find(|kind| kind.info().plural == last) else { return Value::Null };
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    let here = |object: &&Object| namespace.is_none() || object.namespace() == namespace.copied();
    let all: Vec<&Object> = match &facts.objects[kind] {
        Listed::Objects(list) => list.iter().filter(here).collect(),
        Listed::NotServed | Listed::Forbidden(_) => Vec::new(),
    };
    let from: usize = parameter("continue").map_or(0, |text| text.parse().unwrap());
    let limit: usize = parameter("limit").map_or(all.len(), |text| text.parse().unwrap());
    let to = (from + limit).min(all.len());
    let next = if to < all.len() { to.to_string() } else { String::new() };
    json!({ "metadata": { "continue": next }, "items": all[from..to] })
}
