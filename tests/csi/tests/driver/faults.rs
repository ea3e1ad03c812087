//! Each fault does what it says while its file is there, and no longer.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tonic::Code;

use crate::csi::{
    ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest, DeleteVolumeRequest, ListSnapshotsRequest,
};
use crate::running::{Home, NODE, from_snapshot, mounted, refused, skip, volume_request};

#[tokio::test]
async fn slow_snapshot_is_ready_only_after_its_seconds() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    home.fault("slow-snapshot", "2\n");
    let snapshot = home.take("snapshot-1", &volume).await;
    assert!(!snapshot.ready_to_use);
    assert_eq!(refused(home.try_create(from_snapshot("pvc-2", &snapshot)).await), Code::Unavailable);
    home.no_fault("slow-snapshot");
    assert!(home.take("snapshot-2", &volume).await.ready_to_use);

    let start = Instant::now();
    while !home.take("snapshot-1", &volume).await.ready_to_use {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(start.elapsed() > Duration::from_millis(1500), "ready after {:?}", start.elapsed());
    home.try_create(from_snapshot("pvc-2", &snapshot)).await.unwrap();
}

#[tokio::test]
async fn a_slow_snapshot_without_a_number_is_an_error_and_no_guess() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    home.fault("slow-snapshot", "soon");
    let request = crate::csi::CreateSnapshotRequest { source_volume_id: volume.volume_id, name: "s".to_owned() };
    assert_eq!(refused(home.controller().create_snapshot(request).await), Code::Internal);
}

#[tokio::test]
async fn fail_create_answers_with_the_files_text() {
    let home = Home::new();
    let _driver = home.start();
    home.fault("fail-create", "the pool is full\n");
    let status = home.try_create(volume_request("pvc-1")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "the pool is full"));
    assert_eq!(fs::read_dir(home.path("state/volumes")).unwrap().count(), 0);
    home.no_fault("fail-create");
    home.create("pvc-1").await;
}

#[tokio::test]
async fn fail_create_from_snapshot_leaves_other_volumes_alone() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let snapshot = home.take("snapshot-1", &volume).await;
    home.fault("fail-create-from-snapshot", "no");
    assert_eq!(refused(home.try_create(from_snapshot("pvc-2", &snapshot)).await), Code::ResourceExhausted);
    home.create("pvc-3").await;
}

#[tokio::test]
async fn lost_snapshots_are_found_again_when_the_fault_ends() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let snapshot = home.take("snapshot-1", &volume).await;
    home.fault("lost-snapshots", "");
    assert_eq!(refused(home.try_create(from_snapshot("pvc-2", &snapshot)).await), Code::NotFound);
    let list = home.controller().list_snapshots(ListSnapshotsRequest::default()).await.unwrap().into_inner();
    assert_eq!(list.entries, []);
    home.no_fault("lost-snapshots");
    home.try_create(from_snapshot("pvc-2", &snapshot)).await.unwrap();
}

#[tokio::test]
async fn empty_from_snapshot_reports_success_over_an_empty_volume() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    fs::write(home.volume(&volume).join("rows"), "1000").unwrap();
    let snapshot = home.take("snapshot-1", &volume).await;
    home.fault("empty-from-snapshot", "");
    let empty = home.try_create(from_snapshot("pvc-2", &snapshot)).await.unwrap();
    assert_eq!(fs::read_dir(home.volume(&empty)).unwrap().count(), 0);
    home.no_fault("empty-from-snapshot");
    let whole = home.try_create(from_snapshot("pvc-3", &snapshot)).await.unwrap();
    assert!(home.volume(&whole).join("rows").exists());
}

#[tokio::test]
async fn hang_detach_keeps_a_volume_attached_until_the_fault_ends() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let volume_id = volume.volume_id.clone();
    let attach = ControllerPublishVolumeRequest {
        volume_id: volume_id.clone(),
        node_id: NODE.to_owned(),
        volume_capability: Some(mounted()),
        readonly: false,
    };
    home.controller().controller_publish_volume(attach).await.unwrap();
    home.fault("hang-detach", "");
    let detach = ControllerUnpublishVolumeRequest { volume_id: volume_id.clone(), node_id: NODE.to_owned() };
    let mut controller = home.controller();
    let mut hanging = Box::pin(controller.controller_unpublish_volume(detach));
    let waited = tokio::time::timeout(Duration::from_millis(700), &mut hanging).await;
    assert!(waited.is_err(), "it did not hang");
    let delete = home.controller().delete_volume(DeleteVolumeRequest { volume_id: volume_id.clone() }).await;
    assert_eq!(refused(delete), Code::FailedPrecondition);
    home.no_fault("hang-detach");
    hanging.await.unwrap();
    home.controller().delete_volume(DeleteVolumeRequest { volume_id }).await.unwrap();
}

#[tokio::test]
async fn a_detach_that_hangs_does_not_keep_the_driver_from_ending() {
    let home = Home::new();
    let driver = home.start();
    home.fault("hang-detach", "");
    let detach = ControllerUnpublishVolumeRequest { volume_id: "vol-1".to_owned(), node_id: NODE.to_owned() };
    let mut controller = home.controller();
    let hanging = tokio::time::timeout(Duration::from_millis(300), controller.controller_unpublish_volume(detach));
    assert!(hanging.await.is_err());
    assert!(driver.terminate().success());
}

#[tokio::test]
async fn full_volume_takes_what_it_was_made_from_and_the_given_bytes() {
    let home = match Home::that_mounts() {
        Ok(home) => home,
        Err(reason) => return skip(reason),
    };
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    fs::write(home.volume(&volume).join("rows"), vec![7; 300_000]).unwrap();
    let snapshot = home.take("snapshot-1", &volume).await;
    home.fault("full-volume", "65536");
    let empty = home.create("pvc-2").await;
    let restored = home.try_create(from_snapshot("pvc-3", &snapshot)).await.unwrap();
    home.no_fault("full-volume");

    for (volume, holds) in [(&empty, 0), (&restored, 1)] {
        let dir = driver.sees(&home.volume(volume));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), holds);
        fs::write(dir.join("fits"), vec![1; 40_000]).unwrap();
        let error = fs::write(dir.join("too-much"), vec![1; 40_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
    assert_eq!(fs::read(driver.sees(&home.volume(&restored)).join("rows")).unwrap(), vec![7; 300_000]);
    for volume in [empty, restored] {
        let delete = DeleteVolumeRequest { volume_id: volume.volume_id.clone() };
        home.controller().delete_volume(delete).await.unwrap();
        assert!(!home.volume(&volume).exists());
    }
}
