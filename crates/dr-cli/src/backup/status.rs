//! `kubectl dr backup status`: per namespace the newest backup that gives all its data back, most endangered first.

use std::time::{Duration, Instant};

use clap::Args;
use dr_core::choose::{self, Newest, Request, What};
use dr_core::facts::{Document, Facts};
use dr_core::recovery::{self, Limit, Recovery, Standing};
use dr_core::refusal::Refusal;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::{self, Config};
use crate::exit::Exit;
use crate::flags::{self, Flags, Output};
use crate::glue::{self, Session};
use crate::json::recovery::BackupStatusV1;
use crate::report::Failure;
use crate::{out, render};

/// How long lists of volumes are asked for; what is not there by then is unknown.
const DOWNLOADS: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Every namespace that has claims; the same as naming none
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How old the data may be; else what dr.yaml says, else the time between two backups of the schedule
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    rpo: Option<Duration>,
}

/// All that were asked for, most endangered first.
pub(crate) struct Answer {
    pub(crate) taken: Timestamp,
    pub(crate) namespaces: Vec<Recovery>,
}

impl Answer {
    pub(crate) fn new(taken: Timestamp, mut namespaces: Vec<Recovery>) -> Self {
        let oldest = |one: &Recovery| one.point.as_ref().map(|point| point.taken);
        namespaces.sort_by(|a, b| (a.standing, oldest(a), &a.namespace).cmp(&(b.standing, oldest(b), &b.namespace)));
        Self { taken, namespaces }
    }

    pub(crate) fn endangered(&self) -> impl Iterator<Item = &Recovery> {
        self.namespaces.iter().filter(|one| one.standing != Standing::Good)
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.endangered().next().is_none() { Exit::Done } else { Exit::Failed }
    }
}

pub(crate) fn main(flags: &Flags, args: &StatusArgs) -> Result<Exit, Failure> {
    let config = config::find()?;
    let answer = glue::block_on(async {
        let session = glue::connect(flags).await?;
        look(&session, flags, args, &config).await
    })?;
    match flags.output {
        Output::Table => out::result(&render::recovery::text(&answer, false)?)?,
        Output::Wide => out::result(&render::recovery::text(&answer, true)?)?,
        Output::Json => out::json(&BackupStatusV1::from(&answer))?,
        Output::Yaml => out::yaml(&BackupStatusV1::from(&answer))?,
        Output::Name => {
            for one in answer.endangered() {
                out::result(&format!("namespace/{}", one.namespace))?;
            }
        }
    }
    Ok(answer.exit())
}

async fn look(session: &Session, flags: &Flags, args: &StatusArgs, config: &Config) -> Result<Answer, Failure> {
    let namespace = flags.namespace.as_deref();
    let watched = out::stderr_is_terminal() && !flags.output.is_for_programs();
    let mut facts = session.recovery(namespace).await?;
    let doing = "cannot tell which namespaces have claims";
    let named = recovery::namespaces(&facts).map_err(|unread| Failure::from_refusal(doing, Refusal::from(unread)))?;
    if let Some(namespace) = namespace.filter(|namespace| !named.contains(*namespace)) {
        let message = format!("namespace {namespace} has no claims, and nothing in it asks for one");
        return Err(Failure::refused(message).hint("is this the right context? kubectl get namespaces"));
    }
    if named.is_empty() {
        return Err(Failure::refused("no namespace has claims").hint("is this the right context?"));
    }
    let until = Instant::now() + DOWNLOADS;
    let mut namespaces = Vec::new();
    for name in named {
        let rpo = match (args.rpo, config.rpo(&name)) {
            (Some(rpo), _) => limit(rpo, "--rpo"),
            (None, Some(rpo)) => limit(rpo, "dr.yaml"),
            (None, None) => None,
        };
        let request = Request { leave: config.left(&name), ..Request::default() };
        facts.namespace = name;
        let found = loop {
            match choose::covering(&facts, &request) {
                Ok(Newest::Fetch { backup }) => {
                    if watched {
                        out::prose(&format!("reading what backup {backup} holds"));
                    }
                    fetch(session, &mut facts, &backup, until).await?;
                }
                Ok(Newest::Found(covering)) => break Ok(covering),
                Err(refusal) => break Err(refusal),
            }
        };
        namespaces.push(recovery::judge(&facts, found.as_ref(), rpo.as_ref(), &|name| TimeZone::get(name).ok()));
    }
    Ok(Answer::new(facts.taken, namespaces))
}

fn limit(rpo: Duration, by: &str) -> Option<Limit> {
    let age = SignedDuration::try_from(rpo).ok()?;
    Some(Limit { age, because: format!("{by} allows {}", render::duration(age)) })
}

async fn fetch(session: &Session, facts: &mut Facts, backup: &str, until: Instant) -> Result<(), Failure> {
    if Instant::now() < until {
        return session.fetch(facts, backup, What::VolumeInfos).await;
    }
    let because = format!("it was not asked for: those before it took more than {} s", DOWNLOADS.as_secs());
    facts.documents.entry(backup.to_owned()).or_default().volume_infos = Document::Failed(because);
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
