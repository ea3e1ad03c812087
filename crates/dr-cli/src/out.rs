//! The two streams: results to stdout, prose to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::report::Failure;

/// Writes a result. A reader that went away (`| head`) has read what it wanted: that is no error.
pub(crate) fn result(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed("cannot write the result", error)),
    }
}

pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed("cannot write JSON", error))?;
    result(&text)
}

pub(crate) fn yaml(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_yaml::to_string(value).map_err(|error| Failure::failed("cannot write YAML", error))?;
    result(&text)
}

/// Writes prose. Nobody may be listening, and there is nobody left to tell.
pub(crate) fn prose(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Whether a person can be asked: somebody reads the question and somebody can type.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// What is read and written, to stderr; `RUST_LOG` narrows it further.
pub(crate) fn trace(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1..=4 => "dr_cluster=info",
        5 => "dr_cluster=debug",
        6.. => "dr_cluster=trace,kube_client=debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // A second subscriber is refused; there is only this one.
    drop(subscriber.try_init());
}
