//! What was found out about finished backups, kept on this machine by the backup's uid. Nothing secret is in it. What is
//! not there, is damaged or is of another format is as if it had never been found out: a list is read anew, and a verdict
//! is one that nobody has reached yet.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use etcetera::BaseStrategy as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Of what is written here; whoever changes the meaning of a field raises it.
const FORMAT: u32 = 1;
/// Each file that is written has a name of its own.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
/// What is of backups that are not known any more stays for so long: clusters that are reached by one address share a
/// folder.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(180 * 24 * 3600);

/// Of one Velero; none where there is no home.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Entry<T> {
    format: u32,
    uid: String,
    what: String,
    holds: T,
}

impl Cache {
    /// Under the XDG cache directory.
    pub fn of_user(server: &str, velero_namespace: &str) -> Self {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let [place, velero] = [server, velero_namespace].map(|name| name.chars().map(plain).collect::<String>());
        let strategy = etcetera::choose_base_strategy().ok();
        let folder = strategy.map(|strategy| strategy.cache_dir().join("kubectl-dr").join(place).join(velero));
        Self { folder }
    }

    #[cfg(test)]
    fn in_folder(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// `what` of the backup with this uid.
    pub fn read<T: DeserializeOwned>(&self, uid: &str, what: &str) -> Option<T> {
        let path = self.folder.as_ref()?.join(file(uid, what)?);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::info!("{} is not read: {error}", path.display());
                return None;
            }
        };
        let entry: Entry<T> = match serde_json::from_slice(&text) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::info!("{} is damaged or of another format, and not used: {error}", path.display());
                return None;
            }
        };
        let ours = entry.format == FORMAT && entry.uid == uid && entry.what == what;
        if !ours {
            tracing::info!("{} is of another format or backup, and not used", path.display());
        }
        ours.then_some(entry.holds)
    }

    /// Whoever reads meanwhile finds the old or the new, never a part.
    pub fn write<T: Serialize>(&self, uid: &str, what: &str, holds: &T) {
        let Some((folder, name)) = self.folder.as_ref().zip(file(uid, what)) else { return };
        let entry = Entry { format: FORMAT, uid: uid.to_owned(), what: what.to_owned(), holds };
        let written =
            serde_json::to_vec(&entry).map_err(io::Error::from).and_then(|text| replace(folder, &name, &text));
        if let Err(error) = written {
            tracing::info!("{name} is not kept in {}: {error}", folder.display());
        }
    }

    /// Forgets backups that have been no more for long.
    pub fn forget_all_but(&self, uids: &BTreeSet<String>, now: SystemTime) {
        let Some(entries) = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let known = name.to_str().and_then(|name| name.split('.').next()).is_some_and(|uid| uids.contains(uid));
            let written = entry.metadata().and_then(|found| found.modified()).ok();
            let old = written.and_then(|at| now.duration_since(at).ok()).is_some_and(|age| age > FORGOTTEN_AFTER);
            if !known
                && old
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::info!("{} is left: {error}", entry.path().display());
            }
        }
    }
}

/// A uid comes from a server; a path must not.
fn file(uid: &str, what: &str) -> Option<String> {
    let plain =
        !uid.is_empty() && uid.len() <= 64 && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| format!("{uid}.{what}.json"))
}

fn replace(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = folder.join(format!("{name}.{}-{}.new", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let mut options = OpenOptions::new();
    let written = options.create(true).write(true).truncate(true).mode(0o600).open(&new);
    let renamed = written.and_then(|mut file| file.write_all(text)).and_then(|()| fs::rename(&new, folder.join(name)));
    if renamed.is_err() {
        // It is of no use to anybody; that it cannot be removed either is no other error.
        drop(fs::remove_file(&new));
    }
    renamed
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const UID: &str = "8b0c0a5e-1d";

    #[test]
    fn what_was_kept_is_there_again_for_its_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let cache = Cache::in_folder(&folder);
        assert_eq!(cache.read::<Vec<u8>>(UID, "list"), None);
        cache.write(UID, "list", &vec![1, 2]);
        assert_eq!(cache.read(UID, "list"), Some(vec![1, 2]));
        assert_eq!(cache.read::<Vec<u8>>(UID, "verdict"), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(format!("{UID}.list.json")))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "something is left of writing");
    }

    #[test]
    fn what_is_damaged_of_another_format_or_of_another_backup_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(home.path());
        cache.write(UID, "list", &"held");
        let path = home.path().join(format!("{UID}.list.json"));
        let whole = fs::read_to_string(&path).unwrap();
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            cache.read::<String>(UID, "list")
        };
        assert_eq!(read(&whole).as_deref(), Some("held"));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "cut at {length}");
        }
        for (from, to) in [("\"format\":1", "\"format\":2"), (UID, "another"), ("\"held\"", "7")] {
            assert!(whole.contains(from), "{whole}");
            assert_eq!(read(&whole.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn a_uid_that_is_a_path_is_neither_read_nor_written() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(&home.path().join("inside"));
        for uid in ["", "..", "../x", "/etc/passwd", "a/b"] {
            cache.write(uid, "list", &1);
            assert_eq!(cache.read::<i32>(uid, "list"), None);
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn backups_that_have_been_no_more_for_long_are_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(home.path());
        cache.write("a-1", "list", &1);
        cache.write("a-2", "list", &2);
        let (known, now) = (BTreeSet::from(["a-2".to_owned()]), SystemTime::now());
        cache.forget_all_but(&known, now);
        assert_eq!(cache.read("a-1", "list"), Some(1), "another cluster of the same address may know it");
        cache.forget_all_but(&known, now + 2 * FORGOTTEN_AFTER);
        assert_eq!((cache.read::<i32>("a-1", "list"), cache.read("a-2", "list")), (None, Some(2)));
    }

    #[test]
    fn many_who_write_at_once_leave_one_of_what_they_wrote() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(home.path());
        let long = |letter: char| letter.to_string().repeat(100_000);
        cache.write(UID, "list", &long('a'));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| cache.write(UID, "list", &long('b'))));
            }
            for _ in 0..200 {
                let found = cache.read::<String>(UID, "list").unwrap();
                assert!(found == long('a') || found == long('b'));
            }
        });
    }
}
