//! `kubectl dr restore finalize`: closes a run; what it kept for the undo is no longer its business.

use clap::Args;

use crate::confirm::Asker;
use crate::exit::Exit;
use crate::flags::Flags;
use crate::report::Failure;
use crate::restore::run::Going;
use crate::restore::{Which, follow};
use crate::{glue, out};

#[derive(Debug, Clone, Args)]
pub(crate) struct FinalizeArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    going: Going,
}

pub(crate) fn main(flags: &Flags, args: &FinalizeArgs) -> Result<Exit, Failure> {
    let FinalizeArgs { which, going } = args;
    let asker = Asker::find(going.yes, flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let story = session.story(which.id.as_deref(), flags.namespace.as_deref()).await?;
        follow::may_finalize(&session, &story).await?;
        let question = "After this the restore can no longer be undone.";
        if going.dry_run {
            crate::restore::status::show(flags, &story)?;
            return Ok(Exit::Done);
        }
        if !asker.confirm(&follow::place(story.run.plan()), question)? {
            return Err(Failure::refused("the namespace was not typed"));
        }
        let kept = session.finalize(&story).await?;
        for line in kept {
            out::prose(&line);
        }
        out::prose(&format!("restore {} is closed", story.run.plan().id));
        Ok(Exit::Done)
    })
}
