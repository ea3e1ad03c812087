//! Where the commands meet the cluster: everything they need of `dr-cluster`, in the words they use.

use std::future::Future;

use dr_core::choose::{Chosen, What};
use dr_core::facts::Facts;
use dr_run::plan::Plan;
use jiff::Timestamp;

use crate::flags::Flags;
use crate::report::Failure;
use crate::restore::run::Selection;
use crate::story::Story;

/// A cluster we can speak to.
pub(crate) struct Session {}

/// A run as the list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) backup: String,
    pub(crate) made: Timestamp,
    /// None while it is to go on.
    pub(crate) outcome: Option<String>,
}

pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("cannot start", error))?;
    let ended = runtime.block_on(future);
    // A question that still stands must not keep the process.
    runtime.shutdown_background();
    ended
}

fn unwired() -> Failure {
    Failure::new(crate::exit::Exit::Failed, "this version cannot reach a cluster yet")
}

#[expect(clippy::unused_async, reason = "reaches the cluster")]
pub(crate) async fn connect(_flags: &Flags) -> Result<Session, Failure> {
    Err(unwired())
}

#[expect(clippy::unused_async, clippy::unused_self, reason = "reaches the cluster")]
impl Session {
    pub(crate) async fn capture(&self, _namespace: &str) -> Result<Facts, Failure> {
        Err(unwired())
    }

    pub(crate) async fn fetch(&self, _facts: &mut Facts, _backup: &str, _what: What) -> Result<(), Failure> {
        Err(unwired())
    }

    pub(crate) fn compute(&self, _facts: &Facts, _chosen: &Chosen, _selection: &Selection) -> Result<Plan, Failure> {
        Err(unwired())
    }

    pub(crate) async fn still_holds(&self, _plan: &Plan) -> Result<(), Failure> {
        Err(unwired())
    }

    pub(crate) async fn records(&self, _namespace: Option<&str>) -> Result<Vec<Record>, Failure> {
        Err(unwired())
    }

    pub(crate) async fn story(&self, _id: Option<&str>, _namespace: Option<&str>) -> Result<Story, Failure> {
        Err(unwired())
    }

    pub(crate) async fn finalize(&self, _story: &Story) -> Result<Vec<String>, Failure> {
        Err(unwired())
    }
}
