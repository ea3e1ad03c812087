//! What may befall requests on their way, as servers and what stands before them do it.

use std::convert::Infallible;

use futures::stream;
use http::{Method, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::json;

use super::json_response;

pub(super) type Body = BoxBody<Bytes, Infallible>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 as the API server's fairness says it: plain text, and how many seconds to wait.
    Throttled(u64),
    /// An answer of this code, without effect.
    Status(u16),
    /// 410 to who goes on with a list, with a token to go on with what there is now.
    Gone,
    /// 404, as of a kind whose definition was deleted.
    NotServed,
    /// The answer breaks off in its middle.
    Cut,
}

/// A fault for requests whose line contains a text, and how often it is left to come.
#[derive(Debug, Clone)]
pub(super) struct Planted {
    pub(super) line: String,
    pub(super) fault: Fault,
    pub(super) left: usize,
    /// How often it has come.
    pub(super) hits: usize,
}

/// The fault for a request, taken off the list.
pub(super) fn taken(planted: &mut [Planted], method: &Method, path_and_query: &str) -> Option<Fault> {
    let line = format!("{method} {path_and_query}");
    let found = planted.iter_mut().find(|one| one.left > 0 && line.contains(&one.line))?;
    found.left -= 1;
    found.hits += 1;
    Some(found.fault)
}

/// What is answered instead; none where the true answer goes out, whole or not.
pub(super) fn instead(fault: Fault) -> Option<Response<Full<Bytes>>> {
    let status = |code: u16, reason: &str, message: &str| {
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
                "message": message, "code": code })
    };
    match fault {
        Fault::Throttled(seconds) => {
            let response = Response::builder().status(429).header(header::RETRY_AFTER, seconds);
            let text = "Too many requests, please try again later.\n";
            Some(response.body(Full::new(text.into())).expect("a response"))
        }
        Fault::Status(code) => Some(json_response(code, &status(code, "InternalError", "etcdserver: leader changed"))),
        Fault::Gone => {
            let mut gone = status(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result",
            );
            gone["metadata"] = json!({ "continue": "inconsistent" });
            Some(json_response(410, &gone))
        }
        Fault::NotServed => {
            Some(Response::builder().status(404).body(Full::new("404 page not found\n".into())).expect("a response"))
        }
        Fault::Cut => None,
    }
}

/// As the answer is sent: of one that is cut, the head promises more than comes.
pub(super) fn sent(response: Response<Full<Bytes>>, cut: bool) -> Response<Body> {
    if !cut {
        return response.map(BodyExt::boxed);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = now(body);
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    let frames = stream::iter([Ok::<_, Infallible>(Frame::data(half))]);
    Response::from_parts(parts, BodyExt::boxed(StreamBody::new(frames)))
}

/// A whole body is there at once.
fn now(body: Full<Bytes>) -> Bytes {
    let collected = futures::FutureExt::now_or_never(body.collect());
    collected.and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default()
}
