//! Clusters: namespaces with objects, and objects beside them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::volumes::{Claim, Class, Pod, claim, classes, pod};

/// The namespaces that cases live in; more names exist only in filters.
pub(crate) const NAMESPACES: [&str; 5] = ["a", "pay", "shop", "shop-eu", "shop-us"];

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) namespaces: Vec<(Value, Vec<Thing>)>,
    pub(crate) cluster: Vec<Thing>,
    pub(crate) classes: Vec<Class>,
    /// Labels of a namespace that is being deleted, and still holds something.
    pub(crate) going: Option<Value>,
}

#[derive(Debug, Clone)]
pub(crate) enum Thing {
    /// Type of a plain namespaced object, labels, and whether it is being deleted.
    Plain(&'static str, Value, bool),
    Account(Value, bool),
    Claim(Claim),
    Pod(Pod),
    Cluster(&'static str, Value),
}

pub(super) fn labels() -> impl Strategy<Value = Value> {
    let label = |values: &'static [&'static str]| prop::option::weighted(0.5, prop::sample::select(values));
    let exclude = prop::option::weighted(0.12, prop::sample::select(&["true", "false"][..]));
    (label(&["db", "web"]), label(&["gold", "tin"]), exclude).prop_map(|(app, tier, exclude)| {
        let mut labels = serde_json::Map::new();
        for (key, value) in [("app", app), ("tier", tier), ("velero.io/exclude-from-backup", exclude)] {
            if let Some(value) = value {
                labels.insert(key.to_owned(), json!(value));
            }
        }
        Value::Object(labels)
    })
}

fn thing() -> impl Strategy<Value = Thing> {
    let plain = prop::sample::select(
        &[
            "configmaps",
            "secrets",
            "services",
            "deployments.apps",
            "statefulsets.apps",
            "widgets.example.com",
            "jobs.batch",
            "volumesnapshots.snapshot.storage.k8s.io",
        ][..],
    );
    prop_oneof![
        4 => (plain, labels(), prop::bool::weighted(0.06)).prop_map(|(of, labels, dying)| Thing::Plain(of, labels, dying)),
        1 => (labels(), any::<bool>()).prop_map(|(labels, bound)| Thing::Account(labels, bound)),
        5 => claim().prop_map(Thing::Claim),
        5 => pod().prop_map(Thing::Pod),
    ]
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    // Seldom excluded: a backup that names such a namespace is refused.
    let of_namespace = (labels(), prop::bool::weighted(0.05)).prop_map(|(mut labels, excluded)| {
        if let Value::Object(labels) = &mut labels {
            labels.remove("velero.io/exclude-from-backup");
            if excluded {
                labels.insert("velero.io/exclude-from-backup".to_owned(), json!("true"));
            }
        }
        labels
    });
    let namespace = (of_namespace, prop::collection::vec(thing(), 1..10)).prop_map(|(labels, mut things)| {
        let claims = things.iter().filter(|thing| matches!(thing, Thing::Claim(_))).count();
        for thing in &mut things {
            if let Thing::Pod(pod) = thing {
                pod.mounts_of(claims);
            }
        }
        (labels, things)
    });
    let of_cluster = prop::sample::select(
        &[
            "gizmos.example.com",
            "persistentvolumes",
            "clusterroles.rbac.authorization.k8s.io",
            "storageclasses.storage.k8s.io",
        ][..],
    );
    let cluster = (of_cluster, labels()).prop_map(|(of, labels)| Thing::Cluster(of, labels));
    let going = prop::option::weighted(0.3, labels());
    (prop::collection::vec(namespace, NAMESPACES.len()), prop::collection::vec(cluster, 0..5), classes(), going)
        .prop_map(|(namespaces, cluster, classes, going)| World { namespaces, cluster, classes, going })
}
