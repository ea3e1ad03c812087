//! The world behind HTTP, as `kube::Client` sees an API server: paths, verbs, status codes, and faults on the way.
//!
//! Time is tokio's: each request takes half a millisecond, and before it is answered the world has caught up with the
//! clock. With a paused clock a whole restore takes no time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::BoxError;

use crate::api::{DeleteOptions, Refusal};
use crate::rng::Rng;
use crate::world::{TICK, World};

const LATENCY: Duration = Duration::from_micros(500);

/// How often things go wrong, once in so many requests; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub once_in: usize,
    /// The process dies at this request.
    pub crash_at: Option<u64>,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Refused without effect.
    Status(u16),
    /// The connection breaks, before or after the effect.
    Broken {
        after: bool,
    },
    /// Nobody ever answers, before or after the effect.
    Silent {
        after: bool,
    },
    /// Nobody answers, and the request takes effect when everybody has forgotten it.
    Late,
    /// The process that sent it is gone.
    Crash {
        after: bool,
    },
}

struct State {
    world: World,
    began: Instant,
    /// The world's time when `began` was now.
    offset: u64,
    haste: u32,
    rng: Rng,
    faults: Faults,
    requests: u64,
    late: Vec<(u64, Call)>,
    /// What answers a read that allows an old answer.
    stale: World,
    denied: BTreeSet<(String, String)>,
    check: Option<Check>,
    broken: Option<String>,
}

type Check = Box<dyn Fn(&World) -> Result<(), String> + Send>;

#[derive(Debug, Clone)]
struct Call {
    method: Method,
    path: String,
    query: String,
    content: String,
    accept: String,
    body: Value,
}

/// A handle to the server; copies are the same server.
#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    crashed: Arc<Notify>,
}

impl FakeApi {
    pub fn new(world: World, seed: u64) -> Self {
        let began = Instant::now().checked_sub(Duration::from_millis(world.now)).unwrap_or_else(Instant::now);
        let stale = world.clone();
        let state = State {
            world,
            began,
            offset: 0,
            haste: 1,
            rng: Rng::new(seed),
            faults: Faults::default(),
            requests: 0,
            late: Vec::new(),
            stale,
            denied: BTreeSet::new(),
            check: None,
            broken: None,
        };
        Self { state: Arc::new(Mutex::new(state)), crashed: Arc::new(Notify::new()) }
    }

    /// The same with time that passes so many times faster than outside.
    pub fn hastened(self, haste: u32) -> Self {
        {
            let mut state = self.state();
            state.haste = haste;
            state.began = Instant::now();
            state.offset = state.world.now;
        }
        self
    }

    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// A copy of everything there is.
    pub fn world(&self) -> World {
        self.state().world.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.state().world);
    }

    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.faults = faults;
        state.requests = 0;
    }

    /// Asked after everything that happens; the first no is kept.
    pub fn set_check(&self, check: impl Fn(&World) -> Result<(), String> + Send + 'static) {
        self.state().check = Some(Box::new(check));
    }

    pub fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// Requests since the faults were set.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// `SelfSubjectAccessReview` says no to this verb on this resource (`persistentvolumes`, `statefulsets.apps`).
    pub fn deny(&self, verb: &str, resource: &str) {
        self.state().denied.insert((verb.to_owned(), resource.to_owned()));
    }

    /// Returns when the process that uses the client has died.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a test that panicked has failed already")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let header =
            |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let call = Call {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content: header(header::CONTENT_TYPE),
            accept: header(header::ACCEPT),
            body: if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) },
            method: parts.method,
        };
        tokio::time::sleep(LATENCY).await;
        let (fate, answer) = self.state().receive(&call);
        tokio::time::sleep(LATENCY).await;
        match fate {
            Fate::Answered | Fate::Status(_) => {
                let (code, body) = answer;
                let response = Response::builder()
                    .status(StatusCode::from_u16(code)?)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(serde_json::to_vec(&body)?))?;
                Ok(response)
            }
            Fate::Broken { .. } => Err("connection reset by peer".into()),
            Fate::Crash { .. } => {
                self.crashed.notify_waiters();
                std::future::pending().await
            }
            Fate::Silent { .. } | Fate::Late => std::future::pending().await,
        }
    }
}

impl tower::Service<Request<Body>> for FakeApi {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

type Answer = (u16, Value);

impl State {
    fn receive(&mut self, call: &Call) -> (Fate, Answer) {
        self.catch_up();
        self.requests += 1;
        let fate = self.fate(call);
        let effective = match fate {
            Fate::Answered => true,
            Fate::Status(code) => {
                let reason = match code {
                    409 => "Conflict",
                    429 => "TooManyRequests",
                    _ => "InternalError",
                };
                return (fate, failure(&Refusal::new(code, reason, "an injected fault"), None));
            }
            Fate::Broken { after } | Fate::Silent { after } | Fate::Crash { after } => after,
            Fate::Late => {
                let due = self.world.now + 10_000 + self.rng.word() % 120_000;
                self.late.push((due, call.clone()));
                false
            }
        };
        let answer = if effective { self.handle(call) } else { (0, Value::Null) };
        if call.method != Method::GET {
            let body: String = call.body.to_string().chars().take(100).collect();
            let name = call.body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            self.world.tell(format!("{} {} {name} {body} -> {fate:?} {}", call.method, call.path, answer.0));
        }
        self.checked();
        (fate, answer)
    }

    fn catch_up(&mut self) {
        let elapsed = (self.began.elapsed() * self.haste).as_millis();
        let elapsed = self.offset + u64::try_from(elapsed).expect("tests are short");
        while self.world.now + TICK <= elapsed {
            if self.rng.once_in(8) {
                self.stale = self.world.clone();
            }
            self.world.tick();
            let now = self.world.now;
            let due: Vec<Call> = self.late.extract_if(.., |(at, _)| *at <= now).map(|(_, call)| call).collect();
            for call in due {
                let (code, _) = self.handle(&call);
                self.world.tell(format!("late {} {} -> {code}", call.method, call.path));
            }
            self.checked();
        }
    }

    fn checked(&mut self) {
        if self.broken.is_none()
            && let Some(check) = &self.check
            && let Err(why) = check(&self.world)
        {
            self.broken = Some(why);
        }
    }

    fn fate(&mut self, call: &Call) -> Fate {
        if self.faults.crash_at.is_some_and(|at| self.requests >= at) {
            return Fate::Crash { after: self.rng.once_in(2) };
        }
        if self.faults.once_in == 0 || !self.rng.once_in(self.faults.once_in) {
            return Fate::Answered;
        }
        let after = self.rng.once_in(2);
        let reads = call.method == Method::GET;
        let guarded = call.method == Method::PATCH || call.method == Method::DELETE;
        match self.rng.below(6) {
            0 if guarded => Fate::Status(409),
            0 | 1 => Fate::Status(429),
            2 => Fate::Status(500),
            3 => Fate::Broken { after },
            4 if guarded && !reads => Fate::Late,
            _ => Fate::Silent { after },
        }
    }

    fn handle(&mut self, call: &Call) -> Answer {
        if let Some(answer) = self.beside_objects(call) {
            return answer;
        }
        let Some(mut place) = place(&call.path) else {
            // The real one says "404 page not found", in plain text.
            return (404, Value::Null);
        };
        let result = match (&call.method, &place.name) {
            (&Method::GET, Some(name)) => {
                let key = Key { kind: place.kind, namespace: place.namespace.clone(), name: name.clone() };
                let found = self.reading(call).get(&key).cloned().ok_or_else(|| Refusal::not_found(&key));
                found.map(|object| (200, shown(&object, &call.accept)))
            }
            (&Method::GET, None) => Ok(self.list(call, &place)),
            (&Method::POST, None) => self.create(call, &place),
            (method, Some(name)) => {
                let key = Key { kind: place.kind, namespace: place.namespace.clone(), name: name.clone() };
                self.write(method, call, &key, place.status)
            }
            (_, None) => Err(Refusal::new(405, "MethodNotAllowed", "the server does not allow this method here")),
        };
        result.unwrap_or_else(|refusal| {
            if place.name.is_none() {
                place.name = call.body.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
            }
            failure(&refusal, Some(&place))
        })
    }

    /// `resourceVersion=0` allows any answer that was once true.
    fn reading(&self, call: &Call) -> &World {
        if parameter(&call.query, "resourceVersion").as_deref() == Some("0") { &self.stale } else { &self.world }
    }

    fn beside_objects(&self, call: &Call) -> Option<Answer> {
        let path = call.path.as_str();
        if path == "/version" {
            return Some((200, json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.2" })));
        }
        if path.ends_with("/selfsubjectaccessreviews") {
            let asked = &call.body["spec"]["resourceAttributes"];
            let (group, resource) = (asked["group"].as_str().unwrap_or(""), asked["resource"].as_str().unwrap_or(""));
            let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
            let verb = asked["verb"].as_str().unwrap_or("").to_owned();
            let mut review = call.body.clone();
            review["status"] = json!({ "allowed": !self.denied.contains(&(verb, resource)) });
            return Some((201, review));
        }
        if path.ends_with("/events") && call.method == Method::POST {
            if self.denied.contains(&("create".to_owned(), "events".to_owned())) {
                return Some(failure(&Refusal::new(403, "Forbidden", "events is forbidden"), None));
            }
            return Some((201, call.body.clone()));
        }
        if path == "/api" {
            return Some((200, json!({ "kind": "APIVersions", "versions": ["v1"] })));
        }
        if path == "/apis" {
            let groups: BTreeSet<(&str, &str)> = Kind::ALL
                .iter()
                .map(|kind| kind.info())
                .filter(|info| !info.group.is_empty())
                .map(|info| (info.group, info.version))
                .collect();
            let groups = groups.into_iter().map(|(group, version)| {
                let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
                json!({ "name": group, "versions": [version], "preferredVersion": version })
            });
            return Some((200, json!({ "kind": "APIGroupList", "groups": groups.collect::<Vec<_>>() })));
        }
        let version = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
        let served = |kind: &&Kind| kind.info().api_version() == version;
        let resources: Vec<Value> = Kind::ALL
            .iter()
            .filter(served)
            .map(|kind| {
                let info = kind.info();
                let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
                let short = match kind {
                    Kind::PersistentVolumeClaim => &["pvc"][..],
                    Kind::PersistentVolume => &["pv"],
                    _ => &[],
                };
                json!({ "name": info.plural, "kind": info.kind, "namespaced": info.namespaced, "verbs": verbs,
                        "shortNames": short })
            })
            .collect();
        let list = json!({ "kind": "APIResourceList", "groupVersion": version, "resources": resources });
        (!resources.is_empty()).then_some((200, list))
    }

    fn list(&self, call: &Call, place: &Place) -> Answer {
        let info = place.kind.info();
        if parameter(&call.query, "watch").as_deref() == Some("true") {
            // Every watch breaks at once: whoever watches must be able to list again.
            return (200, Value::Null);
        }
        let selector = parameter(&call.query, "labelSelector").unwrap_or_default();
        let world = self.reading(call);
        let found: Vec<&Arc<Object>> = world
            .of(place.kind)
            .filter(|(key, _)| place.namespace.is_none() || key.namespace == place.namespace)
            .filter(|(_, object)| selected(object, &selector))
            .map(|(_, object)| object)
            .collect();
        let from: usize = parameter(&call.query, "continue").and_then(|token| token.parse().ok()).unwrap_or(0);
        let limit: usize = parameter(&call.query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
        let to = if limit == 0 { found.len() } else { (from + limit).min(found.len()) };
        let partial = wants_metadata(&call.accept);
        let items = found[from.min(to)..to].iter().map(|object| {
            let mut item = shown(object, if partial { METADATA } else { "" });
            // Lists of built-in kinds leave out what the list itself says; custom resources do not.
            if !partial
                && !info.group.contains('.')
                && let Some(map) = item.as_object_mut()
            {
                map.remove("apiVersion");
                map.remove("kind");
            }
            item
        });
        let items: Vec<Value> = items.collect();
        let mut metadata = json!({ "resourceVersion": world.revision.to_string() });
        if to < found.len() {
            metadata["continue"] = json!(to.to_string());
            if selector.is_empty() {
                metadata["remainingItemCount"] = json!(found.len() - to);
            }
        }
        let (version, kind) = if partial {
            ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
        } else {
            (info.api_version(), format!("{}List", info.kind))
        };
        (200, json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "items": items }))
    }

    fn create(&mut self, call: &Call, place: &Place) -> Result<Answer, Refusal> {
        let given = call.body.pointer("/metadata/name").and_then(Value::as_str);
        let name = if let Some(name) = given {
            name.to_owned()
        } else {
            let Some(prefix) = call.body.pointer("/metadata/generateName").and_then(Value::as_str) else {
                return Err(Refusal::new(422, "Invalid", "name or generateName is required"));
            };
            format!("{prefix}{:05x}", self.world.revision)
        };
        let key = Key { kind: place.kind, namespace: place.namespace.clone(), name };
        let mut body = call.body.clone();
        if let Some(map) = body.as_object_mut() {
            map.insert("apiVersion".to_owned(), json!(place.kind.info().api_version()));
        }
        self.world.create(&key, &body).map(|object| (201, shown(&object, &call.accept)))
    }

    fn write(&mut self, method: &Method, call: &Call, key: &Key, status: bool) -> Result<Answer, Refusal> {
        match *method {
            Method::PATCH if !call.content.starts_with("application/merge-patch+json") => {
                Err(Refusal::new(415, "UnsupportedMediaType", "this server takes JSON merge patches only"))
            }
            Method::PATCH if status => {
                self.world.edit(key, |object| json_patch::merge(object, &call.body));
                let found = self.world.get(key).cloned().ok_or_else(|| Refusal::not_found(key))?;
                Ok((200, shown(&found, &call.accept)))
            }
            Method::PATCH => self.world.patch(key, &call.body).map(|object| (200, shown(&object, &call.accept))),
            Method::PUT => self.world.update(key, &call.body).map(|object| (200, shown(&object, &call.accept))),
            Method::DELETE => {
                let text = |pointer: &str| call.body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                let grace = call.body.get("gracePeriodSeconds").and_then(Value::as_u64);
                let options = DeleteOptions {
                    uid: text("/preconditions/uid"),
                    resource_version: text("/preconditions/resourceVersion"),
                    grace_seconds: grace.and_then(|seconds| u32::try_from(seconds).ok()),
                    orphan: text("/propagationPolicy").as_deref() == Some("Orphan"),
                };
                let object = self.world.delete(key, &options)?;
                if self.world.get(key).is_some() || key.kind == Kind::Pod {
                    return Ok((200, shown(&object, &call.accept)));
                }
                let details = json!({ "name": key.name, "kind": key.kind.info().plural, "uid": object.uid() });
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
                });
                Ok((200, status))
            }
            _ => Err(Refusal::new(405, "MethodNotAllowed", "the server does not allow this method here")),
        }
    }
}

const METADATA: &str = "as=PartialObjectMetadata";

fn wants_metadata(accept: &str) -> bool {
    accept.contains(METADATA)
}

fn shown(object: &Object, accept: &str) -> Value {
    if wants_metadata(accept) {
        let metadata = object.at("/metadata");
        return json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata });
    }
    object.0.clone()
}

fn failure(refusal: &Refusal, place: Option<&Place>) -> Answer {
    let Refusal { code, reason, message } = refusal;
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    if let Some(place) = place {
        let mut details = json!({ "kind": place.kind.info().plural });
        for (field, value) in [("name", place.name.as_deref()), ("group", Some(place.kind.info().group))] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                details[field] = json!(value);
            }
        }
        status["details"] = details;
    }
    (*code, status)
}

/// What a request path names.
struct Place {
    kind: Kind,
    namespace: Option<String>,
    name: Option<String>,
    status: bool,
}

fn place(path: &str) -> Option<Place> {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let _version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => {
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let (plural, name, status) = match rest {
        [plural] => (plural, None, false),
        [plural, name] => (plural, Some((*name).to_owned()), false),
        [plural, name, "status"] => (plural, Some((*name).to_owned()), true),
        _ => return None,
    };
    let kind = Kind::ALL.iter().copied().find(|kind| kind.info().group == group && kind.info().plural == *plural)?;
    Some(Place { kind, namespace, name, status })
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
    Some(decoded(found.1))
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits =
                    [bytes.next(), bytes.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
                if let [Some(high), Some(low)] = digits {
                    out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                }
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Equality, inequality and existence: what the tool sends.
fn selected(object: &Object, selector: &str) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        if let Some((key, value)) = term.split_once("!=") {
            return object.label(key) != Some(value);
        }
        if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            return object.label(key) == Some(value);
        }
        match term.strip_prefix('!') {
            Some(key) => object.label(key).is_none(),
            None => object.label(term).is_some(),
        }
    })
}
