//! Where versions differ, and what holds in every one of them.

use dr_core::select::{Capture, Feature, Phase, Rule, Verdict, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::build::World;

#[test]
fn a_backup_of_everything_takes_cluster_scoped_types_only_before_v1_17() {
    for (version, has) in [("v1.15.0", true), ("v1.16.2", true), ("v1.17.0", false), ("v1.18.3", false)] {
        assert_eq!(World::at(version).backup(json!({})).has("storageclasses.storage.k8s.io/csi"), has, "{version}");
    }
}

#[test]
fn a_glob_for_namespaces_finds_nothing_in_them_before_v1_18() {
    for (version, has, phase) in [("v1.17.2", false, Phase::PartiallyFailed), ("v1.18.0", true, Phase::Completed)] {
        let mut world = World::at(version);
        world.object("v1", "Secret", "s", json!({}));
        let answer = world.backup(json!({"includedNamespaces": ["sho*"]}));
        assert_eq!((answer.has("secrets/shop/s"), answer.has("namespaces/shop")), (has, true), "{version}");
        assert_eq!(answer.0.phase, phase, "{version}");
    }
}

#[test]
fn patterns_with_brackets_are_refused_before_v1_18() {
    for (version, phase) in [("v1.17.2", Phase::FailedValidation), ("v1.18.0", Phase::Completed)] {
        let answer = World::at(version).backup(json!({"includedNamespaces": ["sho[p]"]}));
        assert_eq!(answer.0.phase, phase, "{version}");
    }
}

#[test]
fn the_namespace_of_an_excluded_namespace_is_in_the_backup_before_v1_18_2() {
    for (version, has) in [("v1.18.1", true), ("v1.18.2", false)] {
        let mut world = World::at(version);
        world.object("v1", "Secret", "s", json!({}));
        let answer = world.backup(json!({"excludedNamespaces": ["shop"]}));
        assert_eq!((answer.has("namespaces/shop"), answer.has("secrets/shop/s")), (has, false), "{version}");
    }
}

#[test]
fn a_policy_can_skip_a_pending_claim_since_v1_18() {
    for (version, phase) in [("v1.17.2", Phase::PartiallyFailed), ("v1.18.0", Phase::Completed)] {
        let mut world = World::at(version);
        world.claim("data", json!({"a": "b"}));
        world.with("data", json!({"spec": {"volumeName": null}, "status": {"phase": "Pending"}}));
        let answer = world.backup_with(json!({}), |backup| {
            backup.policies = dr_core::select::Policies::Read(json!({"version": "v1", "volumePolicies": [
                {"conditions": {"pvcLabels": {"a": "b"}}, "action": {"type": "skip"}}]}));
        });
        assert_eq!(answer.0.phase, phase, "{version}");
    }
}

#[test]
fn conditions_and_filters_that_a_version_does_not_know_refuse_the_backup() {
    for (before, since, policy) in [
        (
            "v1.15.2",
            "v1.16.0",
            json!({"volumePolicies": [
            {"conditions": {"pvcLabels": {"a": "b"}}, "action": {"type": "skip"}}]}),
        ),
        (
            "v1.17.2",
            "v1.18.0",
            json!({"volumePolicies": [
            {"conditions": {"pvcPhase": ["Bound"]}, "action": {"type": "skip"}}]}),
        ),
        ("v1.18.0", "v1.18.1", json!({"volumePolicies": [{"conditions": {}, "action": {"type": "custom"}}]})),
        (
            "v1.18.2",
            "v1.18.3",
            json!({"volumePolicies": [
            {"conditions": {"pvcVolumeMode": "Block"}, "action": {"type": "skip"}}]}),
        ),
        ("v1.16.2", "v1.17.0", json!({"includeExcludePolicy": {"excludedNamespaceScopedResources": ["secrets"]}})),
        ("v1.18.2", "v1.18.3", json!({"clusterScopedFilterPolicy": {"resourceFilters": [{"kinds": ["nodes"]}]}})),
    ] {
        for (version, refused) in [(before, true), (since, false)] {
            let mut policy = policy.clone();
            policy["version"] = json!("v1");
            let answer =
                World::at(version).backup_with(json!({"includedNamespaceScopedResources": ["pods"]}), |backup| {
                    backup.policies = dr_core::select::Policies::Read(policy.clone());
                });
            assert_eq!(answer.0.phase == Phase::FailedValidation, refused, "{version} {policy}");
        }
    }
}

#[test]
fn filter_policies_narrow_a_namespace_to_what_they_name() {
    let mut world = World::new();
    world.object("v1", "Secret", "a", json!({})).object("v1", "Secret", "b", json!({}));
    world.object("v1", "ConfigMap", "c", json!({}));
    let answer = world.backup_with(json!({}), |backup| {
        backup.policies = dr_core::select::Policies::Read(json!({"version": "v1", "namespacedFilterPolicies": [
            {"namespaces": ["shop"], "resourceFilters": [{"kinds": ["secrets"], "names": ["a*"]}]}]}));
    });
    assert!(answer.has("secrets/shop/a") && !answer.has("secrets/shop/b") && !answer.has("configmaps/shop/c"));
    assert_eq!(answer.why("configmaps/shop/c"), [Rule::FilterPolicyMissed]);
}

#[test]
fn every_difference_names_its_source_and_a_version_in_between() {
    for feature in Feature::ALL {
        let since = feature.since();
        assert!(since > Version::OLDEST && since <= Version::NEWEST, "{feature:?}");
        assert!(feature.source().contains(".go:"), "{feature:?}");
    }
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        Just("pods"),
        Just("pvc"),
        Just("secrets"),
        Just("persistentvolumes"),
        Just("*.apps"),
        Just("nonsense"),
        Just("ns"),
    ];
    prop::collection::vec(name.prop_map(str::to_owned), 0..3)
}

fn spec() -> impl Strategy<Value = Value> {
    let namespaces = prop::collection::vec(prop_oneof![Just("shop"), Just("sh*"), Just("gone"), Just("velero")], 0..2);
    let selector = prop::option::of(prop_oneof![Just(json!({"matchLabels": {"app": "db"}})), Just(json!({}))]);
    (namespaces, names(), names(), prop::option::of(any::<bool>()), selector, any::<[bool; 2]>()).prop_map(
        |(namespaces, includes, excludes, cluster, selector, [old, copies])| {
            let mut spec = json!({"includedNamespaces": namespaces, "defaultVolumesToFsBackup": copies});
            if old {
                spec["includedResources"] = json!(includes);
                spec["excludedResources"] = json!(excludes);
                spec["includeClusterResources"] = json!(cluster);
            } else {
                spec["includedNamespaceScopedResources"] = json!(includes);
                spec["excludedClusterScopedResources"] = json!(excludes);
            }
            spec["labelSelector"] = json!(selector);
            spec
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_item_and_every_claim_gets_one_answer_with_a_reason(
        spec in spec(), version in prop::sample::select(vec!["v1.15.2", "v1.16.2", "v1.17.2", "v1.18.1", "v1.18.3"]),
        csi in any::<bool>(),
    ) {
        let mut world = World::at(version);
        world.server.csi = csi;
        world.claim("data", json!({"app": "db"})).claim("logs", json!({}));
        world.pod("db-0", json!({}), &["data", "logs"]).object("v1", "Secret", "s", json!({"app": "db"}));
        let answer = world.backup(spec);
        prop_assert_eq!(answer.0.items.len(), world.objects.len());
        for verdict in &answer.0.items {
            prop_assert!(!verdict.chain.is_empty(), "{} has no reason", verdict.item);
            prop_assert!(!verdict.by_accident || verdict.verdict == Verdict::Included);
        }
        prop_assert_eq!(answer.0.volumes.len(), 2);
        for verdict in &answer.0.volumes {
            prop_assert!(!verdict.chain.is_empty(), "{:?} has no reason", verdict);
            prop_assert!(verdict.capture.is_captured() || verdict.fix.is_some() || verdict.capture == Capture::Unknown,
                "{:?}", verdict);
        }
        if answer.0.phase == Phase::FailedValidation {
            prop_assert!(answer.all().is_empty());
        }
    }
}
