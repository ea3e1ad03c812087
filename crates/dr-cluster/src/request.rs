//! One HTTP request of ours: its path from the kind's own facts, its answer as raw JSON, its time limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use http::Method;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;

/// How many objects a page of a list holds, as kubectl's own.
const PAGE: usize = 500;

/// How long a request that changes something is held up by a server that is busy: whoever sent it has a deadline of its
/// own, and looks again.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// A shorter pause is over before anybody has read of it.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// `/api/v1/namespaces/shop/pods`, or of all namespaces when none is named.
pub(crate) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let info = kind.info();
    let root = if info.group.is_empty() {
        format!("/api/{}", info.version)
    } else {
        format!("/apis/{}/{}", info.group, info.version)
    };
    match namespace.filter(|_| info.namespaced) {
        Some(namespace) => format!("{root}/namespaces/{}/{}", escape(namespace), info.plural),
        None => format!("{root}/{}", info.plural),
    }
}

pub(crate) fn object(key: &Key) -> String {
    format!("{}/{}", collection(key.kind, key.namespace.as_deref()), escape(&key.name))
}

pub(crate) fn selector(labels: &BTreeMap<String, String>) -> String {
    let terms: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    terms.join(",")
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Sends and reads the answer, within the connection's time limit for a request. Sent again only where the server says
/// that it took no notice of it.
pub(crate) async fn send(
    connection: &Connection,
    method: Method,
    path: &str,
    content_type: &str,
    body: Option<&Value>,
) -> Result<Value, ApiError> {
    let deadline = Instant::now() + connection.request_timeout().min(SEND_WITHIN);
    let mut pauses = Pauses::new(deadline);
    loop {
        match send_for(connection, method.clone(), path, (JSON, content_type), body).await {
            Err(error) if error.is_throttled() => pauses.take(connection, path, error).await?,
            answer => return answer,
        }
    }
}

/// The times between two tries: longer and longer, never shorter than the server asks for, never past the deadline.
struct Pauses {
    next: Duration,
    deadline: Instant,
}

impl Pauses {
    fn new(deadline: Instant) -> Self {
        Self { next: Duration::from_millis(100), deadline }
    }

    /// Waits, or gives the error back at once when there is no time left for another try.
    async fn take(&mut self, connection: &Connection, path: &str, mut error: ApiError) -> Result<(), ApiError> {
        let pause = error.retry_after.unwrap_or_default().max(self.next);
        if Instant::now().checked_add(pause).is_none_or(|then| then >= self.deadline) {
            if let Some(asked) = error.retry_after {
                error.message = format!("{}: the server asks to wait {} s more", error.message, asked.as_secs());
            }
            return Err(error);
        }
        tracing::debug!(target: "dr_cluster::request", "{path}: {error}; trying again in {pause:?}");
        let asks = if error.retry_after.is_some() { ", as the server asks" } else { "" };
        let because = format!("{error}; next try in {} s{asks}", pause.as_secs_f64().ceil());
        let told = (pause >= WORTH_A_WORD).then(|| connection.tally.held_up(because));
        tokio::time::sleep(pause).await;
        drop(told);
        self.next = (self.next * 2).min(Duration::from_secs(2));
        Ok(())
    }
}

async fn send_for(
    connection: &Connection,
    method: Method,
    path: &str,
    (accept, content_type): (&str, &str),
    body: Option<&Value>,
) -> Result<Value, ApiError> {
    let bytes = match body {
        Some(body) => {
            serde_json::to_vec(body).map_err(|error| ApiError::new(ApiErrorKind::Other, error.to_string()))?
        }
        None => Vec::new(),
    };
    tracing::debug!(target: "dr_cluster::request", "{method} {path}");
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::ACCEPT, accept)
        .header(http::header::CONTENT_TYPE, content_type)
        .body(bytes)
        .map_err(|error| ApiError::new(ApiErrorKind::Other, error.to_string()))?;
    let within = connection.request_timeout();
    let answered = tokio::time::timeout(within, answer(connection, request))
        .await
        .map_err(|_| ApiError::no_answer(within))?
        .map_err(|error| connection.silence.judge(error))?;
    // Parsed here: kube logs the whole answer when it is not what it expected, and that may be a Secret.
    serde_json::from_slice(&answered)
        .map_err(|error| ApiError::new(ApiErrorKind::Unreachable, format!("the answer to {path} is no JSON: {error}")))
}

async fn answer(connection: &Connection, request: http::Request<Vec<u8>>) -> Result<Bytes, ApiError> {
    let response = connection.client.send(request.map(Body::from)).await?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    if parts.status.is_client_error() || parts.status.is_server_error() {
        return Err(ApiError::of_answer(parts.status.as_u16(), &parts.headers, &bytes));
    }
    Ok(bytes)
}

/// Reads, again and again until the deadline while the reason may pass.
pub(crate) async fn read(
    connection: &Connection,
    path: &str,
    accept: &str,
    deadline: Instant,
) -> Result<Value, ApiError> {
    let mut pauses = Pauses::new(deadline);
    loop {
        match send_for(connection, Method::GET, path, (accept, JSON), None).await {
            Err(error) if error.is_passing() => pauses.take(connection, path, error).await?,
            answer => return answer,
        }
    }
}

/// The object, none when it does not exist.
pub(crate) async fn get(connection: &Connection, key: &Key, deadline: Instant) -> Result<Option<Object>, ApiError> {
    match read(connection, &object(key), JSON, deadline).await {
        Ok(value) => Ok(Some(Object(value))),
        Err(error) if error.kind == ApiErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which objects of a kind to list.
#[derive(Debug, Clone)]
pub(crate) struct Selection<'a> {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<&'a str>,
    /// A label selector; empty for all.
    pub(crate) labels: String,
    pub(crate) metadata_only: bool,
}

/// All pages. A kind that is not served answers `NotFound`.
pub(crate) async fn list(
    connection: &Connection,
    selection: &Selection<'_>,
    deadline: Instant,
) -> Result<Vec<Object>, ApiError> {
    let base = collection(selection.kind, selection.namespace);
    let accept = if selection.metadata_only { METADATA_ONLY } else { JSON };
    pages(connection, &base, &selection.labels, accept, deadline).await
}

/// All pages of the list at a path.
pub(crate) async fn pages(
    connection: &Connection,
    base: &str,
    labels: &str,
    accept: &str,
    deadline: Instant,
) -> Result<Vec<Object>, ApiError> {
    // An answer of 410 carries a token to go on with what there is now. A list of two times may lack what moved
    // meanwhile, so it is read anew; and in one piece when that breaks off, too.
    let mut limit = Some(PAGE);
    let mut broken = false;
    'from_start: loop {
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = Vec::new();
            query.extend(limit.map(|limit| format!("limit={limit}")));
            query.extend(
                Some(labels)
                    .filter(|labels| !labels.is_empty())
                    .map(|labels| format!("labelSelector={}", escape(labels))),
            );
            query.extend(Some(&next).filter(|next| !next.is_empty()).map(|next| format!("continue={}", escape(next))));
            let path = if query.is_empty() { base.to_owned() } else { format!("{base}?{}", query.join("&")) };
            let mut page = match read(connection, &path, accept, deadline).await {
                // The list's version was compacted away between two pages.
                Err(error) if error.code == Some(410) && !next.is_empty() && limit.is_some() => {
                    tracing::debug!(target: "dr_cluster::request", "{path}: {error}; reading the list anew");
                    connection.tally.unread(objects.len());
                    limit = if broken { None } else { limit };
                    broken = true;
                    continue 'from_start;
                }
                other => other?,
            };
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                connection.tally.page(items.len());
                objects.extend(items.into_iter().map(Object));
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => token.clone_into(&mut next),
                Some(_) | None => return Ok(objects),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_kinds_group_and_scope() {
        let pod = Key::namespaced(Kind::Pod, "shop", "web-0");
        assert_eq!(object(&pod), "/api/v1/namespaces/shop/pods/web-0");
        let set = Key::namespaced(Kind::StatefulSet, "shop", "postgres");
        assert_eq!(object(&set), "/apis/apps/v1/namespaces/shop/statefulsets/postgres");
        assert_eq!(object(&Key::cluster(Kind::StorageClass, "fast")), "/apis/storage.k8s.io/v1/storageclasses/fast");
        assert_eq!(collection(Kind::Backup, None), "/apis/velero.io/v1/backups");
        assert_eq!(collection(Kind::Node, Some("shop")), "/api/v1/nodes");
    }

    #[test]
    fn a_name_cannot_leave_its_path() {
        let odd = Key::namespaced(Kind::Pod, "shop", "../secrets/a?b");
        assert_eq!(object(&odd), "/api/v1/namespaces/shop/pods/..%2Fsecrets%2Fa%3Fb");
    }
}
