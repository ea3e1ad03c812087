//! What is mounted where, in this mount namespace and in other processes' ones, and how volumes are mounted.

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

/// The smallest size a tmpfs is given; 0 would mean no limit.
const PAGE: u64 = 4096;

/// One line of a process' mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// major:minor
    pub(crate) device: String,
    /// Which folder of its file system is mounted.
    pub(crate) root: PathBuf,
    pub(crate) point: PathBuf,
}

impl Mount {
    /// Whether this mount shows (a part of) the volume kept at `dir`.
    pub(crate) fn shows(&self, dir: &Path, own: &[Mount]) -> bool {
        if self.root.components().any(|part| Some(part.as_os_str()) == dir.file_name()) {
            return true;
        }
        own.iter().any(|mount| mount.point == dir && mount.device == self.device)
    }
}

/// The mounts that `process` sees: a number, or `self`.
pub(crate) fn seen_by(process: &str) -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read_to_string(format!("/proc/{process}/mountinfo"))?))
}

fn parse(mountinfo: &str) -> Vec<Mount> {
    let line = |line: &str| {
        let mut fields = line.split(' ').skip(2);
        let device = fields.next()?.to_owned();
        let root = PathBuf::from(unescape(fields.next()?));
        let point = PathBuf::from(unescape(fields.next()?));
        Some(Mount { device, root, point })
    };
    mountinfo.lines().filter_map(line).collect()
}

/// mountinfo writes blanks and backslashes as octal numbers.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Where the volume kept at `dir` is mounted, apart from `dir` itself.
pub(crate) fn users(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let own = seen_by("self")?;
    Ok(own
        .iter()
        .filter(|mount| mount.point != dir && mount.shows(dir, &own))
        .map(|mount| mount.point.clone())
        .collect())
}

pub(crate) fn is_mount_point(path: &Path) -> io::Result<bool> {
    Ok(seen_by("self")?.iter().any(|mount| mount.point == path))
}

pub(crate) fn bind(source: &Path, target: &Path, readonly: bool) -> io::Result<()> {
    mount_bind(source, target)?;
    if readonly && let Err(error) = mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, "") {
        unmount(target, UnmountFlags::NOFOLLOW)?;
        return Err(error.into());
    }
    Ok(())
}

/// Unmounts all that lies on `target`; nothing there is fine.
pub(crate) fn unbind(target: &Path) -> io::Result<()> {
    loop {
        match unmount(target, UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

pub(crate) fn mount_memory(dir: &Path) -> io::Result<()> {
    Ok(mount("dr-csi", dir, "tmpfs", MountFlags::empty(), Some(c"mode=0755"))?)
}

/// Leaves `room` bytes in the tmpfs on `dir` beyond what it holds now.
pub(crate) fn limit_memory(dir: &Path, room: u64) -> io::Result<()> {
    let now = rustix::fs::statvfs(dir)?;
    let used = now.f_blocks.saturating_sub(now.f_bfree).saturating_mul(now.f_frsize);
    let size = CString::new(format!("size={}", used.saturating_add(room.max(PAGE))))?;
    Ok(mount_remount(dir, MountFlags::empty(), size.as_c_str())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 22 254:0 /state/volumes/vol-1 /var/lib/kubelet/pods/a\\040b/mount rw,relatime shared:1 - ext4 /dev/vda rw
91 22 254:0 /state/volumes/vol-1/sub /data rw,relatime - ext4 /dev/vda rw
92 22 0:77 / /state/volumes/vol-2 rw - tmpfs dr-csi rw
93 22 0:77 / /data2 rw - tmpfs dr-csi rw
";

    fn shown(dir: &str) -> Vec<String> {
        let all = parse(MOUNTINFO);
        let dir = Path::new(dir);
        all.iter().filter(|mount| mount.shows(dir, &all)).map(|mount| mount.point.display().to_string()).collect()
    }

    #[test]
    fn a_volume_is_found_where_it_is_bound_whole_or_in_part() {
        assert_eq!(shown("/state/volumes/vol-1"), ["/var/lib/kubelet/pods/a b/mount", "/data"]);
    }

    #[test]
    fn a_volume_in_memory_is_found_by_its_device() {
        assert_eq!(shown("/state/volumes/vol-2"), ["/state/volumes/vol-2", "/data2"]);
    }

    #[test]
    fn a_volume_nobody_mounts_is_found_nowhere() {
        assert_eq!(shown("/state/volumes/vol-3"), [""; 0]);
    }
}
