//! `kubectl dr restore undo` and `redo`: the same run walked back, or forward again.

use clap::Args;
use dr_run::journal::{Direction, Turn};

use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue;
use crate::report::Failure;
use crate::restore::{Again, Which, follow};

#[derive(Debug, Clone, Args)]
pub(crate) struct TurnArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    again: Again,
}

pub(crate) fn undo(flags: &Flags, args: &TurnArgs) -> Result<Exit, Failure> {
    turn(flags, args, Direction::Back)
}

pub(crate) fn redo(flags: &Flags, args: &TurnArgs) -> Result<Exit, Failure> {
    turn(flags, args, Direction::Forward)
}

fn turn(flags: &Flags, args: &TurnArgs, to: Direction) -> Result<Exit, Failure> {
    let TurnArgs { which, again } = args;
    let asker = again.going.asker(flags.output)?;
    let why = match to {
        Direction::Back => Turn::UndoRequested,
        Direction::Forward => Turn::RedoRequested,
    };
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let story = session.story(which.id.as_deref(), flags.namespace.as_deref()).await?;
        follow::may_turn(&session, &story, to).await?;
        let Some(asker) = asker else {
            story.ahead_with(Some((to, why)))?.show(flags)?;
            return Ok(Exit::Done);
        };
        follow::take_over(&session, story, Some((to, why)), asker, flags, again).await
    })
}
