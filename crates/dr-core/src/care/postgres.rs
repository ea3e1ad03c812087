//! PostgreSQL: its write-ahead log brings a snapshot back; files copied one after the other are of different moments.

use super::{Care, Doubt};
use crate::engine;

pub(super) const CARE: Care = Care {
    engine: "postgres",
    recognise: engine::POSTGRES.recognise,
    snapshot: None,
    files: Some(Doubt {
        says: "a file copy of a running PostgreSQL is of different moments and may lose rows without an error",
        instead: "take a snapshot, or copy the output of pg_dump or pg_basebackup",
        source: "PostgreSQL 15, File System Level Backup: the server must be shut down",
    }),
    unsaved: None,
    pre_backup: engine::POSTGRES.pre_backup,
};
