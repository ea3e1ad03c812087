//! What a request came to when it did not work: kube's error read once, its chain flattened without repetition.

use std::error::Error as _;
use std::time::Duration;

use http::{HeaderMap, header};

/// Letters of a plain answer that are told; a proxy's may be a whole page.
const LONGEST: usize = 300;

/// What went wrong, as far as anybody reacts differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiErrorKind {
    NotFound,
    Conflict,
    AlreadyExists,
    /// Not allowed, or not known at all: 401 and 403.
    Forbidden,
    Invalid,
    Timeout,
    /// No answer: refused, reset, no such host.
    Unreachable,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub kind: ApiErrorKind,
    /// The HTTP status, when there was an answer.
    pub code: Option<u16>,
    pub message: String,
    /// How long the server asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(kind: ApiErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), retry_after: None }
    }

    pub(crate) fn no_answer(within: Duration) -> Self {
        Self::new(ApiErrorKind::Timeout, format!("no answer from the API server within {} s", within.as_secs()))
    }

    /// What the server answered instead of what was asked for.
    pub(crate) fn of_answer(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let told: Option<kube::core::Status> = serde_json::from_slice(body).ok();
        let mut status = told.unwrap_or_else(|| {
            // Fairness, proxies and paths that are not served speak plain text.
            let text = String::from_utf8_lossy(body);
            let text: String = text.trim().chars().take(LONGEST).collect();
            kube::core::Status::failure(&text, "").with_code(code)
        });
        if status.code == 0 {
            // JSON of a gateway, which is no Status.
            status.code = code;
        }
        let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self { retry_after: asked.map(Duration::from_secs), ..from_status(&status) }
    }

    /// The server took no notice of the request, and says when it will: it may be sent again, whatever it does.
    pub(crate) fn is_throttled(&self) -> bool {
        self.code == Some(429) && self.retry_after.is_some()
    }

    /// The same request may well work a moment later.
    pub fn is_passing(&self) -> bool {
        match self.kind {
            ApiErrorKind::Timeout | ApiErrorKind::Unreachable => true,
            ApiErrorKind::NotFound
            | ApiErrorKind::Conflict
            | ApiErrorKind::AlreadyExists
            | ApiErrorKind::Forbidden
            | ApiErrorKind::Invalid
            | ApiErrorKind::Other => self.code.is_some_and(|code| code == 429 || code >= 500),
        }
    }

    /// Whether the request had an effect is not known.
    pub fn is_unknown(&self) -> bool {
        self.is_passing() || self.code.is_none()
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = &error {
            return from_status(status);
        }
        let message = chain(&error);
        let lower = message.to_lowercase();
        let certificate = lower.contains("certificate") || lower.contains("invalid peer");
        let kind = if matches!(error, kube::Error::Auth(_)) {
            ApiErrorKind::Forbidden
        } else if certificate || matches!(error, kube::Error::HttpError(_) | kube::Error::BuildRequest(_)) {
            ApiErrorKind::Other
        } else if lower.contains("timed out") || lower.contains("deadline") {
            ApiErrorKind::Timeout
        } else if matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)) {
            ApiErrorKind::Unreachable
        } else {
            ApiErrorKind::Other
        };
        Self::new(kind, message)
    }
}

fn from_status(status: &kube::core::Status) -> ApiError {
    let kind = match (status.code, status.reason.as_str()) {
        (409, "AlreadyExists") => ApiErrorKind::AlreadyExists,
        (404, _) => ApiErrorKind::NotFound,
        (409, _) => ApiErrorKind::Conflict,
        (401 | 403, _) => ApiErrorKind::Forbidden,
        (400 | 422, _) => ApiErrorKind::Invalid,
        // An answer that is JSON and no Status: something between us and the API server spoke.
        (0, _) => ApiErrorKind::Unreachable,
        (408 | 504, _) | (_, "ServerTimeout" | "Timeout") => ApiErrorKind::Timeout,
        _ => ApiErrorKind::Other,
    };
    let text = if status.message.is_empty() { &status.reason } else { &status.message };
    let message = match (text.is_empty(), status.code) {
        (false, _) => text.clone(),
        (true, 0) => "the answer is not the API server's".to_owned(),
        (true, code) => format!("HTTP {code}"),
    };
    ApiError { code: (status.code != 0).then_some(status.code), ..ApiError::new(kind, message) }
}

/// Every cause once: kube's errors repeat their source in their own text.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let mut told: Vec<String> = Vec::new();
    for cause in causes.into_iter().rev() {
        match told.last() {
            Some(inner) if cause.contains(inner.as_str()) => {
                let outer = cause.replace(inner.as_str(), "");
                let outer = outer.trim_end_matches([' ', ':', '(', ')']).trim();
                let empty = outer.is_empty() || outer.ends_with("Error") || outer == "ServiceError";
                if !empty {
                    let joined = format!("{outer}: {inner}");
                    told.pop();
                    told.push(joined);
                }
            }
            Some(inner) => {
                let joined = format!("{cause}: {inner}");
                told.pop();
                told.push(joined);
            }
            None => told.push(cause),
        }
    }
    told.pop().unwrap_or_else(|| error.to_string())
}

/// kube's error with its chain, for what is no API request.
pub(crate) fn told(error: &kube::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(_) => chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str) -> ApiError {
        kube::Error::Api(Box::new(kube::core::Status::failure("told", reason).with_code(code))).into()
    }

    #[test]
    fn an_existing_object_is_told_apart_from_a_stale_version() {
        assert_eq!(status(409, "AlreadyExists").kind, ApiErrorKind::AlreadyExists);
        assert_eq!(status(409, "Conflict").kind, ApiErrorKind::Conflict);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_read_again() {
        for code in [429, 500, 502, 503, 504] {
            assert!(status(code, "").is_passing(), "{code}");
        }
        for code in [400, 401, 403, 404, 409, 422] {
            assert!(!status(code, "").is_passing(), "{code}");
        }
    }

    #[test]
    fn an_answer_of_something_in_between_leaves_the_effect_unknown() {
        assert!(ApiError::from(kube::Error::Api(Box::default())).is_unknown());
    }

    #[test]
    fn an_answer_of_a_gateway_keeps_its_code_and_how_long_it_asks_to_wait() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "18446744073709551615".parse().unwrap());
        let error = ApiError::of_answer(429, &headers, br#"{"message":"Rate limit exceeded"}"#);
        assert_eq!((error.code, error.message.as_str()), (Some(429), "Rate limit exceeded"));
        assert!(error.is_throttled());
        assert!(!ApiError::of_answer(403, &HeaderMap::new(), br#"{"message":"no"}"#).is_passing());
    }

    #[test]
    fn a_refused_connection_is_told_once() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = ApiError::from(kube::Error::Service(Box::new(refused)));
        assert_eq!(error.kind, ApiErrorKind::Unreachable);
        assert_eq!(error.message, "connection refused");
        assert!(error.is_unknown());
    }
}
