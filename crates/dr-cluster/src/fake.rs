//! An API server of one map, for this crate's tests: versions, preconditions, merge patches, selectors, and faults.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use crate::connect::Connection;

/// What befalls the next mutating request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    LostBefore,
    LostAfter,
    Status(u16),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Value>,
    version: u64,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) log: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn connection(&self) -> Connection {
        let fake = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        Connection::for_tests(kube::Client::new(service, "default"))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Puts an object there, as somebody else would.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut state = self.state();
        let _ = state.write(path, object);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let path = parts.uri.path().to_owned();
        let mut state = self.state();
        state.log.push(format!("{} {path}", parts.method));
        let fault = if parts.method == Method::GET { None } else { state.faults.pop_front() };
        let (code, answer) = match fault {
            Some(Fault::LostBefore) => (504, json!({})),
            Some(Fault::Status(code)) => (code, status(code, "Fault", "planted")),
            Some(Fault::LostAfter) => {
                state.handle(&parts.method, &path, &query, body);
                (504, json!({}))
            }
            None => state.handle(&parts.method, &path, &query, body),
        };
        Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap()
    }
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message })
}

impl State {
    fn write(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        json_patch::merge(&mut object, &json!({ "metadata": { "resourceVersion": self.version.to_string() } }));
        if object.pointer("/metadata/uid").is_none() {
            json_patch::merge(&mut object, &json!({ "metadata": { "uid": format!("uid-{}", self.version) } }));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn handle(&mut self, method: &Method, path: &str, query: &str, body: Value) -> (u16, Value) {
        let found = self.objects.get(path).cloned();
        match (method.as_str(), found) {
            ("GET", Some(found)) => (200, found),
            ("GET", None) if query.contains("limit=") => (200, self.list(path, query)),
            ("POST", _) => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return (409, status(409, "AlreadyExists", "already exists"));
                }
                (201, self.write(&path, body))
            }
            (_, None) => (404, status(404, "NotFound", "not found")),
            ("DELETE", Some(found)) => {
                let conditions = &body["preconditions"];
                for (field, at) in [("uid", "/metadata/uid"), ("resourceVersion", "/metadata/resourceVersion")] {
                    if conditions[field].is_string() && found.pointer(at) != Some(&conditions[field]) {
                        return (409, status(409, "Conflict", "precondition failed"));
                    }
                }
                self.objects.remove(path);
                (200, found)
            }
            ("PATCH" | "PUT", Some(found)) => {
                let metadata = &body["metadata"];
                if metadata["uid"].is_string() && metadata["uid"] != found["metadata"]["uid"] {
                    return (422, status(422, "Invalid", "metadata.uid: field is immutable"));
                }
                let version = &metadata["resourceVersion"];
                if version.is_string() && *version != found["metadata"]["resourceVersion"] {
                    return (409, status(409, "Conflict", "the object has been modified"));
                }
                let mut merged = if method == Method::PUT { json!({}) } else { found };
                json_patch::merge(&mut merged, &body);
                (200, self.write(path, merged))
            }
            (other, Some(_)) => panic!("{other} {path}"),
        }
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_default().to_owned()
        };
        let selector = parameter("labelSelector").replace("%2F", "/").replace("%3D", "=").replace("%2C", ",");
        let fits = |object: &Value| {
            selector.split(',').filter(|term| !term.is_empty()).all(|term| {
                let labels = &object["metadata"]["labels"];
                match term.split_once('=') {
                    Some((key, value)) => labels[key] == value,
                    None => labels[term].is_string(),
                }
            })
        };
        let prefix = format!("{path}/");
        let all: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(at, object)| at.starts_with(&prefix) && fits(object))
            .map(|(_, o)| o)
            .collect();
        let from: usize = parameter("continue").parse().unwrap_or(0);
        let to = (from + 2).min(all.len());
        let next = if to < all.len() { to.to_string() } else { String::new() };
        json!({ "metadata": { "continue": next }, "items": &all[from..to] })
    }
}
