//! Why: one step of a decision, with the object and the field that took it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cluster::ItemRef;

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub rule: Rule,
    /// What decided it.
    pub place: Place,
    /// The sentence, without its full stop.
    pub says: String,
}

impl Reason {
    pub(crate) fn new(rule: Rule, place: Place, says: impl Into<String>) -> Self {
        Self { rule, place, says: says.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

/// Where a decision was taken. A field is a path as `kubectl explain` spells it, with indexes: never a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Of the Backup, or of the Schedule whose template it is.
    Backup {
        field: String,
    },
    /// In the ConfigMap of the resource policies.
    Policy {
        field: String,
    },
    Object {
        item: Box<ItemRef>,
        field: String,
    },
    /// A flag of the Velero server.
    Server {
        flag: String,
    },
    /// Nothing that could be set: Velero of this version works like that.
    Velero,
}

impl Place {
    pub(crate) fn object(item: &ItemRef, field: impl Into<String>) -> Self {
        Self::Object { item: Box::new(item.clone()), field: field.into() }
    }

    pub(crate) fn server(flag: &str) -> Self {
        Self::Server { flag: flag.to_owned() }
    }
}

macro_rules! rules {
    ($($rule:ident $id:literal: $means:literal, $source:literal;)*) => {
        /// The rule that was followed. Its id, meaning and source are in docs/coverage.md.
        #[expect(clippy::doc_markdown, reason = "the meanings are printed too")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Rule { $(#[doc = $means] #[serde(rename = $id)] $rule,)* }

        impl Rule {
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            pub const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)* }
            }

            pub const fn means(self) -> &'static str {
                match self { $(Self::$rule => $means,)* }
            }

            /// `file:function` of Velero v1.18.3.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$rule => $source,)* }
            }
        }
    };
}

rules! {
    Refused "refused":
        "Velero refuses the whole backup: FailedValidation, and nothing is in it",
        "pkg/controller/backup_controller.go:prepareBackupRequest";
    NamespaceIncluded "namespace-included":
        "the namespace is one that the backup takes",
        "pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude";
    NamespaceNotIncluded "namespace-not-included":
        "the namespace is not on the list of included ones",
        "pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude";
    NamespaceExcluded "namespace-excluded":
        "the namespace is on the list of excluded ones",
        "pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude";
    NamespaceExcludedByLabel "namespace-excluded-by-label":
        "the namespace carries velero.io/exclude-from-backup=true, which puts it on the list of excluded ones",
        "pkg/controller/backup_controller.go:prepareBackupRequest";
    NamespaceGlobMatchesNothing "namespace-glob-matches-nothing":
        "a pattern for namespaces matches none, and no namespace is left",
        "pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude";
    NamespaceGlobNotListed "namespace-glob-not-listed":
        "this version lists a pattern for namespaces as if it were a name, so nothing in them is found",
        "pkg/backup/item_collector.go:getNamespacesToList";
    NamespaceMissing "namespace-missing":
        "a namespace that is included by name does not exist",
        "pkg/backup/item_collector.go:collectNamespaces";
    NamespaceNotActive "namespace-not-active":
        "the namespace is not Active",
        "pkg/backup/item_collector.go:nsTracker.init";
    NamespaceKept "namespace-kept":
        "the Namespace is kept: it is named, its labels are selected, or something in it is collected",
        "pkg/backup/item_collector.go:nsTracker.filterNamespaces";
    NamespaceHoldsNothing "namespace-holds-nothing":
        "neither the Namespace's own labels nor anything in it is selected",
        "pkg/backup/item_collector.go:nsTracker.filterNamespaces";
    TypeIncluded "type-included":
        "the type is one that the backup takes",
        "pkg/util/collections/includes_excludes.go:ShouldInclude";
    TypeNotIncluded "type-not-included":
        "the type is not on the list of included ones",
        "pkg/util/collections/includes_excludes.go:ShouldInclude";
    TypeExcluded "type-excluded":
        "the type is on the list of excluded ones",
        "pkg/util/collections/includes_excludes.go:ShouldInclude";
    TypeAlwaysExcluded "type-always-excluded":
        "Velero puts snapshots on the exclude list of every backup; those it takes itself are added later",
        "pkg/controller/backup_controller.go:modifyResourceIncludeExclude";
    TypeNotCollected "type-not-collected":
        "the API does not let the type be listed, created, read and deleted, so Velero passes over it",
        "pkg/discovery/helper.go:filterByVerbs";
    TypeTakenElsewhere "type-taken-elsewhere":
        "the type is served by two groups and taken from the first",
        "pkg/backup/item_collector.go:getResourceItems";
    ClusterScopeOff "cluster-scope-off":
        "includeClusterResources is false",
        "pkg/util/collections/includes_excludes.go:GlobalIncludesExcludes.ShouldInclude";
    ClusterScopeAuto "cluster-scope-auto":
        "includeClusterResources is unset, and not every namespace is taken",
        "pkg/util/collections/includes_excludes.go:GlobalIncludesExcludes.ShouldInclude";
    ClusterScopeNotListed "cluster-scope-not-listed":
        "cluster-scoped types are taken only where includedClusterScopedResources names them",
        "pkg/util/collections/includes_excludes.go:ScopeIncludesExcludes.ShouldInclude";
    SelectorMatched "selector-matched":
        "the label selector matches",
        "pkg/backup/item_collector.go:listResourceByLabelsPerNamespace";
    SelectorMissed "selector-missed":
        "the label selector does not match",
        "pkg/backup/item_collector.go:listResourceByLabelsPerNamespace";
    SelectorUnusable "selector-unusable":
        "the API server cannot read what Velero makes of the selector, so every list fails",
        "pkg/backup/item_collector.go:listResourceByLabelsPerNamespace";
    ServerPanics "server-panics":
        "Velero's server panics on it: the backup stays InProgress until the server starts anew and calls it Failed",
        "pkg/backup/item_collector.go:nsTracker.init";
    FilterPolicyMissed "filter-policy-missed":
        "a filter policy of the resource policies leaves it out",
        "pkg/backup/item_collector.go:getResourceItems";
    ExcludeLabel "exclude-label":
        "it carries velero.io/exclude-from-backup=true",
        "pkg/backup/item_backupper.go:itemInclusionChecks";
    BeingDeleted "being-deleted":
        "it is being deleted",
        "pkg/backup/item_backupper.go:itemInclusionChecks";
    BroughtByPod "brought-by-pod":
        "a pod that is in the backup brings its claims and its priority class along",
        "pkg/util/actionhelpers/pod_helper.go:RelatedItemsForPod";
    BroughtByClaim "brought-by-claim":
        "a bound claim brings its volume along",
        "pkg/util/actionhelpers/pvc_helper.go:RelatedItemsForPVC";
    PodBroughtByClaim "pod-brought-by-claim":
        "a bound claim brings every running pod along that mounts it",
        "pkg/itemblock/actions/pvc_action.go:GetRelatedItems";
    BroughtByGroup "brought-by-group":
        "claims of one volume group are backed up together",
        "pkg/itemblock/actions/pvc_action.go:getGroupedPVCs";
    BroughtByServiceAccount "brought-by-service-account":
        "a service account brings its ClusterRoleBindings and their ClusterRoles along",
        "pkg/util/actionhelpers/service_account_helper.go:RelatedItemsForServiceAccount";
    BroughtByInstance "brought-by-instance":
        "an object of a custom kind brings its CustomResourceDefinition along",
        "pkg/backup/backup.go:backupCRD";
    BroughtBySnapshot "brought-by-snapshot":
        "a CSI snapshot brings its VolumeSnapshotClass along, past all filters",
        "pkg/backup/actions/csi/volumesnapshot_action.go:Execute";
    DroppedByError "dropped-by-error":
        "backing it up ends in an error, and its manifest is left out",
        "pkg/backup/item_backupper.go:backupItemInternal";
    NeverCopied "never-copied":
        "volumes of this kind are never copied file by file",
        "internal/volumehelper/volume_policy_helper.go:shouldIncludeVolumeInBackup";
    ClaimTypeExcluded "claim-type-excluded":
        "claims are not among the types of the backup, so volumes of claims are not copied either",
        "internal/volumehelper/volume_policy_helper.go:shouldIncludeVolumeInBackup";
    PolicyMatched "policy-matched":
        "a volume policy decides; the first that matches counts",
        "internal/resourcepolicies/resource_policies.go:Policies.match";
    OptedIn "opted-in":
        "backup.velero.io/backup-volumes of the pod names the volume",
        "internal/volumehelper/volume_policy_helper.go:shouldPerformFSBackupLegacy";
    NotOptedIn "not-opted-in":
        "file-system backup is not the default, and the pod does not name the volume for it",
        "internal/volumehelper/volume_policy_helper.go:shouldPerformFSBackupLegacy";
    CopiedByDefault "copied-by-default":
        "file-system backup is the default",
        "internal/volumehelper/volume_policy_helper.go:shouldPerformFSBackupLegacy";
    OptedOut "opted-out":
        "backup.velero.io/backup-volumes-excludes of the pod names the volume",
        "internal/volumehelper/volume_policy_helper.go:shouldPerformFSBackupLegacy";
    CopiedFromOtherPod "copied-from-other-pod":
        "the claim's files were already copied from another pod",
        "pkg/podvolume/snapshot_tracker.go:TakenForPodVolume";
    PodNotInBackup "pod-not-in-backup":
        "a pod that is not in the backup gets no file-system backup",
        "pkg/backup/item_backupper.go:backupItemInternal";
    PodNotRunning "pod-not-running":
        "files are copied only from a pod that runs on a node",
        "pkg/podvolume/backupper.go:BackupPodVolumes";
    NodeAgentMissing "node-agent-missing":
        "no node-agent runs where it is needed",
        "pkg/podvolume/backupper.go:BackupPodVolumes";
    HostPathVolume "host-path-volume":
        "node-agent does not see host paths",
        "pkg/podvolume/backupper.go:isHostPathVolume";
    BlockVolume "block-volume":
        "node-agent copies files, not block devices",
        "pkg/podvolume/backupper.go:BackupPodVolumes";
    NotMounted "not-mounted":
        "no container of the pod mounts the volume (init containers and sidecars among them do not count)",
        "pkg/podvolume/backupper.go:BackupPodVolumes";
    NoPodMounts "no-pod-mounts":
        "no pod mounts the claim, so its files cannot be copied",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformFSBackup";
    Copied "copied":
        "node-agent copies its files",
        "pkg/podvolume/backupper.go:BackupPodVolumes";
    SnapshotSuppressed "snapshot-suppressed":
        "a pod chooses file-system backup for the claim, so no snapshot is taken, whether the copy happens or not",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot";
    SnapshotsOff "snapshots-off":
        "snapshotVolumes is false",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot";
    CsiOff "csi-off":
        "the server runs without the feature EnableCSI",
        "pkg/util/csi/util.go:ShouldSkipAction";
    NotCsi "not-csi":
        "the volume is not of a CSI driver",
        "pkg/backup/actions/csi/pvc_action.go:validatePVCandPV";
    ClaimUnbound "claim-unbound":
        "the claim has no volume, and no policy skips it",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot";
    VolumeMissing "volume-missing":
        "the claim's PersistentVolume does not exist",
        "pkg/backup/item_backupper.go:getMatchAction";
    ClaimMissing "claim-missing":
        "the claim that is asked for does not exist",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformFSBackup";
    ClaimWithoutClass "claim-without-class":
        "the claim has no storageClassName",
        "pkg/backup/actions/csi/pvc_action.go:validatePVCandPV";
    StorageClassMissing "storage-class-missing":
        "the claim's StorageClass does not exist",
        "pkg/backup/actions/csi/pvc_action.go:createVolumeSnapshot";
    NoSnapshotClass "no-snapshot-class":
        "no VolumeSnapshotClass can be chosen for the driver",
        "pkg/util/csi/volume_snapshot.go:GetVolumeSnapshotClassForStorageClass";
    SnapshotClassChosen "snapshot-class-chosen":
        "the VolumeSnapshotClass that is used",
        "pkg/util/csi/volume_snapshot.go:GetVolumeSnapshotClass";
    DataMoved "data-moved":
        "snapshotMoveData: the snapshot's data goes to the object store",
        "pkg/backup/actions/csi/pvc_action.go:Execute";
    VolumeNotInBackup "volume-not-in-backup":
        "native snapshots hang on the PersistentVolume, which is not in the backup",
        "pkg/backup/item_backupper.go:takePVSnapshot";
    VolumeUnlisted "volume-unlisted":
        "the backup's list of volumes names a claim only where its PersistentVolume is in the backup",
        "internal/volume/volumes_information.go:generateVolumeInfoForCSIVolumeSnapshot";
    NoSnapshotLocation "no-snapshot-location":
        "no VolumeSnapshotLocation, so no native snapshot",
        "pkg/backup/item_backupper.go:takePVSnapshot";
    NativeSnapshot "native-snapshot":
        "a volume snapshotter plugin is asked for a snapshot",
        "pkg/backup/item_backupper.go:takePVSnapshot";
    HookMatchesNothing "hook-matches-nothing":
        "no pod that is in the backup is selected by the hook, and nothing says so",
        "internal/hook/item_hook_handler.go:ResourceHookSelector.applicableTo";
    HookContainerMissing "hook-container-missing":
        "the container that a hook names does not exist in the pod",
        "pkg/podexec/pod_command_executor.go:ensureContainerExists";
    NotRead "not-read":
        "what decides was not read",
        "none: our own";
}
