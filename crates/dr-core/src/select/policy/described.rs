//! A volume as the conditions of policies see it (`internal/resourcepolicies/volume_resources.go` and
//! `volume_types_conditions.go` at v1.18.3).

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Conditions;
use crate::object::{Object, string_map};
use crate::quantity::Quantity;

/// A volume as conditions see it (`structuredVolume`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Described {
    pub(super) capacity: Option<Quantity>,
    storage_class: String,
    nfs: Option<(String, String)>,
    csi: Option<(String, BTreeMap<String, String>)>,
    kind: String,
    labels: BTreeMap<String, String>,
    phase: String,
    mode: String,
    modes: Vec<String>,
}

impl Described {
    pub(crate) fn volume(&mut self, volume: &Object) {
        self.capacity = volume.str_at("/spec/capacity/storage").and_then(|text| Quantity::parse(text).ok());
        volume.str_at("/spec/storageClassName").unwrap_or_default().clone_into(&mut self.storage_class);
        if let Some(source) = volume.at("/spec") {
            self.source(source, OF_VOLUME);
        }
    }

    pub(crate) fn pod_volume(&mut self, volume: &Value) {
        self.source(volume, OF_POD);
    }

    fn source(&mut self, source: &Value, order: &[&str]) {
        let part = |name: &str| source.get(name).filter(|value| !value.is_null());
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.nfs = part("nfs").map(|nfs| (text(nfs, "server"), text(nfs, "path")));
        self.csi = part("csi").map(|csi| (text(csi, "driver"), string_map(csi.get("volumeAttributes"))));
        let found = order.iter().find(|name| part(name).is_some());
        // The API's field is `storageos`, the policy's word is `storageOS`.
        found.map_or("", |name| if *name == "storageos" { "storageOS" } else { name }).clone_into(&mut self.kind);
    }

    pub(crate) fn claim(&mut self, claim: &Object) {
        self.labels = claim.labels();
        claim.str_at("/status/phase").unwrap_or_default().clone_into(&mut self.phase);
        claim.str_at("/spec/volumeMode").unwrap_or_default().clone_into(&mut self.mode);
        let modes = claim.list_at("/spec/accessModes").iter().filter_map(Value::as_str);
        self.modes = modes.map(str::to_owned).collect();
    }
}

impl Conditions {
    pub(super) fn match_volume(&self, volume: &Described) -> bool {
        let nfs = self.nfs.as_ref().is_none_or(|wanted| {
            volume.nfs.as_ref().is_some_and(|(server, path)| {
                (wanted.path.is_empty() || wanted.path == *path)
                    && (wanted.server.is_empty() || wanted.server == *server)
            })
        });
        let csi = self.csi.as_ref().is_none_or(|wanted| {
            volume.csi.as_ref().is_some_and(|(driver, attributes)| {
                let mut named = wanted.volume_attributes.iter().flatten();
                wanted.driver.is_empty()
                    || (wanted.driver == *driver && named.all(|(key, value)| attributes.get(key) == Some(value)))
            })
        });
        let among = |list: &[String], value: &String| list.is_empty() || (!value.is_empty() && list.contains(value));
        let same_modes = |a: &[String], b: &[String]| {
            a.len() == b.len() && a.iter().all(|m| b.contains(m)) && b.iter().all(|m| a.contains(m))
        };
        nfs && csi
            && among(&self.storage_class, &volume.storage_class)
            && (self.volume_types.is_empty() || self.volume_types.contains(&volume.kind))
            && self.pvc_labels.iter().all(|(key, value)| volume.labels.get(key) == Some(value))
            && among(&self.pvc_phase, &volume.phase)
            && (self.pvc_volume_mode.is_empty() || self.pvc_volume_mode == volume.mode)
            && (self.pvc_access_modes.is_empty() || same_modes(&self.pvc_access_modes, &volume.modes))
    }
}

/// The first source that is set names the type (`getVolumeTypeFromPV`).
const OF_VOLUME: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flocker",
    "flexVolume",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// `getVolumeTypeFromVolume`; a claim is none of them.
const OF_POD: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flocker",
    "flexVolume",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "iscsi",
    "nfs",
    "secret",
    "rbd",
    "downwardAPI",
    "configMap",
    "projected",
    "ephemeral",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "scaleIO",
    "storageos",
    "vsphereVolume",
    "hostPath",
    "emptyDir",
];
