//! Reads a backup's archive as it streams by, keeping what a plan needs of one namespace.

use std::io::{self, Read};

use dr_core::facts::Archive;
use dr_core::kind::Kind;
use dr_core::object::Object;
use flate2::read::GzDecoder;

mod contents;
mod entries;
mod items;

pub(crate) use contents::Watched;
pub use contents::contents;
pub use items::ItemList;

/// The label of the ConfigMaps that hold fingerprints of ours.
pub const FINGERPRINT: &str = "kubectl-dr/fingerprint";

/// An archive holds manifests: what unpacks to more than this is no backup of a cluster.
const TOTAL_LIMIT: u64 = 2 * 1024 * 1024 * 1024;
/// etcd takes no object larger than a few MiB.
const ITEM_LIMIT: u64 = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive is damaged or cut short: {0}")]
    Damaged(#[source] io::Error),
    #[error("the archive unpacks to more than {limit} bytes: no backup of a cluster is so large")]
    TooLarge { limit: u64 },
    #[error("the archive holds {entry}, which {because}: Velero makes none such")]
    Hostile { entry: String, because: &'static str },
    #[error("{item} in the archive is larger than {ITEM_LIMIT} bytes")]
    ItemTooLarge { item: String },
    #[error("{item} in the archive is no object: {because}")]
    NoObject { item: String, because: String },
}

/// Counts what was unpacked, and stops a bomb.
struct Limited<R> {
    inner: R,
    limit: u64,
    left: u64,
}

const OVER: &str = "over the limit";

impl<R: Read> Limited<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, left: limit }
    }
}

/// What an error on the way means.
fn damaged(limit: u64, error: io::Error) -> ArchiveError {
    if error.to_string().contains(OVER) { ArchiveError::TooLarge { limit } } else { ArchiveError::Damaged(error) }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let counted = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(counted).ok_or_else(|| io::Error::other(OVER))?;
        Ok(read)
    }
}

/// Where one item of an archive belongs.
#[derive(Debug, PartialEq, Eq)]
struct Item<'a> {
    resource: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl Item<'_> {
    /// Nothing in it is longer than Kubernetes allows.
    fn fits(&self) -> bool {
        self.resource.len() <= entries::RESOURCE_LIMIT
            && self.namespace.is_none_or(|namespace| namespace.len() <= entries::NAMESPACE_LIMIT)
            && self.name.len() <= entries::OBJECT_LIMIT
    }

    fn told(&self) -> String {
        match self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.resource, self.name),
            None => format!("{}/{}", self.resource, self.name),
        }
    }
}

/// `resources/<resource.group>/namespaces/<namespace>/<name>.json` or `resources/<resource.group>/cluster/<name>.json`;
/// none for what is neither, such as the same items under `<version>-preferredversion`.
fn item(path: &str) -> Option<Item<'_>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    match parts.as_slice() {
        ["resources", resource, "namespaces", namespace, file] => {
            Some(Item { resource, namespace: Some(namespace), name: file.strip_suffix(".json")? })
        }
        ["resources", resource, "cluster", file] => {
            Some(Item { resource, namespace: None, name: file.strip_suffix(".json")? })
        }
        _ => None,
    }
}

/// Reads the whole archive, to its checksum.
pub fn read(compressed: impl Read, namespace: &str) -> Result<Archive, ArchiveError> {
    read_limited(compressed, namespace, TOTAL_LIMIT)
}

fn read_limited(compressed: impl Read, namespace: &str, limit: u64) -> Result<Archive, ArchiveError> {
    let mut unpacked = Limited::new(GzDecoder::new(compressed), limit);
    let mut archive = Archive::default();
    entries::each(&mut unpacked, |file| {
        let Some(item) = item(file.path).filter(|item| item.namespace.is_none_or(|found| found == namespace)) else {
            return Ok(());
        };
        let told = item.told();
        if let Some(kind) = kept(item.resource) {
            if file.size > ITEM_LIMIT {
                return Err(ArchiveError::ItemTooLarge { item: told });
            }
            let mut bytes = Vec::new();
            file.content.read_to_end(&mut bytes).map_err(|error| damaged(limit, error))?;
            let object = serde_json::from_slice(&bytes).map(Object);
            let object =
                object.map_err(|error| ArchiveError::NoObject { item: told.clone(), because: error.to_string() })?;
            if kind != Kind::ConfigMap || object.label(FINGERPRINT).is_some() {
                archive.objects.push(object);
            }
        }
        archive.items.push(told);
        Ok(())
    })?;
    archive.items.sort();
    archive.items.dedup();
    Ok(archive)
}

/// The kind whose objects are read, of a folder's name.
fn kept(resource: &str) -> Option<Kind> {
    let kind = Kind::ALL.iter().copied().find(|kind| kind.info().resource() == resource)?;
    (kind != Kind::Secret).then_some(kind)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn pack(files: &[(&str, Value)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (path, content) in files {
            let bytes = content.to_string().into_bytes();
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_entry_type(tar::EntryType::Regular);
            tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn bookstore() -> Vec<u8> {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "shop" } });
        let mark = json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "mark", "namespace": "shop", "labels": { FINGERPRINT: "b" } } });
        pack(&[
            ("metadata/version", json!("1.1.0")),
            ("resources/pods/namespaces/shop/web.json", pod.clone()),
            ("resources/pods/v1-preferredversion/namespaces/shop/web.json", pod.clone()),
            ("resources/pods/namespaces/other/web.json", pod),
            ("resources/secrets/namespaces/shop/login.json", json!({ "data": { "password": "planted" } })),
            ("resources/configmaps/namespaces/shop/plain.json", json!({ "data": { "a": "b" } })),
            ("resources/configmaps/namespaces/shop/mark.json", mark),
            ("resources/priorityclasses.scheduling.k8s.io/cluster/high.json", json!({})),
        ])
    }

    #[test]
    fn it_lists_the_namespaces_and_the_cluster_scoped_items_and_keeps_no_secret() {
        let archive = read(bookstore().as_slice(), "shop").unwrap();
        assert_eq!(
            archive.items,
            [
                "configmaps/shop/mark",
                "configmaps/shop/plain",
                "pods/shop/web",
                "priorityclasses.scheduling.k8s.io/high",
                "secrets/shop/login"
            ]
        );
        assert_eq!(archive.objects.iter().map(Object::name).collect::<Vec<_>>(), ["web", "mark"]);
        assert!(!format!("{archive:?}").contains("planted"));
    }

    #[test]
    fn an_archive_cut_short_anywhere_is_damaged() {
        let whole = bookstore();
        for length in 0..whole.len() {
            let cut = whole.get(..length).unwrap();
            assert!(matches!(read(cut, "shop"), Err(ArchiveError::Damaged(_))), "{length} of {}", whole.len());
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![0; 4 * 1024 * 1024]).unwrap();
        let bomb = bomb.finish().unwrap();
        assert!(matches!(read_limited(bomb.as_slice(), "shop", 1024 * 1024), Err(ArchiveError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn a_byte_changed_anywhere_is_an_error_or_the_same_content(at in 0..10_000_usize, to in any::<u8>()) {
            let whole = bookstore();
            let wanted = read(whole.as_slice(), "shop").unwrap();
            let mut changed = whole.clone();
            let at = at % changed.len();
            changed[at] = to;
            if let Ok(found) = read(changed.as_slice(), "shop") {
                prop_assert_eq!(found, wanted);
            }
        }

        #[test]
        fn garbage_is_never_more_than_an_error(garbage in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(read(garbage.as_slice(), "shop").is_err());
        }
    }
}
