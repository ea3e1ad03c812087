//! Where a backup storage location keeps its backups.

use crate::input::Object;

/// One folder of one object store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Provider, bucket and configuration.
    store: (String, String, Option<String>),
    /// The folders of the prefix.
    prefix: Vec<String>,
}

/// Folders that Velero expects below its prefix (`persistence/object_store_layout.go:newObjectStoreLayout` at v1.18.3).
const OWN: [&str; 6] = ["backups", "restores", "restic", "metadata", "plugins", "kopia"];

impl Place {
    /// None where no bucket is named.
    pub(crate) fn of(location: &Object) -> Option<Self> {
        let text = |pointer: &str| location.raw.str_at(pointer).unwrap_or("").trim_matches('/').to_owned();
        let bucket = text("/spec/objectStorage/bucket");
        let config = location.raw.at("/spec/config").map(ToString::to_string);
        let prefix = text("/spec/objectStorage/prefix");
        let prefix = prefix.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned).collect();
        (!bucket.is_empty()).then(|| Self { store: (text("/spec/provider"), bucket, config), prefix })
    }

    /// Whether what is written to the other one makes a folder in this one that Velero does not know.
    pub(crate) fn is_around(&self, other: &Self) -> bool {
        let below = other.prefix.strip_prefix(self.prefix.as_slice());
        let foreign = below.and_then(<[String]>::first).is_some_and(|folder| !OWN.contains(&folder.as_str()));
        self.store == other.store && foreign
    }
}
