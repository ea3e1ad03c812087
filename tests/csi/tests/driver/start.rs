//! Starting, registering, ending.

use std::fs;

use tonic::Code;

use crate::csi::identity_client::IdentityClient;
use crate::csi::plugin_capability::{Service, Type, service};
use crate::csi::{
    ControllerGetCapabilitiesRequest, ControllerUnpublishVolumeRequest, GetPluginCapabilitiesRequest,
    GetPluginInfoRequest, PluginCapability, ProbeRequest, controller_service_capability,
};
use crate::registration::registration_client::RegistrationClient;
use crate::registration::{InfoRequest, RegistrationStatus};
use crate::running::{Home, NAME, NODE, channel, refused};

#[tokio::test]
async fn it_says_who_it_is_and_that_it_is_ready() {
    let home = Home::new();
    let _driver = home.start();
    let mut identity = IdentityClient::new(channel(&home.path("csi.sock")));
    assert_eq!(identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner().name, NAME);
    assert_eq!(identity.probe(ProbeRequest {}).await.unwrap().into_inner().ready, Some(true));
    let capabilities =
        identity.get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap().into_inner().capabilities;
    let controller = Type::Service(Service { r#type: service::Type::ControllerService.into() });
    assert_eq!(capabilities, [PluginCapability { r#type: Some(controller) }]);
}

#[tokio::test]
async fn the_kubelet_learns_its_name_and_endpoint() {
    let home = Home::new();
    let _driver = home.start();
    let mut registration = RegistrationClient::new(channel(&home.registration_socket()));
    let info = registration.get_info(InfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.r#type.as_str(), info.name.as_str()), ("CSIPlugin", NAME));
    assert_eq!(info.endpoint, home.path("csi.sock").display().to_string());
    assert_eq!(info.supported_versions, ["1.0.0"]);
    let refused = RegistrationStatus { plugin_registered: false, error: "no room".to_owned() };
    registration.notify_registration_status(refused).await.unwrap();
    assert!(home.log().contains("NotifyRegistrationStatus refused: no room Ok"));
}

#[tokio::test]
async fn it_offers_only_what_its_flags_say() {
    use controller_service_capability::rpc::Type as Offer;
    for (attach_required, list_snapshots) in [(false, false), (true, true)] {
        let home = Home { attach_required, list_snapshots, ..Home::new() };
        let _driver = home.start();
        let answer = home.controller().controller_get_capabilities(ControllerGetCapabilitiesRequest {}).await;
        let offers: Vec<Offer> = answer
            .unwrap()
            .into_inner()
            .capabilities
            .into_iter()
            .map(|capability| match capability.r#type.unwrap() {
                controller_service_capability::Type::Rpc(rpc) => rpc.r#type(),
            })
            .collect();
        assert_eq!(offers.contains(&Offer::PublishUnpublishVolume), attach_required);
        assert_eq!(offers.contains(&Offer::ListSnapshots), list_snapshots);
        if !attach_required {
            let detach = ControllerUnpublishVolumeRequest { volume_id: "vol-1".to_owned(), node_id: NODE.to_owned() };
            assert_eq!(refused(home.controller().controller_unpublish_volume(detach).await), Code::Unimplemented);
        }
    }
}

#[tokio::test]
async fn sigterm_ends_it_with_success_and_takes_its_sockets_away() {
    let home = Home::new();
    let driver = home.start();
    home.create("pvc-1").await;
    assert!(driver.terminate().success());
    assert!(!home.path("csi.sock").exists());
    assert!(!home.registration_socket().exists());
}

#[tokio::test]
async fn after_a_kill_it_starts_again_over_its_own_stale_sockets() {
    let home = Home::new();
    let driver = home.start();
    driver.kill();
    assert!(home.path("csi.sock").exists());
    let _driver = home.start();
    home.create("pvc-1").await;
}

#[tokio::test]
async fn a_restart_loses_nothing_and_clears_what_a_broken_call_left() {
    let home = Home::new();
    let driver = home.start();
    let volume = home.create("pvc-1").await;
    fs::write(home.volume(&volume).join("rows"), "1000").unwrap();
    let snapshot = home.take("snapshot-1", &volume).await;
    driver.kill();
    let leftover = home.path("state/volumes/vol-halfmade");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("rows"), "5").unwrap();

    let _driver = home.start();
    assert!(!leftover.exists());
    assert_eq!(home.create("pvc-1").await, volume);
    assert_eq!(home.take("snapshot-1", &volume).await, snapshot);
    assert_eq!(fs::read_to_string(home.volume(&volume).join("rows")).unwrap(), "1000");
}

#[tokio::test]
async fn each_call_leaves_one_line_with_its_result() {
    let home = Home::new();
    let _driver = home.start();
    home.create("pvc-1").await;
    let log = home.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("CreateVolume pvc-1 Ok")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines.iter().all(|line| line.ends_with(" ms")), "{log}");
}
