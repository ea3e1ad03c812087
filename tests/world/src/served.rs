//! The world behind a port, for whole commands: the API server, exec in its containers, and the object store.
//!
//! Every request is remembered. Time passes faster than outside.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dr_core::facts::Document;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::action::{Examination, Reading};
use dr_run::decide::Said;
use dr_run::slot::{Slot, Spot};
use futures::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tower::Service as _;

use crate::app::NAMESPACE;
use crate::controllers::velero::VELERO;
use crate::drive::{self, Answers};
use crate::facts;
use crate::fake_api::FakeApi;
use crate::world::World;

mod faults;

pub use faults::Fault;
use faults::Planted;

/// Twenty seconds of the world in one outside.
const HASTE: u32 = 20;

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub body: Value,
}

/// What containers say on stderr, beside their answer.
pub type Murmur = Arc<Mutex<Option<Said>>>;

#[derive(Clone)]
struct Server {
    api: FakeApi,
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    downloads: Arc<Mutex<Vec<(String, Value)>>>,
    says: Murmur,
    store: Arc<Mutex<Store>>,
    velero_is_down: Arc<AtomicBool>,
    planted: Arc<Mutex<Vec<Planted>>>,
}

/// How the object store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Whole,
    /// 403, as after a change of its credentials.
    Refuses,
    /// Every archive ends in its middle.
    Cut,
    /// Every archive holds a file that leads out of it.
    Hostile,
    /// Velero's list of items names one that the archive has not.
    Lacks,
    /// Every list unpacks to more than any backup has to say.
    Bomb,
}

/// A world that is served until the process ends.
pub struct Served {
    pub url: String,
    pub api: FakeApi,
    server: Server,
}

impl Served {
    pub fn start(world: World) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let api = FakeApi::new(world, 1).hastened(HASTE);
        let server = Server {
            api: api.clone(),
            url: url.clone(),
            seen: Arc::default(),
            downloads: Arc::default(),
            says: Arc::default(),
            store: Arc::new(Mutex::new(Store::Whole)),
            velero_is_down: Arc::default(),
            planted: Arc::default(),
        };
        let serving = server.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serving.accept(listener));
        });
        Self { url, api, server }
    }

    /// Every request since the last time this was asked.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.server.seen.lock().expect("no test has panicked"))
    }

    /// From now on nobody answers a DownloadRequest, or somebody does again.
    pub fn velero_is_down(&self, down: bool) {
        self.server.velero_is_down.store(down, Ordering::Relaxed);
    }

    /// The next so many requests whose line (`GET /api/v1/pods?limit=500`) contains a text fare like this.
    pub fn plant(&self, line: &str, fault: Fault, times: usize) {
        let planted = Planted { line: line.to_owned(), fault, left: times, hits: 0 };
        self.server.planted.lock().expect("no test has panicked").push(planted);
    }

    /// From now on nothing befalls any request; how many something has befallen.
    pub fn undisturbed(&self) -> usize {
        let mut planted = self.server.planted.lock().expect("no test has panicked");
        planted.drain(..).map(|one| one.hits).sum()
    }

    /// From now on this is what every command in a container of the staged pods says; none: what the volume holds.
    pub fn says(&self, said: Option<Said>) {
        *self.server.says.lock().expect("no test has panicked") = said;
    }
}

impl Served {
    /// From now on the object store answers like this.
    pub fn store(&self, store: Store) {
        *self.server.store.lock().expect("no test has panicked") = store;
    }
}

impl Server {
    async fn accept(self, listener: std::net::TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let server = self.clone();
            let service = hyper::service::service_fn(move |request| server.clone().answer(request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<faults::Body>, std::convert::Infallible> {
        let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let fault = {
            let mut planted = self.planted.lock().expect("no test has panicked");
            faults::taken(&mut planted, request.method(), &asked)
        };
        if let Some(answer) = fault.and_then(faults::instead) {
            self.remember(request.method(), request.uri().path(), Value::Null);
            return Ok(faults::sent(answer, false));
        }
        let answer = self.undisturbed(request).await?;
        Ok(faults::sent(answer, fault == Some(Fault::Cut)))
    }

    async fn undisturbed(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/exec") {
            self.remember(request.method(), &path, Value::Null);
            return Ok(self.exec(request));
        }
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let told = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        self.remember(&parts.method, &path, told.clone());
        if let Some(document) = path.strip_prefix("/store/") {
            return Ok(self.store(document));
        }
        if path.ends_with("/selfsubjectreviews") {
            return Ok(json_response(201, &json!({ "status": { "userInfo": { "username": "ann" } } })));
        }
        if path.contains("/downloadrequests") {
            return Ok(self.download(&parts.method, &path, told));
        }
        let response = self.api.clone().call(Request::from_parts(parts, Body::from(bytes.to_vec()))).await;
        let Ok(response) = response else { return Ok(json_response(500, &Value::Null)) };
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Response::from_parts(parts, Full::new(bytes)))
    }

    fn remember(&self, method: &Method, path: &str, body: Value) {
        let seen = Seen { method: method.to_string(), path: path.to_owned(), body };
        self.seen.lock().expect("no test has panicked").push(seen);
    }

    /// Velero answers at once.
    fn download(&self, method: &Method, path: &str, body: Value) -> Response<Full<Bytes>> {
        let mut open = self.downloads.lock().expect("no test has panicked");
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        match *method {
            Method::POST => {
                open.push((body["metadata"]["name"].as_str().unwrap_or_default().to_owned(), body.clone()));
                json_response(201, &body)
            }
            Method::DELETE => {
                open.retain(|(of, _)| *of != name);
                json_response(200, &json!({ "kind": "Status", "status": "Success" }))
            }
            _ => match open.iter().find(|(of, _)| *of == name) {
                None => json_response(404, &json!({ "kind": "Status", "code": 404, "reason": "NotFound" })),
                Some((_, request)) => {
                    let mut answered = request.clone();
                    if self.velero_is_down.load(Ordering::Relaxed) {
                        return json_response(200, &answered);
                    }
                    let target = &request["spec"]["target"];
                    let at = |field: &str| target[field].as_str().unwrap_or_default().to_owned();
                    let url = format!("{}/store/{}/{}?X-Amz-Signature=planted", self.url, at("kind"), at("name"));
                    answered["status"] = json!({ "phase": "Processed", "downloadURL": url });
                    json_response(200, &answered)
                }
            },
        }
    }

    fn store(&self, document: &str) -> Response<Full<Bytes>> {
        let store = *self.store.lock().expect("no test has panicked");
        if store == Store::Refuses {
            let told = "<Error><Code>AccessDenied</Code><Signature>planted</Signature></Error>";
            let refused = Response::builder().status(403).body(Full::new(told.into()));
            return refused.expect("a response");
        }
        let (what, backup) = document.split_once('/').unwrap_or_default();
        if store == Store::Bomb && !document.starts_with("BackupContents") {
            return Response::new(Full::new(bomb().into()));
        }
        let documents = facts::facts(&self.api.world()).documents;
        let Some(documents) = documents.get(backup) else { return json_response(404, &Value::Null) };
        let bytes = match (what, &documents.volume_infos, &documents.archive) {
            ("BackupVolumeInfos", Document::Read(infos), _) => packed(&serde_json::to_vec(infos).expect("values")),
            ("BackupContents", _, Document::Read(archive)) => {
                let mut bytes = tarball(&archive.objects, store == Store::Hostile);
                if store == Store::Cut {
                    bytes.truncate(bytes.len() / 2);
                }
                bytes
            }
            ("BackupResourceList", _, Document::Read(archive)) => {
                let mut list = item_list(&archive.objects);
                if store == Store::Lacks {
                    list["v1/Secret"] = json!([format!("{NAMESPACE}/never-arrived")]);
                }
                packed(&serde_json::to_vec(&list).expect("values"))
            }
            ("BackupResults", _, _) => packed(RESULTS.as_bytes()),
            _ => return json_response(404, &Value::Null),
        };
        Response::new(Full::new(bytes.into()))
    }

    /// `v5.channel.k8s.io`: the first byte of each message names the stream.
    fn exec(self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let said = self.said(request.uri().path(), request.uri().query().unwrap_or_default());
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let key = header(header::SEC_WEBSOCKET_KEY).unwrap_or_default();
        let protocols = header(header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
        let protocol = protocols.split(',').next().unwrap_or_default().trim().to_owned();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let Ok(stream) = upgrade.await else { return };
            let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
            for (channel, text) in channels(said) {
                let bytes: Vec<u8> = std::iter::once(channel).chain(text.into_bytes()).collect();
                if socket.send(Message::Binary(bytes.into())).await.is_err() {
                    return;
                }
            }
            let _ = socket.close(None).await;
            while let Some(Ok(_)) = socket.next().await {}
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
            .header(header::SEC_WEBSOCKET_PROTOCOL, protocol)
            .body(Full::default())
            .expect("a response")
    }

    fn said(&self, path: &str, query: &str) -> Option<Said> {
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "api", "v1", "namespaces", namespace, "pods", pod, "exec"] = parts.as_slice() else { return None };
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let all = |name: &'static str| pairs().filter(move |(key, _)| *key == name).map(|(_, value)| unescape(value));
        let command: Vec<String> = all("command").collect();
        if *namespace != NAMESPACE
            && let Some(said) = self.says.lock().expect("no test has panicked").clone()
        {
            return Some(said);
        }
        let whole = command.iter().any(|word| word.contains("fingerprint 1"));
        let examination = Examination {
            pod: Spot::namespaced(Kind::Pod, *namespace, *pod),
            container: all("container").next().unwrap_or_default(),
            command,
            seconds: 60,
            reading: match (whole, *namespace == NAMESPACE) {
                (true, true) => Reading::Report,
                _ => Reading::SameAs { slot: Slot::new("x"), pointer: String::new() },
            },
            into: Slot::new("x"),
        };
        let world = self.api.world();
        let key = Key::namespaced(Kind::Pod, *namespace, *pod);
        let said = drive::examine(&world, Answers::default(), &key, &examination)?;
        if whole && *namespace != NAMESPACE {
            // As a fingerprint, but none where nothing is mounted yet.
            let reported = Examination { reading: Reading::Report, ..examination };
            return drive::examine(&world, Answers::default(), &key, &reported);
        }
        Some(said)
    }
}

fn channels(said: Option<Said>) -> Vec<(u8, String)> {
    let Some(Said { exit_code, stdout, stderr }) = said else {
        let status = json!({ "status": "Failure", "reason": "InternalError", "message": "container not found" });
        return vec![(3, status.to_string())];
    };
    let status = if exit_code == 0 {
        json!({ "status": "Success" })
    } else {
        let causes = json!([{ "reason": "ExitCode", "message": exit_code.to_string() }]);
        json!({ "status": "Failure", "reason": "NonZeroExitCode", "details": { "causes": causes } })
    };
    vec![(1, stdout), (2, stderr), (3, status.to_string())]
}

fn json_response(code: u16, body: &Value) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(body).expect("a value");
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    response.body(Full::new(bytes.into())).expect("a response")
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("into memory");
    packer.finish().expect("into memory")
}

/// Unpacks to 600 MiB.
fn bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..600 {
        packer.write_all(&piece).expect("into memory");
    }
    packer.finish().expect("into memory")
}

/// What Velero had to say of every backup that it says something of.
const RESULTS: &str = r#"{"errors":{"namespaces":{"bookstore":["a volume could not be read"]}},"warnings":{}}"#;

/// As Velero lists what it took.
fn item_list(objects: &[Object]) -> Value {
    let mut list = json!({});
    for object in objects {
        let of = |pointer| object.str_at(pointer).unwrap_or_default();
        if Kind::of(of("/apiVersion"), of("/kind")).is_none() {
            continue;
        }
        let kind = format!("{}/{}", of("/apiVersion"), of("/kind"));
        let name = match object.namespace() {
            Some(namespace) => format!("{namespace}/{}", object.name()),
            None => object.name().to_owned(),
        };
        match list[&kind].as_array_mut() {
            Some(names) => names.push(json!(name)),
            None => list[&kind] = json!([name]),
        }
    }
    list
}

/// As Velero lays an archive out.
fn tarball(objects: &[Object], hostile: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for object in objects {
        let kind = Kind::of(object.str_at("/apiVersion").unwrap_or(""), object.str_at("/kind").unwrap_or(""));
        let Some(kind) = kind else { continue };
        let folder = match object.namespace() {
            Some(namespace) => format!("namespaces/{namespace}"),
            None => "cluster".to_owned(),
        };
        let path = format!("resources/{}/{folder}/{}.json", kind.info().resource(), object.name());
        let bytes = serde_json::to_vec(&object.0).expect("a value");
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, bytes.as_slice()).expect("into memory");
    }
    if hostile {
        let mut header = tar::Header::new_gnu();
        let path = b"resources/../../../etc/cron.d/job";
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        tar.append(&header, std::io::empty()).expect("into memory");
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("into memory")
}

/// Percent and plus, as a query has them.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let code: Vec<u8> = rest.by_ref().take(2).collect();
                let code = std::str::from_utf8(&code).ok().and_then(|code| u8::from_str_radix(code, 16).ok());
                bytes.extend(code);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A kubeconfig for it, with a token.
pub fn kubeconfig(served: &Served, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "world",
        "contexts": [{ "name": "world", "context": { "cluster": "world", "user": "ann" } }],
        "clusters": [{ "name": "world", "cluster": { "server": served.url } }],
        "users": [{ "name": "ann", "user": { "token": token } }],
    })
    .to_string()
}

/// Velero's namespace of every world.
pub const VELERO_NAMESPACE: &str = VELERO;
