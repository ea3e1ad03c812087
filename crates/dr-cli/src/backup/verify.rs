//! `kubectl dr backup verify`: what can really be restored from one backup, now.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use dr_core::choose;
use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_core::verify::{self, Earlier, Fetched, Held, Judged, Verdict, Verified};
use jiff::Timestamp;

use crate::exit::Exit;
use crate::flags::{self, Flags, Output};
use crate::glue::{self, Reading, Session};
use crate::json::verify::BackupVerificationV1;
use crate::progress::Progress;
use crate::report::Failure;
use crate::{out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyArgs {
    /// The backup; with --ns only the volumes of that namespace are judged
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// How long its documents and archive may take to read; what is not read by then is unknown
    #[arg(long, value_name = "DURATION", value_parser = flags::duration, default_value = "30m")]
    timeout: Duration,
}

/// What a verification is kept as.
pub(crate) const VERDICT: &str = "verdict";

pub(crate) struct Answer {
    pub(crate) taken: Timestamp,
    pub(crate) namespace: Option<String>,
    pub(crate) verified: Verified,
}

impl Answer {
    pub(crate) fn exit(&self) -> Exit {
        match self.verified.verdict() {
            Verdict::Restorable => Exit::Done,
            Verdict::NotRestorable | Verdict::Unknown => Exit::Failed,
        }
    }

    /// Volumes that are not known to come back.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = &Judged> {
        self.verified.volumes.iter().filter(|judged| judged.finding.verdict != Verdict::Restorable)
    }
}

pub(crate) fn main(flags: &Flags, args: &VerifyArgs) -> Result<Exit, Failure> {
    let answer = glue::block_on(async {
        let session = glue::open(flags, &format!("what is known of backup {}", args.backup)).await?;
        look(&session, flags, args).await
    })?;
    match flags.output {
        Output::Table => out::result(&render::verify::text(&answer, false)?)?,
        Output::Wide => out::result(&render::verify::text(&answer, true)?)?,
        Output::Json => out::json(&BackupVerificationV1::from(&answer))?,
        Output::Yaml => out::yaml(&BackupVerificationV1::from(&answer))?,
        Output::Name => {
            for judged in answer.doubtful() {
                out::result(&judged.volume.to_string())?;
            }
        }
    }
    Ok(answer.exit())
}

async fn look(session: &Session, flags: &Flags, args: &VerifyArgs) -> Result<Answer, Failure> {
    let progress = Progress::start(flags.output);
    let reading = Reading::new(args.timeout, &progress);
    let facts = session.verification().await?;
    let backup = named(&facts, &args.backup)?;
    let held = match verify::running(backup) {
        Some(because) => unread(&because),
        None => session.held(&args.backup, verify::wants_results(backup), reading).await,
    };
    let namespace = flags.namespace.clone();
    let judged =
        |asked: &BTreeMap<_, _>| of_namespace(verify::judge(&facts, backup, &held, asked), &held, namespace.as_deref());
    // A namespace that the backup does not hold is refused before any driver is asked.
    judged(&BTreeMap::new())?;
    let questions = verify::questions(&facts, backup, &held, namespace.as_deref());
    let verified = judged(&session.ask_for(&facts, &questions, reading).await?)?;
    keep(session, backup, &facts, &verified, &held, namespace.as_deref());
    Ok(Answer { taken: facts.taken, namespace, verified })
}

/// For `backup status`, which does not look so closely.
fn keep(session: &Session, backup: &Object, facts: &Facts, verified: &Verified, held: &Held, only: Option<&str>) {
    let Some(uid) = backup.uid() else { return };
    let cache = session.cache();
    let mut earlier: Earlier = cache.read(uid, VERDICT).unwrap_or_default();
    earlier.add(facts.taken, verified, held, only);
    cache.write(uid, VERDICT, &earlier);
}

fn of_namespace(verified: Verified, held: &Held, namespace: Option<&str>) -> Result<Verified, Failure> {
    let Some(namespace) = namespace else { return Ok(verified) };
    let backup = verified.backup.clone();
    verified.of_namespace(held, namespace).ok_or_else(|| {
        let known = match &held.archive {
            Fetched::Read(contents) => contents.namespaces.keys().cloned().collect(),
            Fetched::Worthless(_) | Fetched::Unread(_) => Vec::new(),
        };
        Failure::refused(format!("backup {backup} holds nothing of namespace {namespace}"))
            .hint(choose::nearest(namespace, known))
    })
}

/// Nothing is to be read of a backup that is still being made.
fn unread(because: &str) -> Held {
    Held { infos: Fetched::Unread(because.to_owned()), archive: Fetched::Unread(because.to_owned()), results: None }
}

fn named<'a>(facts: &'a Facts, name: &str) -> Result<&'a Object, Failure> {
    let velero = facts.velero_namespace.as_str();
    let doing = format!("cannot verify backup {name}");
    let unread = |unread| Failure::from_refusal(doing.clone(), Refusal::from(unread));
    let key = Key::namespaced(Kind::Backup, velero, name);
    if let Some(backup) = facts.get(&key).map_err(unread)? {
        return Ok(backup);
    }
    let names = facts.of(Kind::Backup, velero).map_err(unread)?.map(|backup| backup.name().to_owned());
    let message = format!("there is no backup {name} in namespace {velero}");
    Err(Failure::refused(message).hint(choose::nearest(name, names)))
}

#[cfg(test)]
pub(crate) mod tests;
