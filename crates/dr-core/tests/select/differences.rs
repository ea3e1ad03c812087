//! Cases in which the engine once said something else than Velero did, met by `cargo xtask diff velero`.

use dr_core::select::{Phase, Place, Rule};
use serde_json::json;

use crate::build::{World, copy};

/// A missing claim is an error of the pod only where Velero looks at its volumes one by one.
#[test]
fn a_pod_that_does_not_run_is_kept_though_a_claim_of_it_is_missing() {
    let copies = json!({"includedNamespaces": ["shop"], "defaultVolumesToFsBackup": true});
    let mut world = World::new();
    world.pod("db-0", json!({}), &["gone"]);
    let running = world.backup(copies.clone());
    assert_eq!((running.0.phase, running.has("pods/shop/db-0")), (Phase::PartiallyFailed, false));
    assert_eq!(running.why("pods/shop/db-0").last(), Some(&Rule::ClaimMissing));
    world.with("db-0", json!({"status": {"phase": "Succeeded"}}));
    let ended = world.backup(copies);
    assert_eq!((ended.0.phase, ended.has("pods/shop/db-0")), (Phase::Completed, true));
}

#[test]
fn an_invalid_selector_is_none_for_the_namespaces_themselves() {
    let invalid = json!({"matchExpressions": [{"key": "app", "operator": "In"}]});
    let answer = World::new().backup(json!({"labelSelector": invalid, "includeClusterResources": true}));
    assert_eq!(
        (answer.0.phase, answer.all()),
        (Phase::PartiallyFailed, ["namespaces/shop", "namespaces/velero"].map(str::to_owned).to_vec())
    );
    // One that is valid and matches nothing narrows them down to those that hold something.
    let valid = json!({"matchLabels": {"app": "db"}});
    assert_eq!(World::new().backup(json!({"labelSelector": valid})).all(), Vec::<String>::new());
}

#[test]
fn an_invalid_selector_among_several_never_lets_the_backup_end_where_namespaces_are_collected() {
    let mut world = World::new();
    world.claim("data", json!({"app": "db"}));
    let any = json!([{"matchLabels": {"app": "db"}}, {"matchExpressions": [{"key": "app", "operator": "In"}]}]);
    let answer = world.backup(json!({"orLabelSelectors": any}));
    assert_eq!((answer.0.phase, answer.all().len()), (Phase::InProgress, 0));
    let reason = &answer.0.errors[0];
    assert_eq!(reason.rule, Rule::ServerPanics);
    assert_eq!(reason.place, Place::Backup { field: "spec.orLabelSelectors[1]".to_owned() });
    assert_eq!(answer.claim("data").fix.as_deref(), Some("remove spec.orLabelSelectors"));
    // Where they are not, the lists fail and the backup ends.
    let pods = world.backup(json!({"orLabelSelectors": any, "includedResources": ["pods"]}));
    assert_eq!((pods.0.phase, pods.0.errors[0].rule), (Phase::PartiallyFailed, Rule::SelectorUnusable));
}

/// Velero's tracker of copies keeps a claim that was passed over first as that, whatever is copied later.
#[test]
fn a_claim_that_the_first_pod_passes_over_is_copied_from_every_other_pod() {
    let out = json!({"metadata": {"annotations": {"backup.velero.io/backup-volumes-excludes": "data"}}});
    let copies = json!({"includedNamespaces": ["shop"], "defaultVolumesToFsBackup": true});
    let mut world = World::new();
    world.claim("data", json!({}));
    for pod in ["web-0", "web-1", "web-2"] {
        world.pod(pod, json!({}), &["data"]);
    }
    let once = world.backup(copies.clone());
    assert_eq!((once.claim("data").capture.clone(), once.claim("data").copied_again.len()), (copy("web-0", "data"), 0));
    world.with("web-0", out);
    let twice = world.backup(copies);
    assert_eq!(twice.claim("data").capture, copy("web-1", "data"));
    assert_eq!(twice.claim("data").copied_again, [("web-2".to_owned(), "data".to_owned())]);
}

/// `pkg/backup/item_collector.go:collectNamespaces` logs it as an error, whether or not anything is listed.
#[test]
fn an_invalid_selector_is_an_error_where_no_namespace_is_left_to_list() {
    let nothing = |selector: serde_json::Value| {
        let spec = json!({"includedNamespaces": ["gone-*"], "labelSelector": selector});
        World::new().backup(spec).0
    };
    let invalid = nothing(json!({"matchExpressions": [{"key": "app", "operator": "In"}]}));
    assert_eq!(invalid.phase, Phase::PartiallyFailed);
    assert_eq!(invalid.errors.iter().map(|reason| reason.rule).collect::<Vec<_>>(), [Rule::SelectorUnusable]);
    assert_eq!(nothing(json!({"matchLabels": {"app": "db"}})).phase, Phase::Completed);
    assert_eq!(nothing(json!({})).phase, Phase::Completed);
}
