//! The selectors of one list request (`pkg/backup/item_collector.go:listResourceByLabelsPerNamespace` at v1.18.3), and
//! the filter policies that may stand in their place.

use super::cluster::Item;
use super::filter::{Entry, Patterns};
use super::glob::Glob;
use super::policy::{NamespacedFilter, ResourceFilter};
use super::prepare::Request;
use super::reason::{Place, Reason, Rule};
use super::resources::Resource;
use super::selector::{LabelSelector, Unusable};

const CLUSTER_FILTER: &str = "clusterScopedFilterPolicy";

/// A list request's selectors.
pub(crate) enum Listing<'a> {
    Everything,
    Any(Vec<(String, &'a LabelSelector)>),
    Broken(Reason),
    /// A filter policy that does not name the kind.
    Nothing(Reason),
}

/// The selectors of a request, or those of a filter policy in their place (`listResourceByLabelsPerNamespace`).
pub(crate) fn listing<'a>(request: &'a Request<'_>, resource: &Resource, namespace: &str) -> Listing<'a> {
    if let Some(policies) = request.policies.as_ref().filter(|policies| policies.has_filters()) {
        // A pattern such as `*` matches the empty name too, by which all namespaces and cluster-scoped types are asked.
        let of_namespace = match namespaced_filter(&policies.namespaced_filters, namespace) {
            None => None,
            Some((policy, field)) => {
                let Some(filter) = kind_filter(&policy.resource_filters, resource) else {
                    let says = format!("{field} does not name {}", resource.name());
                    return Listing::Nothing(Reason::new(Rule::FilterPolicyMissed, Place::Policy { field }, says));
                };
                Some((filter, field))
            }
        };
        let of_policy = if !resource.namespaced && !policies.cluster_filters.is_empty() {
            exact_kind(&policies.cluster_filters, resource).map(|filter| (filter, CLUSTER_FILTER.to_owned()))
        } else {
            of_namespace
        };
        if let Some((filter, field)) = of_policy {
            return policy_listing(filter, &field);
        }
    }
    let spec = request.spec();
    let any: Vec<(String, &LabelSelector)> = match (&spec.label_selector, &spec.or_label_selectors) {
        (_, Some(any)) if !any.is_empty() => {
            let named = any.iter().enumerate();
            named.map(|(index, selector)| (format!("orLabelSelectors[{index}]"), selector)).collect()
        }
        (Some(one), _) => vec![("labelSelector".to_owned(), one)],
        (None, _) => return Listing::Everything,
    };
    match any.iter().find_map(|(field, selector)| unusable(request, field, selector)) {
        Some(reason) => Listing::Broken(reason),
        None => Listing::Any(any),
    }
}

/// Whether any list may fail, by whatever stands for a selector.
pub(crate) fn lists_fail(request: &Request<'_>) -> bool {
    let spec = request.spec();
    let mut all = spec.label_selector.iter().chain(spec.or_label_selectors.iter().flatten());
    all.any(|selector| selector.usable().is_err())
}

/// Why lists by this selector fail.
pub(crate) fn unusable(request: &Request<'_>, field: &str, selector: &LabelSelector) -> Option<Reason> {
    let says = match selector.usable().err()? {
        Unusable::Empty => {
            format!("{field} is empty: Velero asks the API server for <none>, which is no selector, and lists fail")
        }
        Unusable::Invalid(why) => format!("{field} is invalid, and lists fail: {why}"),
    };
    Some(Reason::new(Rule::SelectorUnusable, request.field(field), says))
}

fn policy_listing<'a>(filter: &'a ResourceFilter, field: &str) -> Listing<'a> {
    let one = filter.label_selector.as_ref().filter(|selector| !selector.is_empty());
    let any: Vec<&LabelSelector> = filter.or_label_selectors.iter().filter(|selector| !selector.is_empty()).collect();
    let chosen = if any.is_empty() { one.into_iter().collect() } else { any };
    if chosen.is_empty() {
        Listing::Everything
    } else {
        Listing::Any(chosen.into_iter().map(|selector| (format!("{field}.labelSelector"), selector)).collect())
    }
}

/// The filter policy of a namespace: one that names it, else the first whose pattern matches (`GetNamespaceFilter`).
fn namespaced_filter<'a>(policies: &'a [NamespacedFilter], namespace: &str) -> Option<(&'a NamespacedFilter, String)> {
    let named = policies.iter().enumerate();
    let exact = named.clone().find(|(_, policy)| policy.namespaces.iter().any(|name| name == namespace));
    let fits = |pattern: &String| {
        pattern.contains(['*', '?', '[']) && Glob::new(pattern).is_ok_and(|glob| glob.matches(namespace))
    };
    let found = exact.or_else(|| named.clone().find(|(_, policy)| policy.namespaces.iter().any(fits)));
    found.map(|(index, policy)| (policy, format!("namespacedFilterPolicies[{index}]")))
}

fn exact_kind<'a>(filters: &'a [ResourceFilter], resource: &Resource) -> Option<&'a ResourceFilter> {
    let is_it = |kind: &String| {
        let kind = kind.to_lowercase();
        kind == resource.plural
            || kind == resource.singular
            || kind == resource.name()
            || resource.short_names.contains(&kind)
    };
    // A kind that two filters name is taken from the last.
    filters.iter().rev().find(|filter| filter.kinds.iter().any(is_it))
}

/// The filter of a kind, else that of all kinds.
fn kind_filter<'a>(filters: &'a [ResourceFilter], resource: &Resource) -> Option<&'a ResourceFilter> {
    exact_kind(filters, resource).or_else(|| filters.iter().find(|filter| filter.is_catch_all()))
}

/// Filter policies on what one request over all namespaces found.
pub(crate) fn filtered_in_memory(
    request: &Request<'_>,
    item: &Item,
    namespace: &str,
    resource: &Resource,
) -> Option<Reason> {
    let policies = request.policies.as_ref()?;
    let (filter, field) = namespaced_filter(&policies.namespaced_filters, namespace)?;
    let labels = item.object.labels();
    let out = |says: String| Some(Reason::new(Rule::FilterPolicyMissed, Place::Policy { field: field.clone() }, says));
    let Some(found) = kind_filter(&filter.resource_filters, resource) else {
        return out(format!("{field} does not name {}", resource.name()));
    };
    let one = found.label_selector.as_ref().filter(|selector| !selector.is_empty());
    let any: Vec<&LabelSelector> = found.or_label_selectors.iter().filter(|selector| !selector.is_empty()).collect();
    let fits = one.is_none_or(|selector| selector.matches(&labels))
        && (any.is_empty() || any.iter().any(|selector| selector.matches(&labels)));
    if fits { None } else { out(format!("{} is not selected by {field}", item.reference)) }
}

/// Names of a filter policy, asked of whatever is to be backed up (`itemInclusionChecks`).
pub(crate) fn name_filter(request: &Request<'_>, item: &Item, resource: &Resource) -> Option<Reason> {
    let policies = request.policies.as_ref().filter(|policies| policies.has_filters())?;
    let (filter, field) = match item.reference.namespace.as_deref() {
        Some(namespace) => {
            let (policy, field) = namespaced_filter(&policies.namespaced_filters, namespace)?;
            (kind_filter(&policy.resource_filters, resource)?, field)
        }
        None => (exact_kind(&policies.cluster_filters, resource)?, CLUSTER_FILTER.to_owned()),
    };
    let list = |names: &[String]| {
        Patterns::new(names.iter().map(|name| Entry::new(name, Place::Policy { field: field.clone() })))
    };
    let (names, excluded) = (list(&filter.names), list(&filter.excluded_names));
    let name = item.reference.name.as_str();
    let fits =
        excluded.hit(name).is_none() && (names.is_empty() || names.has("*").is_some() || names.hit(name).is_some());
    if fits {
        return None;
    }
    let says = format!("{} is not among the names of {field}", item.reference);
    Some(Reason::new(Rule::FilterPolicyMissed, Place::Policy { field }, says))
}
