//! A backup as it is asked for: a Backup, or what a Schedule's template would make.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::hooks::Hooks;
use super::policy::Policies;
use super::selector::LabelSelector;
use crate::object::{Object, string_map};

/// `velerov1api.BackupSpec`, as far as it decides what is in the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    #[serde(deserialize_with = "nullable")]
    pub included_namespaces: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_namespaces: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub included_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub included_cluster_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_cluster_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub included_namespace_scoped_resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub excluded_namespace_scoped_resources: Vec<String>,
    pub label_selector: Option<LabelSelector>,
    /// An empty list is not the same as none.
    pub or_label_selectors: Option<Vec<LabelSelector>>,
    /// Three states: unset takes snapshots, as `true` does.
    pub snapshot_volumes: Option<bool>,
    /// Three states.
    pub include_cluster_resources: Option<bool>,
    pub default_volumes_to_fs_backup: Option<bool>,
    pub default_volumes_to_restic: Option<bool>,
    pub snapshot_move_data: Option<bool>,
    #[serde(deserialize_with = "nullable")]
    pub datamover: String,
    #[serde(deserialize_with = "nullable")]
    pub storage_location: String,
    #[serde(deserialize_with = "nullable")]
    pub volume_snapshot_locations: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub ordered_resources: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub volume_group_snapshot_label_key: String,
    pub resource_policy: Option<PolicyRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
}

/// `spec.resourcePolicy`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyRef {
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// A backup and what it refers to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    pub name: String,
    pub annotations: BTreeMap<String, String>,
    pub spec: Spec,
    /// `spec` of a Backup, `spec.template` of a Schedule: what a reason's field begins with.
    pub at: String,
    /// The ConfigMap that `spec.resourcePolicy` names.
    pub policies: Policies,
}

#[derive(Debug, thiserror::Error)]
pub enum BadBackup {
    #[error("{0} is neither a Backup nor a Schedule of velero.io")]
    OtherKind(String),
    #[error("{kind} {name} cannot be read: {at} is not as Velero wants it")]
    Spec {
        kind: String,
        name: String,
        at: String,
        #[source]
        cause: serde_json::Error,
    },
}

impl Backup {
    /// Of a Backup or Schedule; its policies are still to be read when [`Spec::policy_name`] names some.
    pub fn of(object: &Object) -> Result<Self, BadBackup> {
        let kind = object.str_at("/kind").unwrap_or_default();
        let ours = object.str_at("/apiVersion").is_some_and(|version| version.starts_with("velero.io/"));
        let (pointer, at) = match kind {
            "Backup" if ours => ("/spec", "spec"),
            "Schedule" if ours => ("/spec/template", "spec.template"),
            other => return Err(BadBackup::OtherKind(format!("{other} {}", object.name()))),
        };
        let value = object.at(pointer).cloned().unwrap_or(Value::Object(serde_json::Map::new()));
        let spec: Spec = serde_json::from_value(value).map_err(|cause| BadBackup::Spec {
            kind: kind.to_owned(),
            name: object.name().to_owned(),
            at: at.to_owned(),
            cause,
        })?;
        let policies = if spec.policy_name().is_some() { Policies::NotRead } else { Policies::None };
        Ok(Self {
            name: object.name().to_owned(),
            annotations: string_map(object.at("/metadata/annotations")),
            spec,
            at: at.to_owned(),
            policies,
        })
    }
}

impl Spec {
    /// The ConfigMap in Velero's namespace that holds the resource policies. A reference of another kind than
    /// `configmap` is ignored without a word (`GetResourcePoliciesFromBackup` at v1.18.3).
    pub fn policy_name(&self) -> Option<&str> {
        let policy = self.resource_policy.as_ref()?;
        policy.kind.eq_ignore_ascii_case("configmap").then_some(policy.name.as_str())
    }
}

/// `null` is the same as absent, as Go reads it.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
