//! Mounting volumes; each driver in a mount namespace of its own, so this machine sees nothing of it.

use std::fs;
use std::io::ErrorKind;
use std::process::{Child, Command};

use tonic::Code;

use crate::csi::volume_usage::Unit;
use crate::csi::{
    ControllerPublishVolumeRequest, DeleteVolumeRequest, NodeGetInfoRequest, NodeGetVolumeStatsRequest,
    NodePublishVolumeRequest, NodeUnpublishVolumeRequest, Volume,
};
use crate::running::{Driver, Home, MIB, NODE, mounted, refused, skip, wait_for};

/// A home without attaching, whose driver may mount; `None` after saying why there is none.
fn mounting() -> Option<Home> {
    match Home::that_mounts() {
        Ok(home) => Some(Home { attach_required: false, ..home }),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

fn publish(home: &Home, volume: &Volume, target: &str, readonly: bool) -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: volume.volume_id.clone(),
        target_path: home.path(target).display().to_string(),
        volume_capability: Some(mounted()),
        readonly,
    }
}

fn unpublish(home: &Home, volume: &Volume, target: &str) -> NodeUnpublishVolumeRequest {
    NodeUnpublishVolumeRequest {
        volume_id: volume.volume_id.clone(),
        target_path: home.path(target).display().to_string(),
    }
}

#[tokio::test]
async fn it_says_which_node_it_is_on() {
    let home = Home::new();
    let _driver = home.start();
    assert_eq!(home.node().node_get_info(NodeGetInfoRequest {}).await.unwrap().into_inner().node_id, NODE);
}

#[tokio::test]
async fn a_volume_that_is_not_attached_is_not_mounted() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let answer = home.node().node_publish_volume(publish(&home, &volume, "pods/a/mount", false)).await;
    assert_eq!(refused(answer), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_mounted_volume_shows_its_files_and_is_not_deleted() {
    let Some(home) = mounting() else { return };
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    let target = driver.sees(&home.path("pods/a/mount"));
    let mut node = home.node();
    node.node_publish_volume(publish(&home, &volume, "pods/a/mount", false)).await.unwrap();
    node.node_publish_volume(publish(&home, &volume, "pods/a/mount", false)).await.unwrap();
    let other = node.node_publish_volume(publish(&home, &volume, "pods/a/mount", true)).await;
    assert_eq!(refused(other), Code::AlreadyExists);
    fs::write(target.join("rows"), "1000").unwrap();
    assert_eq!(fs::read_to_string(home.volume(&volume).join("rows")).unwrap(), "1000");

    let delete = DeleteVolumeRequest { volume_id: volume.volume_id.clone() };
    assert_eq!(refused(home.controller().delete_volume(delete.clone()).await), Code::FailedPrecondition);
    node.node_unpublish_volume(unpublish(&home, &volume, "pods/a/mount")).await.unwrap();
    node.node_unpublish_volume(unpublish(&home, &volume, "pods/a/mount")).await.unwrap();
    assert!(!target.exists());
    assert!(home.volume(&volume).join("rows").exists());
    home.controller().delete_volume(delete).await.unwrap();
}

#[tokio::test]
async fn a_volume_mounted_read_only_cannot_be_written() {
    let Some(home) = mounting() else { return };
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    home.node().node_publish_volume(publish(&home, &volume, "pods/a/mount", true)).await.unwrap();
    home.node().node_publish_volume(publish(&home, &volume, "pods/a/mount", true)).await.unwrap();
    let written = fs::write(driver.sees(&home.path("pods/a/mount/rows")), "1000");
    assert_eq!(written.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
}

#[tokio::test]
async fn files_under_an_unmounted_target_are_left_alone() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    fs::create_dir_all(home.path("pods/a/mount")).unwrap();
    fs::write(home.path("pods/a/mount/rows"), "1000").unwrap();
    assert!(home.node().node_unpublish_volume(unpublish(&home, &volume, "pods/a/mount")).await.is_err());
    assert!(home.path("pods/a/mount/rows").exists());
}

#[tokio::test]
async fn an_attached_volume_is_mounted_and_measured() {
    let Ok(home) = Home::that_mounts() else { return skip("mounting needs root") };
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let attach = ControllerPublishVolumeRequest {
        volume_id: volume.volume_id.clone(),
        node_id: NODE.to_owned(),
        volume_capability: Some(mounted()),
        readonly: false,
    };
    home.controller().controller_publish_volume(attach).await.unwrap();
    home.node().node_publish_volume(publish(&home, &volume, "pods/a/mount", false)).await.unwrap();
    fs::write(home.volume(&volume).join("rows"), vec![1; 8192]).unwrap();
    let request = NodeGetVolumeStatsRequest {
        volume_id: volume.volume_id.clone(),
        volume_path: home.path("pods/a/mount").display().to_string(),
    };
    let usage = home.node().node_get_volume_stats(request).await.unwrap().into_inner().usage;
    let bytes = usage.iter().find(|usage| usage.unit() == Unit::Bytes).unwrap();
    assert_eq!((bytes.total, bytes.used, bytes.available), (MIB, 8192, MIB - 8192));
}

const COUNTERS: usize = 20;

/// Adds a line to each counter in turn, for ever, from a mount namespace of its own, as a container does.
fn writer(driver: &Driver, home: &Home) -> Child {
    let script = format!("cd \"$1\"; while :; do for i in $(seq {COUNTERS}); do echo x >> $i/counter; done; done");
    Command::new("nsenter")
        .args(["--mount", "--target", &driver.pid().to_string()])
        .args(["unshare", "--mount", "sh", "-c", &script, "sh"])
        .arg(home.path("pods/a/mount"))
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_snapshot_of_a_volume_being_written_is_of_one_instant() {
    let Some(home) = mounting() else { return };
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    home.node().node_publish_volume(publish(&home, &volume, "pods/a/mount", false)).await.unwrap();
    let dir = home.volume(&volume);
    for number in 1..=COUNTERS {
        fs::create_dir(dir.join(number.to_string())).unwrap();
        fs::write(dir.join(number.to_string()).join("filler"), vec![1; 2 << 20]).unwrap();
    }
    let last = dir.join(COUNTERS.to_string()).join("counter");
    let mut writer = writer(&driver, &home);
    wait_for("the first round", || last.exists());

    let snapshot = home.take("snapshot-1", &volume).await;
    let then = fs::metadata(&last).unwrap().len();
    wait_for("the writer to go on", || fs::metadata(&last).unwrap().len() > then);
    writer.kill().unwrap();
    writer.wait().unwrap();

    let count = |number: usize| {
        let counter = home.snapshot(&snapshot).join(number.to_string()).join("counter");
        fs::metadata(counter).unwrap().len() / 2
    };
    let counts: Vec<u64> = (1..=COUNTERS).map(count).collect();
    assert!(counts.is_sorted_by(|before, after| before >= after), "not of one instant: {counts:?}");
    assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "not of one instant: {counts:?}");
}
