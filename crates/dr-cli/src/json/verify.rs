//! `kind: BackupVerification`: what can really be restored from a backup.

use dr_core::verify::{Aspect, Check, Finding, Judged, Method, Verdict, Verified, Volume};
use jiff::Timestamp;
use serde::Serialize;

use crate::backup::verify::Answer;
use crate::exit::Exit;
use crate::json::VERSION;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupVerificationV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    taken: Timestamp,
    exit_code: u8,
    exit: Exit,
    backup: &'a str,
    namespace: Option<&'a str>,
    verdict: &'static str,
    checks: Vec<CheckV1<'a>>,
    volumes: Vec<VolumeV1<'a>>,
}

#[derive(Debug, Serialize)]
struct CheckV1<'a> {
    of: &'static str,
    verdict: &'static str,
    because: &'a str,
    hint: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeV1<'a> {
    namespace: Option<&'a str>,
    claim: Option<&'a str>,
    pod: Option<&'a str>,
    pod_volume: Option<&'a str>,
    persistent_volume: Option<&'a str>,
    method: Option<&'static str>,
    taken: Option<Timestamp>,
    bytes: Option<u64>,
    verdict: &'static str,
    because: &'a str,
    hint: Option<&'a str>,
}

impl<'a> From<&'a Answer> for BackupVerificationV1<'a> {
    fn from(answer: &'a Answer) -> Self {
        let Answer { taken, namespace, verified } = answer;
        let Verified { backup, checks, volumes } = verified;
        let exit = answer.exit();
        Self {
            api_version: VERSION,
            kind: "BackupVerification",
            taken: *taken,
            exit_code: exit.code(),
            exit,
            backup,
            namespace: namespace.as_deref(),
            verdict: name(verified.verdict()),
            checks: checks.iter().map(CheckV1::from).collect(),
            volumes: volumes.iter().map(VolumeV1::from).collect(),
        }
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotRestorable => "not-restorable",
        Verdict::Unknown => "unknown",
        Verdict::Restorable => "restorable",
    }
}

fn hint(hint: &str) -> Option<&str> {
    Some(hint).filter(|hint| !hint.is_empty())
}

impl<'a> From<&'a Check> for CheckV1<'a> {
    fn from(check: &'a Check) -> Self {
        let Check { aspect, finding: Finding { verdict, because, hint: told } } = check;
        let of = match aspect {
            Aspect::Phase => "phase",
            Aspect::Kept => "kept",
            Aspect::Location => "location",
            Aspect::Archive => "archive",
            Aspect::Items => "items",
            Aspect::VolumeList => "volume-list",
            Aspect::Errors => "errors",
            Aspect::Hooks => "hooks",
        };
        Self { of, verdict: name(*verdict), because, hint: hint(told) }
    }
}

impl<'a> From<&'a Judged> for VolumeV1<'a> {
    fn from(judged: &'a Judged) -> Self {
        let Judged { volume, method, taken, bytes, finding } = judged;
        let Finding { verdict, because, hint: told } = finding;
        let (claim, pod, pod_volume, persistent_volume) = match volume {
            Volume::Claim { namespace: _, name } => (Some(name), None, None, None),
            Volume::OfPod { namespace: _, pod, volume } => (None, Some(pod), Some(volume), None),
            Volume::Persistent { name } => (None, None, None, Some(name)),
        };
        Self {
            namespace: volume.namespace(),
            claim: claim.map(String::as_str),
            pod: pod.map(String::as_str),
            pod_volume: pod_volume.map(String::as_str),
            persistent_volume: persistent_volume.map(String::as_str),
            method: method.map(|method| match method {
                Method::FileSystem => "file-system",
                Method::CsiSnapshot => "csi-snapshot",
                Method::Moved => "csi-moved",
                Method::NativeSnapshot => "native-snapshot",
            }),
            taken: *taken,
            bytes: *bytes,
            verdict: name(*verdict),
            because,
            hint: hint(told),
        }
    }
}
