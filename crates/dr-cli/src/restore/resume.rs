//! `kubectl dr restore resume`: takes a run over that nobody drives any more.

use clap::Args;

use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue;
use crate::report::Failure;
use crate::restore::{Again, Which, follow};

#[derive(Debug, Clone, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    again: Again,
}

pub(crate) fn main(flags: &Flags, args: &ResumeArgs) -> Result<Exit, Failure> {
    let ResumeArgs { which, again } = args;
    let asker = again.going.asker(flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let story = session.story(which.id.as_deref(), flags.namespace.as_deref()).await?;
        let Some(asker) = asker else {
            story.ahead_with(None)?.show(flags)?;
            return Ok(Exit::Done);
        };
        follow::take_over(&session, story, None, asker, flags, again).await
    })
}
