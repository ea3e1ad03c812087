//! Driving a run and telling of it: from the confirmation to the final report.

use std::time::Duration;

use dr_run::journal::{Direction, Turn};
use dr_run::plan::Plan;

use crate::confirm::{Asker, Where};
use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue::Session;
use crate::report::Failure;
use crate::story::Story;

pub(crate) fn place(plan: &Plan) -> Where<'_> {
    Where { context: &plan.place.context, server: &plan.place.server, namespace: &plan.place.namespace }
}

pub(crate) async fn begin(
    _session: &Session,
    _plan: Plan,
    _asker: Asker,
    _flags: &Flags,
    _timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}

pub(crate) async fn take_over(
    _session: &Session,
    _story: Story,
    _turn: Option<(Direction, Turn)>,
    _asker: Asker,
    _flags: &Flags,
    _timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    Ok(Exit::Failed)
}

pub(crate) async fn may_turn(_session: &Session, _story: &Story, _to: Direction) -> Result<(), Failure> {
    Ok(())
}

pub(crate) async fn may_finalize(_session: &Session, _story: &Story) -> Result<(), Failure> {
    Ok(())
}
