//! The document of resource policies, as strict as Velero reads it (`internal/resourcepolicies/resource_policies.go`
//! and `volume_resources_validator.go:decodeStruct` at v1.18.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::select::selector::LabelSelector;
use crate::select::spec::nullable;

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Document {
    #[serde(deserialize_with = "nullable")]
    pub(super) version: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) volume_policies: Vec<RawVolumePolicy>,
    pub(super) include_exclude_policy: Option<IncludeExclude>,
    pub(super) cluster_scoped_filter_policy: Option<ClusterScopedFilter>,
    #[serde(deserialize_with = "nullable")]
    pub(super) namespaced_filter_policies: Vec<NamespacedFilter>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawVolumePolicy {
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Conditions,
    #[serde(deserialize_with = "nullable")]
    pub(super) action: RawAction,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAction {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable", rename = "parameters")]
    pub(super) _parameters: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Conditions {
    #[serde(deserialize_with = "scalar")]
    pub(super) capacity: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) storage_class: Vec<String>,
    pub(super) nfs: Option<Nfs>,
    pub(super) csi: Option<Csi>,
    #[serde(deserialize_with = "nullable")]
    pub(super) volume_types: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) pvc_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) pvc_phase: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) pvc_volume_mode: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) pvc_access_modes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Nfs {
    #[serde(deserialize_with = "nullable")]
    pub(super) server: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) path: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Csi {
    #[serde(deserialize_with = "nullable")]
    pub(super) driver: String,
    pub(super) volume_attributes: Option<BTreeMap<String, String>>,
}

/// `includeExcludePolicy`
#[expect(clippy::struct_field_names, reason = "the names are Velero's")]
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct IncludeExclude {
    #[serde(deserialize_with = "nullable")]
    pub(crate) included_cluster_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) excluded_cluster_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) included_namespace_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) excluded_namespace_scoped_resources: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClusterScopedFilter {
    #[serde(deserialize_with = "nullable")]
    pub(super) resource_filters: Vec<ResourceFilter>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct NamespacedFilter {
    #[serde(deserialize_with = "nullable")]
    pub(crate) namespaces: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) resource_filters: Vec<ResourceFilter>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ResourceFilter {
    #[serde(deserialize_with = "nullable")]
    pub(crate) kinds: Vec<String>,
    pub(crate) label_selector: Option<LabelSelector>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) or_label_selectors: Vec<LabelSelector>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) names: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) excluded_names: Vec<String>,
}

impl ResourceFilter {
    pub(crate) fn is_catch_all(&self) -> bool {
        matches!(self.kinds.as_slice(), [] | [_]) && self.kinds.first().is_none_or(|kind| kind == "*")
    }
}

/// YAML decodes a number into a string field without complaint.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("a quantity is wanted")),
    }
}
