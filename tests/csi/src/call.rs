//! One call: it runs, and leaves one line in the log, also when its caller went away.

use std::time::Instant;

use tonic::{Response, Status};

/// Runs a call and logs its method, what it was about, the result and the time it took.
pub(crate) async fn logged<T>(
    method: &'static str,
    about: &str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<Response<T>, Status> {
    let mut line = Line { method, about: about.to_owned(), start: Instant::now(), result: None };
    let answer = call.await;
    line.result = Some(match &answer {
        Ok(_) => "Ok".to_owned(),
        Err(status) => format!("{:?} ({})", status.code(), status.message()),
    });
    answer.map(Response::new)
}

/// Runs file work where it may block, and to its end even when the caller goes away.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(Status::internal(format!("the call's work broke off: {error}"))),
    }
}

/// A field that the specification requires.
pub(crate) fn required<'a>(name: &str, value: &'a str) -> Result<&'a str, Status> {
    if value.is_empty() { Err(Status::invalid_argument(format!("{name} is missing"))) } else { Ok(value) }
}

struct Line {
    method: &'static str,
    about: String,
    start: Instant,
    result: Option<String>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let result = self.result.as_deref().unwrap_or("the caller went away");
        tracing::info!("{} {} {result} {} ms", self.method, self.about, self.start.elapsed().as_millis());
    }
}
