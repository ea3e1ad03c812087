//! Counts what a whole archive holds as it streams by, in memory that does not grow with it but for a hash per item.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use dr_core::verify::{ArchivedClaim, Contents, Fetched, Mounted};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::items::{ItemList, hash};
use super::{ArchiveError, ITEM_LIMIT, Limited, damaged, entries, item};

/// Whoever needs longer than this unpacks is no backup: at 1 KiB each it would be 64 million objects.
const CONTENTS_LIMIT: u64 = 64 * 1024 * 1024 * 1024;

/// Of different ones in one archive, far above what a cluster serves.
const RESOURCES_LIMIT: usize = 10_000;
/// Kubernetes is tested with ten thousand.
const NAMESPACES_LIMIT: usize = 100_000;

/// Smaller items are read whole before they are parsed, which is several times faster.
const AT_ONCE: u64 = 1024 * 1024;

/// What comes over the network: how much of it, and whether it broke off. An archive that is cut short and a connection
/// that is look the same to whoever unpacks.
pub(crate) struct Watched<R> {
    pub(crate) inner: R,
    pub(crate) bytes: Arc<AtomicU64>,
    pub(crate) broken: Arc<OnceLock<String>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(count) => {
                self.bytes.fetch_add(u64::try_from(*count).unwrap_or(0), Ordering::Relaxed);
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let _first_only = self.broken.set(error.to_string());
            }
            Err(_) => {}
        }
        read
    }
}

/// Reads it to its checksum, and holds it against the list of items.
pub fn contents(compressed: impl Read, listed: &Fetched<ItemList>) -> Result<Contents, ArchiveError> {
    contents_limited(compressed, listed, CONTENTS_LIMIT)
}

fn contents_limited(compressed: impl Read, listed: &Fetched<ItemList>, limit: u64) -> Result<Contents, ArchiveError> {
    let mut unpacked = Limited::new(GzDecoder::new(compressed), limit);
    let mut counted = Counted::default();
    entries::each(&mut unpacked, |file| counted.take(file, limit))?;
    let Counted { buffer: _, mut seen, resources, namespaces, claims, mounted, pods, moved } = counted;
    seen.sort_unstable();
    let missing = match listed {
        Fetched::Read(list) => match list.without(&seen) {
            Ok(missing) => Fetched::Read(missing),
            Err(because) => Fetched::Worthless(because),
        },
        Fetched::Worthless(because) => Fetched::Worthless(because.clone()),
        Fetched::Unread(because) => Fetched::Unread(because.clone()),
    };
    let bytes = limit - unpacked.left;
    Ok(Contents { resources, namespaces, bytes, claims, mounted: mounted.into_iter().collect(), pods, moved, missing })
}

#[derive(Default)]
struct Counted {
    buffer: Vec<u8>,
    seen: Vec<u64>,
    resources: BTreeMap<String, u64>,
    namespaces: BTreeMap<String, u64>,
    claims: Vec<ArchivedClaim>,
    mounted: BTreeSet<Mounted>,
    pods: BTreeSet<u64>,
    moved: Vec<String>,
}

impl Counted {
    fn take(&mut self, file: entries::File<'_>, limit: u64) -> Result<(), ArchiveError> {
        let entries::File { path, size, content: file } = file;
        let Some(item) = item(path) else {
            return Ok(());
        };
        if size > ITEM_LIMIT {
            return Err(ArchiveError::ItemTooLarge { item: item.told() });
        }
        let content = Content { file, size, limit, buffer: &mut self.buffer };
        let told = || item.told();
        // What an object has under these names only its kind tells.
        let (api_version, kind) = match item.resource {
            "persistentvolumeclaims" => {
                let head: Head<Skip, Skip, Status> = content.parse(told)?;
                self.claims.extend(item.namespace.map(|namespace| ArchivedClaim {
                    namespace: namespace.to_owned(),
                    name: item.name.to_owned(),
                    phase: head.status.and_then(|status| status.phase),
                }));
                (head.api_version, head.kind)
            }
            "pods" => {
                let head: Head<Skip, Pod, Status> = content.parse(told)?;
                let phase = head.status.and_then(|status| status.phase);
                // What has ended is not restored.
                let ended = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
                if let Some(namespace) = item.namespace.filter(|_| !ended) {
                    self.pods.insert(Contents::pod(namespace, item.name));
                }
                let volumes = head.spec.and_then(|spec| spec.volumes).filter(|_| !ended);
                let claims = volumes.into_iter().flatten().filter_map(|volume| volume.persistent_volume_claim);
                // The API server takes no longer ones, and what is kept of an item stays small.
                let claims = claims.filter(|claim| claim.claim_name.len() <= entries::OBJECT_LIMIT);
                self.mounted.extend(claims.filter_map(|claim| {
                    let (namespace, pod) = (item.namespace?.to_owned(), item.name.to_owned());
                    Some(Mounted { namespace, claim: claim.claim_name, pod })
                }));
                (head.api_version, head.kind)
            }
            "datauploads.velero.io" => {
                let head: Head<Labelled> = content.parse(told)?;
                self.moved.extend(head.metadata.and_then(|metadata| metadata.labels?.operation));
                (head.api_version, head.kind)
            }
            _ => {
                let head: Head = content.parse(told)?;
                (head.api_version, head.kind)
            }
        };
        let name = match item.namespace {
            Some(namespace) => format!("{namespace}/{}", item.name),
            None => item.name.to_owned(),
        };
        let kind = api_version.zip(kind).map(|(version, kind)| format!("{version}/{kind}"));
        self.seen.push(hash(kind.as_deref(), &name));
        count(&mut self.resources, item.resource);
        if let Some(namespace) = item.namespace {
            count(&mut self.namespaces, namespace);
        }
        if self.resources.len() > RESOURCES_LIMIT || self.namespaces.len() > NAMESPACES_LIMIT {
            let because = "is of one more resource or namespace than any cluster has";
            return Err(entries::hostile(path.as_bytes(), because));
        }
        Ok(())
    }
}

/// One item, unread.
struct Content<'a> {
    file: &'a mut dyn Read,
    size: u64,
    limit: u64,
    buffer: &'a mut Vec<u8>,
}

impl Content<'_> {
    fn parse<T: DeserializeOwned>(self, told: impl Fn() -> String) -> Result<T, ArchiveError> {
        let Self { file, size, limit, buffer } = self;
        let no_object = |error: &serde_json::Error| ArchiveError::NoObject { item: told(), because: error.to_string() };
        if size > AT_ONCE {
            return serde_json::from_reader(BufReader::new(file))
                .map_err(|error| if error.is_io() { damaged(limit, error.into()) } else { no_object(&error) });
        }
        buffer.clear();
        file.read_to_end(buffer).map_err(|error| damaged(limit, error))?;
        serde_json::from_slice(buffer).map_err(|error| no_object(&error))
    }
}

fn count(counts: &mut BTreeMap<String, u64>, of: &str) {
    match counts.get_mut(of) {
        Some(count) => *count += 1,
        None => {
            counts.insert(of.to_owned(), 1);
        }
    }
}

type Skip = IgnoredAny;

/// What is read of an object; the rest streams by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<M = Skip, S = Skip, T = Skip> {
    api_version: Option<String>,
    kind: Option<String>,
    metadata: Option<M>,
    spec: Option<S>,
    status: Option<T>,
}

#[derive(Deserialize)]
struct Status {
    phase: Option<String>,
}

#[derive(Deserialize)]
struct Pod {
    volumes: Option<Vec<PodVolume>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodVolume {
    persistent_volume_claim: Option<ClaimSource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSource {
    claim_name: String,
}

#[derive(Deserialize)]
struct Labelled {
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "velero.io/async-operation-id")]
    operation: Option<String>,
}

#[cfg(test)]
mod tests;
