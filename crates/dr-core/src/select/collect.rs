//! What the collector finds (`pkg/backup/item_collector.go` at v1.18.3): type by type, namespace by namespace, by the
//! label selectors. Selectors count here and nowhere else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::cluster::{Cluster, Item};
use super::filter::ToList;
use super::kept::{keep_namespaces, namespaces};
use super::listing::{Listing, filtered_in_memory, listing, lists_fail};
use super::prepare::Request;
use super::reason::{Place, Reason, Rule};
use super::resources::Resource;
use super::selector::LabelSelector;
use super::version::Feature;

/// What was collected, in the order in which it will be backed up.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) order: Vec<usize>,
    /// The same without order.
    pub(crate) numbers: HashSet<usize>,
    /// Why each was, or was not.
    pub(crate) chains: HashMap<usize, Vec<Reason>>,
    /// Those that `orderedResources` names.
    pub(crate) ordered: HashSet<usize>,
    pub(crate) errors: Vec<Reason>,
    /// Namespaces that something was found in.
    pub(crate) tracked: BTreeSet<String>,
}

const COHABITING: &[(&str, [&str; 2])] = &[
    ("deployments", ["extensions", "apps"]),
    ("daemonsets", ["extensions", "apps"]),
    ("replicasets", ["extensions", "apps"]),
    ("networkpolicies", ["extensions", "networking.k8s.io"]),
    ("events", ["", "events.k8s.io"]),
];

pub(crate) fn collect(cluster: &Cluster, request: &Request<'_>) -> Collected {
    let mut collected = Collected::default();
    let mut by_type: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, item) in cluster.items().enumerate() {
        by_type.entry(item.of).or_default().push(number);
    }
    let mut seen: HashSet<&str> = HashSet::new();
    let lists_fail = lists_fail(request);
    for of in order_of_types(cluster) {
        let Some(resource) = cluster.resources.0.get(of) else {
            continue;
        };
        let items = by_type.get(&of).map(Vec::as_slice).unwrap_or_default();
        let cohabits = COHABITING.iter().find(|(plural, _)| *plural == resource.plural);
        // Of which there is nothing nothing is to be said, unless its list is an error.
        if items.is_empty() && !lists_fail && cohabits.is_none() && resource.plural != "namespaces" {
            continue;
        }
        let leave_out = |collected: &mut Collected, reason: &Reason| {
            for number in items {
                collected.chains.insert(*number, vec![reason.clone()]);
            }
        };
        if !resource.collectable {
            let says = format!("Velero passes over {}: they cannot be listed, created and deleted", resource.name());
            leave_out(&mut collected, &Reason::new(Rule::TypeNotCollected, Place::Velero, says));
            continue;
        }
        let why = match request.types.collects(resource, &request.namespaces) {
            Ok(why) => why,
            Err(reason) => {
                leave_out(&mut collected, &reason);
                continue;
            }
        };
        if let Some((plural, groups)) = cohabits
            && groups.contains(&resource.group.as_str())
            && !seen.insert(plural)
        {
            let says = format!("{} were already taken from another group", resource.plural);
            leave_out(&mut collected, &Reason::new(Rule::TypeTakenElsewhere, Place::Velero, says));
            continue;
        }
        if resource.name() == "namespaces" {
            namespaces(cluster, request, &mut collected, &why);
        } else {
            of_type(cluster, request, &mut collected, resource, items, &why);
        }
    }
    keep_namespaces(cluster, request, &mut collected);
    collected.numbers = collected.order.iter().copied().collect();
    collected
}

/// Pods, claims and volumes come first of the core group, the group `extensions` last of all.
fn order_of_types(cluster: &Cluster) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cluster.resources.0.len()).collect();
    let rank = |of: &usize| {
        let resource = cluster.resources.0.get(*of);
        let (group, plural) = resource.map_or(("", ""), |found| (found.group.as_str(), found.plural.as_str()));
        let first = ["pods", "persistentvolumeclaims", "persistentvolumes"];
        match first.iter().position(|name| group.is_empty() && *name == plural) {
            Some(position) => (0, position),
            None if group == "extensions" => (2, 0),
            None => (1, 0),
        }
    };
    // The core group is the first there is.
    order.sort_by_key(rank);
    order
}

fn of_type(
    cluster: &Cluster,
    request: &Request<'_>,
    collected: &mut Collected,
    resource: &Resource,
    items: &[usize],
    why: &Reason,
) {
    let to_list = if resource.namespaced { request.namespaces.to_list() } else { ToList::All };
    let mut found: Vec<usize> = Vec::new();
    match &to_list {
        ToList::All => {
            let numbers: Vec<usize> = items.to_vec();
            found.extend(listed(cluster, request, collected, resource, "", &numbers, why));
        }
        ToList::Named(names) => {
            for number in items {
                let Some(namespace) = cluster.item(*number).and_then(|item| item.reference.namespace.as_deref()) else {
                    continue;
                };
                if !names.contains(namespace) {
                    let reason = request.namespaces.decide(namespace).err().unwrap_or_else(|| {
                        let place = Place::Backup { field: request.namespaces.field.clone() };
                        let says = format!(
                            "Velero {} lists a pattern for namespaces as a name, so nothing in {namespace} is found",
                            request.version()
                        );
                        Reason::new(Rule::NamespaceGlobNotListed, place, says)
                    });
                    collected.chains.insert(*number, vec![reason]);
                }
            }
            for name in names {
                let of_name = |number: &usize| {
                    cluster.item(*number).and_then(|item| item.reference.namespace.as_deref()) == Some(name)
                };
                let numbers: Vec<usize> = items.iter().copied().filter(of_name).collect();
                found.extend(listed(cluster, request, collected, resource, name, &numbers, why));
            }
        }
    }
    for number in &found {
        if let Some(namespace) = cluster.item(*number).and_then(|item| item.reference.namespace.clone()) {
            let drops = request.version().has(Feature::ExcludedNamespaceObjectsDropped);
            if !drops || request.namespaces.decide(&namespace).is_ok() {
                collected.tracked.insert(namespace);
            }
        }
    }
    order(cluster, request, resource, &mut found, &mut collected.ordered);
    collected.order.extend(found);
}

/// One list request; `namespace` is empty for all of them.
fn listed(
    cluster: &Cluster,
    request: &Request<'_>,
    collected: &mut Collected,
    resource: &Resource,
    namespace: &str,
    items: &[usize],
    why: &Reason,
) -> Vec<usize> {
    let selectors = match listing(request, resource, namespace) {
        Listing::Broken(reason) => {
            if !collected.errors.contains(&reason) {
                collected.errors.push(reason.clone());
            }
            for number in items {
                collected.chains.insert(*number, vec![reason.clone()]);
            }
            return Vec::new();
        }
        Listing::Nothing(reason) => {
            for number in items {
                collected.chains.insert(*number, vec![reason.clone()]);
            }
            return Vec::new();
        }
        Listing::Everything => Vec::new(),
        Listing::Any(selectors) => selectors,
    };
    let mut found = Vec::new();
    if selectors.is_empty() {
        found.extend(items.iter().copied().map(|number| (number, None)));
    } else {
        // Each selector is a list request of its own; what two of them find stands where the first found it.
        let mut taken = HashSet::new();
        for (field, selector) in &selectors {
            for number in items {
                let matches = cluster.item(*number).is_some_and(|item| selector.matches(&item.object.labels()));
                if matches && taken.insert(*number) {
                    let says = format!("its labels match {field}");
                    found.push((*number, Some(Reason::new(Rule::SelectorMatched, place(request, field), says))));
                }
            }
        }
        for number in items.iter().filter(|number| !taken.contains(number)) {
            if let Some(item) = cluster.item(*number) {
                collected.chains.insert(*number, vec![missed(request, &selectors, item)]);
            }
        }
    }
    let mut kept = Vec::new();
    for (number, matched) in found {
        let Some(item) = cluster.item(number) else {
            continue;
        };
        let mut chain = vec![why.clone()];
        if let Some(of) = &item.reference.namespace {
            if namespace.is_empty()
                && let Some(reason) = filtered_in_memory(request, item, of, resource)
            {
                collected.chains.insert(number, vec![reason]);
                continue;
            }
            match request.namespaces.decide(of) {
                Ok(reason) => chain.insert(0, reason),
                // Left out by the checks that follow, and before them since v1.18.3.
                Err(reason) => {
                    collected.chains.insert(number, vec![reason]);
                    kept.push(number);
                    continue;
                }
            }
        }
        chain.extend(matched);
        collected.chains.insert(number, chain);
        kept.push(number);
    }
    kept
}

fn place(request: &Request<'_>, field: &str) -> Place {
    if field.contains("Polic") && !field.starts_with("spec") {
        Place::Policy { field: field.to_owned() }
    } else {
        request.field(field)
    }
}

fn missed(request: &Request<'_>, selectors: &[(String, &LabelSelector)], item: &Item) -> Reason {
    let labels = item.object.labels();
    let misses: Vec<(String, String)> = selectors
        .iter()
        .filter_map(|(field, selector)| selector.missed(&labels).map(|(part, says)| (format!("{field}.{part}"), says)))
        .collect();
    let field = misses.first().map_or("labelSelector", |(field, _)| field);
    let says = if let [(field, says)] = misses.as_slice() {
        format!("{} is not selected by {field}: {says}", item.reference)
    } else {
        let says: Vec<&str> = misses.iter().map(|(_, says)| says.as_str()).collect();
        format!("{} is selected by none of orLabelSelectors: {}", item.reference, says.join("; "))
    };
    Reason::new(Rule::SelectorMissed, place(request, field), says)
}

/// `orderedResources`: the key is the plural name, names are not trimmed.
fn order(
    cluster: &Cluster,
    request: &Request<'_>,
    resource: &Resource,
    found: &mut Vec<usize>,
    ordered: &mut HashSet<usize>,
) {
    let Some(wanted) = request.spec().ordered_resources.get(&resource.plural).filter(|wanted| !wanted.is_empty())
    else {
        return;
    };
    let full = |number: &usize| {
        cluster.item(*number).map(|item| match &item.reference.namespace {
            Some(namespace) => format!("{namespace}/{}", item.reference.name),
            None => item.reference.name.clone(),
        })
    };
    let mut sorted = Vec::new();
    for name in wanted.split(',') {
        if let Some(number) = found.iter().copied().find(|number| full(number).as_deref() == Some(name))
            && ordered.insert(number)
        {
            sorted.push(number);
        }
    }
    let rest: Vec<usize> = found.iter().copied().filter(|number| !sorted.contains(number)).collect();
    sorted.extend(rest);
    *found = sorted;
}
