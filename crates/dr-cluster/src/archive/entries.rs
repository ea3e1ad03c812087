//! The files of an archive, one after the other, to its checksum. Whatever Velero never writes is an error: a path that
//! leads elsewhere, a link, a device, a name without end.

use std::io::{self, Read};

use super::{ArchiveError, Limited, damaged, item};

/// Of the name of one file; a path of Kubernetes' names is shorter.
const NAME_LIMIT: u64 = 64 * 1024;

/// Of `resource.group`: a label, a dot and a domain, the longest that a part of a path can be.
pub(super) const RESOURCE_LIMIT: usize = 63 + 1 + OBJECT_LIMIT;
pub(super) const NAMESPACE_LIMIT: usize = 63;
/// Of an object; Velero cannot unpack longer ones either: with `.json` no file system takes more than 255 bytes.
pub(super) const OBJECT_LIMIT: usize = 253;

pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) size: u64,
    pub(super) content: &'a mut dyn Read,
}

pub(super) fn each<R: Read>(
    unpacked: &mut Limited<R>,
    mut then: impl FnMut(File<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let limit = unpacked.limit;
    let broken = |error| damaged(limit, error);
    let mut tar = tar::Archive::new(&mut *unpacked);
    // Of the file that comes next, where its header has no room for the name. The library would read it into memory
    // whatever its size.
    let mut long: Option<Vec<u8>> = None;
    for entry in tar.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let (kind, size) = (entry.header().entry_type(), entry.size());
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            if size > NAME_LIMIT {
                return Err(hostile(b"a file", "has a name without end"));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if kind.is_gnu_longname() {
                bytes.retain(|byte| *byte != 0);
                long = Some(bytes);
            } else if let Some(name) = pax_name(&bytes).map_err(broken)? {
                long = Some(name);
            }
            continue;
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        let path = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(hostile(&path, "is no file"));
        }
        let path = std::str::from_utf8(&path).map_err(|_| hostile(&path, "has a name that is no text"))?;
        if path.starts_with('/') || path.split(['/', '\\']).any(|part| part == "..") {
            return Err(hostile(path.as_bytes(), "leads out of it"));
        }
        if path.chars().any(char::is_control) {
            return Err(hostile(path.as_bytes(), "has control characters in its name"));
        }
        let too_long = |part: &str| part.len() > RESOURCE_LIMIT;
        if path.split('/').any(too_long) || item(path).is_some_and(|item| !item.fits()) {
            return Err(hostile(path.as_bytes(), "has a longer name in its path than Kubernetes allows"));
        }
        then(File { path, size, content: &mut entry })?;
    }
    // The tar's end is not the file's: only the last bytes of gzip say that nothing was changed on the way.
    io::copy(unpacked, &mut io::sink()).map_err(broken)?;
    Ok(())
}

pub(super) fn hostile(path: &[u8], because: &'static str) -> ArchiveError {
    let shown: String = String::from_utf8_lossy(path).chars().take(200).collect();
    ArchiveError::Hostile { entry: format!("{shown:?}"), because }
}

fn pax_name(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut name = None;
    for extension in tar::PaxExtensions::new(bytes) {
        let extension = extension?;
        match extension.key_bytes() {
            b"path" => name = Some(extension.value_bytes().to_vec()),
            b"size" => return Err(io::Error::other("a file of it is larger than a tar holds by itself")),
            _ => {}
        }
    }
    Ok(name)
}
