//! Taking, listing and using snapshots.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tonic::Code;

use crate::csi::{
    CapacityRange, CreateSnapshotRequest, CreateVolumeRequest, DeleteSnapshotRequest, ListSnapshotsRequest,
};
use crate::running::{Home, from_snapshot, refused};

/// Every file with its kind, mode, owner, size on the disk and content digest, as GNU tools tell them.
fn manifest(dir: &Path) -> String {
    let tell = "find . -printf '%p %y %m %U:%G %s %b %l\\n' | sort; find . -type f -exec sha256sum {} + | sort -k2";
    let told = Command::new("sh").args(["-c", tell]).current_dir(dir).output().unwrap();
    assert!(told.status.success());
    // What a folder takes on the disk is the file system's affair.
    String::from_utf8(told.stdout).unwrap()
}

fn fill(dir: &Path) {
    fs::create_dir(dir.join("base")).unwrap();
    fs::set_permissions(dir.join("base"), fs::Permissions::from_mode(0o2770)).unwrap();
    fs::write(dir.join("base/rows"), "1000").unwrap();
    fs::set_permissions(dir.join("base/rows"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("base/rows", dir.join("link")).unwrap();
    fs::File::create(dir.join("holes")).unwrap().set_len(8 << 20).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o2775)).unwrap();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        std::os::unix::fs::chown(dir.join("base/rows"), Some(999), Some(998)).unwrap();
        std::os::unix::fs::chown(dir, None, Some(998)).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o2775)).unwrap();
    }
}

#[tokio::test]
async fn a_volume_from_a_snapshot_is_what_the_volume_was_when_it_was_taken() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    fill(&home.volume(&volume));
    let before = manifest(&home.volume(&volume));
    let snapshot = home.take("snapshot-1", &volume).await;
    assert!(snapshot.ready_to_use);
    fs::write(home.volume(&volume).join("base/rows"), "0").unwrap();

    let restored = home.try_create(from_snapshot("pvc-2", &snapshot)).await.unwrap();
    assert_eq!(manifest(&home.volume(&restored)), before);
    assert_eq!(manifest(&home.snapshot(&snapshot)), before);
    let holes = fs::metadata(home.volume(&restored).join("holes")).unwrap();
    assert!(holes.blocks() < 64, "{} blocks", holes.blocks());
}

#[tokio::test]
async fn the_same_name_is_the_same_snapshot_and_another_source_is_refused() {
    let home = Home::new();
    let _driver = home.start();
    let (one, other) = (home.create("pvc-1").await, home.create("pvc-2").await);
    let snapshot = home.take("snapshot-1", &one).await;
    assert_eq!(home.take("snapshot-1", &one).await, snapshot);
    let request = |source: &str| CreateSnapshotRequest {
        source_volume_id: source.to_owned(),
        name: if source.is_empty() { "snapshot-2" } else { "snapshot-1" }.to_owned(),
    };
    let mut controller = home.controller();
    assert_eq!(refused(controller.create_snapshot(request(&other.volume_id)).await), Code::AlreadyExists);
    assert_eq!(refused(controller.create_snapshot(request("")).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_snapshot_outlives_its_volume_and_is_deleted_once() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let snapshot = home.take("snapshot-1", &volume).await;
    let mut controller = home.controller();
    let delete = crate::csi::DeleteVolumeRequest { volume_id: volume.volume_id.clone() };
    controller.delete_volume(delete).await.unwrap();
    home.try_create(from_snapshot("pvc-2", &snapshot)).await.unwrap();

    let delete = DeleteSnapshotRequest { snapshot_id: snapshot.snapshot_id.clone() };
    controller.delete_snapshot(delete.clone()).await.unwrap();
    controller.delete_snapshot(delete).await.unwrap();
    assert!(!home.snapshot(&snapshot).exists());
    assert_eq!(refused(home.try_create(from_snapshot("pvc-3", &snapshot)).await), Code::NotFound);
}

#[tokio::test]
async fn a_volume_smaller_than_its_snapshot_is_refused() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let snapshot = home.take("snapshot-1", &volume).await;
    let small = CapacityRange { required_bytes: 1, limit_bytes: 0 };
    let request = CreateVolumeRequest { capacity_range: Some(small), ..from_snapshot("pvc-2", &snapshot) };
    assert_eq!(refused(home.try_create(request).await), Code::OutOfRange);
}

#[tokio::test]
async fn snapshots_are_listed_by_id_by_source_and_page_by_page() {
    let home = Home::new();
    let _driver = home.start();
    let (one, other) = (home.create("pvc-1").await, home.create("pvc-2").await);
    let mut of_one = Vec::new();
    for name in ["snapshot-1", "snapshot-2", "snapshot-3"] {
        of_one.push(home.take(name, &one).await.snapshot_id);
    }
    of_one.sort();
    let of_other = home.take("snapshot-4", &other).await.snapshot_id;

    let list = |request: ListSnapshotsRequest| {
        let mut controller = home.controller();
        async move {
            let answer = controller.list_snapshots(request).await.unwrap().into_inner();
            let ids = answer.entries.into_iter().map(|entry| entry.snapshot.unwrap().snapshot_id);
            (ids.collect::<Vec<_>>(), answer.next_token)
        }
    };
    let by_id = ListSnapshotsRequest { snapshot_id: of_other.clone(), ..ListSnapshotsRequest::default() };
    assert_eq!(list(by_id).await.0, [of_other]);
    let nobody = ListSnapshotsRequest { snapshot_id: "snap-gone".to_owned(), ..ListSnapshotsRequest::default() };
    assert_eq!(list(nobody).await.0, [""; 0]);

    let by_source = ListSnapshotsRequest {
        source_volume_id: one.volume_id.clone(),
        max_entries: 2,
        ..ListSnapshotsRequest::default()
    };
    let (mut first, starting_token) = list(by_source.clone()).await;
    assert_eq!(first.len(), 2);
    let (second, end) = list(ListSnapshotsRequest { starting_token, ..by_source }).await;
    first.extend(second);
    assert_eq!((first, end.as_str()), (of_one, ""));

    let foreign = ListSnapshotsRequest { starting_token: "7".to_owned(), ..ListSnapshotsRequest::default() };
    assert_eq!(refused(home.controller().list_snapshots(foreign).await), Code::Aborted);
}
