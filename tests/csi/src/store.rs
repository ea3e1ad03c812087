//! Volumes and snapshots on the disk: `volumes/ID/` and `snapshots/ID/`, with a `.json` record beside each.
//!
//! The record is what makes a folder a volume: it is written last and removed first, so a folder without one is what
//! an interrupted call left, and goes at the next start. All of this blocks.

mod records;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use self::records::{
    clean_up, copy_still, copy_tree, create_folder, load, remove_folder, remove_leftovers, remove_record, write_record,
};
use crate::mounts;

/// The size of a volume whose size was left to us.
const ANY_SIZE: i64 = 1 << 30;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) capacity_bytes: i64,
    pub(crate) source: Option<Source>,
    /// Set when the volume lives in memory, with this much room beyond what it was made from.
    pub(crate) room_bytes: Option<u64>,
    /// Node to whether it is attached read-only.
    pub(crate) attached: BTreeMap<String, bool>,
}

/// What a volume was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    Snapshot(String),
    Volume(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) source_volume: String,
    pub(crate) size_bytes: i64,
    pub(crate) created: Timestamp,
    pub(crate) ready_at: Timestamp,
}

impl Snapshot {
    pub(crate) fn is_ready(&self) -> bool {
        Timestamp::now() >= self.ready_at
    }
}

#[derive(Debug)]
pub(crate) struct NewVolume {
    pub(crate) name: String,
    /// 0 when any size will do, as on the wire.
    pub(crate) required_bytes: i64,
    /// 0 when there is no limit, as on the wire.
    pub(crate) limit_bytes: i64,
    pub(crate) source: Option<Source>,
    pub(crate) room_bytes: Option<u64>,
    /// Come up empty whatever the source.
    pub(crate) leave_empty: bool,
}

impl NewVolume {
    fn matches(&self, volume: &Volume) -> bool {
        let fits = volume.capacity_bytes >= self.required_bytes
            && (self.limit_bytes == 0 || volume.capacity_bytes <= self.limit_bytes);
        fits && self.source == volume.source
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no volume {0}")]
    NoVolume(String),
    #[error("there is no snapshot {0}")]
    NoSnapshot(String),
    #[error("{0} exists and is something else")]
    Incompatible(String),
    #[error("{0} is being worked on")]
    Busy(String),
    #[error("volume {id} is in use: {by}")]
    InUse { id: String, by: String },
    #[error("snapshot {0} is not ready to use")]
    NotReady(String),
    #[error("{required} bytes are too few for {source_id} of {size} bytes")]
    TooSmall { source_id: String, required: i64, size: i64 },
    #[error("cannot {doing}")]
    Io {
        doing: String,
        #[source]
        cause: io::Error,
    },
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoVolume(_) | StoreError::NoSnapshot(_) => Code::NotFound,
            StoreError::Incompatible(_) => Code::AlreadyExists,
            StoreError::Busy(_) => Code::Aborted,
            StoreError::InUse { .. } => Code::FailedPrecondition,
            StoreError::NotReady(_) => Code::Unavailable,
            StoreError::TooSmall { .. } => Code::OutOfRange,
            StoreError::Io { .. } => Code::Internal,
        };
        match error.source() {
            Some(cause) => Self::new(code, format!("{error}: {cause}")),
            None => Self::new(code, error.to_string()),
        }
    }
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
    let doing = doing.into();
    move |cause| StoreError::Io { doing, cause }
}

#[derive(Default)]
struct State {
    volumes: BTreeMap<String, Volume>,
    snapshots: BTreeMap<String, Snapshot>,
    busy: HashSet<String>,
}

pub(crate) struct Store {
    volumes_dir: PathBuf,
    snapshots_dir: PathBuf,
    state: Mutex<State>,
}

/// Keeps a name to one call at a time.
struct Busy<'a> {
    store: &'a Store,
    name: String,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.store.lock().busy.remove(&self.name);
    }
}

impl Store {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let folder = |name: &str| {
            let folder = dir.join(name);
            let doing = format!("create {}", folder.display());
            std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize()).map_err(io_error(doing))
        };
        let (volumes_dir, snapshots_dir) = (folder("volumes")?, folder("snapshots")?);
        let state = State { volumes: load(&volumes_dir)?, snapshots: load(&snapshots_dir)?, busy: HashSet::new() };
        remove_leftovers(&volumes_dir, &state.volumes)?;
        remove_leftovers(&snapshots_dir, &state.snapshots)?;
        Ok(Self { volumes_dir, snapshots_dir, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Records change by whole insertions and removals, so they are whole even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, name: &str) -> Result<Busy<'_>, StoreError> {
        if !self.lock().busy.insert(name.to_owned()) {
            return Err(StoreError::Busy(name.to_owned()));
        }
        Ok(Busy { store: self, name: name.to_owned() })
    }

    pub(crate) fn volume_dir(&self, id: &str) -> PathBuf {
        self.volumes_dir.join(id)
    }

    pub(crate) fn volume(&self, id: &str) -> Result<Volume, StoreError> {
        self.lock().volumes.get(id).cloned().ok_or_else(|| StoreError::NoVolume(id.to_owned()))
    }

    pub(crate) fn snapshot(&self, id: &str) -> Result<Snapshot, StoreError> {
        self.lock().snapshots.get(id).cloned().ok_or_else(|| StoreError::NoSnapshot(id.to_owned()))
    }

    /// All volumes, in the order of their ids.
    pub(crate) fn volumes(&self) -> Vec<Volume> {
        self.lock().volumes.values().cloned().collect()
    }

    /// All snapshots, in the order of their ids.
    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        self.lock().snapshots.values().cloned().collect()
    }

    /// The volume of this name; made if there is none.
    pub(crate) fn create_volume(&self, new: &NewVolume) -> Result<Volume, StoreError> {
        let _busy = self.hold(&new.name)?;
        let existing = self.lock().volumes.values().find(|volume| volume.name == new.name).cloned();
        if let Some(volume) = existing {
            return if new.matches(&volume) { Ok(volume) } else { Err(StoreError::Incompatible(new.name.clone())) };
        }
        let content = match &new.source {
            Some(source) => Some(self.content(source)?),
            None => None,
        };
        let capacity_bytes = match content {
            Some((_, size)) if new.required_bytes == 0 => size,
            Some((source_id, size)) if new.required_bytes < size => {
                return Err(StoreError::TooSmall { source_id, required: new.required_bytes, size });
            }
            None if new.required_bytes == 0 && new.limit_bytes > 0 => new.limit_bytes.min(ANY_SIZE),
            None if new.required_bytes == 0 => ANY_SIZE,
            Some(_) | None => new.required_bytes,
        };
        let volume = Volume {
            id: new_id("vol"),
            name: new.name.clone(),
            capacity_bytes,
            source: new.source.clone(),
            room_bytes: new.room_bytes,
            attached: BTreeMap::new(),
        };
        let dir = self.volume_dir(&volume.id);
        self.fill_volume(&dir, new)
            .and_then(|()| write_record(&self.volumes_dir, &volume.id, &volume))
            .inspect_err(|_| clean_up(&dir))?;
        self.lock().volumes.insert(volume.id.clone(), volume.clone());
        Ok(volume)
    }

    /// The id and size of what a volume is made from.
    fn content(&self, source: &Source) -> Result<(String, i64), StoreError> {
        match source {
            Source::Snapshot(id) => {
                let snapshot = self.snapshot(id)?;
                if snapshot.is_ready() {
                    Ok((snapshot.id, snapshot.size_bytes))
                } else {
                    Err(StoreError::NotReady(snapshot.id))
                }
            }
            Source::Volume(id) => self.volume(id).map(|volume| (volume.id, volume.capacity_bytes)),
        }
    }

    fn fill_volume(&self, dir: &Path, new: &NewVolume) -> Result<(), StoreError> {
        create_folder(dir)?;
        if new.room_bytes.is_some() {
            mounts::mount_memory(dir).map_err(io_error("mount a volume in memory"))?;
        }
        match &new.source {
            Some(_) if new.leave_empty => {}
            Some(Source::Snapshot(id)) => copy_tree(&self.snapshots_dir.join(id), dir)?,
            Some(Source::Volume(id)) => copy_still(&self.volume_dir(id), dir)?,
            None => {}
        }
        if let Some(room) = new.room_bytes {
            mounts::limit_memory(dir, room).map_err(io_error("limit a volume in memory"))?;
        }
        Ok(())
    }

    /// A volume that is not there is deleted.
    pub(crate) fn delete_volume(&self, id: &str) -> Result<(), StoreError> {
        let _busy = self.hold(id)?;
        let Some(volume) = self.lock().volumes.get(id).cloned() else { return Ok(()) };
        if let Some(node) = volume.attached.keys().next() {
            return Err(StoreError::InUse { id: id.to_owned(), by: format!("attached to {node}") });
        }
        let dir = self.volume_dir(id);
        if let Some(user) = mounts::users(&dir).map_err(io_error("look for mounts"))?.first() {
            return Err(StoreError::InUse { id: id.to_owned(), by: format!("mounted at {}", user.display()) });
        }
        remove_record(&self.volumes_dir, id)?;
        self.lock().volumes.remove(id);
        remove_folder(&dir)
    }

    /// Records that a volume is attached; nodes it is attached to already count.
    pub(crate) fn attach(&self, id: &str, node: &str, readonly: bool, many_nodes: bool) -> Result<(), StoreError> {
        self.change_volume(id, |volume| {
            if volume.attached.get(node).is_some_and(|before| *before != readonly) {
                return Err(StoreError::Incompatible(format!("the attachment of {id} to {node}")));
            }
            match volume.attached.keys().find(|other| *other != node) {
                Some(other) if !many_nodes => {
                    return Err(StoreError::InUse { id: id.to_owned(), by: format!("attached to {other}") });
                }
                Some(_) | None => {}
            }
            volume.attached.insert(node.to_owned(), readonly);
            Ok(())
        })
    }

    /// Records that a volume is detached from a node, or from all.
    pub(crate) fn detach(&self, id: &str, node: Option<&str>) -> Result<(), StoreError> {
        let detached = self.change_volume(id, |volume| {
            volume.attached.retain(|attached, _| node.is_some_and(|node| node != attached));
            Ok(())
        });
        if let Err(StoreError::NoVolume(_)) = detached { Ok(()) } else { detached }
    }

    fn change_volume(
        &self,
        id: &str,
        change: impl FnOnce(&mut Volume) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let volume = state.volumes.get_mut(id).ok_or_else(|| StoreError::NoVolume(id.to_owned()))?;
        let mut changed = volume.clone();
        change(&mut changed)?;
        if changed != *volume {
            write_record(&self.volumes_dir, id, &changed)?;
            *volume = changed;
        }
        Ok(())
    }

    /// The snapshot of this name; taken if there is none.
    pub(crate) fn create_snapshot(&self, name: &str, volume_id: &str, delay: Duration) -> Result<Snapshot, StoreError> {
        let _busy = self.hold(name)?;
        let existing = self.lock().snapshots.values().find(|snapshot| snapshot.name == name).cloned();
        if let Some(snapshot) = existing {
            let same = snapshot.source_volume == volume_id;
            return if same { Ok(snapshot) } else { Err(StoreError::Incompatible(name.to_owned())) };
        }
        let volume = self.volume(volume_id)?;
        let created = Timestamp::now();
        let ready_at = created
            .checked_add(delay)
            .map_err(|error| StoreError::Io { doing: format!("wait for {delay:?}"), cause: io::Error::other(error) })?;
        let snapshot = Snapshot {
            id: new_id("snap"),
            name: name.to_owned(),
            source_volume: volume.id,
            size_bytes: volume.capacity_bytes,
            created,
            ready_at,
        };
        let dir = self.snapshots_dir.join(&snapshot.id);
        create_folder(&dir)
            .and_then(|()| copy_still(&self.volume_dir(volume_id), &dir))
            .and_then(|()| write_record(&self.snapshots_dir, &snapshot.id, &snapshot))
            .inspect_err(|_| clean_up(&dir))?;
        self.lock().snapshots.insert(snapshot.id.clone(), snapshot.clone());
        Ok(snapshot)
    }

    /// A snapshot that is not there is deleted.
    pub(crate) fn delete_snapshot(&self, id: &str) -> Result<(), StoreError> {
        let _busy = self.hold(id)?;
        if !self.lock().snapshots.contains_key(id) {
            return Ok(());
        }
        remove_record(&self.snapshots_dir, id)?;
        self.lock().snapshots.remove(id);
        remove_folder(&self.snapshots_dir.join(id))
    }
}

/// An id never seen before: a volume made again under an old name is another volume.
fn new_id(prefix: &str) -> String {
    format!("{prefix}-{:016x}", RandomState::new().build_hasher().finish())
}
