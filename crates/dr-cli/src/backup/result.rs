//! What a backup took, volume by volume, and how the command ends for it.

use jiff::SignedDuration;
use serde::Serialize;

use crate::exit::Exit;

/// The whole answer.
#[derive(Debug, Clone)]
pub(crate) struct BackupResult {
    pub(crate) backup: String,
    pub(crate) namespace: String,
    /// Velero's own word for it.
    pub(crate) phase: String,
    pub(crate) took: SignedDuration,
    pub(crate) volumes: Vec<VolumeResult>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct VolumeResult {
    pub(crate) claim: String,
    pub(crate) method: Method,
    pub(crate) kept: Kept,
    /// The engine profile that reads it; none when no running pod mounts it.
    pub(crate) engine: Option<String>,
    pub(crate) fingerprint: Fingerprinted,
}

/// How a volume's data is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    FileSystem,
    CsiSnapshot,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FileSystem => "file copy",
            Self::CsiSnapshot => "CSI snapshot",
        }
    }
}

/// Whether the data is in the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes { because: String, bytes: Option<u64> },
    No { because: String },
}

/// What a restore will be able to hold the copy against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fingerprinted {
    BeforeAndAfter,
    Only(String),
    No(String),
}

impl Fingerprinted {
    pub(crate) fn told(&self) -> &str {
        match self {
            Self::BeforeAndAfter => "before and after",
            Self::Only(told) | Self::No(told) => told,
        }
    }
}

impl BackupResult {
    pub(crate) fn exit(&self) -> Exit {
        let kept = self.volumes.iter().filter(|volume| matches!(volume.kept, Kept::Yes { .. })).count();
        let all = kept == self.volumes.len();
        match self.phase.as_str() {
            "Completed" if all => Exit::Done,
            "Completed" | "PartiallyFailed" if kept > 0 => Exit::Partly,
            // Objects only: there was no volume to lose.
            "PartiallyFailed" if self.volumes.is_empty() => Exit::Partly,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn exit(phase: &str, kept: &[bool]) -> Exit {
        let volume = |kept: &bool| VolumeResult {
            claim: "data".into(),
            method: Method::FileSystem,
            kept: if *kept {
                Kept::Yes { because: String::new(), bytes: None }
            } else {
                Kept::No { because: String::new() }
            },
            engine: None,
            fingerprint: Fingerprinted::BeforeAndAfter,
        };
        BackupResult {
            backup: "b".into(),
            namespace: "shop".into(),
            phase: phase.into(),
            took: SignedDuration::ZERO,
            volumes: kept.iter().map(volume).collect(),
            warnings: Vec::new(),
        }
        .exit()
    }

    #[test]
    fn completed_is_done_only_when_every_volume_is_in_it() {
        assert_eq!(exit("Completed", &[true, true]), Exit::Done);
        assert_eq!(exit("Completed", &[true, false]), Exit::Partly);
        assert_eq!(exit("Completed", &[false]), Exit::Failed);
        assert_eq!(exit("Completed", &[]), Exit::Done);
    }

    #[test]
    fn a_backup_that_failed_in_part_is_never_done() {
        assert_eq!(exit("PartiallyFailed", &[true]), Exit::Partly);
        assert_eq!(exit("PartiallyFailed", &[false]), Exit::Failed);
        assert_eq!(exit("PartiallyFailed", &[]), Exit::Partly);
        assert_eq!(exit("Failed", &[true]), Exit::Failed);
        assert_eq!(exit("FailedValidation", &[]), Exit::Failed);
    }
}
