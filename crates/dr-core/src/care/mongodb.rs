//! MongoDB with WiredTiger, its journal on the same volume.

use super::{Care, Doubt, named};

pub(super) const CARE: Care = Care {
    engine: "mongodb",
    recognise: |container| {
        let images = ["mongo", "mongodb", "mongodb-community-server", "mongodb-sharded", "percona-server-mongodb"];
        named(container, &images, &["/data/db", "/bitnami/mongodb"])
    },
    snapshot: None,
    files: Some(Doubt {
        says: "a file copy of a running WiredTiger is of different moments unless writes are locked meanwhile",
        instead: "take a snapshot, or copy the output of mongodump",
        source: "MongoDB Manual, db.fsyncLock and Back Up and Restore with Filesystem Snapshots",
    }),
    unsaved: None,
    pre_backup: None,
};
