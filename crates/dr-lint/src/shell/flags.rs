//! The flags of `velero backup|schedule|restore create`, by Velero's own table of them: `pkg/cmd/cli/{backup,schedule,
//! restore}/create.go` and `pkg/client/factory.go`, at 1.15.2 to 1.18.3 and what comes behind.

use super::Verb;
use crate::velero::Version;

/// What a flag takes, and what a second one of the same name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    /// Names between commas, untrimmed; a second flag replaces the first (`flag.StringArray`).
    List,
    /// Names between commas; a second flag adds to the first (pflag's string slice).
    Slice,
    /// Entries between commas, parted by this character; a second flag adds to the first (`flag.Map`).
    Map(char),
    /// True where no value stands behind `=`.
    Bool,
    Duration,
    Selector,
    /// Selectors between ` or `.
    Selectors,
    Number,
    /// `pods=a/b,a/c;deployments=…`
    Ordered,
    /// Nothing of the object.
    Nothing,
    /// The same, without a value.
    Switch,
}

/// One flag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) short: Option<char>,
    pub(super) takes: Takes,
    verbs: &'static [Verb],
    /// The first version that has it; none where no released one does.
    since: Option<Version>,
    /// Its field below the spec, or `labels` and `annotations` of the metadata.
    pub(super) field: &'static str,
}

impl Flag {
    pub(super) fn is_of(&self, verb: Verb, version: Version) -> bool {
        self.verbs.contains(&verb) && self.since.is_some_and(|since| since <= version)
    }

    pub(super) const fn wants_value(&self) -> bool {
        !matches!(self.takes, Takes::Bool | Takes::Switch)
    }
}

const ALL: &[Verb] = &[Verb::Backup, Verb::Schedule, Verb::Restore];
const MADE: &[Verb] = &[Verb::Backup, Verb::Schedule];
const BACKUP: &[Verb] = &[Verb::Backup];
const SCHEDULE: &[Verb] = &[Verb::Schedule];
const RESTORE: &[Verb] = &[Verb::Restore];
const OLDEST: Option<Version> = Some(Version::V1_15);

const fn flag(name: &'static str, takes: Takes, verbs: &'static [Verb], field: &'static str) -> Flag {
    Flag { name, short: None, takes, verbs, since: OLDEST, field }
}

const fn short(name: &'static str, short: char, takes: Takes, verbs: &'static [Verb], field: &'static str) -> Flag {
    Flag { name, short: Some(short), takes, verbs, since: OLDEST, field }
}

const fn since(flag: Flag, since: Option<Version>) -> Flag {
    Flag { since, ..flag }
}

/// In the order in which they become fields.
pub(super) const FLAGS: &[Flag] = &[
    flag("labels", Takes::Map('='), ALL, "labels"),
    since(flag("annotations", Takes::Map('='), BACKUP, "annotations"), Some(Version::V1_16)),
    since(flag("annotations", Takes::Map('='), RESTORE, "annotations"), Some(Version::V1_16)),
    // A Schedule takes the flag from 1.16 on and drops it.
    since(flag("annotations", Takes::Map('='), SCHEDULE, ""), Some(Version::V1_16)),
    flag("from-backup", Takes::Text, RESTORE, "backupName"),
    flag("from-schedule", Takes::Text, RESTORE, "scheduleName"),
    flag("from-schedule", Takes::Text, BACKUP, ""),
    flag("schedule", Takes::Text, SCHEDULE, "schedule"),
    flag("include-namespaces", Takes::List, ALL, "includedNamespaces"),
    flag("exclude-namespaces", Takes::List, ALL, "excludedNamespaces"),
    flag("include-resources", Takes::List, ALL, "includedResources"),
    flag("exclude-resources", Takes::List, ALL, "excludedResources"),
    flag("include-cluster-scoped-resources", Takes::List, MADE, "includedClusterScopedResources"),
    flag("exclude-cluster-scoped-resources", Takes::List, MADE, "excludedClusterScopedResources"),
    flag("include-namespace-scoped-resources", Takes::List, MADE, "includedNamespaceScopedResources"),
    flag("exclude-namespace-scoped-resources", Takes::List, MADE, "excludedNamespaceScopedResources"),
    flag("include-cluster-resources", Takes::Bool, ALL, "includeClusterResources"),
    short("selector", 'l', Takes::Selector, ALL, "labelSelector"),
    flag("or-selector", Takes::Selectors, ALL, "orLabelSelectors"),
    flag("ttl", Takes::Duration, MADE, "ttl"),
    flag("csi-snapshot-timeout", Takes::Duration, MADE, "csiSnapshotTimeout"),
    flag("item-operation-timeout", Takes::Duration, ALL, "itemOperationTimeout"),
    flag("snapshot-volumes", Takes::Bool, MADE, "snapshotVolumes"),
    flag("snapshot-move-data", Takes::Bool, MADE, "snapshotMoveData"),
    flag("data-mover", Takes::Text, MADE, "datamover"),
    flag("default-volumes-to-fs-backup", Takes::Bool, MADE, "defaultVolumesToFsBackup"),
    flag("storage-location", Takes::Text, MADE, "storageLocation"),
    flag("volume-snapshot-locations", Takes::Slice, MADE, "volumeSnapshotLocations"),
    flag("ordered-resources", Takes::Ordered, MADE, "orderedResources"),
    flag("resource-policies-configmap", Takes::Text, MADE, "resourcePolicy"),
    // Of 1.18 from 1.18.3 on.
    since(flag("resource-policies-configmap", Takes::Text, RESTORE, "resourcePolicy"), Some(Version::V1_18)),
    flag("parallel-files-upload", Takes::Number, MADE, "uploaderConfig.parallelFilesUpload"),
    since(flag("backup-type", Takes::Text, MADE, ""), None),
    flag("existing-resource-policy", Takes::Text, RESTORE, "existingResourcePolicy"),
    flag("namespace-mappings", Takes::Map(':'), RESTORE, "namespaceMapping"),
    flag("status-include-resources", Takes::List, RESTORE, "restoreStatus.includedResources"),
    flag("status-exclude-resources", Takes::List, RESTORE, "restoreStatus.excludedResources"),
    flag("restore-volumes", Takes::Bool, RESTORE, "restorePVs"),
    flag("preserve-nodeports", Takes::Bool, RESTORE, "preserveNodePorts"),
    flag("resource-modifier-configmap", Takes::Text, RESTORE, "resourceModifier"),
    since(flag("skip-default-resource-modifier", Takes::Switch, RESTORE, ""), None),
    flag("write-sparse-files", Takes::Bool, RESTORE, "uploaderConfig.writeSparseFiles"),
    flag("parallel-files-download", Takes::Number, RESTORE, "uploaderConfig.parallelFilesDownload"),
    flag("allow-partially-failed", Takes::Switch, RESTORE, ""),
    flag("use-owner-references-in-backup", Takes::Bool, SCHEDULE, "useOwnerReferencesInBackup"),
    flag("paused", Takes::Bool, SCHEDULE, "paused"),
    // No value stands for it (`skip_options.go`), so it wants one.
    flag("skip-immediately", Takes::Text, SCHEDULE, "skipImmediately"),
    short("wait", 'w', Takes::Switch, BACKUP, ""),
    short("wait", 'w', Takes::Switch, RESTORE, ""),
    short("output", 'o', Takes::Nothing, ALL, ""),
    short("label-columns", 'L', Takes::Nothing, ALL, ""),
    flag("show-labels", Takes::Switch, ALL, ""),
    short("help", 'h', Takes::Switch, ALL, ""),
    short("namespace", 'n', Takes::Nothing, ALL, "namespace"),
    flag("kubeconfig", Takes::Nothing, ALL, ""),
    flag("kubecontext", Takes::Nothing, ALL, ""),
    flag("features", Takes::Nothing, ALL, ""),
    flag("colorized", Takes::Nothing, ALL, ""),
    short("v", 'v', Takes::Nothing, ALL, ""),
    flag("vmodule", Takes::Nothing, ALL, ""),
    flag("stderrthreshold", Takes::Nothing, ALL, ""),
    flag("log_dir", Takes::Nothing, ALL, ""),
    flag("log_file", Takes::Nothing, ALL, ""),
    flag("log_file_max_size", Takes::Nothing, ALL, ""),
    flag("log_backtrace_at", Takes::Nothing, ALL, ""),
    flag("logtostderr", Takes::Switch, ALL, ""),
    flag("alsologtostderr", Takes::Switch, ALL, ""),
    flag("add_dir_header", Takes::Switch, ALL, ""),
    flag("skip_headers", Takes::Switch, ALL, ""),
    flag("skip_log_headers", Takes::Switch, ALL, ""),
    flag("legacy_stderr_threshold_behavior", Takes::Switch, ALL, ""),
    flag("alsologtostderrthreshold", Takes::Nothing, ALL, ""),
    flag("one_output", Takes::Switch, ALL, ""),
];

/// A flag by its long name, of this verb and version.
pub(super) fn long(name: &str, verb: Verb, version: Version) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name && flag.is_of(verb, version))
}

pub(super) fn letter(letter: char, verb: Verb, version: Version) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.short == Some(letter) && flag.is_of(verb, version))
}

/// What a flag that is not known may have been.
pub(super) fn missed(name: &str, verb: Verb, version: Version) -> String {
    if let Some(flag) = FLAGS.iter().find(|flag| flag.name == name && flag.verbs.contains(&verb)) {
        let which = match flag.since {
            Some(since) => format!("Velero {since} is the first that has it"),
            None => "only a newer one has it".to_owned(),
        };
        return format!("; {which}");
    }
    let known = FLAGS.iter().filter(|flag| flag.is_of(verb, version)).map(|flag| flag.name);
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    near.filter(|(distance, _)| *distance <= 4)
        .map(|(_, name)| format!("; the nearest is --{name}"))
        .unwrap_or_default()
}
