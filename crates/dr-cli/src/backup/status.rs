//! `kubectl dr backup status`: per namespace the newest backup that gives all its data back, most endangered first.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use dr_core::recovery::{Recovery, Standing};
use dr_core::select::Version;
use dr_core::verify::OfNamespace;
use jiff::Timestamp;

use crate::config;
use crate::exit::Exit;
use crate::flags::{self, Flags, Output};
use crate::glue;
use crate::json::recovery::BackupStatusV1;
use crate::report::Failure;
use crate::{out, render};

mod ahead;
mod look;
mod watch;

use look::Look;

#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Every namespace that has claims; the same as naming none
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How old the data may be; else what dr.yaml says, else the time between two backups of the schedule
    #[arg(long, value_name = "DURATION", value_parser = flags::duration)]
    rpo: Option<Duration>,
    /// How long lists of volumes are downloaded; what is not there by then is unknown
    #[arg(long, value_name = "DURATION", value_parser = flags::duration, default_value = "60s")]
    timeout: Duration,
    /// Velero's version, such as 1.18.3, where its image does not tell it
    #[arg(long, value_name = "VERSION")]
    velero_version: Option<Version>,
    /// Look again and again until Ctrl-C: the table anew on a terminal, a line for each change elsewhere
    #[arg(short = 'w', long)]
    watch: bool,
    /// With --watch: time between two looks
    #[arg(long, value_name = "DURATION", value_parser = flags::duration, default_value = "30s", requires = "watch")]
    interval: Duration,
}

/// All that were asked for, most endangered first.
pub(crate) struct Answer {
    pub(crate) taken: Timestamp,
    pub(crate) namespaces: Vec<Recovery>,
    /// By namespace, what `backup verify` found last of the backup that is its recovery point.
    pub(crate) verified: BTreeMap<String, OfNamespace>,
    /// What is to be known beside them, each a sentence.
    pub(crate) notes: Vec<String>,
}

impl Answer {
    pub(crate) fn new(taken: Timestamp, mut namespaces: Vec<Recovery>) -> Self {
        let oldest = |one: &Recovery| one.point.as_ref().map(|point| point.taken);
        namespaces.sort_by(|a, b| (a.standing, oldest(a), &a.namespace).cmp(&(b.standing, oldest(b), &b.namespace)));
        Self { taken, namespaces, verified: BTreeMap::new(), notes: Vec::new() }
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
    if args.watch && flags.output.is_for_programs() {
        let message = "--watch is for people, in the formats table and wide";
        return Err(Failure::usage(message).hint("ask again and again without it: -o json"));
    }
    let watched = glue::block_on(async {
        let session = glue::open(flags, "what is backed up").await?;
        let mut look = Look::new(&session, flags, args, &config);
        if args.watch {
            return watch::until_interrupted(&mut look, flags, args.interval).await.map(Ended::Watched);
        }
        look.once().await.map(Ended::Answered)
    })?;
    match watched {
        Ended::Watched(exit) => Ok(exit),
        Ended::Answered(answer) => {
            tell(&answer, flags.output)?;
            Ok(answer.exit())
        }
    }
}

enum Ended {
    Watched(Exit),
    Answered(Answer),
}

fn tell(answer: &Answer, output: Output) -> Result<(), Failure> {
    match output {
        Output::Table => out::result(&render::recovery::text(answer, false)?)?,
        Output::Wide => out::result(&render::recovery::text(answer, true)?)?,
        Output::Json => out::json(&BackupStatusV1::from(answer))?,
        Output::Yaml => out::yaml(&BackupStatusV1::from(answer))?,
        Output::Name => {
            for one in answer.endangered() {
                out::result(&format!("namespace/{}", one.namespace))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
