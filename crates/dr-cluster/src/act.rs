//! Sends one decided request and says what came of it.

use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_run::decide::Request;
use http::Method;
use serde_json::{Map, Value, json};

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;
use crate::request::{self, JSON, MERGE_PATCH};

/// What a mutating request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Applied,
    /// The cluster is not as it was observed; nothing was changed. Look again.
    Conflict(String),
    /// The server will never accept it; nothing was changed.
    Rejected(String),
    /// The server took no notice of it, and asks to wait longer than there was time.
    Throttled(String),
    /// No answer, or one that says nothing about the effect. Look again.
    Unknown(String),
}

pub async fn act(connection: &Connection, request: &Request) -> Answer {
    let result = match request {
        Request::Create { key, object } => create(connection, key, object).await,
        Request::Copy { from, to, labels } => copy(connection, from, to, labels).await,
        Request::Patch { key, patch } => {
            request::send(connection, Method::PATCH, &request::object(key), MERGE_PATCH, Some(patch)).await
        }
        Request::Delete { key, uid, resource_version, grace_seconds } => {
            let mut options = json!({
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": { "uid": uid, "resourceVersion": resource_version },
                "propagationPolicy": "Background",
            });
            if let (Some(seconds), Some(map)) = (grace_seconds, options.as_object_mut()) {
                map.insert("gracePeriodSeconds".to_owned(), json!(seconds));
            }
            request::send(connection, Method::DELETE, &request::object(key), JSON, Some(&options)).await
        }
    };
    match result {
        Ok(_) => Answer::Applied,
        Err(error) => judge(request, &error),
    }
}

fn judge(request: &Request, error: &ApiError) -> Answer {
    let told = match request {
        // A validation message may quote what was sent.
        Request::Copy { to, .. } if to.kind == Kind::Secret && error.kind == ApiErrorKind::Invalid => {
            format!("the server does not accept the copy as {to}")
        }
        Request::Create { .. } | Request::Copy { .. } | Request::Patch { .. } | Request::Delete { .. } => {
            error.message.clone()
        }
    };
    if error.is_throttled() {
        return Answer::Throttled(told);
    }
    if error.is_unknown() {
        return Answer::Unknown(told);
    }
    match error.kind {
        ApiErrorKind::Conflict | ApiErrorKind::AlreadyExists => Answer::Conflict(told),
        ApiErrorKind::NotFound => match request {
            Request::Patch { .. } | Request::Delete { .. } => Answer::Conflict(told),
            Request::Create { .. } | Request::Copy { .. } => Answer::Rejected(told),
        },
        // Another object of the name: the patch names the uid it was made for.
        ApiErrorKind::Invalid if error.message.contains("metadata.uid") => Answer::Conflict(told),
        ApiErrorKind::Invalid
        | ApiErrorKind::Forbidden
        | ApiErrorKind::Other
        | ApiErrorKind::Timeout
        | ApiErrorKind::Unreachable => Answer::Rejected(told),
    }
}

async fn create(connection: &Connection, key: &Key, object: &Value) -> Result<Value, ApiError> {
    let mut object = object.clone();
    complete(&mut object, key);
    let path = request::collection(key.kind, key.namespace.as_deref());
    request::send(connection, Method::POST, &path, JSON, Some(&object)).await
}

/// What a request body must say and a template may leave to the key.
fn complete(object: &mut Value, key: &Key) {
    let info = key.kind.info();
    let Some(map) = object.as_object_mut() else { return };
    map.entry("apiVersion").or_insert_with(|| info.api_version().into());
    map.entry("kind").or_insert_with(|| info.kind.into());
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.entry("name").or_insert_with(|| key.name.clone().into());
        if let Some(namespace) = &key.namespace {
            metadata.entry("namespace").or_insert_with(|| namespace.clone().into());
        }
    }
}

async fn copy(connection: &Connection, from: &Key, to: &Key, labels: &Value) -> Result<Value, ApiError> {
    let source = request::send(connection, Method::GET, &request::object(from), JSON, None).await?;
    let mut copied = json!({ "metadata": { "labels": labels } });
    if let Some(map) = copied.as_object_mut() {
        for field in ["data", "binaryData", "type", "immutable"] {
            if let Some(value) = source.get(field) {
                map.insert(field.to_owned(), value.clone());
            }
        }
    }
    create(connection, to, &copied).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Fault};

    const CLAIM: &str = "/api/v1/namespaces/shop/persistentvolumeclaims/data";

    fn claim() -> Key {
        Key::namespaced(Kind::PersistentVolumeClaim, "shop", "data")
    }

    fn delete(uid: &str, resource_version: &str) -> Request {
        Request::Delete {
            key: claim(),
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
            grace_seconds: Some(0),
        }
    }

    #[tokio::test]
    async fn only_the_object_that_was_observed_is_deleted() {
        let fake = Fake::default();
        fake.put(CLAIM, json!({ "metadata": { "name": "data", "uid": "a" } }));
        let connection = fake.connection();
        assert!(matches!(act(&connection, &delete("b", "1")).await, Answer::Conflict(_)));
        assert!(matches!(act(&connection, &delete("a", "0")).await, Answer::Conflict(_)));
        assert!(fake.get(CLAIM).is_some());
        assert_eq!(act(&connection, &delete("a", "1")).await, Answer::Applied);
        assert!(matches!(act(&connection, &delete("a", "1")).await, Answer::Conflict(_)), "gone already");
    }

    #[tokio::test]
    async fn a_patch_made_for_another_object_of_the_name_is_a_conflict() {
        let fake = Fake::default();
        fake.put(CLAIM, json!({ "metadata": { "name": "data", "uid": "new" } }));
        let patch = json!({ "metadata": { "uid": "old", "labels": { "a": "b" } } });
        let request = Request::Patch { key: claim(), patch };
        assert!(matches!(act(&fake.connection(), &request).await, Answer::Conflict(_)));
    }

    #[tokio::test]
    async fn a_lost_answer_is_unknown_and_a_refusal_is_final() {
        let fake = Fake::default();
        let request = Request::Create { key: claim(), object: json!({}) };
        let connection = fake.connection();
        for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Status(429), Fault::Status(500)] {
            fake.fault(fault);
            assert!(matches!(act(&connection, &request).await, Answer::Unknown(_)), "{fault:?}");
        }
        assert!(matches!(act(&connection, &request).await, Answer::Conflict(_)), "the lost answer had its effect");
        // A server that has answered all along means it; one that has just come back may refuse for a moment.
        let fake = Fake::default();
        let connection = fake.connection();
        for code in [400, 403, 422] {
            fake.fault(Fault::Status(code));
            assert!(matches!(act(&connection, &request).await, Answer::Rejected(_)), "{code}");
        }
    }

    #[tokio::test]
    async fn a_copied_secret_keeps_its_content_and_nothing_of_its_place() {
        let fake = Fake::default();
        let source = json!({
            "metadata": { "name": "login", "namespace": "shop", "uid": "a", "annotations": { "old": "yes" } },
            "type": "Opaque",
            "data": { "password": "c2VjcmV0" },
        });
        fake.put("/api/v1/namespaces/shop/secrets/login", source);
        let request = Request::Copy {
            from: Key::namespaced(Kind::Secret, "shop", "login"),
            to: Key::namespaced(Kind::Secret, "shop-dr-1", "login"),
            labels: json!({ "ours": "1" }),
        };
        assert_eq!(act(&fake.connection(), &request).await, Answer::Applied);
        let copied = fake.get("/api/v1/namespaces/shop-dr-1/secrets/login").unwrap();
        assert_eq!((&copied["type"], &copied["data"]["password"]), (&json!("Opaque"), &json!("c2VjcmV0")));
        assert_eq!(copied["metadata"]["namespace"], "shop-dr-1");
        assert_eq!(copied["metadata"]["labels"], json!({ "ours": "1" }));
        assert!(copied["metadata"]["annotations"].is_null());
    }
}
