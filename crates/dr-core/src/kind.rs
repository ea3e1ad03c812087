//! The kinds we read or write, with what a request path needs to know of each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the API server calls a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
}

impl KindInfo {
    /// `v1` or `group/version`, as `apiVersion` spells it.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `statefulsets.apps`, as `kubectl get` and Velero's filters spell it.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

macro_rules! kinds {
    ($($kind:ident: $group:literal $version:literal $plural:literal $namespaced:literal;)*) => {
        /// A kind this project reads or writes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($kind,)* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            pub const fn info(self) -> KindInfo {
                match self {
                    $(Kind::$kind => KindInfo {
                        group: $group, version: $version, kind: stringify!($kind), plural: $plural, namespaced: $namespaced,
                    },)*
                }
            }
        }
    };
}

kinds! {
    Namespace: "" "v1" "namespaces" false;
    Node: "" "v1" "nodes" false;
    Pod: "" "v1" "pods" true;
    PersistentVolume: "" "v1" "persistentvolumes" false;
    PersistentVolumeClaim: "" "v1" "persistentvolumeclaims" true;
    Secret: "" "v1" "secrets" true;
    ConfigMap: "" "v1" "configmaps" true;
    ServiceAccount: "" "v1" "serviceaccounts" true;
    Service: "" "v1" "services" true;
    ResourceQuota: "" "v1" "resourcequotas" true;
    LimitRange: "" "v1" "limitranges" true;
    StatefulSet: "apps" "v1" "statefulsets" true;
    Deployment: "apps" "v1" "deployments" true;
    ReplicaSet: "apps" "v1" "replicasets" true;
    DaemonSet: "apps" "v1" "daemonsets" true;
    Job: "batch" "v1" "jobs" true;
    CronJob: "batch" "v1" "cronjobs" true;
    HorizontalPodAutoscaler: "autoscaling" "v2" "horizontalpodautoscalers" true;
    NetworkPolicy: "networking.k8s.io" "v1" "networkpolicies" true;
    StorageClass: "storage.k8s.io" "v1" "storageclasses" false;
    CSIDriver: "storage.k8s.io" "v1" "csidrivers" false;
    CSIStorageCapacity: "storage.k8s.io" "v1" "csistoragecapacities" true;
    VolumeAttachment: "storage.k8s.io" "v1" "volumeattachments" false;
    VolumeSnapshotClass: "snapshot.storage.k8s.io" "v1" "volumesnapshotclasses" false;
    VolumeSnapshot: "snapshot.storage.k8s.io" "v1" "volumesnapshots" true;
    VolumeSnapshotContent: "snapshot.storage.k8s.io" "v1" "volumesnapshotcontents" false;
    Lease: "coordination.k8s.io" "v1" "leases" true;
    Backup: "velero.io" "v1" "backups" true;
    BackupRepository: "velero.io" "v1" "backuprepositories" true;
    Restore: "velero.io" "v1" "restores" true;
    Schedule: "velero.io" "v1" "schedules" true;
    BackupStorageLocation: "velero.io" "v1" "backupstoragelocations" true;
    VolumeSnapshotLocation: "velero.io" "v1" "volumesnapshotlocations" true;
    PodVolumeBackup: "velero.io" "v1" "podvolumebackups" true;
    PodVolumeRestore: "velero.io" "v1" "podvolumerestores" true;
    DownloadRequest: "velero.io" "v1" "downloadrequests" true;
    DeleteBackupRequest: "velero.io" "v1" "deletebackuprequests" true;
    DataUpload: "velero.io" "v2alpha1" "datauploads" true;
    ScaledObject: "keda.sh" "v1alpha1" "scaledobjects" true;
    ScaledJob: "keda.sh" "v1alpha1" "scaledjobs" true;
    Application: "argoproj.io" "v1alpha1" "applications" true;
    Kustomization: "kustomize.toolkit.fluxcd.io" "v1" "kustomizations" true;
    HelmRelease: "helm.toolkit.fluxcd.io" "v2" "helmreleases" true;
}

impl Kind {
    /// The kind an `apiVersion` and `kind` pair names; the version is not compared, since a cluster may serve another.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::ALL.iter().copied().find(|known| known.info().group == group && known.info().kind == kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().kind)
    }
}
