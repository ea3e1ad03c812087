//! Where hooks run, and where they do not although they are meant to.

use dr_core::select::{Backup, Policies, Rule, hooks, select};
use serde_json::{Value, json};

use crate::build::World;

/// What is wrong with these hooks of a backup of the shop: rule, place of the fix.
fn troubles(world: &World, spec: &Value, all: Value) -> Vec<(Rule, String)> {
    let mut spec = spec.clone();
    spec["hooks"] = json!({ "resources": all });
    let backup = Backup {
        name: "b".into(),
        annotations: std::collections::BTreeMap::new(),
        spec: serde_json::from_value(spec).expect("a spec"),
        at: "spec".into(),
        policies: Policies::None,
    };
    let cluster = world.cluster();
    let selection = select(&cluster, &backup, &world.server);
    hooks(&cluster, &backup, &selection, "shop").into_iter().map(|found| (found.reason.rule, found.fix)).collect()
}

fn shop() -> Value {
    json!({ "includedNamespaces": ["shop"] })
}

fn hook(more: Value) -> Value {
    let mut hook = json!({ "name": "flush", "pre": [{ "exec": { "command": ["sync"] } }] });
    json_patch::merge(&mut hook, &more);
    json!([hook])
}

fn database() -> World {
    let mut world = World::new();
    world.claim("data", json!({})).pod("db-0", json!({ "app": "db" }), &["data"]);
    world
}

#[test]
fn a_hook_whose_labels_no_pod_has_runs_nowhere() {
    let world = database();
    let labels = |value: &str| hook(json!({ "labelSelector": { "matchLabels": { "app": value } } }));
    assert_eq!(troubles(&world, &shop(), labels("db")), []);
    let fix = "give spec.hooks.resources[0].labelSelector labels that pods have".to_owned();
    assert_eq!(troubles(&world, &shop(), labels("postgres")), [(Rule::HookMatchesNothing, fix)]);
}

#[test]
fn a_hook_for_another_namespace_or_for_several_is_left_alone() {
    let world = database();
    let elsewhere = hook(json!({ "includedNamespaces": ["other"] }));
    assert_eq!(troubles(&world, &json!({ "includedNamespaces": ["shop", "other"] }), elsewhere.clone()), []);
    let labels = hook(json!({ "labelSelector": { "matchLabels": { "app": "postgres" } } }));
    assert_eq!(troubles(&world, &json!({}), labels), []);
}

#[test]
fn a_hook_for_other_resources_than_pods_runs_nowhere() {
    let world = database();
    let of = |resources: Value| troubles(&world, &shop(), hook(json!({ "includedResources": resources })));
    assert_eq!(of(json!(["po"])), []);
    assert_eq!(of(json!(["statefulsets"])).len(), 1);
    assert_eq!(troubles(&world, &shop(), hook(json!({ "excludedResources": ["pods"] }))).len(), 1);
    assert_eq!(troubles(&world, &shop(), hook(json!({ "excludedResources": ["*"] }))), []);
}

#[test]
fn a_container_that_the_pod_does_not_have_is_told_with_those_it_has() {
    let world = database();
    let named = |name: &str| hook(json!({ "pre": [{ "exec": { "container": name, "command": ["sync"] } }] }));
    assert_eq!(troubles(&world, &shop(), named("main")), []);
    let fix = "name one of main".to_owned();
    assert_eq!(troubles(&world, &shop(), named("fsfreeze")), [(Rule::HookContainerMissing, fix)]);
}

#[test]
fn the_same_of_a_hook_in_the_pods_own_annotations() {
    let mut world = database();
    let annotations = |container: &str| json!({ "pre.hook.backup.velero.io/command": "[\"sync\"]", "pre.hook.backup.velero.io/container": container });
    world.with("db-0", json!({ "metadata": { "annotations": annotations("main") } }));
    assert_eq!(troubles(&world, &shop(), json!([])), []);
    world.with("db-0", json!({ "metadata": { "annotations": annotations("postgres") } }));
    assert_eq!(troubles(&world, &shop(), json!([])), [(Rule::HookContainerMissing, "name one of main".to_owned())]);
}

#[test]
fn a_pods_own_annotations_take_the_place_of_the_hooks_of_their_phase() {
    let mut world = database();
    world.with("db-0", json!({ "metadata": { "annotations": { "pre.hook.backup.velero.io/command": "[\"sync\"]" } } }));
    let fix = "have one of the two: the hook, or the annotations".to_owned();
    assert_eq!(troubles(&world, &shop(), hook(json!({}))), [(Rule::HookMatchesNothing, fix)]);
    let other = json!([{ "post": [{ "exec": { "command": ["sync"] } }] }]);
    assert_eq!(troubles(&world, &shop(), other), []);
    // It does not run there, so its container does not matter.
    let elsewhere = json!([{ "post": [], "pre": [{ "exec": { "container": "other", "command": ["sync"] } }],
        "includedNamespaces": ["shop", "other"] }]);
    assert_eq!(troubles(&world, &json!({ "includedNamespaces": ["shop", "other"] }), elsewhere), []);
}

#[test]
fn an_old_annotation_counts_only_where_there_is_no_newer_one_and_an_empty_container_is_the_first() {
    let mut world = database();
    let old = json!({ "hook.backup.velero.io/command": "[\"sync\"]", "hook.backup.velero.io/container": "gone" });
    world.with("db-0", json!({ "metadata": { "annotations": old } }));
    assert_eq!(troubles(&world, &shop(), json!([])).len(), 1);
    let newer = json!({ "pre.hook.backup.velero.io/command": "[\"sync\"]", "pre.hook.backup.velero.io/container": "" });
    world.with("db-0", json!({ "metadata": { "annotations": newer } }));
    assert_eq!(troubles(&world, &shop(), json!([])), []);
}

#[test]
fn nothing_is_said_while_no_pod_of_the_namespace_runs_in_the_backup() {
    let mut world = database();
    world.with("db-0", json!({ "status": { "phase": "Pending" } }));
    let labels = hook(json!({ "labelSelector": { "matchLabels": { "app": "postgres" } } }));
    assert_eq!(troubles(&world, &shop(), labels), []);
}
