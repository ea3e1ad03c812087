//! Events on the namespace, so that `kubectl describe namespace` tells that a restore ran.

use dr_core::kind::Kind;
use dr_core::object::Key;
use http::Method;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::connect::Connection;
use crate::request::{self, JSON};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

/// One event on a namespace.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    pub namespace: &'a str,
    pub severity: Severity,
    /// `DisasterRecoveryRestoreStarted`
    pub reason: &'a str,
    pub message: &'a str,
    pub at: Timestamp,
}

/// Best effort: a restore does not fail because nobody could be told.
pub async fn post(connection: &Connection, news: News<'_>) {
    let News { namespace, severity, reason, message, at } = news;
    let deadline = Instant::now() + std::time::Duration::from_secs(2);
    let uid = match request::get(connection, &Key::cluster(Kind::Namespace, namespace), deadline).await {
        Ok(Some(found)) => found.uid().unwrap_or_default().to_owned(),
        Ok(None) => return,
        Err(error) => {
            tracing::debug!("no event on {namespace}: {error}");
            return;
        }
    };
    let message: String = message.chars().take(1000).collect();
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        // `kubectl describe` finds a namespace's events in the namespace itself.
        "metadata": { "name": format!("{namespace}.{:x}", at.as_nanosecond()), "namespace": namespace },
        "involvedObject": { "apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace, "uid": uid },
        "type": match severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
        "reason": reason,
        "message": message,
        "source": { "component": "kubectl-dr" },
        "reportingComponent": "kubectl-dr",
        "firstTimestamp": seconds(at),
        "lastTimestamp": seconds(at),
        "count": 1,
    });
    let path = format!("{}/events", request::object(&Key::cluster(Kind::Namespace, namespace)));
    if let Err(error) = request::send(connection, Method::POST, &path, JSON, Some(&event)).await {
        tracing::debug!("no event on {namespace}: {error}");
    }
}

/// `metav1.Time` knows no fractions of a second.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
