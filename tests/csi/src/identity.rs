//! Who the driver is.

use tonic::{Request, Response, Status};

use crate::call::logged;
use crate::proto::csi::identity_server::Identity;
use crate::proto::csi::plugin_capability::{Service, Type, service};
use crate::proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    PluginCapability, ProbeRequest, ProbeResponse,
};

pub(crate) struct IdentityService {
    driver_name: String,
}

impl IdentityService {
    pub(crate) fn new(driver_name: &str) -> Self {
        Self { driver_name: driver_name.to_owned() }
    }
}

#[tonic::async_trait]
impl Identity for IdentityService {
    async fn get_plugin_info(
        &self,
        _request: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        let info = GetPluginInfoResponse {
            name: self.driver_name.clone(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        logged("GetPluginInfo", &self.driver_name, async { Ok(info) }).await
    }

    async fn get_plugin_capabilities(
        &self,
        _request: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        let controller = Service { r#type: service::Type::ControllerService.into() };
        let capabilities = vec![PluginCapability { r#type: Some(Type::Service(controller)) }];
        let answer = GetPluginCapabilitiesResponse { capabilities };
        logged("GetPluginCapabilities", &self.driver_name, async { Ok(answer) }).await
    }

    async fn probe(&self, _request: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        logged("Probe", &self.driver_name, async { Ok(ProbeResponse { ready: Some(true) }) }).await
    }
}
