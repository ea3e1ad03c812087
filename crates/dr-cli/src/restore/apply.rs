//! `kubectl dr restore apply PLAN`: does what a saved plan says, if the cluster is still as it was.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::report::Failure;
use crate::restore::run::Going;
use crate::restore::{follow, input, plan};
use crate::{glue, json, out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    /// The plan that `kubectl dr restore plan -o json` wrote; `-` reads it from stdin
    #[arg(value_name = "PLAN")]
    file: PathBuf,
    #[command(flatten)]
    going: Going,
}

pub(crate) fn main(flags: &Flags, args: &ApplyArgs) -> Result<Exit, Failure> {
    let ApplyArgs { file, going } = args;
    let (name, text) = input::read("plan", file)?;
    let plan = json::plan::read(&name, &text)?;
    if let Some(namespace) = flags.namespace.as_deref().filter(|namespace| *namespace != plan.place.namespace) {
        let message = format!("the plan is for namespace {}, not for {namespace}", plan.place.namespace);
        return Err(Failure::usage(message));
    }
    let asker = going.asker(flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        session.still_holds(&plan).await?;
        let Some(asker) = asker else { return plan::print(flags.output, &plan, false) };
        out::prose(&render::plan::text(&plan, flags.output == Output::Wide));
        follow::begin(&session, plan, asker, flags, going.timeout).await
    })
}
