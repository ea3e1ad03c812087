//! A folder of records on the disk: `ID/` with the files, `ID.json` with the facts.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, io_error};
use crate::{copy, freeze, mounts};

pub(super) fn create_folder(dir: &Path) -> Result<(), StoreError> {
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::create_dir(dir)
        .and_then(|()| std::fs::set_permissions(dir, mode))
        .map_err(io_error(format!("create {}", dir.display())))
}

pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), StoreError> {
    copy::tree(from, to).map_err(io_error(format!("copy {} to {}", from.display(), to.display())))
}

/// Copies a volume while its writers stand still.
pub(super) fn copy_still(from: &Path, to: &Path) -> Result<(), StoreError> {
    let frozen = freeze::writers(from).map_err(io_error(format!("hold the writers of {}", from.display())))?;
    let copied = copy_tree(from, to);
    if frozen.len() > 0 {
        tracing::debug!("{} processes stood still while {} was copied", frozen.len(), from.display());
    }
    copied
}

pub(super) fn remove_folder(dir: &Path) -> Result<(), StoreError> {
    let doing = format!("remove {}", dir.display());
    let unmounted = match mounts::is_mount_point(dir) {
        Ok(true) => mounts::unbind(dir),
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    unmounted.and_then(|()| std::fs::remove_dir_all(dir)).map_err(io_error(doing))
}

/// After a failure whose own error is the one to report.
pub(super) fn clean_up(dir: &Path) {
    if let Err(error) = remove_folder(dir) {
        tracing::warn!("{error} after a failed call; the next start removes it");
    }
}

fn record_path(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.json"))
}

pub(super) fn write_record<T: Serialize>(dir: &Path, id: &str, record: &T) -> Result<(), StoreError> {
    let path = record_path(dir, id);
    let doing = format!("write {}", path.display());
    let draft = dir.join(format!("{id}.json.new"));
    let write = || -> io::Result<()> {
        let mut file = std::fs::File::create(&draft)?;
        serde_json::to_writer_pretty(&mut file, record)?;
        file.sync_all()?;
        std::fs::rename(&draft, &path)
    };
    write().map_err(io_error(doing))
}

pub(super) fn remove_record(dir: &Path, id: &str) -> Result<(), StoreError> {
    let path = record_path(dir, id);
    std::fs::remove_file(&path).map_err(io_error(format!("remove {}", path.display())))
}

pub(super) fn load<T: DeserializeOwned>(dir: &Path) -> Result<BTreeMap<String, T>, StoreError> {
    let mut records = BTreeMap::new();
    for (name, path) in entries(dir)? {
        let Some(id) = name.strip_suffix(".json") else { continue };
        let read = || -> io::Result<T> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
        records.insert(id.to_owned(), read().map_err(io_error(format!("read {}", path.display())))?);
    }
    Ok(records)
}

pub(super) fn remove_leftovers<T>(dir: &Path, records: &BTreeMap<String, T>) -> Result<(), StoreError> {
    for (name, path) in entries(dir)? {
        if path.is_dir() && !records.contains_key(&name) {
            tracing::info!("removing {}, left by an interrupted call", path.display());
            remove_folder(&path)?;
        } else if name.ends_with(".json.new") {
            std::fs::remove_file(&path).map_err(io_error(format!("remove {}", path.display())))?;
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let list = || -> io::Result<Vec<(String, PathBuf)>> {
        let entry = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        };
        std::fs::read_dir(dir)?.map(entry).collect()
    };
    list().map_err(io_error(format!("list {}", dir.display())))
}
