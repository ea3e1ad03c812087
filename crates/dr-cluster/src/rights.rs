//! Asks the server which of the rights a run will need are missing.

use dr_run::rights::{Right, Subject};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::connect::Connection;
use crate::request::{self, JSON};

const AT_ONCE: usize = 16;

/// Those the server says we do not have, in the order asked.
pub async fn missing(connection: &Connection, rights: &[Right]) -> Result<Vec<Right>, ApiError> {
    let asked: Vec<_> = rights
        .iter()
        .map(|right| async move {
            let allowed = is_allowed(connection, right).await?;
            Ok::<_, ApiError>((!allowed).then(|| right.clone()))
        })
        .collect();
    let answers: Vec<Option<Right>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

/// Who the server takes us for; none where it does not say (before 1.28).
pub async fn ourselves(connection: &Connection) -> Option<Subject> {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = request::send(connection, Method::POST, path, JSON, Some(&review)).await.ok()?;
    answer.pointer("/status/userInfo/username").and_then(Value::as_str).map(Subject::of_user)
}

/// Whether Events may be put into the namespace; into every one where none is named.
pub async fn may_post_events(connection: &Connection, namespace: Option<&str>) -> Result<bool, ApiError> {
    let resource =
        json!({ "verb": "create", "group": "", "version": "v1", "resource": "events", "namespace": namespace });
    review(connection, &resource).await
}

async fn is_allowed(connection: &Connection, right: &Right) -> Result<bool, ApiError> {
    let info = right.kind.info();
    let resource = json!({
        "verb": right.verb,
        "group": info.group,
        "version": info.version,
        "resource": info.plural,
        "subresource": right.subresource,
        "namespace": right.namespace,
    });
    review(connection, &resource).await
}

async fn review(connection: &Connection, resource: &Value) -> Result<bool, ApiError> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": resource },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = request::send(connection, Method::POST, path, JSON, Some(&review)).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
}
