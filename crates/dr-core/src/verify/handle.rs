//! Whether a driver still has a snapshot.
//!
//! No API of the cluster lists a driver's snapshots, but external-snapshotter asks the driver for the snapshot of every
//! pre-provisioned VolumeSnapshotContent that is not ready yet (`pkg/snapshotter/snapshotter.go:GetSnapshotStatus` at
//! v8.7.0). So a content that names the handle, with the policy Retain, is made, looked at and deleted again. A content
//! that was there before proves nothing: once it is ready the driver is not asked again.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Fetched, Finding, Held};
use crate::cover::{text, time};
use crate::facts::Facts;
use crate::kind::Kind;
use crate::object::Object;
use crate::redact;

/// The label of the contents that are made to ask.
pub const PROBE: &str = "kubectl-dr/asks-for-snapshot";

/// A snapshot as its driver knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    pub driver: String,
    pub handle: String,
}

/// What is known of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Exists,
    Gone(String),
    /// The driver cannot list snapshots (or tells nothing of a young one), and csi-snapshotter believes every handle.
    CannotList,
    /// No answer that settles it, or nobody could ask.
    NoAnswer(String),
}

/// What a content that was made to ask says so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Settled(Asked),
    /// Not yet, with what is known meanwhile.
    Open(String),
}

/// The snapshots that the backup's volumes, or those of one namespace, are kept in, and that a driver can be asked for.
pub(super) fn snapshots(held: &Held, namespace: Option<&str>) -> BTreeSet<Snapshot> {
    let infos = match &held.infos {
        Fetched::Read(infos) => infos.as_slice(),
        Fetched::Worthless(_) | Fetched::Unread(_) => &[],
    };
    let wanted = |info: &&Value| namespace.is_none() || text(info, "/pvcNamespace") == namespace;
    infos.iter().filter(wanted).filter(|info| !is_moved(info)).filter_map(of_info).collect()
}

pub(super) fn is_moved(info: &Value) -> bool {
    info.pointer("/snapshotDataMoved").and_then(Value::as_bool) == Some(true)
}

fn of_info(info: &Value) -> Option<Snapshot> {
    let driver = text(info, "/csiSnapshotInfo/driver")?.to_owned();
    Some(Snapshot { driver, handle: text(info, "/csiSnapshotInfo/snapshotHandle")?.to_owned() })
}

/// The content that makes external-snapshotter ask the driver. Deleting it leaves the snapshot alone.
pub fn probe(facts: &Facts, snapshot: &Snapshot, name: &str) -> Value {
    let mut spec = json!({
        "deletionPolicy": "Retain",
        "driver": snapshot.driver,
        "source": { "snapshotHandle": snapshot.handle },
        // Nothing of this name is ever made.
        "volumeSnapshotRef": { "name": name, "namespace": facts.velero_namespace },
    });
    // With it come the credentials that some drivers want for a list.
    let classes = facts.all(Kind::VolumeSnapshotClass).unwrap_or(&[]).iter();
    let mut classes = classes.filter(|class| class.str_at("/driver") == Some(snapshot.driver.as_str()));
    if let (Some(class), Some(spec)) = (classes.next(), spec.as_object_mut()) {
        spec.insert("volumeSnapshotClassName".to_owned(), json!(class.name()));
    }
    json!({
        "apiVersion": Kind::VolumeSnapshotContent.info().api_version(),
        "kind": "VolumeSnapshotContent",
        "metadata": { "name": name, "labels": { PROBE: "true" } },
        "spec": spec,
    })
}

/// How far the clock of csi-snapshotter's node may lag behind the API server's; at more than that little else works.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(1);

/// Reads such a content.
///
/// Where the driver cannot list, csi-snapshotter calls it ready all the same, without a size and as if it had been taken
/// just now (`pkg/sidecar-controller/snapshot_controller.go:checkandUpdateContentStatusOperation` at v8.7.0). So only a
/// size, or a time before the question was asked, comes from the driver.
pub fn answer(content: &Object) -> Answer {
    if let Some(message) = content.str_at("/status/error/message") {
        let gone = ["can not find snapshot", "code = NotFound"].iter().any(|says| message.contains(says));
        return if gone { Answer::Settled(Asked::Gone(message.to_owned())) } else { Answer::Open(message.to_owned()) };
    }
    match content.bool_at("/status/readyToUse") {
        Some(true) if comes_from_the_driver(content) => Answer::Settled(Asked::Exists),
        Some(true) => Answer::Settled(Asked::CannotList),
        Some(false) => Answer::Open("the driver has it, and it is not ready to use".to_owned()),
        None => Answer::Open("nobody has asked the driver: is its csi-snapshotter running?".to_owned()),
    }
}

fn comes_from_the_driver(content: &Object) -> bool {
    if content.i64_at("/status/restoreSize").is_some_and(|size| size > 0) {
        return true;
    }
    // In nanoseconds.
    let taken = content.i64_at("/status/creationTime").and_then(|at| Timestamp::from_nanosecond(at.into()).ok());
    let asked = time(content, "/metadata/creationTimestamp");
    taken.zip(asked).is_some_and(|(taken, asked)| taken < asked - CLOCKS_APART)
}

pub(super) fn finding(snapshot: &Snapshot, asked: Option<&Asked>) -> Finding {
    let Snapshot { driver, handle } = snapshot;
    let try_it = "a restore proves it: kubectl dr restore stages beside the application and asks before it is touched";
    match asked {
        Some(Asked::Exists) => Finding::restorable(format!("CSI snapshot {handle}: driver {driver} has it")),
        Some(Asked::Gone(says)) => Finding::not(
            format!("CSI snapshot {handle} is gone: driver {driver} does not know it ({})", redact::line(says)),
            "somebody deleted it at the storage; restore from another backup: kubectl dr backup status",
        ),
        Some(Asked::CannotList) => Finding::unknown(
            format!(
                "CSI snapshot {handle}: driver {driver} cannot list snapshots, so nobody can tell whether it has it"
            ),
            try_it,
        ),
        Some(Asked::NoAnswer(because)) => {
            Finding::unknown(format!("CSI snapshot {handle} of driver {driver}: {}", redact::line(because)), try_it)
        }
        None => Finding::unknown(format!("CSI snapshot {handle}: driver {driver} was not asked for it"), try_it),
    }
}
