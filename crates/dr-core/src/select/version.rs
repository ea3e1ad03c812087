//! Velero's versions and where they differ.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A released version of Velero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// The oldest whose behaviour is known here: item blocks came with it.
    pub const OLDEST: Self = Self::new(1, 15, 0);
    /// The newest that was read and held against.
    pub const NEWEST: Self = Self::new(1, 18, 3);

    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    pub fn has(self, feature: Feature) -> bool {
        self >= feature.since()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of Velero such as v1.18.3")]
pub struct NotAVersion(pub String);

impl FromStr for Version {
    type Err = NotAVersion;

    /// `v1.18.3`, `1.18.3`, `1.18`; a pre-release counts as its release.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let bad = || NotAVersion(text.to_owned());
        let release = text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
        let mut parts = release.split('.').map(|part| part.parse::<u32>().map_err(|_| bad()));
        let major = parts.next().ok_or_else(bad)??;
        let minor = parts.next().ok_or_else(bad)??;
        let patch = parts.next().transpose()?.unwrap_or(0);
        if parts.next().is_some() { Err(bad()) } else { Ok(Self::new(major, minor, patch)) }
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

macro_rules! features {
    ($($feature:ident since $major:literal $minor:literal $patch:literal: $what:literal, $source:literal;)*) => {
        /// A difference between versions. This is the only place that knows one.
        #[expect(clippy::doc_markdown, reason = "the texts are printed too")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature { $(#[doc = $what] $feature,)* }

        impl Feature {
            pub const ALL: &'static [Feature] = &[$(Feature::$feature,)*];

            pub const fn since(self) -> Version {
                match self { $(Self::$feature => Version::new($major, $minor, $patch),)* }
            }

            pub const fn what(self) -> &'static str {
                match self { $(Self::$feature => $what,)* }
            }

            /// `file:function` at the first version that has it.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$feature => $source,)* }
            }
        }
    };
}

features! {
    PvcLabels since 1 16 0: "volume policies know the condition pvcLabels",
        "internal/resourcepolicies/volume_resources.go:pvcLabelsCondition";
    CsiVolumeAttributes since 1 16 0: "volume policies know csi.volumeAttributes",
        "internal/resourcepolicies/volume_resources.go:csiCondition.match";
    UnavailableLocationRefused since 1 16 0: "a BackupStorageLocation that is not Available refuses the backup",
        "pkg/controller/backup_controller.go:prepareBackupRequest";
    NoFilterIsNewFamily since 1 17 0: "a backup without any resource filter uses the new family of filters",
        "pkg/util/collections/includes_excludes.go:UseOldResourceFilters";
    SnapshotsExcluded since 1 17 0:
        "VolumeSnapshots and VolumeSnapshotContents are put on the exclude lists, so those are never empty",
        "pkg/controller/backup_controller.go:modifyResourceIncludeExclude";
    IncludeExcludePolicy since 1 17 0: "resource policies may hold includeExcludePolicy",
        "pkg/util/collections/includes_excludes.go:ScopeIncludesExcludes.CombineWithPolicy";
    VolumeGroups since 1 17 0: "claims with the same value of the volume group label are backed up together",
        "pkg/itemblock/actions/pvc_action.go:getGroupedPVCs";
    NamespaceGlobsExpanded since 1 18 0: "namespace globs are expanded into the names that exist at the start",
        "pkg/util/wildcard/expand.go:ExpandWildcards";
    UnboundClaimsMatched since 1 18 0: "volume policies are asked about a claim without a volume, by its labels and phase",
        "internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot";
    PodsCached since 1 18 0: "pods that mount a claim are looked for only in namespaces of the backup",
        "pkg/util/podvolume/pod_volume.go:GetPodsUsingPVCWithCache";
    PvcPhase since 1 18 0: "volume policies know the condition pvcPhase",
        "internal/resourcepolicies/volume_resources.go:pvcPhaseCondition";
    AllNamesIsEverything since 1 18 1: "a list of all namespaces by name counts as all namespaces",
        "pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.IncludeEverything";
    CustomAction since 1 18 1: "volume policies know the action custom",
        "internal/resourcepolicies/resource_policies.go:VolumeActionType";
    ExcludedNamespaceObjectsDropped since 1 18 2: "the Namespace of an excluded namespace stays out of the backup",
        "pkg/backup/item_collector.go:getResourceItems";
    NodeAgentCheckedBeforeMove since 1 18 3: "moving data without a ready node-agent fails at once, not after hours",
        "pkg/backup/actions/csi/pvc_action.go:Execute";
    PvcModeConditions since 1 18 3: "volume policies know the conditions pvcVolumeMode and pvcAccessModes",
        "internal/resourcepolicies/volume_resources.go:pvcAccessModesCondition";
    FilterPolicies since 1 18 3: "resource policies may hold clusterScopedFilterPolicy and namespacedFilterPolicies",
        "pkg/backup/backup.go:resolveNamespacedFilterPolicies";
    GlobalPolicies since 1 18 3: "a ConfigMap named by the server adds volume policies to every backup",
        "internal/resourcepolicies/resource_policies.go:GetResourcePoliciesFromBackupWithGlobal";
}
