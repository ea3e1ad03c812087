//! Faults: each is a file in the faults folder, looked at on every call; removing the file ends the fault.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tonic::Status;

/// What can be made to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A snapshot made now is ready to use only after the number of seconds in the file.
    SlowSnapshot,
    /// `CreateVolume` answers `RESOURCE_EXHAUSTED` with the file's text.
    FailCreate,
    /// The same, only for volumes from a snapshot.
    FailCreateFromSnapshot,
    /// A volume made now has room for only the number of bytes in the file, beyond what it was made from.
    FullVolume,
    /// `ControllerUnpublishVolume` waits while the file is there.
    HangDetach,
    /// No snapshot is found, though they are still on the disk.
    LostSnapshots,
    /// A volume made from a snapshot is empty, and success is reported.
    EmptyFromSnapshot,
}

impl Fault {
    fn file_name(self) -> &'static str {
        match self {
            Self::SlowSnapshot => "slow-snapshot",
            Self::FailCreate => "fail-create",
            Self::FailCreateFromSnapshot => "fail-create-from-snapshot",
            Self::FullVolume => "full-volume",
            Self::HangDetach => "hang-detach",
            Self::LostSnapshots => "lost-snapshots",
            Self::EmptyFromSnapshot => "empty-from-snapshot",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Faults {
    dir: PathBuf,
}

impl Faults {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn is_on(&self, fault: Fault) -> Result<bool, Status> {
        Ok(self.text(fault)?.is_some())
    }

    /// The trimmed text of the fault's file, if it is on.
    pub(crate) fn text(&self, fault: Fault) -> Result<Option<String>, Status> {
        let path = self.dir.join(fault.file_name());
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Status::internal(format!("cannot read the fault {}: {error}", path.display()))),
        }
    }

    pub(crate) fn slow_snapshot(&self) -> Result<Duration, Status> {
        Ok(Duration::from_secs(self.number(Fault::SlowSnapshot)?.unwrap_or(0)))
    }

    pub(crate) fn full_volume(&self) -> Result<Option<u64>, Status> {
        self.number(Fault::FullVolume)
    }

    fn number<T: FromStr>(&self, fault: Fault) -> Result<Option<T>, Status> {
        let Some(text) = self.text(fault)? else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_| Status::internal(format!("the fault {} holds no number", fault.file_name())))
    }
}
