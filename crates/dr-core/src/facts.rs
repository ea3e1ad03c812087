//! What was read of a cluster and its backups, with the time it was read. Everything decided is decided on this.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kind::Kind;
use crate::object::{Key, Object};

/// The newest format written; older ones are read, newer ones refused.
pub const FORMAT: u32 = 1;

/// A cluster as it was at `taken`, as far as one namespace's restore needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub format: u32,
    pub taken: Timestamp,
    pub context: String,
    pub server: String,
    /// `v1.34.2`
    pub server_version: String,
    /// Of the namespace `kube-system`.
    pub cluster_uid: String,
    /// The namespace that is asked about.
    pub namespace: String,
    pub velero_namespace: String,
    /// By kind: namespaced ones from the namespace and from Velero's, cluster-scoped ones whole.
    /// Secrets are metadata only.
    pub objects: BTreeMap<Kind, Listed>,
    /// What was downloaded, by backup name.
    pub documents: BTreeMap<String, Documents>,
}

/// The answer to listing a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listed {
    Objects(Vec<Object>),
    /// The server does not serve the kind: its CRD is not installed.
    NotServed,
    /// Our rights do not reach.
    Forbidden(String),
}

/// A document of a backup in the object store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document<T> {
    #[default]
    NotRead,
    Read(T),
    Failed(String),
}

/// What was downloaded of one backup.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Documents {
    /// `BackupVolumeInfos`: one entry per volume.
    pub volume_infos: Document<Vec<Value>>,
    pub archive: Document<Archive>,
}

/// What the archive of a backup holds of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// Every item of the namespace and every cluster-scoped one, as `resource.group/namespace/name`, sorted.
    pub items: Vec<String>,
    /// Whole objects of the kinds we know, Secrets and ConfigMaps excepted (fingerprints of ours are read whole).
    pub objects: Vec<Object>,
}

/// A kind that a decision needs and that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("{} were not read", .0.info().resource())]
    NotListed(Kind),
    #[error("cannot list {}: {reason}", .kind.info().resource())]
    Forbidden { kind: Kind, reason: String },
}

impl Facts {
    /// All objects of a kind; empty when the server does not serve it.
    pub fn all(&self, kind: Kind) -> Result<&[Object], Unread> {
        match self.objects.get(&kind) {
            None => Err(Unread::NotListed(kind)),
            Some(Listed::Forbidden(reason)) => Err(Unread::Forbidden { kind, reason: reason.clone() }),
            Some(Listed::NotServed) => Ok(&[]),
            Some(Listed::Objects(objects)) => Ok(objects),
        }
    }

    /// Those of one namespace.
    pub fn of<'a>(&'a self, kind: Kind, namespace: &'a str) -> Result<impl Iterator<Item = &'a Object>, Unread> {
        Ok(self.all(kind)?.iter().filter(move |object| object.namespace() == Some(namespace)))
    }

    pub fn get(&self, key: &Key) -> Result<Option<&Object>, Unread> {
        let found = self.all(key.kind)?.iter();
        Ok(found.into_iter().find(|object| object.name() == key.name && object.namespace() == key.namespace.as_deref()))
    }
}

impl Archive {
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| is_of(object, kind))
    }

    pub fn get(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Option<&Object> {
        // The name first: of thousands of objects few have it, and it is cheaper to see than the kind.
        let named = |object: &&Object| object.name() == name && object.namespace() == namespace;
        self.objects.iter().filter(named).find(|object| is_of(object, kind))
    }
}

fn is_of(object: &Object, kind: Kind) -> bool {
    let api_version = object.str_at("/apiVersion").unwrap_or("");
    Kind::of(api_version, object.str_at("/kind").unwrap_or("")) == Some(kind)
}
