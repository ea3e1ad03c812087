//! What brings what along: the built-in item block actions, which hold all that the backup item actions add.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cluster::{Cluster, Item, ItemRef, claim_name};
use super::prepare::Request;
use super::reason::{Place, Reason, Rule};
use super::version::Feature;

pub(crate) const PODS: &str = "pods";
pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
pub(crate) const VOLUMES: &str = "persistentvolumes";
const BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const ROLES: &str = "clusterroles.rbac.authorization.k8s.io";

/// Those that are both related and additional: they fail together with what brought them.
pub(crate) fn additional(item: &Item) -> Vec<(ItemRef, Reason)> {
    let namespace = item.reference.namespace.as_deref();
    match item.reference.resource.as_str() {
        PODS => {
            let mut found = Vec::new();
            if let Some(class) = item.object.str_at("/spec/priorityClassName").filter(|name| !name.is_empty()) {
                let place = Place::object(&item.reference, "spec.priorityClassName");
                let says = format!("{} is in the backup and has this priority class", item.reference);
                let of = ItemRef::new("priorityclasses.scheduling.k8s.io", None, class);
                found.push((of, Reason::new(Rule::BroughtByPod, place, says)));
            }
            for (index, volume) in item.object.list_at("/spec/volumes").iter().enumerate() {
                if let Some(claim) = claim_name(volume).filter(|name| !name.is_empty()) {
                    let field = format!("spec.volumes[{index}].persistentVolumeClaim.claimName");
                    let says = format!("{} is in the backup and mounts it", item.reference);
                    let place = Place::object(&item.reference, field);
                    found.push((ItemRef::new(CLAIMS, namespace, claim), Reason::new(Rule::BroughtByPod, place, says)));
                }
            }
            found
        }
        CLAIMS => bound_to(item).map_or_else(Vec::new, |volume| {
            let says = format!("{} is in the backup and bound to it", item.reference);
            let place = Place::object(&item.reference, "spec.volumeName");
            vec![(ItemRef::new(VOLUMES, None, volume), Reason::new(Rule::BroughtByClaim, place, says))]
        }),
        _ => Vec::new(),
    }
}

/// All that goes into the same block.
pub(crate) fn related(cluster: &Cluster, request: &Request<'_>, item: &Item) -> Vec<(ItemRef, Reason)> {
    let mut found = additional(item);
    match item.reference.resource.as_str() {
        CLAIMS if bound_to(item).is_some() => {
            pods_of(cluster, item, &mut found);
            if request.version().has(Feature::VolumeGroups) {
                group(cluster, request, item, &mut found);
            }
        }
        "serviceaccounts" => bindings(cluster, item, &mut found),
        _ => {}
    }
    found
}

/// The volume of a claim that is Bound.
pub(crate) fn bound_to(claim: &Item) -> Option<&str> {
    let bound = claim.object.str_at("/status/phase") == Some("Bound");
    claim.object.str_at("/spec/volumeName").filter(|name| bound && !name.is_empty())
}

/// Pods of the namespace that mount the claim.
pub(crate) fn mounting<'a>(
    cluster: &'a Cluster,
    namespace: &'a str,
    claim: &'a str,
) -> impl Iterator<Item = (&'a Item, &'a Value)> {
    cluster.of_namespace(PODS, namespace).flat_map(move |(_, pod)| {
        let volumes = pod.object.list_at("/spec/volumes").iter();
        volumes.filter(move |volume| claim_name(volume) == Some(claim)).map(move |volume| (pod, volume))
    })
}

/// `kube.IsPodRunning`: on a node, Running, and not being deleted.
pub(crate) fn not_running(pod: &Item) -> Option<(&'static str, String)> {
    let phase = pod.object.str_at("/status/phase").unwrap_or("without a phase");
    if pod.object.str_at("/spec/nodeName").is_none_or(str::is_empty) {
        Some(("spec.nodeName", format!("{} is on no node", pod.reference)))
    } else if phase != "Running" {
        Some(("status.phase", format!("{} is {phase}, not Running", pod.reference)))
    } else if pod.object.is_terminating() {
        Some(("metadata.deletionTimestamp", format!("{} is being deleted", pod.reference)))
    } else {
        None
    }
}

fn pods_of(cluster: &Cluster, claim: &Item, found: &mut Vec<(ItemRef, Reason)>) {
    let namespace = claim.reference.namespace.as_deref().unwrap_or_default();
    for (pod, volume) in mounting(cluster, namespace, &claim.reference.name) {
        if not_running(pod).is_none() {
            let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            let says = format!("{} is in the backup, and this running pod mounts it as volume {name}", claim.reference);
            let place = Place::object(&pod.reference, "spec.volumes");
            found.push((pod.reference.clone(), Reason::new(Rule::PodBroughtByClaim, place, says)));
        }
    }
}

fn group(cluster: &Cluster, request: &Request<'_>, claim: &Item, found: &mut Vec<(ItemRef, Reason)>) {
    let key = request.group_label.as_str();
    let Some(value) = claim.object.label(key).filter(|value| !value.is_empty()) else {
        return;
    };
    let namespace = claim.reference.namespace.as_deref().unwrap_or_default();
    for (_, other) in cluster.of_namespace(CLAIMS, namespace) {
        if other.reference != claim.reference && other.object.label(key) == Some(value) {
            let says = format!("{} is in the backup and of the same volume group {value:?}", claim.reference);
            let place = Place::object(&other.reference, format!("metadata.labels[{key}]"));
            found.push((other.reference.clone(), Reason::new(Rule::BroughtByGroup, place, says)));
        }
    }
}

fn bindings(cluster: &Cluster, account: &Item, found: &mut Vec<(ItemRef, Reason)>) {
    let namespace = account.reference.namespace.as_deref().unwrap_or_default();
    let names_it = |subject: &Value| {
        let text = |key: &str| subject.get(key).and_then(Value::as_str);
        text("kind") == Some("ServiceAccount")
            && text("namespace") == Some(namespace)
            && text("name") == Some(account.reference.name.as_str())
    };
    let mut roles: BTreeSet<(String, ItemRef)> = BTreeSet::new();
    for (_, binding) in cluster.of(BINDINGS) {
        let subjects = binding.object.list_at("/subjects").iter();
        if let Some(index) = subjects.clone().position(names_it) {
            let says = format!("{} is in the backup and is one of its subjects", account.reference);
            let place = Place::object(&binding.reference, format!("subjects[{index}]"));
            found.push((binding.reference.clone(), Reason::new(Rule::BroughtByServiceAccount, place, says)));
            if let Some(role) = binding.object.str_at("/roleRef/name") {
                roles.insert((role.to_owned(), binding.reference.clone()));
            }
        }
    }
    for (role, binding) in roles {
        let says = format!("{binding} grants it to {}, which is in the backup", account.reference);
        let place = Place::object(&binding, "roleRef.name");
        found.push((ItemRef::new(ROLES, None, &role), Reason::new(Rule::BroughtByServiceAccount, place, says)));
    }
}
