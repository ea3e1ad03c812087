//! `kubectl dr restore status`: what has happened, what is next and what is still old, in one screen.

use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::report::Failure;
use crate::restore::Which;
use crate::{glue, json, out, render};

pub(crate) fn main(flags: &Flags, which: &Which) -> Result<Exit, Failure> {
    let story = glue::block_on(async {
        let session = glue::connect(flags).await?;
        session.story(which.id.as_deref(), flags.namespace.as_deref()).await
    })?;
    show(flags, &story)?;
    Ok(Exit::Done)
}

pub(crate) fn show(flags: &Flags, story: &crate::story::Story) -> Result<(), Failure> {
    match flags.output {
        Output::Table => out::result(&render::status::text(story, false)),
        Output::Wide => out::result(&render::status::text(story, true)),
        Output::Json => out::json(&json::status::RunStatusV1::from(story)),
        Output::Yaml => out::yaml(&json::status::RunStatusV1::from(story)),
        Output::Name => out::result(&story.run.plan().id),
    }
}
