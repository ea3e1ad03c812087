//! `kubectl dr restore plan`: decides everything and changes nothing.

use clap::Args;
use dr_core::choose::{self, Choice};
use dr_run::plan::Plan;

use crate::config::{self, Config};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::{self, Session};
use crate::report::Failure;
use crate::restore::run::Selection;
use crate::{json, out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
}

pub(crate) fn main(flags: &Flags, args: &PlanArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace("kubectl dr restore plan --ns NAMESPACE [--from BACKUP]")?;
    show(flags, namespace, &args.selection)
}

pub(crate) fn show(flags: &Flags, namespace: &str, selection: &Selection) -> Result<Exit, Failure> {
    let config = config::find()?;
    let plan = glue::block_on(async {
        let session = glue::connect(flags).await?;
        make(&session, namespace, selection, &config).await
    })?;
    match flags.output {
        Output::Table => out::result(&render::plan::text(&plan, false))?,
        Output::Wide => out::result(&render::plan::text(&plan, true))?,
        Output::Json => out::json(&json::plan::PlanV1::from(&plan))?,
        Output::Yaml => out::yaml(&json::plan::PlanV1::from(&plan))?,
        Output::Name => out::result(&plan.id)?,
    }
    Ok(Exit::Done)
}

/// Reads the cluster, chooses the backup, reads what the choice needs of it, and plans.
pub(crate) async fn make(
    session: &Session,
    namespace: &str,
    selection: &Selection,
    config: &Config,
) -> Result<Plan, Failure> {
    let request = selection.choice(config.left(namespace));
    let mut facts = session.capture(namespace).await?;
    let chosen = loop {
        let choice = choose::choose(&facts, &request);
        let doing = format!("cannot restore namespace {namespace}");
        match choice.map_err(|refusal| Failure::from_refusal(doing, refusal))? {
            Choice::Fetch { backup, what } => session.fetch(&mut facts, &backup, what).await?,
            Choice::Take(chosen) => break *chosen,
        }
    };
    let mut plan = Session::compute(&facts, &chosen, selection)?;
    plan.warnings
        .extend(config.rpo(namespace).and_then(|rpo| too_old(plan.expectation.data_loss_seconds, rpo.as_secs())));
    Ok(plan)
}

fn too_old(loss: u64, rpo: u64) -> Option<String> {
    (loss > rpo).then(|| format!("{} of data are lost; dr.yaml allows {}", render::seconds(loss), render::seconds(rpo)))
}
