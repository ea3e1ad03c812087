//! Documents of backups and restores in the object store, fetched the way Velero hands them out: a DownloadRequest is
//! answered with a signed URL. Credentials of the store are never seen here.

use std::io::Read as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dr_core::facts::Archive;
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::verify::{Contents, Fetched};
use flate2::read::GzDecoder;
use futures::stream;
use http::{Method, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::api_error::ApiError;
use crate::archive::{self, ArchiveError, ItemList, Watched};
use crate::connect::Connection;
use crate::forward::{self, ForwardError, Trust};
use crate::request::{self, JSON};

/// Velero answers a DownloadRequest within a second when it is alive.
const PROCESSED: Duration = Duration::from_secs(30);
/// Between two pieces of a download.
const SILENCE: Duration = Duration::from_secs(60);
/// Of a JSON document, packed and unpacked.
const PACKED_LIMIT: u64 = 64 * 1024 * 1024;
const UNPACKED_LIMIT: u64 = 512 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot ask Velero for it")]
    Api(#[from] ApiError),
    #[error("Velero did not answer the DownloadRequest within {} s: does its server run?", PROCESSED.as_secs())]
    NotProcessed,
    #[error("the object store has no such document")]
    NotInStore,
    #[error("the object store answers {status}{}", .code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused { status: u16, code: Option<String> },
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("the download broke off: {0}")]
    Broken(String),
    #[error("the document is damaged or cut short: {0}")]
    Damaged(String),
    #[error("the document is larger than {UNPACKED_LIMIT} bytes")]
    TooLarge,
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl FetchError {
    /// What the store holds is to blame: asking again changes nothing.
    pub fn is_final(&self) -> bool {
        match self {
            Self::NotInStore | Self::Damaged(_) | Self::TooLarge | Self::Archive(_) => true,
            Self::Api(_) | Self::NotProcessed | Self::Refused { .. } | Self::Forward(_) | Self::Broken(_) => false,
        }
    }
}

/// Fetches documents through one Velero. `request_name` must be new for every call; a DownloadRequest of it is made and
/// deleted again.
#[derive(Clone)]
pub struct Documents {
    connection: Connection,
    velero_namespace: String,
}

impl Documents {
    pub fn new(connection: &Connection, velero_namespace: impl Into<String>) -> Self {
        Self { connection: connection.clone(), velero_namespace: velero_namespace.into() }
    }

    /// One entry per volume of the backup.
    pub async fn volume_infos(&self, backup: &str, request_name: &str) -> Result<Vec<Value>, FetchError> {
        match self.json("BackupVolumeInfos", Kind::Backup, backup, request_name).await? {
            Value::Array(infos) => Ok(infos),
            Value::Null => Ok(Vec::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(FetchError::Damaged("it is no list".to_owned()))
            }
        }
    }

    /// What the archive holds of the namespace, and every cluster-scoped item.
    pub async fn archive(&self, backup: &str, namespace: &str, request_name: &str) -> Result<Archive, FetchError> {
        let body = self.download("BackupContents", Kind::Backup, backup, request_name).await?;
        let namespace = namespace.to_owned();
        let reader = SyncIoBridge::new(reader(body));
        let parsed = tokio::task::spawn_blocking(move || archive::read(reader, &namespace)).await;
        Ok(parsed.map_err(|error| FetchError::Broken(error.to_string()))??)
    }

    /// What Velero says it backed up.
    pub async fn item_list(&self, backup: &str, request_name: &str) -> Result<ItemList, FetchError> {
        let packed = self.packed("BackupResourceList", Kind::Backup, backup, request_name).await?;
        let parsed = tokio::task::spawn_blocking(move || ItemList::new(packed)).await;
        parsed.map_err(|error| FetchError::Broken(error.to_string()))?.map_err(FetchError::Damaged)
    }

    /// Everything the archive holds, counted and held against the list of items. `progress` is how many bytes have come.
    pub async fn contents(
        &self,
        backup: &str,
        listed: Fetched<ItemList>,
        progress: Arc<AtomicU64>,
        request_name: &str,
    ) -> Result<Contents, FetchError> {
        let body = self.download("BackupContents", Kind::Backup, backup, request_name).await?;
        let broken = Arc::new(OnceLock::new());
        let reader = SyncIoBridge::new(reader(body));
        let watched = Watched { inner: reader, bytes: progress, broken: Arc::clone(&broken) };
        let parsed = tokio::task::spawn_blocking(move || archive::contents(watched, &listed)).await;
        let parsed = parsed.map_err(|error| FetchError::Broken(error.to_string()))?;
        match broken.get() {
            Some(because) => Err(FetchError::Broken(because.clone())),
            None => Ok(parsed?),
        }
    }

    pub async fn backup_results(&self, backup: &str, request_name: &str) -> Result<Value, FetchError> {
        self.json("BackupResults", Kind::Backup, backup, request_name).await
    }

    pub async fn restore_results(&self, restore: &str, request_name: &str) -> Result<Value, FetchError> {
        self.json("RestoreResults", Kind::Restore, restore, request_name).await
    }

    async fn json(&self, what: &str, kind: Kind, of: &str, request_name: &str) -> Result<Value, FetchError> {
        let packed = self.packed(what, kind, of, request_name).await?;
        // One that unpacks for long must not keep the clock from running.
        let unpacked = tokio::task::spawn_blocking(move || unpack(&packed)).await;
        unpacked.map_err(|error| FetchError::Broken(error.to_string()))?
    }

    async fn packed(&self, what: &str, kind: Kind, of: &str, request_name: &str) -> Result<Vec<u8>, FetchError> {
        let body = self.download(what, kind, of, request_name).await?;
        let mut packed = Vec::new();
        let mut limited = reader(body).take(PACKED_LIMIT + 1);
        limited.read_to_end(&mut packed).await.map_err(|error| FetchError::Broken(error.to_string()))?;
        if u64::try_from(packed.len()).unwrap_or(u64::MAX) > PACKED_LIMIT {
            return Err(FetchError::TooLarge);
        }
        Ok(packed)
    }

    async fn download(&self, what: &str, kind: Kind, of: &str, request_name: &str) -> Result<Incoming, FetchError> {
        let key = Key::namespaced(Kind::DownloadRequest, &self.velero_namespace, request_name);
        let wanted = json!({
            "apiVersion": "velero.io/v1",
            "kind": "DownloadRequest",
            "metadata": { "name": key.name, "namespace": key.namespace },
            "spec": { "target": { "kind": what, "name": of } },
        });
        let path = request::collection(key.kind, key.namespace.as_deref());
        request::send(&self.connection, Method::POST, &path, JSON, Some(&wanted)).await?;
        let url = self.processed(&key).await;
        // Velero deletes what we cannot.
        if let Err(error) = request::send(&self.connection, Method::DELETE, &request::object(&key), JSON, None).await {
            tracing::debug!("{key} is left to Velero: {error}");
        }
        let url: Uri = url?.parse().map_err(|_| ForwardError::Url("Velero's answer".to_owned()))?;
        let trust = if url.scheme_str() == Some("https") { self.trust(kind, of).await? } else { Trust::default() };
        self.get(&url, &trust).await
    }

    async fn processed(&self, key: &Key) -> Result<String, FetchError> {
        let deadline = Instant::now() + PROCESSED;
        let mut pause = Duration::from_millis(50);
        loop {
            let found = request::get(&self.connection, key, deadline).await?;
            let found = found.ok_or(FetchError::NotProcessed)?;
            if let (Some("Processed"), Some(url)) = (found.str_at("/status/phase"), found.str_at("/status/downloadURL"))
            {
                return Ok(url.to_owned());
            }
            if Instant::now() >= deadline {
                return Err(FetchError::NotProcessed);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// What the backup's location says about its certificate.
    async fn trust(&self, kind: Kind, of: &str) -> Result<Trust, FetchError> {
        let deadline = Instant::now() + PROCESSED;
        let named = |kind: Kind, name: &str| Key::namespaced(kind, &self.velero_namespace, name);
        let mut found = request::get(&self.connection, &named(kind, of), deadline).await?;
        if kind == Kind::Restore {
            let backup = found.as_ref().and_then(|restore| restore.str_at("/spec/backupName")).unwrap_or_default();
            found = request::get(&self.connection, &named(Kind::Backup, backup), deadline).await?;
        }
        let location = found.as_ref().and_then(|backup| backup.str_at("/spec/storageLocation")).unwrap_or_default();
        let location = request::get(&self.connection, &named(Kind::BackupStorageLocation, location), deadline).await?;
        let pem = location.as_ref().and_then(|location| location.str_at("/spec/objectStorage/caCert"));
        let authority = pem
            .map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|error| FetchError::Damaged(format!("the location's caCert: {error}")))?;
        Ok(Trust { authority })
    }

    /// One GET. The URL is signed for its own host, so the host is kept whatever carries the request.
    async fn get(&self, url: &Uri, trust: &Trust) -> Result<Incoming, FetchError> {
        let broken = |error: hyper::Error| FetchError::Broken(error.to_string());
        let stream = forward::open(&self.connection, url, &self.velero_namespace, trust).await?;
        let (mut sender, carrier) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(async move {
            if let Err(error) = carrier.await {
                tracing::debug!("download: {error}");
            }
        });
        let host = url.authority().map(ToString::to_string).unwrap_or_default();
        let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = http::Request::get(path)
            .header(http::header::HOST, host)
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Broken(error.to_string()))?;
        let response = tokio::time::timeout(SILENCE, sender.send_request(request))
            .await
            .map_err(|_| FetchError::Broken(format!("no answer within {} s", SILENCE.as_secs())))?
            .map_err(broken)?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            404 => Err(FetchError::NotInStore),
            status => {
                let mut told = Vec::new();
                let _ = reader(response.into_body()).take(4096).read_to_end(&mut told).await;
                Err(FetchError::Refused { status, code: code(&String::from_utf8_lossy(&told)) })
            }
        }
    }
}

/// S3's error code; the rest of its answer may name keys and signatures.
fn code(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    Some(code.chars().take(60).collect())
}

/// The body's bytes; a silence that is too long is an error, so that nobody waits for a dead connection.
fn reader(body: Incoming) -> impl tokio::io::AsyncRead + Unpin + Send {
    let pieces = stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        loop {
            return match tokio::time::timeout(SILENCE, body.frame()).await {
                Err(_) => {
                    let told = format!("nothing came for {} s", SILENCE.as_secs());
                    Some((Err(std::io::Error::new(std::io::ErrorKind::TimedOut, told)), None))
                }
                Ok(None) => None,
                Ok(Some(Err(error))) => Some((Err(std::io::Error::other(error)), None)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Some((Ok::<Bytes, std::io::Error>(bytes), Some(body))),
                    Err(_trailers) => continue,
                },
            };
        }
    });
    StreamReader::new(Box::pin(pieces))
}

fn unpack(packed: &[u8]) -> Result<Value, FetchError> {
    unpack_within(packed, UNPACKED_LIMIT)
}

fn unpack_within(packed: &[u8], limit: u64) -> Result<Value, FetchError> {
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(packed).take(limit + 1);
    decoder.read_to_end(&mut text).map_err(|error| FetchError::Damaged(error.to_string()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(FetchError::TooLarge);
    }
    serde_json::from_slice(&text).map_err(|error| FetchError::Damaged(error.to_string()))
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_document_cut_short_is_damaged() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(br#"[{"pvcName":"data"}]"#).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(&packed).unwrap(), json!([{ "pvcName": "data" }]));
        for length in 0..packed.len() {
            assert!(matches!(unpack(&packed[..length]), Err(FetchError::Damaged(_))), "{length}");
        }
    }

    #[test]
    fn of_the_stores_error_only_the_code_is_told() {
        let answer = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>planted</AWSAccessKeyId></Error>";
        assert_eq!(code(answer).as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(code("gateway"), None);
    }
}
