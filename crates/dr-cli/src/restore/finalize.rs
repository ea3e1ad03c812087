//! `kubectl dr restore finalize`: closes a run; what it kept for the undo is no longer its business.

use clap::Args;
use dr_run::finalize::Closing;
use dr_run::plan::Plan;

use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue;
use crate::json::closing::ClosingV1;
use crate::report::Failure;
use crate::restore::run::Going;
use crate::restore::{Which, follow};
use crate::{out, render};

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
    let FinalizeArgs { which, going, discard_old } = args;
    let asker = going.asker(flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let story = session.story(which.id.as_deref(), flags.namespace.as_deref()).await?;
        follow::may_finalize(&session, &story).await?;
        let todo = session.closing(&story, *discard_old).await?;
        let plan = story.run.plan();
        let intended = render::closing::intended(plan, &todo);
        let Some(asker) = asker else {
            show(flags, plan, &todo, None, &intended)?;
            return Ok(Exit::Done);
        };
        out::prose(&intended);
        let question = "After this the restore can no longer be undone.";
        if !asker.confirm(&follow::place(plan), question)? {
            return Err(Failure::refused("the namespace was not typed"));
        }
        session.may_close(plan, &todo.steps).await?;
        let left = session.finalize(&story, &todo).await?;
        show(flags, plan, &todo, Some(&left), &render::closing::done(plan, &todo, &left))?;
        Ok(if left.is_empty() { Exit::Done } else { Exit::Partly })
    })
}

fn show(flags: &Flags, plan: &Plan, todo: &Closing, done: Option<&[String]>, text: &str) -> Result<(), Failure> {
    let document = ClosingV1::new(&plan.id, &plan.place.namespace, todo, done);
    match flags.output {
        Output::Table | Output::Wide => out::result(text),
        Output::Json => out::json(&document),
        Output::Yaml => out::yaml(&document),
        Output::Name => out::result(&plan.id),
    }
}
