//! Copies and sizes of directory trees.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a tree takes on the disk.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// Copies what is in `from`, and `from`'s own owner and mode, onto the existing folder `to`.
///
/// `cp` keeps owners, modes, times, links, extended attributes and holes.
pub(crate) fn tree(from: &Path, to: &Path) -> io::Result<()> {
    let copy = Command::new("cp")
        .args(["--archive", "--reflink=auto", "--sparse=auto", "--"])
        .arg(from.join("."))
        .arg(to)
        .stdin(Stdio::null())
        .output()?;
    if copy.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&copy.stderr);
    Err(io::Error::other(format!("cp: {}, {}", copy.status, said.lines().next().unwrap_or("without a word"))))
}

/// Files that go while this looks are not counted.
pub(crate) fn usage(dir: &Path) -> io::Result<Usage> {
    let mut total = Usage::default();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let facts = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                facts => facts?,
            };
            total.bytes = total.bytes.saturating_add(facts.blocks().saturating_mul(512));
            total.files = total.files.saturating_add(1);
            if facts.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(total)
}
