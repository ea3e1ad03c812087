//! Which items a backup takes: namespaces, types, selectors, labels, and what is brought along.

use dr_core::select::{Phase, Place, Rule};
use serde_json::json;

use crate::build::World;

/// Comes along with every CSI snapshot.
const CLASS: &str = "volumesnapshotclasses.snapshot.storage.k8s.io/snap";

#[test]
fn a_selector_that_misses_the_claim_takes_it_through_its_pod() {
    let mut world = World::new();
    world.claim("data", json!({})).pod("db-0", json!({"app": "db"}), &["data"]);
    let answer = world.backup(json!({"includedNamespaces": ["shop"], "labelSelector": {"matchLabels": {"app": "db"}}}));
    assert_eq!(
        answer.all(),
        ["pods/shop/db-0", "persistentvolumeclaims/shop/data", "persistentvolumes/pv-data", "namespaces/shop", CLASS]
    );
    assert!(answer.item("persistentvolumeclaims/shop/data").by_accident);
    assert_eq!(
        answer.why("persistentvolumeclaims/shop/data"),
        [Rule::NamespaceIncluded, Rule::TypeIncluded, Rule::SelectorMatched, Rule::BroughtByPod]
    );
}

#[test]
fn the_same_selector_without_the_pod_takes_nothing_and_says_which_label_is_missing() {
    let mut world = World::new();
    world.claim("data", json!({}));
    let answer = world.backup(json!({"includedNamespaces": ["shop"], "labelSelector": {"matchLabels": {"app": "db"}}}));
    assert_eq!(answer.all(), ["namespaces/shop"]);
    assert_eq!(answer.0.phase, Phase::Completed);
    let [reason] = answer.item("persistentvolumeclaims/shop/data").chain.as_slice() else {
        panic!("one reason");
    };
    assert_eq!(reason.place, Place::Backup { field: "spec.labelSelector.matchLabels[app]".to_owned() });
    let says = "persistentvolumeclaims/shop/data is not selected by labelSelector.matchLabels[app]: it has no label app, \
                not \"db\"";
    assert_eq!(reason.says, says);
}

#[test]
fn a_selected_claim_drags_in_running_pods_that_mount_it_and_their_other_claims() {
    let mut world = World::new();
    world.claim("shared", json!({"pick": "me"})).claim("other", json!({}));
    world.pod("web", json!({}), &["shared", "other"]).pod("done", json!({}), &["shared"]);
    world.with("done", json!({"status": {"phase": "Succeeded"}}));
    let answer = world.backup(json!({"labelSelector": {"matchLabels": {"pick": "me"}}}));
    assert!(answer.has("pods/shop/web") && answer.has("persistentvolumeclaims/shop/other"));
    assert!(!answer.has("pods/shop/done"));
    assert_eq!(answer.why("pods/shop/web").last(), Some(&Rule::PodBroughtByClaim));
}

#[test]
fn an_empty_selector_fails_every_list_and_keeps_only_namespaces() {
    let mut world = World::new();
    world.claim("data", json!({})).pod("db-0", json!({}), &["data"]);
    let answer = world.backup(json!({"labelSelector": {}}));
    assert_eq!(answer.all(), ["namespaces/shop", "namespaces/velero"]);
    assert_eq!(answer.0.phase, Phase::PartiallyFailed);
    assert_eq!(answer.why("pods/shop/db-0"), [Rule::SelectorUnusable]);
}

#[test]
fn a_namespace_whose_labels_are_selected_is_kept_though_it_is_not_included() {
    let mut world = World::new();
    world.namespace("elsewhere", json!({"app": "db"}));
    let answer = world.backup(json!({"includedNamespaces": ["shop"], "labelSelector": {"matchLabels": {"app": "db"}}}));
    assert_eq!(answer.all(), ["namespaces/elsewhere", "namespaces/shop"]);
}

#[test]
fn or_selectors_add_up() {
    let mut world = World::new();
    for (name, labels) in [("a", json!({"app": "a"})), ("b", json!({"tier": "db"})), ("c", json!({"app": "c"}))] {
        world.object("v1", "ConfigMap", name, labels);
    }
    let answer = world.backup(json!({"orLabelSelectors": [
        {"matchLabels": {"app": "a"}},
        {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db", "web"]}]},
    ]}));
    assert!(answer.has("configmaps/shop/a") && answer.has("configmaps/shop/b") && !answer.has("configmaps/shop/c"));
}

#[test]
fn both_kinds_of_selectors_are_refused_even_when_one_is_an_empty_list() {
    let answer = World::new().backup(json!({"labelSelector": {"matchLabels": {"a": "b"}}, "orLabelSelectors": []}));
    assert_eq!(answer.0.phase, Phase::FailedValidation);
    let says: Vec<&str> = answer.0.refused.iter().map(|reason| reason.says.as_str()).collect();
    assert_eq!(says, ["labelSelector and orLabelSelectors exclude each other, an empty list too"]);
}

#[test]
fn an_include_list_without_claims_leaves_them_out_of_the_backup() {
    let mut world = World::new();
    world.claim("data", json!({})).pod("db-0", json!({}), &["data"]);
    let answer = world.backup(json!({"includedNamespaces": ["shop"], "includedResources": ["po", "StatefulSet"]}));
    assert_eq!(answer.all(), ["pods/shop/db-0"]);
    assert_eq!(answer.why("persistentvolumeclaims/shop/data"), [Rule::BroughtByPod, Rule::TypeNotIncluded]);
}

#[test]
fn the_old_family_rejects_the_volume_of_an_included_claim_and_the_new_one_takes_it() {
    let mut world = World::new();
    world.claim("data", json!({}));
    let old = world.backup(json!({"includedNamespaces": ["shop"], "includedResources": ["pvc"]}));
    assert_eq!(old.all(), ["persistentvolumeclaims/shop/data", CLASS]);
    let new = world.backup(json!({"includedNamespaces": ["shop"], "includedNamespaceScopedResources": ["pvc"]}));
    assert_eq!(new.all(), ["persistentvolumeclaims/shop/data", "persistentvolumes/pv-data", "namespaces/shop", CLASS]);
}

#[test]
fn data_whose_volume_is_not_in_the_backup_is_captured_but_not_listed() {
    let mut world = World::new();
    world.claim("data", json!({}));
    let taken = |resources: serde_json::Value| {
        let answer = world.backup(json!({"includedNamespaces": ["shop"], "includedResources": resources}));
        let verdict = answer.claim("data");
        assert!(verdict.capture.is_captured(), "{verdict:?}");
        (verdict.unlisted.as_ref().map(|reason| reason.rule), verdict.fix.clone())
    };
    let fix = "have persistentvolumes in the backup too".to_owned();
    assert_eq!(taken(json!(["pvc"])), (Some(Rule::VolumeUnlisted), Some(fix)));
    assert_eq!(taken(json!(["pvc", "pv"])), (None, None));
}

#[test]
fn a_snapshot_brings_its_class_along_past_every_filter_and_moved_data_does_not() {
    let mut world = World::new();
    world
        .claim("data", json!({}))
        .with("snap", json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}}));
    let none = json!({"includedNamespaces": ["shop"], "includeClusterResources": false, "excludedResources": ["volumesnapshotclasses"]});
    let answer = world.backup(none.clone());
    assert!(answer.has(CLASS));
    assert_eq!(answer.why(CLASS).last(), Some(&Rule::BroughtBySnapshot));
    for without in [json!({"snapshotMoveData": true}), json!({"snapshotVolumes": false})] {
        let mut spec = none.clone();
        json_patch::merge(&mut spec, &without);
        assert!(!world.backup(spec).has(CLASS), "{without}");
    }
}

#[test]
fn include_cluster_resources_has_three_states() {
    let mut world = World::new();
    world.claim("data", json!({}));
    world.add(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "free"}, "spec": {}}));
    let has = |spec| {
        let answer = world.backup(spec);
        ["persistentvolumes/pv-data", "persistentvolumes/free", "storageclasses.storage.k8s.io/csi"]
            .map(|i| answer.has(i))
    };
    let shop = json!(["shop"]);
    assert_eq!(has(json!({"includedNamespaces": shop})), [true, false, false]);
    assert_eq!(has(json!({"includedNamespaces": shop, "includeClusterResources": true})), [true, true, true]);
    assert_eq!(has(json!({"includedNamespaces": shop, "includeClusterResources": false})), [false, false, false]);
    // A plain backup of everything: cluster-scoped types are not collected since v1.17.
    assert_eq!(has(json!({})), [true, false, false]);
    // The old family, because one type is excluded: everything is taken.
    assert_eq!(has(json!({"excludedResources": ["secrets"]})), [true, true, true]);
}

#[test]
fn a_name_of_the_other_scope_falls_out_of_a_scoped_list_which_then_takes_everything() {
    let mut world = World::new();
    world.object("v1", "Secret", "s", json!({}));
    let answer = world.backup(json!({"includedNamespaceScopedResources": ["persistentvolumes"]}));
    assert!(answer.has("secrets/shop/s"));
}

#[test]
fn a_name_that_means_nothing_takes_nothing_without_a_word() {
    let mut world = World::new();
    world.object("v1", "Secret", "s", json!({}));
    let answer = world.backup(json!({"includedResources": ["secretes"]}));
    assert_eq!(answer.all(), Vec::<String>::new());
    assert_eq!(answer.0.phase, Phase::Completed);
}

#[test]
fn snapshots_are_kept_out_and_a_list_that_names_only_them_takes_everything() {
    let mut world = World::new();
    world.object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "vs", json!({})).object(
        "v1",
        "Secret",
        "s",
        json!({}),
    );
    let answer = world.backup(json!({"includedNamespaceScopedResources": ["volumesnapshots.snapshot.storage.k8s.io"]}));
    assert!(answer.has("secrets/shop/s"));
    assert_eq!(answer.why("volumesnapshots.snapshot.storage.k8s.io/shop/vs"), [Rule::TypeAlwaysExcluded]);
}

#[test]
fn the_exclude_label_counts_only_with_the_value_true() {
    let mut world = World::new();
    world.object("v1", "Secret", "a", json!({"velero.io/exclude-from-backup": "true"}));
    world.object("v1", "Secret", "b", json!({"velero.io/exclude-from-backup": "yes"}));
    let answer = world.backup(json!({}));
    assert_eq!(answer.why("secrets/shop/a"), [Rule::ExcludeLabel]);
    assert!(answer.has("secrets/shop/b"));
}

#[test]
fn a_labelled_namespace_is_excluded_and_refuses_a_backup_that_names_it() {
    let mut world = World::new();
    world.namespace("quiet", json!({"velero.io/exclude-from-backup": "true"}));
    let answer = world.backup(json!({}));
    assert_eq!(answer.why("namespaces/quiet"), [Rule::NamespaceExcludedByLabel]);
    let answer = world.backup(json!({"includedNamespaces": ["quiet"]}));
    assert_eq!(answer.0.phase, Phase::FailedValidation);
}

#[test]
fn an_item_that_is_being_deleted_is_left_out() {
    let mut world = World::new();
    world
        .object("v1", "Secret", "s", json!({}))
        .with("s", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert_eq!(world.backup(json!({})).why("secrets/shop/s"), [Rule::BeingDeleted]);
}

#[test]
fn a_glob_takes_what_exists_and_nothing_when_nothing_does() {
    let mut world = World::new();
    world.namespace("shop-eu", json!({})).namespace("shopping", json!({})).object("v1", "Secret", "s", json!({}));
    let answer = world.backup(json!({"includedNamespaces": ["shop*"], "excludedNamespaces": ["*-eu"]}));
    assert_eq!(answer.all(), ["namespaces/shop", "namespaces/shopping", "secrets/shop/s"]);
    let answer = world.backup(json!({"includedNamespaces": ["shopp"], "excludedNamespaces": ["x-*"]}));
    assert_eq!((answer.all(), answer.0.phase), (vec![], Phase::PartiallyFailed));
    let answer = world.backup(json!({"includedNamespaces": ["store-*"]}));
    assert_eq!((answer.all(), answer.0.phase), (vec![], Phase::Completed));
    assert_eq!(answer.why("secrets/shop/s"), [Rule::NamespaceGlobMatchesNothing]);
}

#[test]
fn excluding_one_letter_namespaces_excludes_everything() {
    // `?` matches `*`, by which Velero asks whether to list all namespaces at once.
    let mut world = World::new();
    world.object("v1", "Secret", "s", json!({}));
    assert!(!world.backup(json!({"excludedNamespaces": ["?"]})).has("secrets/shop/s"));
}

#[test]
fn a_missing_namespace_is_an_error_only_where_namespaces_are_collected() {
    let world = World::new();
    assert_eq!(world.backup(json!({"includedNamespaces": ["gone"]})).0.phase, Phase::PartiallyFailed);
    let narrow = world.backup(json!({"includedNamespaces": ["gone"], "includedResources": ["deployments"]}));
    assert_eq!(narrow.0.phase, Phase::Completed);
}

#[test]
fn a_service_account_brings_its_bindings_and_roles() {
    let mut world = World::new();
    world.object("v1", "ServiceAccount", "robot", json!({}));
    world.add(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "robots"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "robot"}], "roleRef": {"name": "reader"},
    }));
    for name in ["reader", "writer"] {
        world.add(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}),
        );
    }
    let answer = world.backup(json!({"includedNamespaces": ["shop"]}));
    let group = "rbac.authorization.k8s.io";
    assert!(answer.has(&format!("clusterrolebindings.{group}/robots")));
    assert!(answer.has(&format!("clusterroles.{group}/reader")));
    assert!(!answer.has(&format!("clusterroles.{group}/writer")));
}

#[test]
fn an_instance_brings_its_definition() {
    let mut world = World::new();
    for kind in ["Widget", "Gadget"] {
        let plural = format!("{}s", kind.to_lowercase());
        world.add(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true}]},
        }));
    }
    world.object("example.com/v1", "Widget", "w", json!({}));
    let answer = world.backup(json!({"includedNamespaces": ["shop"]}));
    let definition = |name| format!("customresourcedefinitions.apiextensions.k8s.io/{name}.example.com");
    assert!(answer.has(&definition("widgets")) && !answer.has(&definition("gadgets")));
    assert_eq!(answer.why(&definition("widgets")).last(), Some(&Rule::BroughtByInstance));
}

#[test]
fn both_families_at_once_and_lists_that_contradict_are_refused() {
    let world = World::new();
    for spec in [
        json!({"includedResources": ["pods"], "excludedClusterScopedResources": ["nodes"]}),
        json!({"includedResources": ["*", "pods"]}),
        json!({"excludedResources": ["*"]}),
        json!({"includedNamespaces": ["shop"], "excludedNamespaces": ["shop"]}),
        json!({"includedNamespaces": ["Shop"]}),
        json!({"includedNamespaces": ["shop{a,b}"]}),
        json!({"includedNamespaceScopedResources": ["pods"], "excludedNamespaceScopedResources": ["*"]}),
        json!({"storageLocation": "elsewhere"}),
        json!({"volumeSnapshotLocations": ["nowhere"]}),
    ] {
        let answer = world.backup(spec.clone());
        assert_eq!((answer.0.phase, answer.all().len()), (Phase::FailedValidation, 0), "{spec}");
    }
}

#[test]
fn a_location_that_is_read_only_or_not_available_refuses_the_backup() {
    for patch in [json!({"spec": {"accessMode": "ReadOnly"}}), json!({"status": null})] {
        let mut world = World::new();
        world.with("default", patch);
        assert_eq!(world.backup(json!({})).0.phase, Phase::FailedValidation);
    }
}

#[test]
fn what_a_failing_claim_brings_down_is_its_first_pod_only() {
    let mut world = World::new();
    world.claim("data", json!({})).without("snap").pod("a", json!({}), &["data"]).pod("b", json!({}), &["data"]);
    let answer = world.backup(json!({"includedNamespaces": ["shop"]}));
    assert_eq!(answer.0.phase, Phase::PartiallyFailed);
    assert!(!answer.has("persistentvolumeclaims/shop/data") && answer.has("persistentvolumes/pv-data"));
    assert!(!answer.has("pods/shop/a") && answer.has("pods/shop/b"));
    assert_eq!(answer.why("pods/shop/a").last(), Some(&Rule::DroppedByError));
}

#[test]
fn a_list_fails_by_its_selector_though_there_is_nothing_to_list() {
    let answer = World::new().backup(json!({"includedResources": ["jobs"], "labelSelector": {}}));
    assert_eq!(answer.0.phase, Phase::PartiallyFailed);
    assert_eq!(answer.0.errors.iter().map(|reason| reason.rule).collect::<Vec<_>>(), [Rule::SelectorUnusable]);
    assert_eq!(World::new().backup(json!({"includedResources": ["jobs"]})).0.phase, Phase::Completed);
}

#[test]
fn a_type_of_two_groups_is_taken_from_the_first_though_nothing_is_in_it() {
    let mut world = World::new();
    world.object("events.k8s.io/v1", "Event", "restarted", json!({}));
    let answer = world.backup(json!({"includedResources": ["events", "events.events.k8s.io"]}));
    assert_eq!(answer.why("events.events.k8s.io/shop/restarted"), [Rule::TypeTakenElsewhere]);
}
