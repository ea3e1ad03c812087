//! Taking a run: the epoch is raised, and what an older process may still be about to change is touched, so that a
//! request it decided on before is refused by the API server.

use std::time::Duration;

use dr_core::object::Key;
use dr_run::action::{Action, Step, Undo};
use dr_run::journal::Direction;
use dr_run::run::Run;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;
use crate::execute::{ExecuteError, Held};
use crate::journal_store::{JournalStore, StoreError};
use crate::request::{self, MERGE_PATCH};

/// The annotation of the fence.
const FENCE: &str = "kubectl-dr/fence";

/// How long taking over waits for an API server that does not answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes the run, new or left behind by another process. `by` must name this process and no other.
pub async fn take(store: &JournalStore, id: &str, by: &str, now: Timestamp) -> Result<Held, ExecuteError> {
    let (plan, entries, position) = store.take(id, by, now).await?;
    let run = Run::replay(plan, &entries)?;
    for (step, direction) in run.open_intents() {
        let Some(key) = target(&run, step, direction) else { continue };
        touch(store.connection(), &key, FENCE, &format!("{id}-{}", position.epoch()))
            .await
            .map_err(|cause| StoreError::Api { doing: format!("take over {key}"), cause })?;
    }
    Ok(Held { run, position })
}

/// The object a request of the open intent would change or delete; none for what creates, reads or has no name yet.
fn target(run: &Run, step: &Step, direction: Direction) -> Option<Key> {
    let one_way = match (direction, &step.undo) {
        (Direction::Forward, _) => &step.forward,
        (Direction::Back, Undo::Move(back)) => back,
        (Direction::Back, Undo::Nothing { .. } | Undo::Impossible { .. }) => return None,
    };
    match &one_way.action {
        Action::Patch { target, .. } | Action::Delete { target, .. } => target.object.resolve(run.bindings()).ok(),
        Action::Observe
        | Action::Confirm
        | Action::Create { .. }
        | Action::Copy { .. }
        | Action::Clear { .. }
        | Action::PatchEach { .. }
        | Action::Examine(_) => None,
    }
}

/// Sets an annotation and removes it again: the object is as before, its resourceVersion is not.
pub(crate) async fn touch(connection: &Connection, key: &Key, annotation: &str, mark: &str) -> Result<(), ApiError> {
    let deadline = Instant::now() + PATIENCE;
    for value in [Value::from(mark), Value::Null] {
        loop {
            let Some(found) = request::get(connection, key, deadline).await? else { return Ok(()) };
            if value.is_null() && found.annotation(annotation).is_none() {
                break;
            }
            let patch = json!({ "metadata": {
                "uid": found.uid(),
                "resourceVersion": found.resource_version(),
                "annotations": { annotation: value },
            } });
            match request::send(connection, Method::PATCH, &request::object(key), MERGE_PATCH, Some(&patch)).await {
                Ok(_) => break,
                Err(error) if error.kind == ApiErrorKind::NotFound => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(error) if error.kind == ApiErrorKind::Conflict || error.is_unknown() => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
