//! `kubectl dr restore finalize`: closes a run; what it kept for the undo is no longer its business.

use clap::Args;

use crate::confirm::Asker;
use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue::{self, Session};
use crate::out;
use crate::report::Failure;
use crate::restore::run::Going;
use crate::restore::{Which, follow};

#[derive(Debug, Clone, Args)]
pub(crate) struct FinalizeArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    going: Going,
    /// Delete the volumes of before, too
    #[arg(long)]
    discard_old: bool,
}

pub(crate) fn main(flags: &Flags, args: &FinalizeArgs) -> Result<Exit, Failure> {
    let FinalizeArgs { which, going, discard_old: _ } = args;
    let asker = Asker::find(going.yes, flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let story = session.story(which.id.as_deref(), flags.namespace.as_deref()).await?;
        follow::may_finalize(&session, &story).await?;
        let closing = Session::closing(&story, args.discard_old)?;
        for step in &closing.steps {
            out::prose(&step.title);
        }
        for kept in &closing.kept {
            out::prose(&kept.to_string());
        }
        if going.dry_run {
            return Ok(Exit::Done);
        }
        let question = "After this the restore can no longer be undone.";
        if !asker.confirm(&follow::place(story.run.plan()), question)? {
            return Err(Failure::refused("the namespace was not typed"));
        }
        let left = session.finalize(&story, &closing).await?;
        out::prose(&format!("restore {} is closed", story.run.plan().id));
        if !left.is_empty() {
            let message = format!("closed, but not everything was tidied up: {}", left.join("; "));
            return Err(Failure::new(Exit::Partly, message));
        }
        Ok(Exit::Done)
    })
}
