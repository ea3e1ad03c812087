//! Making, deleting and attaching volumes.

use std::fs;

use tonic::Code;

use crate::csi::volume_capability::{AccessType, BlockVolume};
use crate::csi::{
    CapacityRange, ControllerPublishVolumeRequest, ControllerUnpublishVolumeRequest, CreateVolumeRequest,
    DeleteVolumeRequest, ListVolumesRequest, ValidateVolumeCapabilitiesRequest, Volume, VolumeCapability,
};
use crate::running::{Home, MIB, NODE, from_volume, mounted, refused, volume_request};

fn of_size(name: &str, required_bytes: i64, limit_bytes: i64) -> CreateVolumeRequest {
    CreateVolumeRequest { capacity_range: Some(CapacityRange { required_bytes, limit_bytes }), ..volume_request(name) }
}

fn delete(volume: &Volume) -> DeleteVolumeRequest {
    DeleteVolumeRequest { volume_id: volume.volume_id.clone() }
}

fn attach(volume: &Volume, node_id: &str, readonly: bool) -> ControllerPublishVolumeRequest {
    ControllerPublishVolumeRequest {
        volume_id: volume.volume_id.clone(),
        node_id: node_id.to_owned(),
        volume_capability: Some(mounted()),
        readonly,
    }
}

fn detach(volume: &Volume) -> ControllerUnpublishVolumeRequest {
    ControllerUnpublishVolumeRequest { volume_id: volume.volume_id.clone(), node_id: NODE.to_owned() }
}

#[tokio::test]
async fn the_same_name_is_the_same_volume_and_another_size_is_refused() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    assert_eq!(volume.capacity_bytes, MIB);
    assert_eq!(home.create("pvc-1").await, volume);
    assert_ne!(home.create("pvc-2").await.volume_id, volume.volume_id);
    assert_eq!(refused(home.try_create(of_size("pvc-1", 2 * MIB, 0)).await), Code::AlreadyExists);
    assert_eq!(refused(home.try_create(of_size("pvc-3", 2 * MIB, MIB)).await), Code::InvalidArgument);
}

#[tokio::test]
async fn a_volume_deleted_twice_is_deleted_and_its_name_makes_a_new_one() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    let mut controller = home.controller();
    controller.delete_volume(delete(&volume)).await.unwrap();
    controller.delete_volume(delete(&volume)).await.unwrap();
    assert!(!home.volume(&volume).exists());
    assert_eq!(fs::read_dir(home.path("state/volumes")).unwrap().count(), 0);
    assert_ne!(home.create("pvc-1").await.volume_id, volume.volume_id);
}

#[tokio::test]
async fn a_block_device_is_refused() {
    let home = Home::new();
    let _driver = home.start();
    let block = VolumeCapability { access_type: Some(AccessType::Block(BlockVolume {})), ..mounted() };
    let request = CreateVolumeRequest { volume_capabilities: vec![block.clone()], ..volume_request("pvc-1") };
    assert_eq!(refused(home.try_create(request).await), Code::InvalidArgument);

    let volume = home.create("pvc-2").await;
    let validate = |capability| ValidateVolumeCapabilitiesRequest {
        volume_id: volume.volume_id.clone(),
        volume_capabilities: vec![capability],
    };
    let mut controller = home.controller();
    let answer = controller.validate_volume_capabilities(validate(block)).await.unwrap().into_inner();
    assert_eq!(answer.confirmed, None);
    let answer = controller.validate_volume_capabilities(validate(mounted())).await.unwrap().into_inner();
    assert_eq!(answer.confirmed.unwrap().volume_capabilities, [mounted()]);
}

#[tokio::test]
async fn a_clone_holds_what_its_source_held_and_goes_its_own_way() {
    let home = Home::new();
    let _driver = home.start();
    let volume = home.create("pvc-1").await;
    fs::write(home.volume(&volume).join("rows"), "1000").unwrap();
    let clone = home.try_create(from_volume("pvc-2", &volume)).await.unwrap();
    fs::write(home.volume(&volume).join("rows"), "0").unwrap();
    assert_eq!(fs::read_to_string(home.volume(&clone).join("rows")).unwrap(), "1000");
}

#[tokio::test]
async fn an_attached_volume_is_not_deleted() {
    let home = Home::new();
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    let mut controller = home.controller();
    assert_eq!(refused(controller.controller_publish_volume(attach(&volume, "node2", false)).await), Code::NotFound);
    controller.controller_publish_volume(attach(&volume, NODE, false)).await.unwrap();
    controller.controller_publish_volume(attach(&volume, NODE, false)).await.unwrap();
    let other = controller.controller_publish_volume(attach(&volume, NODE, true)).await;
    assert_eq!(refused(other), Code::AlreadyExists);

    driver.kill();
    let _driver = home.start();
    let mut controller = home.controller();
    assert_eq!(refused(controller.delete_volume(delete(&volume)).await), Code::FailedPrecondition);
    controller.controller_unpublish_volume(detach(&volume)).await.unwrap();
    controller.controller_unpublish_volume(detach(&volume)).await.unwrap();
    controller.delete_volume(delete(&volume)).await.unwrap();
}

#[tokio::test]
async fn volumes_are_listed_page_by_page_with_their_nodes() {
    let home = Home::new();
    let _driver = home.start();
    let mut controller = home.controller();
    let mut made = Vec::new();
    for name in ["pvc-1", "pvc-2", "pvc-3"] {
        let volume = home.create(name).await;
        controller.controller_publish_volume(attach(&volume, NODE, false)).await.unwrap();
        made.push(volume.volume_id);
    }
    made.sort();
    let mut listed = Vec::new();
    let mut starting_token = String::new();
    loop {
        let request = ListVolumesRequest { max_entries: 2, starting_token };
        let answer = controller.list_volumes(request).await.unwrap().into_inner();
        assert!(answer.entries.len() <= 2);
        for entry in answer.entries {
            assert_eq!(entry.status.unwrap().published_node_ids, [NODE]);
            listed.push(entry.volume.unwrap().volume_id);
        }
        if answer.next_token.is_empty() {
            break;
        }
        starting_token = answer.next_token;
    }
    assert_eq!(listed, made);
}
