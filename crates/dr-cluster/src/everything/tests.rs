use std::sync::{Arc, Mutex};

use http::{Request, Response, header};
use kube::client::Body;
use tower::service_fn;

use super::*;

type Log = Arc<Mutex<Vec<String>>>;

/// A server whose every answer is this function's, by path and query.
fn serve(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> (Connection, Log) {
    let log = Log::default();
    let (kept, answer) = (Arc::clone(&log), Arc::new(answer));
    let service = service_fn(move |request: Request<Body>| {
        let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
        async move {
            let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            let metadata = request.headers()[header::ACCEPT].to_str().unwrap().contains("PartialObjectMetadata");
            kept.lock().unwrap().push(format!("{asked}{}", if metadata { " (metadata)" } else { "" }));
            let (code, body) = answer(&asked);
            if code == 0 {
                return Err(tower::BoxError::from("connection refused"));
            }
            Ok(Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap())
        }
    });
    (Connection::for_tests(kube::Client::new(service, "default")), log)
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}))
}

fn kinds(kinds: &[(&str, &str, bool)]) -> (u16, Value) {
    let verbs = ["create", "delete", "get", "list"];
    let of = |(plural, kind, namespaced): &(&str, &str, bool)| json!({"name": plural, "kind": kind, "namespaced": namespaced, "verbs": verbs});
    (200, json!({"resources": kinds.iter().map(of).collect::<Vec<_>>()}))
}

fn names(names: &[&str], next: &str) -> (u16, Value) {
    let of = |name: &&str| json!({"metadata": {"name": name, "namespace": "shop"}});
    (200, json!({"metadata": {"continue": next}, "items": names.iter().map(of).collect::<Vec<_>>()}))
}

/// A small cluster: what it answers unless a test says otherwise.
fn small(asked: &str) -> (u16, Value) {
    match asked {
        "/apis" => {
            let version = json!({"version": "v1"});
            (200, json!({"groups": [{"name": "apps", "versions": [version], "preferredVersion": version}]}))
        }
        "/api/v1" => kinds(&[("pods", "Pod", true), ("secrets", "Secret", true), ("nodes", "Node", false)]),
        "/apis/apps/v1" => kinds(&[("deployments", "Deployment", true)]),
        "/api/v1/namespaces/shop/secrets?limit=500" => names(&["a", "b"], "two"),
        "/api/v1/namespaces/shop/secrets?limit=500&continue=two" => names(&["c"], ""),
        _ => names(&[], ""),
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_are_read_page_by_page_in_the_two_namespaces_and_secrets_without_their_content() {
    let (connection, log) = serve(small);
    let cluster = everything(&connection, "shop", "velero").await.unwrap();
    let secrets: Vec<&str> = cluster.objects("secrets", Some("shop")).map(Object::name).collect();
    assert_eq!(secrets, ["a", "b", "c"]);
    assert_eq!(cluster.not_read(), &BTreeMap::new());
    let mut asked = log.lock().unwrap().clone();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/api/v1",
            "/api/v1/namespaces/shop/pods?limit=500",
            "/api/v1/namespaces/shop/secrets?limit=500 (metadata)",
            "/api/v1/namespaces/shop/secrets?limit=500&continue=two (metadata)",
            "/api/v1/namespaces/velero/pods?limit=500",
            "/api/v1/nodes?limit=500 (metadata)",
            "/apis",
            "/apis/apps/v1",
            "/apis/apps/v1/namespaces/shop/deployments?limit=500 (metadata)",
            "/apis/apps/v1/namespaces/velero/deployments?limit=500",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_listed_or_fails_is_told_and_the_rest_is_read() {
    let (connection, _) = serve(|asked| match asked {
        "/api/v1/namespaces/shop/pods?limit=500" => failure(403, "Forbidden", "pods is forbidden"),
        "/api/v1/nodes?limit=500" => failure(500, "InternalError", "conversion webhook: no endpoints"),
        "/apis/apps/v1" => failure(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        other => small(other),
    });
    let cluster = everything(&connection, "shop", "velero").await.unwrap();
    let unread: Vec<(&str, &str)> = cluster.not_read().iter().map(|(of, why)| (of.as_str(), why.as_str())).collect();
    assert_eq!(
        unread,
        [
            ("*.apps", "the server is currently unable to handle the request"),
            ("nodes", "conversion webhook: no endpoints"),
            ("pods", "pods is forbidden"),
        ]
    );
    assert_eq!(cluster.objects("secrets", None).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_decides_in_veleros_namespace_is_known_although_it_may_not_be_listed_in_the_judged_one() {
    let forbidden = |in_namespace: &'static str| {
        move |asked: &str| match asked {
            _ if asked.contains("deployments?") && asked.contains(in_namespace) => failure(403, "Forbidden", "no"),
            other => small(other),
        }
    };
    for (namespace, told) in [("/shop/", "deployments.apps in shop"), ("/velero/", "deployments.apps")] {
        let (connection, _) = serve(forbidden(namespace));
        let cluster = everything(&connection, "shop", "velero").await.unwrap();
        assert_eq!(cluster.not_read().keys().collect::<Vec<_>>(), [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_went_away_meanwhile_has_no_objects() {
    let (connection, _) = serve(|asked| match asked {
        "/api/v1/nodes?limit=500" => failure(404, "NotFound", "the server could not find the requested resource"),
        other => small(other),
    });
    let cluster = everything(&connection, "shop", "velero").await.unwrap();
    assert_eq!((cluster.not_read().len(), cluster.objects("nodes", None).count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_between_two_pages_begins_anew() {
    let broken = Mutex::new(true);
    let (connection, _) = serve(move |asked| {
        if asked.ends_with("continue=two") && std::mem::take(&mut *broken.lock().unwrap()) {
            return failure(410, "Expired", "the provided continue parameter is too old");
        }
        small(asked)
    });
    let cluster = everything(&connection, "shop", "velero").await.unwrap();
    assert_eq!(cluster.objects("secrets", None).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_away_is_an_error_and_no_small_cluster() {
    let (connection, _) = serve(|asked| if asked.contains("/pods") { (0, Value::Null) } else { small(asked) });
    let error = everything(&connection, "shop", "velero").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /api/v1/namespaces/velero/pods");
}
