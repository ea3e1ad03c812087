//! One sound backup of each path, and what tests change of it.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::verify::{
    ArchivedClaim, Asked, Aspect, Check, Contents, Fetched, Held, Judged, Missing, Mounted, Snapshot, Verdict,
    Verified, Volume, judge,
};
use serde_json::{Value, json};

use crate::common::{empty, push};

/// A sound backup of one claim, taken as files.
pub(crate) struct Night {
    pub(crate) facts: Facts,
    pub(crate) backup: Object,
    pub(crate) held: Held,
    pub(crate) asked: BTreeMap<Snapshot, Asked>,
}

pub(crate) const TAKEN: &str = "2026-01-02T01:00:10Z";

pub(crate) fn copy(name: &str, backup: &str, claim: &str, started: &str, bytes: u64) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "velero",
                      "labels": { "velero.io/backup-name": backup },
                      "annotations": { "velero.io/pvc-name": claim } },
        "spec": { "pod": { "name": "db-0", "namespace": "shop" }, "volume": claim },
        "status": { "phase": "Completed", "snapshotID": "abc", "startTimestamp": started,
                    "progress": { "totalBytes": bytes, "bytesDone": bytes } },
    })
}

pub(crate) fn files() -> Night {
    let mut facts = empty();
    facts.namespace = String::new();
    let location =
        json!({ "metadata": { "name": "default", "namespace": "velero" }, "status": { "phase": "Available" } });
    push(&mut facts, Kind::BackupStorageLocation, location);
    let repository = json!({
        "metadata": { "name": "shop-default-kopia", "namespace": "velero" },
        "spec": { "volumeNamespace": "shop", "backupStorageLocation": "default", "repositoryType": "kopia" },
        "status": { "phase": "Ready" },
    });
    push(&mut facts, Kind::BackupRepository, repository);
    push(&mut facts, Kind::PodVolumeBackup, copy("b-data", "b", "data", TAKEN, 1_000_000));
    let info = json!({
        "pvcName": "data", "pvcNamespace": "shop", "backupMethod": "PodVolumeBackup", "result": "succeeded",
        "pvbInfo": { "podName": "db-0", "podNamespace": "shop", "volumeName": "data", "uploaderType": "kopia" },
    });
    let contents = Contents {
        resources: BTreeMap::from([("persistentvolumeclaims".into(), 1), ("pods".into(), 1)]),
        namespaces: BTreeMap::from([("shop".into(), 2)]),
        bytes: 4096,
        claims: vec![claim("data", "Bound")],
        mounted: vec![mounted("data")],
        pods: BTreeSet::from([Contents::pod("shop", "db-0")]),
        moved: Vec::new(),
        missing: Fetched::Read(Missing::default()),
    };
    let backup = Object(json!({
        "metadata": { "name": "b", "namespace": "velero", "uid": "uid-b" },
        "spec": { "includedNamespaces": ["shop"], "storageLocation": "default" },
        "status": { "phase": "Completed", "startTimestamp": "2026-01-02T01:00:00Z",
                    "expiration": "2026-02-01T00:00:00Z" },
    }));
    let held = Held { infos: Fetched::Read(vec![info]), archive: Fetched::Read(contents), results: None };
    Night { facts, backup, held, asked: BTreeMap::new() }
}

pub(crate) fn claim(name: &str, phase: &str) -> ArchivedClaim {
    ArchivedClaim { namespace: "shop".into(), name: name.into(), phase: Some(phase.into()) }
}

pub(crate) fn mounted(claim: &str) -> Mounted {
    Mounted { namespace: "shop".into(), claim: claim.into(), pod: "db-0".into() }
}

pub(crate) fn snapshot() -> Snapshot {
    Snapshot { driver: "csi.test".into(), handle: "snap-1".into() }
}

/// The same as a CSI snapshot that its driver has.
pub(crate) fn csi() -> Night {
    let mut night = files();
    night.info(|info| {
        info["backupMethod"] = json!("CSISnapshot");
        info["startTimestamp"] = json!(TAKEN);
        info["csiSnapshotInfo"] = json!({ "driver": "csi.test", "snapshotHandle": "snap-1", "size": 1 << 30 });
    });
    night.clear(Kind::PodVolumeBackup);
    push(&mut night.facts, Kind::CSIDriver, json!({ "metadata": { "name": "csi.test" } }));
    push(&mut night.facts, Kind::VolumeSnapshotClass, json!({ "metadata": { "name": "c" }, "driver": "csi.test" }));
    night.asked.insert(snapshot(), Asked::Exists);
    night
}

/// The same moved to the object store.
pub(crate) fn moved() -> Night {
    let mut night = csi();
    night.asked.clear();
    night.info(|info| {
        info["snapshotDataMoved"] = json!(true);
        info["snapshotDataMovementInfo"] = json!({
            "dataMover": "velero", "uploaderType": "kopia", "snapshotHandle": "kopia-1", "operationID": "op-1",
            "size": 1_000_000, "Phase": "Completed",
        });
    });
    night.contents(|contents| contents.moved = vec!["op-1".into()]);
    push(&mut night.facts, Kind::DataUpload, upload("b", "b", TAKEN, 1_000_000));
    night
}

pub(crate) fn upload(name: &str, backup: &str, started: &str, bytes: u64) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "velero", "labels": { "velero.io/backup-name": backup } },
        "spec": { "sourceNamespace": "shop", "sourcePVC": "data" },
        "status": { "phase": "Completed", "snapshotID": "kopia-1", "startTimestamp": started,
                    "progress": { "totalBytes": bytes, "bytesDone": bytes } },
    })
}

impl Night {
    pub(crate) fn info(&mut self, change: impl FnOnce(&mut Value)) {
        let Fetched::Read(infos) = &mut self.held.infos else { panic!("they are read") };
        change(&mut infos[0]);
    }

    pub(crate) fn contents(&mut self, change: impl FnOnce(&mut Contents)) {
        let Fetched::Read(contents) = &mut self.held.archive else { panic!("it is read") };
        change(contents);
    }

    pub(crate) fn clear(&mut self, kind: Kind) {
        self.facts.objects.insert(kind, Listed::Objects(Vec::new()));
    }

    pub(crate) fn first(&mut self, kind: Kind, change: impl FnOnce(&mut Value)) {
        let Some(Listed::Objects(objects)) = self.facts.objects.get_mut(&kind) else { panic!("listed") };
        change(&mut objects[0].0);
    }

    pub(crate) fn judged(&self) -> Verified {
        judge(&self.facts, &self.backup, &self.held, &self.asked)
    }

    #[track_caller]
    pub(crate) fn volume(&self, name: &str) -> Judged {
        let named = Volume::Claim { namespace: "shop".into(), name: name.into() };
        let judged = self.judged();
        judged.volumes.iter().find(|judged| judged.volume == named).unwrap_or_else(|| panic!("{judged:#?}")).clone()
    }

    #[track_caller]
    pub(crate) fn check(&self, aspect: Aspect) -> Check {
        self.judged().checks.into_iter().find(|check| check.aspect == aspect).unwrap()
    }

    /// The volume `data` is judged so, for this reason, and the backup is not green.
    #[track_caller]
    pub(crate) fn data_is(&self, verdict: Verdict, because: &str) {
        let finding = self.volume("data").finding;
        assert_eq!((finding.verdict, finding.because.as_str()), (verdict, because));
        assert_ne!(self.judged().verdict(), Verdict::Restorable);
    }

    #[track_caller]
    pub(crate) fn checked(&self, aspect: Aspect, verdict: Verdict, because: &str) {
        let finding = self.check(aspect).finding;
        assert_eq!((finding.verdict, finding.because.as_str()), (verdict, because));
        assert_eq!(self.judged().verdict(), self.judged().verdict().min(verdict));
    }
}
