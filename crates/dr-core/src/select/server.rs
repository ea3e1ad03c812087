//! The Velero server: its version, and the settings that decide what is in a backup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::policy::Policies;
use super::version::Version;
use crate::object::Object;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    pub version: Version,
    pub namespace: String,
    /// `EnableCSI` is among `--features`.
    pub csi: bool,
    /// `--default-volumes-to-fs-backup`
    pub default_volumes_to_fs_backup: bool,
    /// `--default-snapshot-move-data`
    pub default_snapshot_move_data: bool,
    /// `--default-backup-storage-location`
    pub default_location: String,
    /// `--default-volume-snapshot-locations`: by provider.
    pub default_snapshot_locations: BTreeMap<String, String>,
    /// `--volume-group-snapshot-label-key`
    pub volume_group_label: String,
    /// `--global-backup-volume-policies-configmap`
    pub global_policies_name: Option<String>,
    /// What that ConfigMap holds.
    pub global_policies: Policies,
}

/// What could not be read of the server's Deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownServer {
    #[error("Deployment {0} has no container with Velero's server")]
    NoContainer(String),
    #[error("the image {0} does not tell Velero's version")]
    NoVersion(String),
}

impl Server {
    /// A server as `velero install` makes it, without any flag.
    pub fn plain(version: Version, namespace: &str) -> Self {
        Self {
            version,
            namespace: namespace.to_owned(),
            csi: false,
            default_volumes_to_fs_backup: false,
            default_snapshot_move_data: false,
            default_location: "default".to_owned(),
            default_snapshot_locations: BTreeMap::new(),
            volume_group_label: "velero.io/volume-group".to_owned(),
            global_policies_name: None,
            global_policies: Policies::None,
        }
    }

    /// From the server's Deployment; the version is that of its image unless it is known otherwise.
    pub fn of(deployment: &Object, version: Option<Version>) -> Result<Self, UnknownServer> {
        let containers = deployment.list_at("/spec/template/spec/containers").iter();
        let args_of = |container: &Value| -> Vec<String> {
            let words = |key: &str| container.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            let all = words("command").into_iter().chain(words("args"));
            all.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let server = containers.filter(|container| runs_velero(container)).map(|found| (found, args_of(found))).next();
        let Some((container, args)) = server else {
            return Err(UnknownServer::NoContainer(deployment.name().to_owned()));
        };
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let tag = image.split('@').next().and_then(|name| name.rsplit_once(':')).map(|(_, tag)| tag);
        let version = version
            .or_else(|| tag.and_then(|tag| tag.parse().ok()))
            .ok_or_else(|| UnknownServer::NoVersion(image.to_owned()))?;
        let mut server = Self::plain(version, deployment.namespace().unwrap_or("velero"));
        let mut args = args.iter().map(String::as_str).skip_while(|arg| *arg != "server").skip(1).peekable();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix("--") else {
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, args.next_if(|next| !next.starts_with('-') && !is_switch(flag))),
            };
            server.set(name, value);
        }
        Ok(server)
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        let text = || value.unwrap_or_default().to_owned();
        let on = value.is_none_or(|value| matches!(value, "true" | "TRUE" | "True" | "1" | "t" | "T"));
        match name {
            "features" => self.csi = text().split(',').any(|feature| feature.trim() == "EnableCSI"),
            "default-volumes-to-fs-backup" => self.default_volumes_to_fs_backup = on,
            "default-snapshot-move-data" => self.default_snapshot_move_data = on,
            "default-backup-storage-location" => self.default_location = text(),
            "volume-group-snapshot-label-key" => self.volume_group_label = text(),
            "default-volume-snapshot-locations" => {
                let pairs = text();
                let pairs = pairs.split(',').filter_map(|pair| pair.split_once(':'));
                self.default_snapshot_locations =
                    pairs.map(|(provider, name)| (provider.trim().to_owned(), name.trim().to_owned())).collect();
            }
            "global-backup-volume-policies-configmap" if !text().is_empty() => {
                self.global_policies_name = Some(text());
                self.global_policies = Policies::NotRead;
            }
            // Of the others none decides what is in a backup.
            _ => {}
        }
    }
}

/// Flags that take no following word.
fn is_switch(flag: &str) -> bool {
    matches!(flag, "default-volumes-to-fs-backup" | "default-snapshot-move-data")
}

/// Whether a container is Velero's server, by its command and arguments, or its image where that brings the command. An
/// object store that stands beside it may have a `server` of its own.
pub fn runs_velero(container: &Value) -> bool {
    let words = ["command", "args"].into_iter().filter_map(|key| container.get(key)?.as_array());
    let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let velero = words.iter().any(|word| last(word) == "velero") || last(image).starts_with("velero");
    velero && words.contains(&"server")
}
