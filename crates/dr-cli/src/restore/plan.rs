//! `kubectl dr restore plan`: decides everything and changes nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use dr_core::choose::{self, Choice, Chosen, What};
use dr_core::facts::Facts;
use dr_run::plan::Plan;

use crate::config::{self, Config};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::{self, Session};
use crate::json::facts::{self, Asked};
use crate::report::Failure;
use crate::restore::input;
use crate::restore::run::{FactsOut, Selection};
use crate::{json, out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) facts_out: FactsOut,
    /// Plan from a file that --facts-out wrote instead of a cluster, as it was asked then unless flags say otherwise
    #[arg(long, value_name = "FILE", conflicts_with = "facts_out")]
    pub(crate) facts: Option<PathBuf>,
}

pub(crate) fn main(flags: &Flags, args: &PlanArgs) -> Result<Exit, Failure> {
    let PlanArgs { selection, facts_out, facts } = args;
    if let Some(file) = facts {
        return from_file(flags, file, selection);
    }
    let namespace = flags.namespace("kubectl dr restore plan --ns NAMESPACE [--from BACKUP]")?;
    show(flags, namespace, selection, facts_out)
}

pub(crate) fn show(
    flags: &Flags,
    namespace: &str,
    selection: &Selection,
    facts_out: &FactsOut,
) -> Result<Exit, Failure> {
    let config = config::find()?;
    let plan = glue::block_on(async {
        let session = glue::connect(flags).await?;
        make(&session, namespace, selection, &config, facts_out).await
    })?;
    print(flags.output, &plan, false)
}

pub(crate) fn print(output: Output, plan: &Plan, from_facts: bool) -> Result<Exit, Failure> {
    let document = json::plan::PlanV1::new(plan, from_facts);
    match output {
        Output::Table => out::result(&render::plan::text(plan, false))?,
        Output::Wide => out::result(&render::plan::text(plan, true))?,
        Output::Json => out::json(&document)?,
        Output::Yaml => out::yaml(&document)?,
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
    facts_out: &FactsOut,
) -> Result<Plan, Failure> {
    let asked = Asked {
        id: glue::new_id(),
        choice: selection.choice(config.left(namespace)),
        objects_missing: selection.objects.is_some(),
        accept_unproven: selection.accept_unproven,
        rpo_seconds: config.rpo(namespace).map(|rpo| rpo.as_secs()),
    };
    let mut facts = session.capture(namespace).await?;
    let chosen = loop {
        match chosen(&facts, &asked) {
            Err(Unchosen::Lacks { backup, what }) => session.fetch(&mut facts, &backup, what).await?,
            Err(Unchosen::Refused(failure)) => break Err(failure),
            Ok(chosen) => break Ok(chosen),
        }
    };
    // Before anything is judged by what was read: a refusal is what such a file is most often sent for.
    if let Some(file) = &facts_out.facts_out {
        facts::write(file, &facts, &asked)?;
    }
    planned(&facts, &*chosen?, &asked)
}

fn from_file(flags: &Flags, file: &Path, selection: &Selection) -> Result<Exit, Failure> {
    let (name, text) = input::read("facts", file)?;
    let (facts, mut asked) = facts::read(&name, &text)?;
    if let Some(namespace) = flags.namespace.as_deref().filter(|namespace| *namespace != facts.namespace) {
        let message = format!("the facts are of namespace {}, not of {namespace}", facts.namespace);
        return Err(Failure::usage(message));
    }
    if *selection != Selection::default() {
        asked.choice = selection.choice(Vec::new());
        asked.objects_missing = selection.objects.is_some();
        asked.accept_unproven = selection.accept_unproven;
    }
    let chosen = match chosen(&facts, &asked) {
        Ok(chosen) => chosen,
        Err(Unchosen::Refused(failure)) => return Err(failure),
        Err(Unchosen::Lacks { backup, what }) => {
            let what = match what {
                What::VolumeInfos => "list of volumes",
                What::Archive => "archive",
            };
            let message = format!("{name}: the {what} of backup {backup} was not read when this file was written");
            return Err(Failure::refused(message).hint("save the facts again with the same flags"));
        }
    };
    print(flags.output, &planned(&facts, &chosen, &asked)?, true)
}

/// Why there is no backup to plan with.
#[derive(Debug)]
pub(crate) enum Unchosen {
    /// A document of this backup has to be read first.
    Lacks {
        backup: String,
        what: What,
    },
    Refused(Failure),
}

pub(crate) fn chosen(facts: &Facts, asked: &Asked) -> Result<Box<Chosen>, Unchosen> {
    let doing = || format!("cannot restore namespace {}", facts.namespace);
    match choose::choose(facts, &asked.choice) {
        Ok(Choice::Take(chosen)) => Ok(chosen),
        Ok(Choice::Fetch { backup, what }) => Err(Unchosen::Lacks { backup, what }),
        Err(refusal) => Err(Unchosen::Refused(Failure::from_refusal(doing(), refusal))),
    }
}

/// The plan that these facts and this backup make.
pub(crate) fn planned(facts: &Facts, chosen: &Chosen, asked: &Asked) -> Result<Plan, Failure> {
    let mut plan = Session::compute(facts, chosen, asked)?;
    plan.warnings.extend(asked.rpo_seconds.and_then(|rpo| too_old(plan.expectation.data_loss_seconds, rpo)));
    Ok(plan)
}

fn too_old(loss: u64, rpo: u64) -> Option<String> {
    (loss > rpo).then(|| format!("{} of data are lost; dr.yaml allows {}", render::seconds(loss), render::seconds(rpo)))
}
