//! The one line to change so that a volume's data is captured.

use super::reason::{Place, Reason, Rule};

/// What to do about a deciding reason; none for those that nothing can be done about, or that only led there.
pub(crate) fn fix(reason: &Reason) -> Option<String> {
    let field = match &reason.place {
        Place::Backup { field } | Place::Policy { field } => field.clone(),
        Place::Object { item, field } => format!("{field} of {item}"),
        Place::Server { flag } => flag.clone(),
        Place::Velero => String::new(),
    };
    let object = match &reason.place {
        Place::Object { item, .. } => item.to_string(),
        Place::Backup { .. } | Place::Policy { .. } | Place::Server { .. } | Place::Velero => String::new(),
    };
    let line = match reason.rule {
        Rule::Refused => format!("correct {field}: {reason}"),
        Rule::NamespaceNotIncluded => format!("add the namespace to {field}"),
        Rule::NamespaceExcluded | Rule::TypeExcluded | Rule::NamespaceExcludedByLabel | Rule::ExcludeLabel => {
            format!("remove {field}")
        }
        Rule::NamespaceGlobMatchesNothing | Rule::NamespaceMissing | Rule::NamespaceGlobNotListed => {
            format!("name the namespace itself in {field}")
        }
        Rule::TypeNotIncluded | Rule::ClusterScopeNotListed => {
            format!("add the type to {field}, or leave the list empty")
        }
        Rule::ClusterScopeOff | Rule::ClusterScopeAuto => format!("set {field}: true"),
        Rule::SelectorMissed => format!("leave {} out and name the namespace instead", selector(&field)),
        Rule::SelectorUnusable | Rule::ServerPanics => format!("remove {}", selector(&field)),
        Rule::FilterPolicyMissed => format!("name it in {field}"),
        Rule::PolicyMatched => format!("set {field}.action.type to snapshot or fs-backup"),
        Rule::ClaimTypeExcluded => format!("have persistentvolumeclaims in the backup too: {field}"),
        Rule::NotOptedIn => format!("set {field} to the volume's name, or defaultVolumesToFsBackup: true"),
        Rule::OptedOut => format!("take the volume out of {field}"),
        Rule::PodNotInBackup => format!("have {object} in the backup"),
        Rule::PodNotRunning | Rule::NoPodMounts => {
            "take it by snapshot instead, or have a pod that mounts it running when the backup runs".to_owned()
        }
        Rule::NodeAgentMissing => "let the DaemonSet node-agent run on every node that mounts volumes".to_owned(),
        Rule::HostPathVolume | Rule::BlockVolume | Rule::NotMounted => {
            "take it by CSI snapshot: it cannot be copied file by file".to_owned()
        }
        Rule::NeverCopied => "keep the data on a claim: volumes of this kind are never copied".to_owned(),
        Rule::SnapshotSuppressed => format!("decide for one way in {field}"),
        Rule::SnapshotsOff => format!("remove {field}: false"),
        Rule::CsiOff => "add --features=EnableCSI to the server and to node-agent".to_owned(),
        Rule::NotCsi | Rule::NoSnapshotLocation => {
            "set defaultVolumesToFsBackup: true, or backup.velero.io/backup-volumes on the pod".to_owned()
        }
        Rule::ClaimUnbound => "bind the claim, delete it, or add a volume policy that skips it".to_owned(),
        Rule::VolumeMissing | Rule::ClaimMissing => format!("delete or repair what {field} points to"),
        Rule::ClaimWithoutClass | Rule::StorageClassMissing => {
            format!("give {field} a StorageClass that exists, or copy its files instead")
        }
        Rule::NoSnapshotClass => {
            "label one VolumeSnapshotClass of the driver velero.io/csi-volumesnapshot-class=true".to_owned()
        }
        Rule::VolumeNotInBackup | Rule::VolumeUnlisted => "have persistentvolumes in the backup too".to_owned(),
        Rule::NamespaceIncluded
        | Rule::NamespaceNotActive
        | Rule::NamespaceKept
        | Rule::NamespaceHoldsNothing
        | Rule::TypeIncluded
        | Rule::TypeAlwaysExcluded
        | Rule::TypeNotCollected
        | Rule::TypeTakenElsewhere
        | Rule::SelectorMatched
        | Rule::BeingDeleted
        | Rule::BroughtByPod
        | Rule::BroughtByClaim
        | Rule::PodBroughtByClaim
        | Rule::BroughtByGroup
        | Rule::BroughtByServiceAccount
        | Rule::BroughtByInstance
        | Rule::BroughtBySnapshot
        | Rule::DroppedByError
        | Rule::CopiedByDefault
        | Rule::OptedIn
        | Rule::CopiedFromOtherPod
        | Rule::Copied
        | Rule::SnapshotClassChosen
        | Rule::DataMoved
        | Rule::NativeSnapshot
        | Rule::HookMatchesNothing
        | Rule::HookContainerMissing
        | Rule::NotRead => return None,
    };
    Some(line)
}

/// `spec.labelSelector` of `spec.labelSelector.matchLabels[app]`.
fn selector(field: &str) -> &str {
    let names = ["labelSelector", "orLabelSelectors"];
    let end = names.iter().find_map(|name| field.find(name).map(|at| at + name.len()));
    end.and_then(|end| field.get(..end)).unwrap_or(field)
}
