//! Resource policies: the ConfigMap that `spec.resourcePolicy` names, already parsed from YAML into JSON values by
//! whoever read it. The checks are those of `internal/resourcepolicies` at v1.18.3.

mod described;
mod document;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::document::{ClusterScopedFilter, Conditions, Document, RawVolumePolicy};
use super::selector::LabelSelector;
use super::version::{Feature, Version};
use crate::quantity::Quantity;

pub(crate) use self::described::Described;
pub(crate) use self::document::{IncludeExclude, NamespacedFilter, ResourceFilter};

/// What is known of a ConfigMap with resource policies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policies {
    /// None is named.
    #[default]
    None,
    /// One is named and was not looked for.
    NotRead,
    /// It does not exist.
    Missing,
    /// It has not exactly one key, or holds no YAML.
    Unreadable(String),
    /// The value of its one key.
    Read(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Skip,
    Snapshot,
    FsBackup,
    Custom,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Snapshot => "snapshot",
            Self::FsBackup => "fs-backup",
            Self::Custom => "custom",
        }
    }
}

/// Checked policies, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked {
    volumes: Vec<(Conditions, (Quantity, Quantity), Action, String)>,
    pub(crate) include_exclude: Option<IncludeExclude>,
    pub(crate) cluster_filters: Vec<ResourceFilter>,
    pub(crate) namespaced_filters: Vec<NamespacedFilter>,
}

impl Checked {
    /// As `getResourcePoliciesFromConfig` and `Policies.Validate` would; the error is told in our words.
    pub(crate) fn of(value: &Value, version: Version) -> Result<Self, String> {
        let document: Document = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        let gate = |used: bool, feature: Feature, name: &str| {
            if used && !version.has(feature) {
                Err(format!("{name} is not known to Velero {version}, only since {}", feature.since()))
            } else {
                Ok(())
            }
        };
        gate(document.include_exclude_policy.is_some(), Feature::IncludeExcludePolicy, "includeExcludePolicy")?;
        let filters =
            document.cluster_scoped_filter_policy.is_some() || !document.namespaced_filter_policies.is_empty();
        gate(filters, Feature::FilterPolicies, "a filter policy")?;
        let mut checked = Self::default();
        for (index, RawVolumePolicy { conditions, action }) in document.volume_policies.into_iter().enumerate() {
            let at = format!("volumePolicies[{index}]");
            gate(!conditions.pvc_labels.is_empty(), Feature::PvcLabels, "pvcLabels")?;
            gate(!conditions.pvc_phase.is_empty(), Feature::PvcPhase, "pvcPhase")?;
            let modes = !conditions.pvc_volume_mode.is_empty() || !conditions.pvc_access_modes.is_empty();
            gate(modes, Feature::PvcModeConditions, "pvcVolumeMode or pvcAccessModes")?;
            let attributes = conditions.csi.as_ref().is_some_and(|csi| csi.volume_attributes.is_some());
            gate(attributes, Feature::CsiVolumeAttributes, "csi.volumeAttributes")?;
            if conditions.csi.as_ref().is_some_and(|csi| csi.driver.is_empty() && csi.volume_attributes.is_some()) {
                return Err(format!("{at}: csi.volumeAttributes needs a driver"));
            }
            let capacity = capacity(&conditions.capacity).map_err(|why| format!("{at}.conditions.capacity: {why}"))?;
            let action = match action.kind.as_str() {
                "skip" => Action::Skip,
                "snapshot" => Action::Snapshot,
                "fs-backup" => Action::FsBackup,
                "custom" if version.has(Feature::CustomAction) => Action::Custom,
                other => return Err(format!("{at}.action.type: {other:?} is no action")),
            };
            checked.volumes.push((conditions, capacity, action, at));
        }
        if document.version != "v1" {
            return Err(format!("version is {:?}, not \"v1\"", document.version));
        }
        if let Some(policy) = &document.include_exclude_policy {
            check_lists(&policy.included_cluster_scoped_resources, &policy.excluded_cluster_scoped_resources)?;
            check_lists(&policy.included_namespace_scoped_resources, &policy.excluded_namespace_scoped_resources)?;
        }
        if let Some(ClusterScopedFilter { resource_filters }) = document.cluster_scoped_filter_policy {
            if resource_filters.is_empty() {
                return Err("clusterScopedFilterPolicy.resourceFilters is empty".to_owned());
            }
            if resource_filters.iter().any(ResourceFilter::is_catch_all) {
                return Err("clusterScopedFilterPolicy: kinds must be named".to_owned());
            }
            check_filters(&resource_filters, "clusterScopedFilterPolicy")?;
            checked.cluster_filters = resource_filters;
        }
        check_namespaced(&document.namespaced_filter_policies)?;
        checked.namespaced_filters = document.namespaced_filter_policies;
        checked.include_exclude = document.include_exclude_policy;
        Ok(checked)
    }

    /// Those of the server come after the backup's own; of them only the volume policies count.
    pub(crate) fn extend(&mut self, global: Self) {
        self.volumes.extend(global.volumes);
    }

    pub(crate) fn has_filters(&self) -> bool {
        !self.cluster_filters.is_empty() || !self.namespaced_filters.is_empty()
    }

    /// The first policy that matches, with its field.
    pub(crate) fn action(&self, volume: &Described) -> Option<(Action, String)> {
        let matching = |(conditions, capacity, _, _): &&(Conditions, (Quantity, Quantity), Action, String)| {
            conditions.match_volume(volume) && in_range(*capacity, volume.capacity)
        };
        self.volumes.iter().find(matching).map(|(_, _, action, at)| (*action, at.clone()))
    }
}

fn check_lists(includes: &[String], excludes: &[String]) -> Result<(), String> {
    if includes.iter().chain(excludes).any(|name| name == "*") {
        return Err("includeExcludePolicy must not hold \"*\"".to_owned());
    }
    match excludes.iter().find(|name| includes.contains(name)) {
        Some(both) => Err(format!("includeExcludePolicy includes and excludes {both}")),
        None => Ok(()),
    }
}

fn check_namespaced(policies: &[NamespacedFilter]) -> Result<(), String> {
    let mut seen: Vec<&String> = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let at = format!("namespacedFilterPolicies[{index}]");
        if policy.namespaces.is_empty() || policy.resource_filters.is_empty() {
            return Err(format!("{at}: namespaces and resourceFilters must not be empty"));
        }
        for pattern in &policy.namespaces {
            super::namespaces::check_wildcards(pattern).map_err(|why| format!("{at}: {why}"))?;
            if seen.contains(&pattern) {
                return Err(format!("{at}: namespace {pattern} is named twice"));
            }
            seen.push(pattern);
        }
        let catch_all: Vec<&ResourceFilter> = policy.resource_filters.iter().filter(|f| f.is_catch_all()).collect();
        if catch_all.len() > 1 || catch_all.iter().any(|f| !f.names.is_empty() || !f.excluded_names.is_empty()) {
            return Err(format!("{at}: there may be one filter for all kinds, without names"));
        }
        check_filters(&policy.resource_filters, &at)?;
    }
    Ok(())
}

fn check_filters(filters: &[ResourceFilter], at: &str) -> Result<(), String> {
    let mut seen: Vec<&String> = Vec::new();
    for filter in filters {
        for kind in filter.kinds.iter().filter(|kind| *kind != "*") {
            if seen.contains(&kind) {
                return Err(format!("{at}: kind {kind} is named twice"));
            }
            seen.push(kind);
        }
        let selector = filter.label_selector.as_ref().filter(|selector| !selector.is_empty());
        if selector.is_some() && !filter.or_label_selectors.is_empty() {
            return Err(format!("{at}: labelSelector and orLabelSelectors exclude each other"));
        }
        selector.into_iter().chain(&filter.or_label_selectors).try_for_each(LabelSelector::valid)?;
        for pattern in filter.names.iter().chain(&filter.excluded_names) {
            super::glob::Glob::new(pattern).map_err(|error| format!("{at}: {error}"))?;
        }
    }
    Ok(())
}

/// `"lower,upper"`; a side that is left out is open (`parseCapacity`, `capacityCondition.validate`).
fn capacity(text: &str) -> Result<(Quantity, Quantity), String> {
    let text = if text.is_empty() { "," } else { text };
    let sides: Vec<&str> = text.split(',').collect();
    let [lower, upper] = sides.as_slice() else {
        return Err(format!("{text:?} is not two quantities with a comma between them"));
    };
    let side = |text: &str| {
        let text = text.trim();
        if text.is_empty() { Ok(Quantity::ZERO) } else { Quantity::parse(text).map_err(|error| error.to_string()) }
    };
    let (lower, upper) = (side(lower)?, side(upper)?);
    if upper >= lower || (!lower.is_zero() && upper.is_zero()) {
        Ok((lower, upper))
    } else {
        Err(format!("{text:?} runs backwards"))
    }
}

/// `capacity.isInRange`; a volume without a capacity counts as zero.
fn in_range((lower, upper): (Quantity, Quantity), value: Option<Quantity>) -> bool {
    let value = value.unwrap_or(Quantity::ZERO);
    (lower.is_zero() && upper >= value)
        || (upper.is_zero() && lower <= value)
        || (!lower.is_zero() && !upper.is_zero() && lower <= value && upper >= value)
}
