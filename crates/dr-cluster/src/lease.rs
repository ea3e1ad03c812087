//! A Lease per namespace that keeps two people from restoring it at once. Courtesy: the fence is the journal's epoch.

use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;
use crate::request::{self, JSON};

/// Renewed every third of it; a process that died is out of the way after it.
pub const DURATION: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("{holder} holds the lease {name} until {until}")]
    Held { name: String, holder: String, until: Timestamp },
    #[error("cannot take the lease {name}")]
    Api {
        name: String,
        #[source]
        cause: ApiError,
    },
}

/// Held by us, as far as we know.
#[derive(Debug, Clone)]
pub struct Lease {
    key: Key,
    holder: String,
}

impl Lease {
    /// Takes the lease for a namespace, or says who has it.
    pub async fn acquire(
        connection: &Connection,
        velero_namespace: &str,
        namespace: &str,
        holder: &str,
        now: Timestamp,
    ) -> Result<Self, LeaseError> {
        let key = Key::namespaced(Kind::Lease, velero_namespace, format!("kubectl-dr-{namespace}"));
        let lease = Self { key, holder: holder.to_owned() };
        lease.write(connection, now, None).await?;
        Ok(lease)
    }

    pub async fn renew(&self, connection: &Connection, now: Timestamp) -> Result<(), LeaseError> {
        self.write(connection, now, None).await
    }

    /// Gives it back; somebody else's stays.
    pub async fn release(self, connection: &Connection, now: Timestamp) -> Result<(), LeaseError> {
        self.write(connection, now, Some(())).await
    }

    async fn write(&self, connection: &Connection, now: Timestamp, release: Option<()>) -> Result<(), LeaseError> {
        let api = |cause| LeaseError::Api { name: self.key.name.clone(), cause };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = request::get(connection, &self.key, deadline).await.map_err(api)?;
            if let Some((holder, until)) = found.as_ref().and_then(held)
                && holder != self.holder
                && until > now
            {
                return match release {
                    Some(()) => Ok(()),
                    None => Err(LeaseError::Held { name: self.key.name.clone(), holder, until }),
                };
            }
            let result = match (found, release) {
                (None, Some(())) => return Ok(()),
                (None, None) => {
                    let path = request::collection(self.key.kind, self.key.namespace.as_deref());
                    request::send(connection, Method::POST, &path, JSON, Some(&self.body(now, None))).await
                }
                (Some(found), released) => {
                    let mut body = self.body(now, found.resource_version());
                    if released.is_some()
                        && let Some(holder) = body.pointer_mut("/spec/holderIdentity")
                    {
                        *holder = serde_json::Value::from("");
                    }
                    request::send(connection, Method::PUT, &request::object(&self.key), JSON, Some(&body)).await
                }
            };
            match result {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(api(error)),
                // Somebody else wrote in between, or nobody knows whether we did: look again.
                Err(error) if again(&error) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(api(error)),
            }
        }
    }

    fn body(&self, now: Timestamp, resource_version: Option<&str>) -> serde_json::Value {
        let time = now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": self.key.name, "namespace": self.key.namespace, "resourceVersion": resource_version },
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": DURATION.as_secs(),
                "acquireTime": time,
                "renewTime": time,
            },
        })
    }
}

fn again(error: &ApiError) -> bool {
    match error.kind {
        ApiErrorKind::Conflict | ApiErrorKind::AlreadyExists | ApiErrorKind::NotFound => true,
        ApiErrorKind::Forbidden
        | ApiErrorKind::Invalid
        | ApiErrorKind::Timeout
        | ApiErrorKind::Unreachable
        | ApiErrorKind::Other => error.is_unknown(),
    }
}

/// Who holds it, and until when.
fn held(lease: &Object) -> Option<(String, Timestamp)> {
    let holder = lease.str_at("/spec/holderIdentity").filter(|holder| !holder.is_empty())?;
    let renewed: Timestamp = lease.str_at("/spec/renewTime")?.parse().ok()?;
    let seconds = lease.i64_at("/spec/leaseDurationSeconds")?;
    Some((holder.to_owned(), renewed.checked_add(SignedDuration::from_secs(seconds)).ok()?))
}
