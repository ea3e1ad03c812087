//! `kubectl dr restore status`: what has happened, what is next and what is still old, in one screen.

use serde_json::Value;

use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::Record;
use crate::report::Failure;
use crate::restore::Which;
use crate::{glue, json, out, render};

pub(crate) fn main(flags: &Flags, which: &Which) -> Result<Exit, Failure> {
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let namespace = flags.namespace.as_deref();
        let records = session.records(namespace).await?;
        let closed = match &which.id {
            Some(id) => records.iter().find(|record| record.closed && record.id == *id),
            None => records.last().filter(|record| record.closed),
        };
        match closed {
            Some(record) => {
                let report = session.report(&record.id).await?.ok_or_else(|| {
                    let message = format!("restore {} is closed and its record holds no report", record.id);
                    Failure::new(Exit::Failed, message).hint("kubectl dr restore list")
                })?;
                show_closed(flags, record, &report)?;
            }
            None => show(flags, &session.story(which.id.as_deref(), namespace).await?)?,
        }
        Ok(Exit::Done)
    })
}

/// A run that was closed: plan and journal are gone, what was reported at the end is left.
fn show_closed(flags: &Flags, record: &Record, report: &Value) -> Result<(), Failure> {
    match flags.output {
        Output::Table | Output::Wide => out::result(&render::status::closed(record, report)),
        Output::Json => out::json(report),
        Output::Yaml => out::yaml(report),
        Output::Name => out::result(&record.id),
    }
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
