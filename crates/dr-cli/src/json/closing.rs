//! `kind: Closing`: what `finalize` did, or with `--dry-run` would do.

use dr_run::finalize::{Closing, Fate, KeptVolume};
use serde::Serialize;

use crate::exit::Exit;
use crate::json::VERSION;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosingV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    id: &'a str,
    namespace: &'a str,
    /// False with `--dry-run`.
    closed: bool,
    exit_code: u8,
    exit: Exit,
    steps: Vec<&'a str>,
    volumes: Vec<VolumeV1<'a>>,
    /// What could not be tidied up, with the reason.
    left: &'a [String],
}

/// A volume that the run leaves behind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeV1<'a> {
    volume: &'a str,
    claim: &'a str,
    holds: &'a str,
    discarded: bool,
    /// `namespace/name` of a claim that somebody has bound to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'a str>,
}

impl<'a> ClosingV1<'a> {
    pub(crate) fn new(id: &'a str, namespace: &'a str, todo: &'a Closing, done: Option<&'a [String]>) -> Self {
        let Closing { steps, kept } = todo;
        let left = done.unwrap_or_default();
        let exit = if left.is_empty() { Exit::Done } else { Exit::Partly };
        Self {
            api_version: VERSION,
            kind: "Closing",
            id,
            namespace,
            closed: done.is_some(),
            exit_code: exit.code(),
            exit,
            steps: steps.iter().map(|step| step.title.as_str()).collect(),
            volumes: kept.iter().map(VolumeV1::from).collect(),
            left,
        }
    }
}

impl<'a> From<&'a KeptVolume> for VolumeV1<'a> {
    fn from(kept: &'a KeptVolume) -> Self {
        let KeptVolume { volume, claim, holds, fate } = kept;
        let (discarded, held_by) = match fate {
            Fate::Stays => (false, None),
            Fate::Discarded => (true, None),
            Fate::HeldBy(claim) => (false, Some(claim.as_str())),
        };
        Self { volume, claim, holds, discarded, held_by }
    }
}
