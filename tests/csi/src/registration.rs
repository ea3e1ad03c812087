//! How the kubelet finds the driver: a second socket in its `plugins_registry`.

use std::path::{Path, PathBuf};

use tonic::{Request, Response, Status};

use crate::call::logged;
use crate::proto::registration::registration_server::Registration;
use crate::proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};

/// The registration socket of a driver.
///
/// The `@` is what lets the kubelet in. It sends the socket's path, percent-encoded, as the HTTP/2 `:authority`, and
/// our HTTP library refuses `%` in a host name (the call ends with `PROTOCOL_ERROR`) but allows it before an `@`.
pub(crate) fn socket(registration_dir: &Path, driver_name: &str) -> PathBuf {
    registration_dir.join(format!("{driver_name}@reg.sock"))
}

pub(crate) struct RegistrationService {
    info: PluginInfo,
}

impl RegistrationService {
    pub(crate) fn new(driver_name: &str, endpoint: &Path) -> Self {
        let info = PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: driver_name.to_owned(),
            endpoint: endpoint.display().to_string(),
            supported_versions: vec!["1.0.0".to_owned()],
        };
        Self { info }
    }
}

#[tonic::async_trait]
impl Registration for RegistrationService {
    async fn get_info(&self, _request: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        logged("GetInfo", &self.info.name, async { Ok(self.info.clone()) }).await
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let RegistrationStatus { plugin_registered, error } = request.into_inner();
        let about = if plugin_registered { "registered".to_owned() } else { format!("refused: {error}") };
        logged("NotifyRegistrationStatus", &about, async { Ok(RegistrationStatusResponse {}) }).await
    }
}
