//! Holds what a backup holds against what the engine said of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::{Context as _, Result};
use dr_core::select::{Capture, Selection, Shown, Verdict, VolumeVerdict};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::bench::{Bench, VELERO};

/// What one backup was found to hold.
pub(crate) struct Found {
    pub(crate) phase: String,
    /// `status.warnings`
    pub(crate) warnings: u64,
    pub(crate) items: BTreeSet<String>,
    /// `copy NAMESPACE/POD VOLUME`, `snapshot NAMESPACE/CLAIM CLASS`, `move NAMESPACE/CLAIM CLASS`
    pub(crate) volumes: BTreeSet<String>,
    /// What came along with a snapshot that another backup had not yet taken away, as the facts do not know it.
    of_others: BTreeSet<String>,
}

const SNAPSHOT_CLASSES: &str = "volumesnapshotclasses.snapshot.storage.k8s.io";
const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// One thing that differs, as a sentence.
pub(crate) type Difference = String;

pub(crate) fn found(bench: &Bench, backup: &str, ended: &Value) -> Result<Found> {
    let phase = super::phase(ended).to_owned();
    // Absent when there are none.
    let warnings = ended.pointer("/status/warnings").and_then(Value::as_u64).unwrap_or(0);
    let (items, volumes, of_others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut found = Found { phase, warnings, items, volumes, of_others };
    if matches!(found.phase.as_str(), "FailedValidation" | "InProgress") {
        return Ok(found);
    }
    let archive = bench.file(backup, ".tar.gz")?;
    let mut archive = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    for entry in archive.entries().context("read the archive")? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let Some(item) = item(&path) else {
            continue;
        };
        if let Some(rest) = item.strip_prefix("volumesnapshots.snapshot.storage.k8s.io/") {
            // Not of volume info, which lacks them where the backup holds no PersistentVolumes.
            let mut document = String::new();
            entry.read_to_string(&mut document).with_context(|| format!("read {path}"))?;
            let snapshot: Value = serde_json::from_str(&document).with_context(|| format!("parse {path}"))?;
            let claim = snapshot.pointer("/spec/source/persistentVolumeClaimName").and_then(Value::as_str);
            let namespace = rest.split('/').next().unwrap_or_default();
            let class = snapshot.pointer("/spec/volumeSnapshotClassName").and_then(Value::as_str);
            let (claim, class) = (claim.unwrap_or_default(), class.unwrap_or_default());
            let made_for = snapshot.pointer("/metadata/labels/velero.io~1backup-name").and_then(Value::as_str);
            if made_for.is_some_and(|made_for| made_for != backup) {
                found.of_others.insert(format!("{SNAPSHOT_CLASSES}/{class}"));
                found.of_others.insert(format!("{DEFINITIONS}/volumesnapshots.snapshot.storage.k8s.io"));
            } else {
                found.volumes.insert(format!("snapshot {namespace}/{claim} {class}"));
            }
        }
        found.items.insert(item);
    }
    let selector = format!("labelSelector=velero.io%2Fbackup-name%3D{backup}");
    let copies = bench.api.get(&format!("/apis/velero.io/v1/namespaces/{VELERO}/podvolumebackups?{selector}"))?;
    for copy in copies.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |pointer: &str| copy.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, pod) = (text("/spec/pod/namespace"), text("/spec/pod/name"));
        found.volumes.insert(format!("copy {namespace}/{pod} {}", text("/spec/volume")));
    }
    let moves = bench.api.get(&format!("/apis/velero.io/v2alpha1/namespaces/{VELERO}/datauploads?{selector}"))?;
    for upload in moves.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |pointer: &str| upload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, claim) = (text("/spec/sourceNamespace"), text("/spec/sourcePVC"));
        found.volumes.insert(format!("move {namespace}/{claim} {}", text("/spec/csiSnapshot/snapshotClass")));
    }
    Ok(found)
}

/// `resources/pods/namespaces/shop/p-0.json` is `pods/shop/p-0`; the copies by version are passed over.
fn item(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["resources", resource, "namespaces", namespace, name] => {
            Some(format!("{resource}/{namespace}/{}", name.strip_suffix(".json")?))
        }
        ["resources", resource, "cluster", name] => Some(format!("{resource}/{}", name.strip_suffix(".json")?)),
        _ => None,
    }
}

/// Comes and goes while a backup runs, or is made by it.
pub(crate) fn moves(item: &str) -> bool {
    let resource = item.split('/').next().unwrap_or_default();
    let name = item.rsplit('/').next().unwrap_or_default();
    let volatile = [
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        "endpoints",
        "endpointslices.discovery.k8s.io",
    ];
    // Others stood there before.
    let of_velero = resource == "volumesnapshots.snapshot.storage.k8s.io" && name.starts_with("velero-");
    of_velero || volatile.contains(&resource) || resource.ends_with(".velero.io") || item.ends_with(".velero.io")
}

fn claim_of(verdict: &VolumeVerdict) -> &str {
    verdict.volume.claim.as_deref().unwrap_or_default()
}

/// Differences, and how many items were compared.
pub(crate) fn compare(said: &Selection, found: &Found, stable: &BTreeSet<String>) -> (Vec<Difference>, usize) {
    let mut differences = Vec::new();
    let phase = format!("{:?}", said.phase);
    if phase != found.phase {
        differences.push(format!("phase: Velero {}, we {phase}", found.phase));
    }
    let mut compared = 0;
    let mut judged = BTreeMap::new();
    for verdict in &said.items {
        judged.insert(verdict.item.to_string(), verdict);
    }
    for name in stable.iter().filter(|name| !moves(name)) {
        let Some(verdict) = judged.get(name) else {
            continue;
        };
        compared += 1;
        let (we, velero) = (verdict.verdict == Verdict::Included, found.items.contains(name));
        if we != velero && !found.of_others.contains(name) {
            let says: Vec<&str> = verdict.chain.iter().map(|reason| reason.says.as_str()).collect();
            let word = |has: bool| if has { "has it" } else { "has it not" };
            differences.push(format!("{name}: Velero {}, we: {} ({})", word(velero), word(we), says.join(" > ")));
        }
    }
    let unknown = found.items.iter().filter(|name| !moves(name) && !judged.contains_key(*name));
    differences.extend(unknown.map(|name| format!("{name}: in the archive and not judged")));
    let mut volumes = BTreeSet::new();
    for verdict in &said.volumes {
        let namespace = &verdict.volume.namespace;
        volumes.extend(verdict.copied_again.iter().map(|(pod, volume)| format!("copy {namespace}/{pod} {volume}")));
        match &verdict.capture {
            Capture::FileSystem { pod, volume } => {
                volumes.insert(format!("copy {namespace}/{pod} {volume}"));
            }
            Capture::CsiSnapshot { class } => {
                volumes.insert(format!("snapshot {namespace}/{} {class}", claim_of(verdict)));
            }
            Capture::CsiMoved { class } => {
                volumes.insert(format!("move {namespace}/{} {class}", claim_of(verdict)));
            }
            Capture::NativeSnapshot { .. } | Capture::None | Capture::Unknown => {}
        }
    }
    compared += said.volumes.len();
    let warned = said.volumes.iter().find(|verdict| verdict.shown == Shown::Warning);
    if let (Some(verdict), 0) = (warned, found.warnings) {
        differences.push(format!("{:?}: we say that Velero warns, and it does not", verdict.volume));
    }
    differences.extend(volumes.difference(&found.volumes).map(|volume| format!("{volume}: we only")));
    differences.extend(found.volumes.difference(&volumes).map(|volume| format!("{volume}: Velero only")));
    (differences, compared)
}
