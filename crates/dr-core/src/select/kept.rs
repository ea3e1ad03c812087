//! Which Namespace objects stay (`pkg/backup/item_collector.go:collectNamespaces` and `nsTracker` at v1.18.3).

use std::collections::HashSet;

use super::cluster::Cluster;
use super::collect::Collected;
use super::listing::unusable;
use super::prepare::Request;
use super::reason::{Place, Reason, Rule};
use super::selector::LabelSelector;

pub(crate) fn namespaces(cluster: &Cluster, request: &Request<'_>, collected: &mut Collected, why: &Reason) {
    let existing = cluster.namespaces();
    for entry in request.namespaces.includes.iter() {
        if entry.pattern != "*" && !existing.contains(entry.pattern.as_str()) {
            let says = format!("namespace {} is included and does not exist", entry.pattern);
            collected.errors.push(Reason::new(Rule::NamespaceMissing, entry.place.clone(), says));
        }
    }
    // It is read for the Namespaces too, which is an error even where no list is asked for.
    let invalid = request.spec().label_selector.as_ref().filter(|selector| selector.valid().is_err());
    if let Some(reason) = invalid.and_then(|selector| unusable(request, "labelSelector", selector))
        && !collected.errors.contains(&reason)
    {
        collected.errors.push(reason);
    }
    for (number, _) in cluster.of("namespaces") {
        collected.order.push(number);
        collected.chains.insert(number, vec![why.clone()]);
    }
}

/// A selector of `orLabelSelectors` that cannot be read stays nil among those that Namespaces are asked by: the server
/// panics, whatever was collected. (A `labelSelector` that cannot be read is taken for none here.)
pub(crate) fn panics(cluster: &Cluster, request: &Request<'_>) -> Option<Reason> {
    let namespaces = cluster.resources.named("namespaces").and_then(|of| cluster.resources.0.get(of))?;
    request.types.collects(namespaces, &request.namespaces).ok()?;
    let selectors = request.spec().or_label_selectors.iter().flatten().enumerate();
    selectors.into_iter().find_map(|(index, selector)| {
        let field = format!("orLabelSelectors[{index}]");
        let why = selector.valid().err()?;
        let says = format!(
            "{field} is invalid ({why}), and the server panics on it: the backup stays InProgress until the server \
             starts anew, and those after it wait"
        );
        Some(Reason::new(Rule::ServerPanics, request.field(&field), says))
    })
}

/// `nsTracker`: which Namespaces stay.
pub(crate) fn keep_namespaces(cluster: &Cluster, request: &Request<'_>, collected: &mut Collected) {
    let spec = request.spec();
    let any = spec.or_label_selectors.iter().flatten();
    let selectors: Vec<&LabelSelector> =
        spec.label_selector.iter().chain(any).filter(|selector| selector.valid().is_ok()).collect();
    let mut dropped = HashSet::new();
    let found: HashSet<usize> = collected.order.iter().copied().collect();
    for (number, item) in cluster.of("namespaces") {
        let name = item.reference.name.as_str();
        let Some(chain) = collected.chains.get_mut(&number).filter(|_| found.contains(&number)) else {
            continue;
        };
        let kept = |says: String, place: Place| Reason::new(Rule::NamespaceKept, place, says);
        let active = item.object.str_at("/status/phase") == Some("Active");
        let labels = item.object.labels();
        let by_name = request.namespaces.decide(name);
        let narrowed = request.namespaces.everything() && !selectors.is_empty();
        if collected.tracked.contains(name) {
            chain.push(kept(format!("something in namespace {name} is collected"), Place::Velero));
        } else if active && selectors.iter().any(|selector| selector.matches(&labels)) {
            chain.push(kept(format!("the labels of namespace {name} are selected"), request.field("labelSelector")));
        } else if active && !narrowed && by_name.is_ok() {
            chain.extend(by_name.ok());
        } else {
            let place = Place::object(&item.reference, if active { "metadata.labels" } else { "status.phase" });
            let reason = match by_name {
                Err(reason) => reason,
                Ok(_) if !active => {
                    Reason::new(Rule::NamespaceNotActive, place, format!("namespace {name} is not Active"))
                }
                Ok(_) => {
                    let says = format!("neither the labels of namespace {name} nor anything in it is selected");
                    Reason::new(Rule::NamespaceHoldsNothing, place, says)
                }
            };
            *chain = vec![reason];
            dropped.insert(number);
        }
    }
    collected.order.retain(|number| !dropped.contains(number));
}
