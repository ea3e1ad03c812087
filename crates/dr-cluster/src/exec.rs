//! Runs a command inside a pod's container and reads what it says.

use std::future::Future;
use std::time::Duration;

use dr_core::object::Key;
use dr_core::redact;
use dr_run::action::Examination;
use dr_run::decide::Said;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::api_error::ApiError;
use crate::connect::Connection;

/// More than any fingerprint needs; what a command says beyond it makes the answer unusable, not the tool.
const STDOUT_LIMIT: u64 = 8 * 1024 * 1024;
const STDERR_KEPT: usize = 4 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The command did not begin; it can be tried again.
    #[error("the command does not start: {0}")]
    NotStarted(String),
    #[error("the command did not end within {0} s")]
    TooLong(u64),
    #[error("the command said more than {STDOUT_LIMIT} bytes")]
    TooMuch,
    #[error("the connection broke while the command ran: {0}")]
    Broken(String),
}

/// Whoever runs examinations: a real container's shell, or a test's answer.
pub trait Examiner {
    fn examine(&self, pod: &Key, examination: &Examination) -> impl Future<Output = Result<Said, ExecError>> + Send;
}

/// Through the API server's exec.
#[derive(Clone)]
pub struct InPod(pub Connection);

impl Examiner for InPod {
    async fn examine(&self, pod: &Key, examination: &Examination) -> Result<Said, ExecError> {
        let Examination { container, command, seconds, .. } = examination;
        exec(&self.0, pod, container, command, Duration::from_secs(*seconds)).await
    }
}

/// Runs the command and waits for its end, at most so long.
pub async fn exec(
    connection: &Connection,
    pod: &Key,
    container: &str,
    command: &[String],
    within: Duration,
) -> Result<Said, ExecError> {
    tokio::time::timeout(within, run(connection, pod, container, command))
        .await
        .map_err(|_| ExecError::TooLong(within.as_secs()))?
}

async fn run(connection: &Connection, pod: &Key, container: &str, command: &[String]) -> Result<Said, ExecError> {
    let api: Api<Pod> = match &pod.namespace {
        Some(namespace) => Api::namespaced(connection.client.clone(), namespace),
        None => return Err(ExecError::NotStarted(format!("{pod} has no namespace"))),
    };
    let params = AttachParams { container: Some(container.to_owned()), ..AttachParams::default() }
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let mut process = api
        .exec(&pod.name, command.iter().map(String::as_str), &params)
        .await
        .map_err(|error| ExecError::NotStarted(ApiError::from(error).message))?;
    let (Some(stdout), Some(stderr), Some(status)) = (process.stdout(), process.stderr(), process.take_status()) else {
        return Err(ExecError::NotStarted("the server opened no streams".to_owned()));
    };
    let status = async { Ok::<_, ExecError>(status.await) };
    let (stdout, stderr, status) = tokio::try_join!(read_up_to(stdout), read_tail(stderr), status)?;
    let Some(status) = status else {
        return Err(ExecError::Broken("the server told no exit code".to_owned()));
    };
    Ok(Said {
        exit_code: exit_code(&status).ok_or_else(|| ExecError::NotStarted(status.message.unwrap_or_default()))?,
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        // It goes on into messages and the journal; a client that fails likes to repeat its connection string.
        stderr: redact::text(&String::from_utf8_lossy(&stderr)),
    })
}

/// None: the command was not run at all, such as when the container is gone.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_ref()?.parse().ok()
}

async fn read_up_to(stream: impl AsyncRead + Unpin) -> Result<Vec<u8>, ExecError> {
    let mut limited = stream.take(STDOUT_LIMIT + 1);
    let mut bytes = Vec::new();
    limited.read_to_end(&mut bytes).await.map_err(|error| ExecError::Broken(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > STDOUT_LIMIT {
        return Err(ExecError::TooMuch);
    }
    Ok(bytes)
}

async fn read_tail(mut stream: impl AsyncRead + Unpin) -> Result<Vec<u8>, ExecError> {
    let mut kept = Vec::new();
    let mut chunk = vec![0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.map_err(|error| ExecError::Broken(error.to_string()))?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend(chunk.iter().take(read));
        if kept.len() > STDERR_KEPT {
            kept.drain(..kept.len() - STDERR_KEPT);
        }
    }
}
