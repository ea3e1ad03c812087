//! Backups: filters of every kind, and what decides about volumes.

use proptest::prelude::*;
use serde_json::{Value, json};

fn list(pool: &'static [&'static str], up_to: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(pool), 0..=up_to)
}

const TYPES: &[&str] = &[
    "pods",
    "po",
    "pvc",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pv",
    "secrets",
    "cm",
    "deployments",
    "sts",
    "StatefulSet",
    "widgets.example.com",
    "wg",
    "gizmos",
    "storageclasses",
    "serviceaccounts",
    "clusterroles",
    "clusterrolebindings",
    "customresourcedefinitions",
    "namespaces",
    "*.apps",
    "c*",
    "*",
    "nonsense",
    "jobs.batch",
    "volumesnapshots.snapshot.storage.k8s.io",
    "volumesnapshotclasses",
    "priorityclasses",
    "storageclass.storage",
    "[",
];
const INCLUDED: &[&str] = &[
    "shop", "shop", "shop", "shop-eu", "shop-eu", "pay", "pay", "a", "shop*", "shop*", "*-eu", "?", "sho[p]", "[a-p]*",
    "gone", "gone-*", "going", "go*", "default",
];
const EXCLUDED: &[&str] = &["shop-us", "shop-us", "*-eu", "?", "kube-*", "velero", "nowhere", "[p]*", "s*-us"];

fn selector() -> impl Strategy<Value = Value> {
    let expression = prop_oneof![
        Just(json!({"key": "tier", "operator": "Exists"})),
        Just(json!({"key": "tier", "operator": "DoesNotExist"})),
        Just(json!({"key": "app", "operator": "In", "values": ["db", "web"]})),
        Just(json!({"key": "app", "operator": "NotIn", "values": ["db"]})),
        Just(json!({"key": "app", "operator": "In", "values": []})),
    ];
    prop_oneof![
        4 => Just(json!({"matchLabels": {"app": "db"}})),
        2 => Just(json!({"matchLabels": {"app": "web", "tier": "gold"}})),
        3 => expression.prop_map(|expression| json!({"matchExpressions": [expression]})),
        1 => Just(json!({})),
    ]
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({}),
        json!({"capacity": "0,1Gi"}),
        json!({"capacity": "2Gi,"}),
        json!({"storageClass": ["fast"]}),
        json!({"csi": {}}),
        json!({"csi": {"driver": "csi.example.com"}}),
        json!({"csi": {"driver": "csi.example.com", "volumeAttributes": {"zone": "x"}}}),
        json!({"nfs": {}}),
        json!({"nfs": {"server": "files"}}),
        json!({"nfs": {"server": "files", "path": "/other"}}),
        json!({"volumeTypes": ["emptyDir", "nfs"]}),
        json!({"volumeTypes": ["csi", "hostPath"]}),
        json!({"volumeTypes": ["local", "awsElasticBlockStore", "iscsi", "ephemeral"]}),
        json!({"volumeTypes": ["persistentVolumeClaim"]}),
        json!({"capacity": "2Gi,4Gi", "storageClass": ["fast", "other"]}),
        json!({"pvcLabels": {"app": "db"}}),
        json!({"pvcPhase": ["Pending", "Lost"]}),
        json!({"pvcPhase": ["Bound"], "pvcLabels": {"tier": "gold"}}),
        json!({"pvcPhase": ["Lost"], "volumeTypes": ["csi"]}),
        json!({"pvcAccessModes": ["ReadWriteOnce"]}),
        json!({"pvcAccessModes": ["ReadWriteMany"], "pvcVolumeMode": "Filesystem"}),
        json!({"pvcVolumeMode": "Block"}),
    ])
}

/// Conditions that Velero refuses.
fn mistakes() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"capacity": "5Gi"}),
        json!({"capacity": "4Gi,2Gi"}),
        json!({"csi": {"volumeAttributes": {"zone": "x"}}}),
        json!({"storageClasses": ["fast"]}),
        json!({"pvcPhase": "Bound"}),
    ])
}

fn volume_policy() -> impl Strategy<Value = Value> {
    let action = prop::sample::select(&["skip", "snapshot", "fs-backup", "custom"][..]);
    let conditions = prop_oneof![40 => conditions(), 1 => mistakes()];
    (conditions, action).prop_map(|(conditions, action)| json!({"conditions": conditions, "action": {"type": action}}))
}

fn volume_policies() -> impl Strategy<Value = Value> {
    prop::collection::vec(volume_policy(), 1..4).prop_map(|all| json!({"version": "v1", "volumePolicies": all}))
}

fn policy() -> impl Strategy<Value = Value> {
    let lists = (list(&["secrets", "pvc", "cm"], 2), list(&["gizmos", "clusterroles"], 1), any::<bool>());
    let filter = prop::sample::select(vec![
        json!([{"namespaces": ["shop"], "resourceFilters": [{"kinds": ["secrets", "pods"]}]}]),
        json!([{"namespaces": ["shop*"], "resourceFilters": [{"kinds": ["ConfigMap"], "names": ["c*"]}, {}]}]),
        json!([{"namespaces": ["*"], "resourceFilters": [
            {"kinds": ["pods"], "labelSelector": {"matchLabels": {"app": "db"}}}, {"kinds": ["pvc"]}]}]),
    ]);
    let kinds = Just(json!({"resourceFilters": [{"kinds": ["gizmos"], "excludedNames": ["g*0"]}]}));
    (
        prop::collection::vec(volume_policy(), 0..3),
        prop::option::weighted(0.2, lists),
        prop::option::weighted(0.2, filter),
        prop::option::weighted(0.1, kinds),
    )
        .prop_map(|(volumes, lists, filter, kinds)| {
            let mut policy = json!({"version": "v1", "volumePolicies": volumes});
            if let (Value::Object(policy), Some((namespaced, cluster, exclude))) = (&mut policy, lists) {
                let (a, b) = if exclude { ("excluded", "included") } else { ("included", "excluded") };
                let mut lists = serde_json::Map::new();
                lists.insert(format!("{a}NamespaceScopedResources"), json!(namespaced));
                lists.insert(format!("{b}ClusterScopedResources"), json!(cluster));
                policy.insert("includeExcludePolicy".to_owned(), Value::Object(lists));
            }
            if let (Value::Object(policy), Some(filter)) = (&mut policy, filter) {
                policy.insert("namespacedFilterPolicies".to_owned(), filter);
            }
            if let (Value::Object(policy), Some(kinds)) = (&mut policy, kinds) {
                policy.insert("clusterScopedFilterPolicy".to_owned(), kinds);
            }
            policy
        })
}

/// A spec with annotations, and the policies it names.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) spec: Value,
    pub(crate) annotations: Value,
    pub(crate) policy: Option<(Named, Value)>,
}

/// How the ConfigMap of the policies is named by the backup.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Named {
    AsIs,
    /// Passed over without a word.
    OtherKind,
    /// It does not exist.
    Missing,
    /// It has a second key.
    TwoKeys,
}

/// Every other backup goes for filters, every other for volumes, which filters would mostly leave out.
pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![of_filters(), of_volumes()]
}

fn three(set: f64) -> impl Strategy<Value = Option<bool>> {
    prop::option::weighted(set, any::<bool>())
}

fn named() -> impl Strategy<Value = Named> {
    prop_oneof![
        30 => Just(Named::AsIs), 1 => Just(Named::OtherKind), 1 => Just(Named::Missing), 1 => Just(Named::TwoKeys)
    ]
}

/// What is seldom set.
fn seldom() -> impl Strategy<Value = Value> {
    prop_oneof![
        40 => Just(json!({})),
        1 => Just(json!({"storageLocation": "gone"})),
        1 => Just(json!({"storageLocation": "default"})),
        1 => Just(json!({"volumeSnapshotLocations": ["gone"]})),
        1 => Just(json!({"datamover": "other"})),
        1 => Just(json!({"defaultVolumesToRestic": true})),
        1 => Just(json!({"ttl": "1h0m0s"})),
    ]
}

/// What decides how data is captured.
fn switches(set: f64) -> impl Strategy<Value = Value> {
    (three(set), three(set), three(set)).prop_map(|(snapshots, copies, moves)| {
        json!({"snapshotVolumes": snapshots, "defaultVolumesToFsBackup": copies, "snapshotMoveData": moves})
    })
}

/// One object of all parts, without what is null or an empty list.
fn spec(parts: impl IntoIterator<Item = Value>) -> Value {
    let parts = parts.into_iter().filter_map(|part| match part {
        Value::Object(part) => Some(part),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    });
    let set = |value: &Value| !value.is_null() && *value != json!([]);
    Value::Object(parts.flatten().filter(|(_, value)| set(value)).collect())
}

fn of_filters() -> impl Strategy<Value = Asked> {
    let selectors = prop_oneof![
        5 => Just(json!({})),
        4 => selector().prop_map(|one| json!({"labelSelector": one})),
        2 => prop::collection::vec(selector(), 1..3).prop_map(|any| json!({"orLabelSelectors": any})),
    ];
    let star = prop_oneof![
        Just(json!({"includedResources": ["*"]})),
        Just(json!({"excludedResources": ["*"]})),
        Just(json!({"includedNamespaces": ["*", "shop"]})),
        Just(json!({"includedClusterScopedResources": ["*"]})),
        Just(json!({"excludedNamespaceScopedResources": ["*"]})),
        Just(json!({"excludedClusterScopedResources": ["*"]})),
        Just(json!({"includedResources": ["pods"], "includedClusterScopedResources": ["gizmos"]}))
    ];
    let types = prop_oneof![
        1 => star,
        3 => Just(json!({})),
        4 => (list(TYPES, 3), list(TYPES, 2), three(0.4)).prop_map(|(includes, excludes, cluster)| json!({
            "includedResources": includes, "excludedResources": excludes, "includeClusterResources": cluster})),
        4 => (list(TYPES, 3), list(TYPES, 1), list(TYPES, 2), list(TYPES, 1)).prop_map(|(a, b, c, d)| json!({
            "includedNamespaceScopedResources": a, "excludedNamespaceScopedResources": b,
            "includedClusterScopedResources": c, "excludedClusterScopedResources": d})),
    ];
    let order = prop::option::weighted(0.1, Just(json!({"pods": "shop/p-2,shop/p-1,shop/gone"})));
    let policy = prop::option::weighted(0.3, (named(), policy()));
    ((list(INCLUDED, 2), list(EXCLUDED, 1)), (selectors, types, switches(0.4)), (order, policy, seldom())).prop_map(
        |((includes, excludes), (selectors, types, switches), (order, policy, seldom))| {
            let namespaces = json!({"includedNamespaces": includes, "excludedNamespaces": excludes,
                "orderedResources": order});
            // A star may set the namespaces, too, and comes last.
            let spec = spec([namespaces, selectors, switches, types, seldom]);
            Asked { spec, annotations: json!({}), policy }
        },
    )
}

fn of_volumes() -> impl Strategy<Value = Asked> {
    let includes = prop_oneof![
        4 => Just(Vec::new()),
        4 => Just(vec!["shop", "shop-eu", "shop-us", "pay", "a"]),
        1 => Just(vec!["shop*", "pay"]),
        2 => prop::collection::vec(prop::sample::select(INCLUDED), 1..3),
    ];
    let selectors = prop_oneof![
        8 => Just(json!({})),
        1 => Just(json!({"labelSelector": {"matchLabels": {"app": "db"}}})),
        1 => Just(json!({"labelSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}})),
    ];
    let types = prop_oneof![
        16 => Just(json!({})),
        1 => Just(json!({"includedResources": ["pods", "pvc", "pv"]})),
        1 => Just(json!({"includedResources": ["pvc"]})),
        1 => Just(json!({"includedNamespaceScopedResources": ["pvc", "pods"]})),
        1 => Just(json!({"excludedResources": ["pods"]})),
        1 => Just(json!({"excludedResources": ["pvc"]})),
        1 => Just(json!({"excludedNamespaceScopedResources": ["persistentvolumeclaims"]})),
        1 => Just(json!({"excludedClusterScopedResources": ["persistentvolumes"]})),
        1 => any::<bool>().prop_map(|cluster| json!({"includeClusterResources": cluster})),
    ];
    let class = prop::sample::select(&["first", "Second", "third", "missing"][..]);
    let annotations = prop_oneof![
        6 => Just(json!({})),
        1 => class.prop_map(|class| json!({"velero.io/csi-volumesnapshot-class_csi.example.com": class})),
    ];
    let policy = prop::option::weighted(0.4, (named(), volume_policies()));
    ((includes, selectors, types), (switches(0.6), seldom()), annotations, policy).prop_map(
        |((includes, selectors, types), (switches, seldom), annotations, policy)| Asked {
            spec: spec([json!({"includedNamespaces": includes}), selectors, types, switches, seldom]),
            annotations,
            policy,
        },
    )
}
