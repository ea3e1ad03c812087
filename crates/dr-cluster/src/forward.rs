//! A byte stream to where a URL points: directly, or through a port-forward when only the cluster reaches its host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object, string_map};
use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::ConfigVerifierExt as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::api_error::ApiError;
use crate::connect::Connection;
use crate::request::{self, Selection};

/// A host that is reachable at all answers sooner.
const DIRECT: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

/// Both directions of a connection, whatever carries them.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("{0} is not a URL that can be read from")]
    Url(String),
    #[error("{host} is not reachable from here ({direct}) and is no Service of the cluster")]
    Unreachable { host: String, direct: String },
    #[error("{host} is not reachable from here, and not through the cluster either: {because}")]
    NoWay { host: String, because: String },
    #[error("cannot read about {host} in the cluster")]
    Api {
        host: String,
        #[source]
        cause: ApiError,
    },
    #[error("no secure connection to {host}: {because}")]
    Tls { host: String, because: String },
}

/// How the location's certificate is judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// PEM, from the location's `caCert`.
    pub(crate) authority: Option<Vec<u8>>,
}

/// Connects to the URL's host; `home` is the namespace a bare Service name belongs to.
pub(crate) async fn open(
    connection: &Connection,
    url: &Uri,
    home: &str,
    trust: &Trust,
) -> Result<Box<dyn Stream>, ForwardError> {
    let host = url.host().ok_or_else(|| ForwardError::Url("an address without a host".to_owned()))?;
    let secure = match url.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => return Err(ForwardError::Url(format!("an address at {host}"))),
    };
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let direct = match tokio::time::timeout(DIRECT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", DIRECT.as_secs())),
    };
    let stream: Box<dyn Stream> = match direct {
        Ok(stream) => Box::new(stream),
        Err(direct) => {
            let Some(service) = service(host, home) else {
                return Err(ForwardError::Unreachable { host: host.to_owned(), direct });
            };
            through_cluster(connection, host, &service, port).await?
        }
    };
    if secure { encrypt(stream, host, trust).await } else { Ok(stream) }
}

/// The Service a host name of the cluster names: `s3`, `s3.velero`, `s3.velero.svc`, `s3.velero.svc.cluster.local`.
fn service(host: &str, home: &str) -> Option<Key> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if labels.iter().all(|label| label.parse::<u8>().is_ok()) {
        return None;
    }
    match labels.as_slice() {
        [name] => Some(Key::namespaced(Kind::Service, home, *name)),
        [name, namespace] | [name, namespace, "svc", ..] => Some(Key::namespaced(Kind::Service, *namespace, *name)),
        _ => None,
    }
}

async fn through_cluster(
    connection: &Connection,
    host: &str,
    service: &Key,
    port: u16,
) -> Result<Box<dyn Stream>, ForwardError> {
    let no_way = |because: String| ForwardError::NoWay { host: host.to_owned(), because };
    let api = |cause| ForwardError::Api { host: host.to_owned(), cause };
    let deadline = Instant::now() + PATIENCE;
    let found = request::get(connection, service, deadline).await.map_err(api)?;
    let found = found.ok_or_else(|| no_way(format!("there is no {service}")))?;
    let target = target_port(&found, port).ok_or_else(|| no_way(format!("{service} has no port {port}")))?;
    let labels: BTreeMap<String, String> = string_map(found.at("/spec/selector"));
    if labels.is_empty() {
        return Err(no_way(format!("{service} selects no pods")));
    }
    let selection = Selection {
        kind: Kind::Pod,
        namespace: service.namespace.as_deref(),
        labels: request::selector(&labels),
        metadata_only: false,
    };
    let pods = request::list(connection, &selection, deadline).await.map_err(api)?;
    let pod = pods.iter().find(|pod| is_ready(pod)).ok_or_else(|| no_way(format!("no pod of {service} is ready")))?;
    let number = match &target {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(name) => named_port(pod, name),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number =
        number.ok_or_else(|| no_way(format!("{service} leads to port {target}, which its pod does not name")))?;
    let pods: Api<Pod> = Api::namespaced(connection.client.clone(), service.namespace.as_deref().unwrap_or_default());
    let mut forwarder = pods.portforward(pod.name(), &[number]).await.map_err(|error| api(ApiError::from(error)))?;
    let stream = forwarder.take_stream(number).ok_or_else(|| no_way("the server opened no stream".to_owned()))?;
    // Its task carries the bytes until both ends are closed.
    tokio::spawn(async move {
        if let Err(error) = forwarder.join().await {
            tracing::debug!("port-forward: {error}");
        }
    });
    Ok(Box::new(stream))
}

fn target_port(service: &Object, port: u16) -> Option<Value> {
    let entry = service
        .list_at("/spec/ports")
        .iter()
        .find(|entry| entry.get("port").and_then(Value::as_u64) == Some(u64::from(port)))?;
    Some(entry.get("targetPort").cloned().unwrap_or_else(|| Value::from(port)))
}

fn named_port(pod: &Object, name: &str) -> Option<u16> {
    let containers = pod.list_at("/spec/containers").iter();
    let mut ports = containers.filter_map(|container| container.get("ports")?.as_array()).flatten();
    let port = ports.find(|port| port.get("name").and_then(Value::as_str) == Some(name))?;
    u16::try_from(port.get("containerPort")?.as_u64()?).ok()
}

fn is_ready(pod: &Object) -> bool {
    !pod.is_terminating()
        && pod.list_at("/status/conditions").iter().any(|condition| {
            condition.get("type").and_then(Value::as_str) == Some("Ready")
                && condition.get("status").and_then(Value::as_str) == Some("True")
        })
}

async fn encrypt(stream: Box<dyn Stream>, host: &str, trust: &Trust) -> Result<Box<dyn Stream>, ForwardError> {
    let tls = |because: String| ForwardError::Tls { host: host.to_owned(), because };
    let config = match &trust.authority {
        Some(pem) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| tls(format!("the location's caCert: {error}")))?;
                roots.add(certificate).map_err(|error| tls(format!("the location's caCert: {error}")))?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| tls(error.to_string()))?
                .with_root_certificates(roots)
                .with_no_client_auth()
        }
        None => rustls::ClientConfig::with_platform_verifier().map_err(|error| tls(error.to_string()))?,
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| tls(error.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| tls(error.to_string()))?;
    Ok(Box::new(stream))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_of_the_cluster_names_its_service() {
        let told = |host| service(host, "velero").map(|key| key.to_string());
        assert_eq!(told("s3.storage.svc.cluster.local").as_deref(), Some("services/storage/s3"));
        assert_eq!(told("s3.storage.svc").as_deref(), Some("services/storage/s3"));
        assert_eq!(told("s3.storage").as_deref(), Some("services/storage/s3"));
        assert_eq!(told("s3").as_deref(), Some("services/velero/s3"));
        assert_eq!(told("s3.eu-west-1.amazonaws.com"), None);
        assert_eq!(told("192.0.2.7"), None);
    }

    #[test]
    fn a_named_target_port_is_the_pods() {
        let service = Object(json!({ "spec": { "ports": [{ "port": 80, "targetPort": "web" }, { "port": 9000 }] } }));
        let pod =
            Object(json!({ "spec": { "containers": [{}, { "ports": [{ "name": "web", "containerPort": 8080 }] }] } }));
        assert_eq!(target_port(&service, 80), Some(json!("web")));
        assert_eq!(target_port(&service, 9000), Some(json!(9000)));
        assert_eq!(target_port(&service, 443), None);
        assert_eq!(named_port(&pod, "web"), Some(8080));
        assert_eq!(named_port(&pod, "admin"), None);
    }
}
