//! Elasticsearch and OpenSearch.

use super::{Care, Doubt, named};

const DOUBT: Doubt = Doubt {
    says: "a copy of its data directory may fail to open, or open with data missing and no error",
    instead: "use its own snapshot API with a repository outside of the cluster",
    source: "Elasticsearch Guide, Snapshot and restore: warnings on copying data directories",
};

pub(super) const CARE: Care = Care {
    engine: "elasticsearch",
    recognise: |container| {
        let mounts = ["/usr/share/elasticsearch/data", "/usr/share/opensearch/data", "/bitnami/elasticsearch/data"];
        named(container, &["elasticsearch", "opensearch"], &mounts)
    },
    snapshot: Some(DOUBT),
    files: Some(DOUBT),
    unsaved: None,
    pre_backup: None,
};
