//! `kubectl dr restore list`: the restores the cluster knows of.

use clap::Args;

use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::report::Failure;
use crate::{glue, json, out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {}

pub(crate) fn main(flags: &Flags, args: &ListArgs) -> Result<Exit, Failure> {
    let ListArgs {} = args;
    let records = glue::block_on(async {
        let session = glue::connect(flags).await?;
        session.records(flags.namespace.as_deref()).await
    })?;
    match flags.output {
        Output::Table | Output::Wide if records.is_empty() => out::prose("no restores"),
        Output::Table | Output::Wide => out::result(&render::list::text(&records)?)?,
        Output::Json => out::json(&json::list::RunListV1::from(records.as_slice()))?,
        Output::Yaml => out::yaml(&json::list::RunListV1::from(records.as_slice()))?,
        Output::Name => {
            for record in &records {
                out::result(&record.id)?;
            }
        }
    }
    Ok(Exit::Done)
}
