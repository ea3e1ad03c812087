use serde_json::json;

use super::*;
use crate::backup::covered::tests::{covered, of, paused};

#[test]
fn the_table_names_what_is_lost_first_with_the_line_to_change() {
    insta::assert_snapshot!(text(&covered(), false).unwrap(), @r"
    NOT CAPTURED: 1 of 2 claims of namespace shop, by any of 2 schedules

    VOLUME       DATA                     BY                   WHY                        TO CHANGE
    claim data   NOT CAPTURED, silently   schedule manifests   snapshotVolumes is false   remove spec.template.snapshotVolumes: false

    left out: secrets/key: it carries velero.io/exclude-from-backup=true (secrets/shop/key: metadata.labels[velero.io/exclude-from-backup])

    VOLUME       DATA                  BY                 WHY
    claim logs   CSI snapshot (snap)   schedule nightly   VolumeSnapshotClass snap is used: it is the only one of the driver

    not read, and not judged: backupstoragelocations.velero.io: forbidden
    ");
}

#[test]
fn a_paused_schedule_is_told_and_counts_for_nothing() {
    insta::assert_snapshot!(text(&paused(), false).unwrap(), @r"
    NOT CAPTURED: 2 of 2 claims of namespace shop, by any of 2 schedules
    schedule nightly takes nothing: it is paused (remove spec.paused: true)

    VOLUME       DATA                     BY                   WHY                        TO CHANGE
    claim data   NOT CAPTURED, silently   schedule manifests   snapshotVolumes is false   remove spec.template.snapshotVolumes: false
    claim logs   NOT CAPTURED, silently   schedule nightly     it is paused               remove spec.paused: true

    left out: secrets/key: it carries velero.io/exclude-from-backup=true (secrets/shop/key: metadata.labels[velero.io/exclude-from-backup])

    not read, and not judged: backupstoragelocations.velero.io: forbidden
    ");
}

#[test]
fn a_namespace_that_nothing_takes_is_told_in_the_first_line() {
    let other = of(&[("other", json!({"template": {"includedNamespaces": ["books"]}}))]);
    insta::assert_snapshot!(text(&other, false).unwrap(), @r"
    NOT CAPTURED: nothing of namespace shop is taken by schedule other
    schedule other would end PartiallyFailed
      namespace books is included and does not exist (spec.template.includedNamespaces[0])

    VOLUME       DATA                     BY               WHY                                                         TO CHANGE
    claim data   NOT CAPTURED, silently   schedule other   namespace shop is not in spec.template.includedNamespaces   add the namespace to spec.template.includedNamespaces
    claim logs   NOT CAPTURED, silently   schedule other   namespace shop is not in spec.template.includedNamespaces   add the namespace to spec.template.includedNamespaces

    left out: persistentvolumeclaims/data, persistentvolumeclaims/logs, namespaces/shop and 1 more: the namespace is not on the list of included ones (spec.template.includedNamespaces)

    not read, and not judged: backupstoragelocations.velero.io: forbidden
    ");
}

#[test]
fn a_backup_that_velero_would_refuse_tells_why() {
    let refused = of(&[("both", json!({"template": {"labelSelector": {}, "orLabelSelectors": [{}]}}))]);
    let text = text(&refused, false).unwrap();
    insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    NOT CAPTURED: nothing of namespace shop is taken by schedule both
    schedule both would end FailedValidation, with nothing in it
      labelSelector and orLabelSelectors exclude each other, an empty list too (spec.template.orLabelSelectors)
    ");
}

#[test]
fn a_backup_that_would_never_end_tells_what_of_it_makes_the_server_panic() {
    let any = json!([{"matchExpressions": [{"key": "app", "operator": "In"}]}]);
    let stuck = of(&[("any", json!({"template": {"orLabelSelectors": any}}))]);
    let text = text(&stuck, false).unwrap();
    insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    NOT CAPTURED: nothing of namespace shop is taken by schedule any
    schedule any would never end, with nothing in it, and hold up those after it
      orLabelSelectors[0] is invalid (In of app names no value), and the server panics on it: the backup stays InProgress until the server starts anew, and those after it wait (spec.template.orLabelSelectors[0])
    ");
}

#[test]
fn only_wide_names_everything() {
    let other = of(&[("other", json!({"template": {"includedNamespaces": ["books"]}}))]);
    let text = text(&other, true).unwrap();
    let line = text.lines().find(|line| line.starts_with("left out: ")).unwrap();
    let all = "left out: persistentvolumeclaims/data, persistentvolumeclaims/logs, namespaces/shop, secrets/key: ";
    assert!(line.starts_with(all), "{line}");
}

#[test]
fn a_namespace_whose_data_is_all_taken_begins_with_that() {
    let mut covered = covered();
    for by in &mut covered.judged {
        by.selection.volumes.retain(|verdict| verdict.volume.claim.as_deref() == Some("logs"));
    }
    let text = text(&covered, false).unwrap();
    assert_eq!(text.lines().next(), Some("captured: 1 of 1 claims of namespace shop, by any of 2 schedules"));
}

#[test]
fn why_tells_the_chain_with_places_and_sources_and_the_line_to_change() {
    let item = ItemRef::new("persistentvolumeclaims", Some("shop"), "data");
    insta::assert_snapshot!(why(&covered(), &item), @r"
    schedule manifests: persistentvolumeclaims/shop/data is in the backup
      1. namespace shop is included
         spec.template.includedNamespaces (namespace-included, pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude)
      2. persistentvolumeclaims is among the types the backup takes
         spec.template.includedNamespaceScopedResources (type-included, pkg/util/collections/includes_excludes.go:ShouldInclude)
      its data: NOT CAPTURED, silently
      1. snapshotVolumes is false
         spec.template.snapshotVolumes (snapshots-off, internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot)
      to change it: remove spec.template.snapshotVolumes: false
    schedule nightly: persistentvolumeclaims/shop/data is in the backup
      1. namespace shop is included
         spec.template.includedNamespaces[0] (namespace-included, pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude)
      2. persistentvolumeclaims is among the types the backup takes
         spec.template.includedNamespaceScopedResources (type-included, pkg/util/collections/includes_excludes.go:ShouldInclude)
      its data: NOT CAPTURED, silently
      1. persistentvolumes/pv-data is not of a CSI driver
         persistentvolumes/pv-data: spec.csi (not-csi, pkg/backup/actions/csi/pvc_action.go:validatePVCandPV)
      to change it: set defaultVolumesToFsBackup: true, or backup.velero.io/backup-volumes on the pod
    ");
}

#[test]
fn why_of_what_a_paused_schedule_would_take_names_the_pause() {
    let item = ItemRef::new("persistentvolumeclaims", Some("shop"), "logs");
    let paused = paused();
    let text = why(&paused, &item);
    let nightly = text.find("schedule nightly: ").and_then(|at| text.get(at..)).unwrap();
    insta::assert_snapshot!(nightly, @r"
    schedule nightly: persistentvolumeclaims/shop/logs is in the backup
      1. namespace shop is included
         spec.template.includedNamespaces[0] (namespace-included, pkg/util/collections/includes_excludes.go:NamespaceIncludesExcludes.ShouldInclude)
      2. persistentvolumeclaims is among the types the backup takes
         spec.template.includedNamespaceScopedResources (type-included, pkg/util/collections/includes_excludes.go:ShouldInclude)
      its data: CSI snapshot (snap)
      1. persistentvolumes/pv-logs is to be snapshotted: snapshotVolumes is not false
         spec.template.snapshotVolumes (snapshot-class-chosen, pkg/util/csi/volume_snapshot.go:GetVolumeSnapshotClass)
      2. VolumeSnapshotClass snap is used: it is the only one of the driver
         volumesnapshotclasses.snapshot.storage.k8s.io/snap: driver (snapshot-class-chosen, pkg/util/csi/volume_snapshot.go:GetVolumeSnapshotClass)
      and schedule nightly takes nothing: it is paused
      to change it: remove spec.paused: true
    ");
}
