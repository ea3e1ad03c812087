//! `kubectl dr restore apply PLAN`: does what a saved plan says, if the cluster is still as it was.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use dr_run::plan::Plan;

use crate::confirm::Asker;
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::report::Failure;
use crate::restore::follow;
use crate::restore::run::Going;
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
    let plan = read(file)?;
    if let Some(namespace) = flags.namespace.as_deref().filter(|namespace| *namespace != plan.place.namespace) {
        let message = format!("the plan is for namespace {}, not for {namespace}", plan.place.namespace);
        return Err(Failure::usage(message));
    }
    if going.dry_run {
        out::result(&render::plan::text(&plan, flags.output == Output::Wide))?;
        return Ok(Exit::Done);
    }
    let asker = Asker::find(going.yes, flags.output)?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        session.still_holds(&plan).await?;
        out::prose(&render::plan::text(&plan, flags.output == Output::Wide));
        follow::begin(&session, plan, asker, flags, going.timeout).await
    })
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::failed(format!("cannot read the plan {name}"), error).with_exit(Exit::Usage))?;
    json::plan::read(&name, &text)
}
