//! What the backup can give back of each volume: its list of volumes, held against the objects it points to and the
//! claims and pods of the archive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::aspect::location_of;
use super::handle::{self, Asked, Snapshot, is_moved};
use super::size::{self, Copies};
use super::{Contents, Fetched, Finding, Held, Judged, Method, Mounted, Verdict, Volume};
use crate::cover::{self, Captured, Coverage, Origin, Path, failed, text, time};
use crate::facts::{Facts, Listed, Unread};
use crate::kind::Kind;
use crate::object::Object;

const OTHER: &str = "restore this volume from another backup, or leave it out with --leave";

struct Given<'a> {
    facts: &'a Facts,
    /// The same with the copies of this backup alone: those of hundreds of others need not be looked through for each
    /// volume.
    own: Facts,
    copied: Copies,
    uploaded: Copies,
    /// Those of the archive, with their namespaces.
    claims: BTreeSet<(&'a str, &'a str)>,
    backup: &'a Object,
    held: &'a Held,
    asked: &'a BTreeMap<Snapshot, Asked>,
}

/// What a volume came to, before its name is put to it.
struct Found {
    method: Option<Method>,
    taken: Option<Timestamp>,
    bytes: Option<u64>,
    finding: Finding,
}

impl Found {
    fn only(finding: Finding) -> Self {
        Self { method: None, taken: None, bytes: None, finding }
    }

    fn by(method: Method, finding: Finding) -> Self {
        Self { method: Some(method), ..Self::only(finding) }
    }
}

pub(super) fn all(facts: &Facts, backup: &Object, held: &Held, asked: &BTreeMap<Snapshot, Asked>) -> Vec<Judged> {
    let given = Given {
        facts,
        own: own(facts, backup),
        copied: Copies::of(facts, Kind::PodVolumeBackup, names_of_copy),
        uploaded: Copies::of(facts, Kind::DataUpload, |upload| uploaded(upload).into_iter().collect()),
        claims: claims(held),
        backup,
        held,
        asked,
    };
    let mut found: BTreeMap<Volume, Found> = BTreeMap::new();
    // Of several answers about one volume the worst counts.
    let mut put = |volume: Volume, one: Found| match found.get(&volume) {
        Some(before) if before.finding.verdict <= one.finding.verdict => {}
        Some(_) | None => {
            found.insert(volume, one);
        }
    };
    match &held.infos {
        Fetched::Read(infos) => {
            for info in infos {
                put(volume_of(info), given.entry(info));
            }
            for (volume, one) in given.unlisted(infos) {
                put(volume, one);
            }
        }
        Fetched::Worthless(because) | Fetched::Unread(because) => {
            let because = format!("the backup's list of volumes was not read: {because}");
            for (volume, _) in given.in_archive() {
                put(volume, Found::only(Finding::unknown(because.clone(), "")));
            }
        }
    }
    let judged = found.into_iter().map(|(volume, Found { method, taken, bytes, finding })| Judged {
        volume,
        method,
        taken,
        bytes,
        finding,
    });
    judged.collect()
}

fn own(facts: &Facts, backup: &Object) -> Facts {
    let kinds = [Kind::PodVolumeBackup, Kind::DataUpload, Kind::CSIDriver, Kind::VolumeSnapshotClass];
    let listed = facts.objects.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(kind, listed)| {
        let listed = match (kind, listed) {
            (Kind::PodVolumeBackup | Kind::DataUpload, Listed::Objects(all)) => {
                Listed::Objects(all.iter().filter(|object| origin(backup).made(object)).cloned().collect())
            }
            (_, other) => other.clone(),
        };
        (*kind, listed)
    });
    Facts {
        format: facts.format,
        taken: facts.taken,
        context: facts.context.clone(),
        server: facts.server.clone(),
        server_version: facts.server_version.clone(),
        cluster_uid: facts.cluster_uid.clone(),
        namespace: facts.namespace.clone(),
        velero_namespace: facts.velero_namespace.clone(),
        objects: listed.collect(),
        documents: BTreeMap::new(),
    }
}

fn origin(backup: &Object) -> Origin<'_> {
    Origin { backup: backup.name(), uid: backup.uid() }
}

fn claims(held: &Held) -> BTreeSet<(&str, &str)> {
    match &held.archive {
        Fetched::Read(contents) => {
            contents.claims.iter().map(|claim| (claim.namespace.as_str(), claim.name.as_str())).collect()
        }
        Fetched::Worthless(_) | Fetched::Unread(_) => BTreeSet::new(),
    }
}

fn volume_of(info: &Value) -> Volume {
    let owned = |pointer| text(info, pointer).map(str::to_owned);
    if let (Some(namespace), Some(name)) = (owned("/pvcNamespace"), owned("/pvcName")) {
        return Volume::Claim { namespace, name };
    }
    let of_pod = (owned("/pvbInfo/podNamespace"), owned("/pvbInfo/podName"), owned("/pvbInfo/volumeName"));
    if let (Some(namespace), Some(pod), Some(volume)) = of_pod {
        return Volume::OfPod { namespace, pod, volume };
    }
    Volume::Persistent { name: owned("/pvName").unwrap_or_else(|| "(without a name)".to_owned()) }
}

impl Given<'_> {
    /// What the list and the objects it points to say of it, and whether its claim comes back to hold it: Velero lists
    /// a copy whenever the volume itself is in the backup.
    fn entry(&self, info: &Value) -> Found {
        let found = self.data(info);
        let (Volume::Claim { namespace, name }, Fetched::Read(_)) = (volume_of(info), &self.held.archive) else {
            return found;
        };
        if found.finding.verdict == Verdict::NotRestorable || self.claims.contains(&(&namespace, &name)) {
            return found;
        }
        let why = format!("{}; restore this volume from another backup", self.tells_why(&namespace, &name));
        Found { finding: Finding::not("its claim is not in the archive", why), ..found }
    }

    fn tells_why(&self, namespace: &str, claim: &str) -> String {
        let backup = self.backup.name();
        format!("kubectl dr backup coverage --ns {namespace} --backup {backup} --why pvc/{claim} tells why")
    }

    fn data(&self, info: &Value) -> Found {
        let native = matches!(text(info, "/backupMethod"), Some("VeleroNativeSnapshot" | "NativeSnapshot"));
        let skipped = info.pointer("/skipped").and_then(Value::as_bool) == Some(true);
        let found = match (skipped, native, is_moved(info)) {
            (false, true, _) => Ok(native_snapshot(info)),
            (false, false, true) => self.moved(info),
            (true, _, _) | (false, false, false) => self.taken(info),
        };
        found.unwrap_or_else(|unread| {
            Found::only(Finding::unknown(unread.to_string(), "docs/rbac/verify.yaml grants it"))
        })
    }

    /// A file copy, a snapshot that stayed with its driver, or nothing.
    fn taken(&self, info: &Value) -> Result<Found, Unread> {
        let named = volume_of(info);
        // A volume that lives with a pod has its namespace with the copy.
        let namespace = named.namespace().unwrap_or_default();
        let method = match text(info, "/backupMethod") {
            Some("PodVolumeBackup") => Some(Method::FileSystem),
            Some("CSISnapshot") => Some(Method::CsiSnapshot),
            Some(_) | None => None,
        };
        let captured = match cover::of_entry(&self.own, namespace, origin(self.backup), info, &named.to_string())? {
            Coverage::Captured(captured) => captured,
            Coverage::Lost { because, .. } => {
                return Ok(Found { method, ..Found::only(Finding::not(because, OTHER)) });
            }
        };
        let Captured { claim: _, path, taken, bytes, because } = captured;
        let finding = match path {
            Path::CsiSnapshot { driver, handle } => {
                let snapshot = Snapshot { driver, handle };
                handle::finding(&snapshot, self.asked.get(&snapshot))
            }
            Path::FileSystem { pod, .. } if self.lacks_pod(namespace, &pod) => {
                let because = format!(
                    "pod {pod} is not in the archive, or had ended: Velero brings a file copy back only into the pod that it was taken from"
                );
                let backup = self.backup.name();
                let why = format!(
                    "kubectl dr backup coverage --ns {namespace} --backup {backup} --why pod/{pod} tells why; {OTHER}"
                );
                Finding::not(because, why)
            }
            Path::FileSystem { pod, volume, snapshot: _, bytes } => {
                let of_pod = Volume::OfPod { namespace: namespace.to_owned(), pod, volume };
                let aliases = if named == of_pod { vec![named.clone()] } else { vec![named.clone(), of_pod] };
                let uploader = text(info, "/pvbInfo/uploaderType");
                self.stored(&self.copied, &aliases, (namespace, uploader), (taken, bytes), because)?
            }
        };
        Ok(Found { method, taken: Some(taken), bytes, finding })
    }

    /// As far as the archive was read (`pkg/restore/restore.go:restorePodVolumeBackups` at v1.18.3).
    fn lacks_pod(&self, namespace: &str, pod: &str) -> bool {
        match &self.held.archive {
            Fetched::Read(contents) => !contents.pods.contains(&Contents::pod(namespace, pod)),
            Fetched::Worthless(_) | Fetched::Unread(_) => false,
        }
    }

    /// Data in the object store: its repository, and its size against those before it.
    fn stored(
        &self,
        earlier: &Copies,
        names: &[Volume],
        (namespace, uploader): (&str, Option<&str>),
        (taken, bytes): (Timestamp, u64),
        because: String,
    ) -> Result<Finding, Unread> {
        if let Some(finding) = self.repository(namespace, uploader)? {
            return Ok(finding);
        }
        let largest = earlier.largest_before(names, taken)?;
        Ok(match size::implausible(bytes, largest) {
            Some(because) => Finding::unknown(
                because,
                "look at what the live volume holds; if it was emptied on purpose, later backups are compared with \
                 this one",
            ),
            None => Finding::restorable(because),
        })
    }

    /// What is wrong with the repository that holds a namespace's data at the backup's location.
    fn repository(&self, namespace: &str, uploader: Option<&str>) -> Result<Option<Finding>, Unread> {
        let location = location_of(self.backup);
        let mut all = self.facts.of(Kind::BackupRepository, &self.facts.velero_namespace)?.filter(|repository| {
            repository.str_at("/spec/volumeNamespace") == Some(namespace)
                && repository.str_at("/spec/backupStorageLocation") == Some(location)
                && uploader.is_none_or(|uploader| repository.str_at("/spec/repositoryType") == Some(uploader))
        });
        let uploader = uploader.map(|uploader| format!("{uploader} ")).unwrap_or_default();
        let told = format!("the {uploader}repository of namespace {namespace} at location {location}");
        let look = format!("kubectl -n {} get backuprepositories -o yaml", self.facts.velero_namespace);
        let Some(repository) = all.next() else {
            let because =
                format!("{told} is not known to this cluster: Velero looks for it only at a restore or backup");
            return Ok(Some(Finding::unknown(because, look)));
        };
        let message = repository.str_at("/status/message").filter(|message| !message.is_empty());
        let message = message.map(|message| format!(": {}", crate::redact::line(message))).unwrap_or_default();
        Ok(match repository.str_at("/status/phase") {
            Some("Ready") => None,
            Some("NotReady") => Some(Finding::not(format!("{told} is NotReady{message}"), look)),
            Some(phase) => Some(Finding::unknown(format!("{told} is {phase}{message}"), look)),
            None => Some(Finding::unknown(format!("Velero has not opened {told} yet"), look)),
        })
    }

    /// A snapshot whose data a DataUpload moved. Velero restores it by the DataUpload in the archive
    /// (`pkg/restore/actions/dataupload_retrieve_action.go` at v1.18.3).
    fn moved(&self, info: &Value) -> Result<Found, Unread> {
        let lost = |because: String| Ok(Found::by(Method::Moved, Finding::not(because, OTHER)));
        if let Some(because) = failed(info) {
            return lost(because);
        }
        let at = |field: &str| text(info, &format!("/snapshotDataMovementInfo/{field}"));
        if let Some(phase) = at("Phase").filter(|phase| *phase != "Completed") {
            return lost(format!("its DataUpload was {phase} when the backup ended"));
        }
        let (Some(namespace), Some(claim)) = (text(info, "/pvcNamespace"), text(info, "/pvcName")) else {
            return lost("the backup does not say of which claim its data was moved".to_owned());
        };
        let Some(snapshot) = at("snapshotHandle") else {
            return lost("its DataUpload names no snapshot in the repository".to_owned());
        };
        if let (Fetched::Read(contents), Some(operation)) = (&self.held.archive, at("operationID"))
            && !contents.moved.iter().any(|known| known == operation)
        {
            return lost("its DataUpload is not in the archive, and without it Velero restores an empty volume".into());
        }
        let of_claim = |upload: &&Object| {
            upload.str_at("/spec/sourceNamespace") == Some(namespace) && upload.str_at("/spec/sourcePVC") == Some(claim)
        };
        let upload = self.own.of(Kind::DataUpload, &self.own.velero_namespace)?.find(of_claim);
        if let Some(phase) = upload.map(|upload| upload.str_at("/status/phase").unwrap_or("not started"))
            && phase != "Completed"
        {
            return lost(format!("its DataUpload is {phase}"));
        }
        let listed = info.pointer("/snapshotDataMovementInfo/size").and_then(Value::as_u64);
        let counted = upload.and_then(|upload| upload.i64_at("/status/progress/totalBytes"));
        let counted = counted.and_then(|bytes| u64::try_from(bytes).ok());
        let taken = text(info, "/startTimestamp").and_then(|text| text.parse::<Timestamp>().ok());
        let found = |bytes, finding| Ok(Found { method: Some(Method::Moved), taken, bytes, finding });
        let bytes = match counted.or(listed) {
            None => return found(None, Finding::unknown("nothing tells how many bytes were moved", "")),
            Some(0) => return lost("its DataUpload is empty: zero bytes were moved".to_owned()),
            Some(bytes) => bytes,
        };
        if let Some(mover) = at("dataMover").filter(|mover| *mover != "velero") {
            let because = format!("the data mover {mover} keeps it, and only that can tell whether it does");
            return found(Some(bytes), Finding::unknown(because, ""));
        }
        let Some(when) = taken else {
            return found(Some(bytes), Finding::unknown("the backup does not say when its data was taken", ""));
        };
        let because = format!(
            "moved to the object store as {snapshot}: {bytes} bytes; velero restore gives it back, kubectl dr restore \
             does not stage it yet"
        );
        let uploader = at("uploaderType");
        let finding = self.stored(&self.uploaded, &[volume_of(info)], (namespace, uploader), (when, bytes), because)?;
        found(Some(bytes), finding)
    }

    /// Volumes that the archive speaks of, with what that alone says of them.
    fn in_archive(&self) -> Vec<(Volume, Finding)> {
        let contents = match &self.held.archive {
            Fetched::Read(contents) => contents,
            Fetched::Worthless(_) | Fetched::Unread(_) => return Vec::new(),
        };
        let claims = contents.claims.iter().map(|claim| {
            let volume = Volume::Claim { namespace: claim.namespace.clone(), name: claim.name.clone() };
            let finding = match claim.phase.as_deref() {
                Some("Pending") => {
                    Finding::restorable("it had no volume yet when it was backed up: there is no data to bring back")
                }
                Some("Lost") => Finding::not("its volume was lost already when it was backed up", OTHER),
                Some(_) | None => Finding::not(
                    "its claim is in the archive and the backup lists no data of it: it was not taken, or its \
                     PersistentVolume is not in the backup",
                    self.tells_why(&claim.namespace, &claim.name),
                ),
            };
            (volume, finding)
        });
        let unknown = |mounted: &&Mounted| !self.claims.contains(&(mounted.namespace.as_str(), mounted.claim.as_str()));
        let mounted = contents.mounted.iter().filter(unknown);
        let mounted = mounted.map(|mounted| {
            let volume = Volume::Claim { namespace: mounted.namespace.clone(), name: mounted.claim.clone() };
            let because = format!("pod {} in the archive mounts it, and neither claim nor data is there", mounted.pod);
            (volume, Finding::not(because, self.tells_why(&mounted.namespace, &mounted.claim)))
        });
        claims.chain(mounted).collect()
    }

    /// Volumes that the list of volumes does not name: by the archive, and by what node-agent says it copied.
    fn unlisted(&self, infos: &[Value]) -> Vec<(Volume, Found)> {
        let listed: BTreeSet<Volume> = infos.iter().map(volume_of).collect();
        let mut found: BTreeMap<Volume, Found> = BTreeMap::new();
        for (volume, finding) in self.in_archive().into_iter().filter(|(volume, _)| !listed.contains(volume)) {
            found.insert(volume, Found::only(finding));
        }
        let velero = self.own.velero_namespace.as_str();
        let copies = self.own.of(Kind::PodVolumeBackup, velero).into_iter().flatten();
        let copies = copies.filter_map(|copy| Some((copied(copy)?, copy, Method::FileSystem)));
        let uploads = self.own.of(Kind::DataUpload, velero).into_iter().flatten();
        let uploads = uploads.filter_map(|upload| Some((uploaded(upload)?, upload, Method::Moved)));
        for (volume, object, method) in copies.chain(uploads) {
            if listed.contains(&volume) {
                continue;
            }
            let by_pod = infos.iter().any(|info| {
                text(info, "/pvbInfo/podName").is_some()
                    && text(info, "/pvbInfo/podNamespace") == object.str_at("/spec/pod/namespace")
                    && text(info, "/pvbInfo/podName") == object.str_at("/spec/pod/name")
                    && text(info, "/pvbInfo/volumeName") == object.str_at("/spec/volume")
            });
            if by_pod {
                continue;
            }
            let because = format!(
                "{} says that its data was copied, but the backup's list of volumes does not name it, and Velero goes \
                 by that list",
                object.name()
            );
            let taken = time(object, "/status/startTimestamp");
            found.insert(volume, Found { taken, ..Found::by(method, Finding::unknown(because, OTHER)) });
        }
        found.into_iter().collect()
    }
}

/// The provider keeps it, and no API of the cluster tells whether it still does.
fn native_snapshot(info: &Value) -> Found {
    let by = |finding| Found::by(Method::NativeSnapshot, finding);
    if let Some(because) = failed(info) {
        return by(Finding::not(because, OTHER));
    }
    let Some(handle) = text(info, "/nativeSnapshotInfo/snapshotHandle") else {
        return by(Finding::not("the backup names no snapshot for it", OTHER));
    };
    let because = format!("the provider's snapshot {handle}: only the provider can tell whether it is still there");
    let found = by(Finding::unknown(because, "look for it at the provider"));
    Found { taken: text(info, "/startTimestamp").and_then(|text| text.parse().ok()), ..found }
}

fn copied(copy: &Object) -> Option<Volume> {
    names_of_copy(copy).into_iter().next()
}

/// By its claim, where Velero wrote that down, and by its pod.
fn names_of_copy(copy: &Object) -> Vec<Volume> {
    let Some(namespace) = copy.str_at("/spec/pod/namespace") else {
        return Vec::new();
    };
    let claim = copy.annotation("velero.io/pvc-name");
    let claim = claim.map(|name| Volume::Claim { namespace: namespace.to_owned(), name: name.to_owned() });
    let of_pod = copy.str_at("/spec/pod/name").zip(copy.str_at("/spec/volume"));
    let of_pod = of_pod.map(|(pod, volume)| Volume::OfPod {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        volume: volume.to_owned(),
    });
    claim.into_iter().chain(of_pod).collect()
}

fn uploaded(upload: &Object) -> Option<Volume> {
    let namespace = upload.str_at("/spec/sourceNamespace")?.to_owned();
    Some(Volume::Claim { namespace, name: upload.str_at("/spec/sourcePVC")?.to_owned() })
}
