//! One look at everything that `backup status` tells of.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::choose::{self, Covering, Newest, Request, What};
use dr_core::facts::{Document, Documents, Facts, Unread};
use dr_core::kind::Kind;
use dr_core::recovery::{self, Asked, Limit, Recovery, Velero};
use dr_core::refusal::Refusal;
use dr_core::select::Policies;
use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

use super::{Answer, StatusArgs};
use crate::backup::coverage;
use crate::config::Config;
use crate::flags::Flags;
use crate::glue::{self, Session};
use crate::report::Failure;
use crate::{out, render};

/// Looks, and keeps what was downloaded: a finished backup's list of volumes does not change.
pub(super) struct Look<'a> {
    session: &'a Session,
    flags: &'a Flags,
    args: &'a StatusArgs,
    config: &'a Config,
    /// By the uid of the backup.
    kept: BTreeMap<String, Documents>,
}

impl<'a> Look<'a> {
    pub(super) fn new(session: &'a Session, flags: &'a Flags, args: &'a StatusArgs, config: &'a Config) -> Self {
        Self { session, flags, args, config, kept: BTreeMap::new() }
    }

    pub(super) async fn once(&mut self) -> Result<Answer, Failure> {
        let asked = self.flags.namespace.as_deref();
        let mut facts = self.session.recovery(asked).await?;
        self.recall(&mut facts);
        let velero = self.velero(&facts).await;
        let until = Instant::now() + self.args.timeout;
        let named = recovery::namespaces(&facts).map_err(cannot_tell)?;
        let mut namespaces = Vec::new();
        for name in named.iter().filter(|name| asked.is_none_or(|asked| asked == *name)) {
            namespaces.push(self.of(&mut facts, name, &velero, until).await?.1);
        }
        match asked {
            Some(asked) if !named.contains(asked) => {
                let (held, recovery) = self.of(&mut facts, asked, &velero, until).await?;
                if !held {
                    return Err(nothing_of(&facts, asked));
                }
                namespaces.push(recovery);
            }
            Some(_) => {}
            None => namespaces.extend(self.gone(&mut facts, &named, &velero, until).await?),
        }
        self.keep(&facts);
        if namespaces.is_empty() {
            return Err(Failure::refused("no namespace has claims").hint("is this the right context?"));
        }
        Ok(Answer::new(facts.taken, namespaces))
    }

    /// Those that backups alone know of. A list that is read for one of them may name another.
    async fn gone(
        &self,
        facts: &mut Facts,
        named: &BTreeSet<String>,
        velero: &Velero,
        until: Instant,
    ) -> Result<Vec<Recovery>, Failure> {
        let mut seen = named.clone();
        let mut found = Vec::new();
        while let Some(name) = recovery::gone(facts, &seen).map_err(cannot_tell)?.pop_first() {
            let (held, recovery) = self.of(facts, &name, velero, until).await?;
            if held {
                found.push(recovery);
            }
            seen.insert(name);
        }
        Ok(found)
    }

    /// One namespace, and whether anything of it is or may be held by a backup.
    async fn of(
        &self,
        facts: &mut Facts,
        name: &str,
        velero: &Velero,
        until: Instant,
    ) -> Result<(bool, Recovery), Failure> {
        let rpo = match (self.args.rpo, self.config.rpo(name)) {
            (Some(rpo), _) => limit(rpo, "--rpo"),
            (None, Some(rpo)) => limit(rpo, "dr.yaml"),
            (None, None) => None,
        };
        let leave = self.config.left(name);
        name.clone_into(&mut facts.namespace);
        let found = self.covering(facts, &Request { leave: leave.clone(), ..Request::default() }, until).await?;
        let held = found.is_ok() || recovery::is_held(facts).map_err(cannot_tell)?;
        Ok((held, recovery::judge(facts, found.as_ref(), &Asked { rpo, leave, velero }, &glue::zone)))
    }

    async fn covering(
        &self,
        facts: &mut Facts,
        request: &Request,
        until: Instant,
    ) -> Result<Result<Covering, Refusal>, Failure> {
        let watched = out::stderr_is_terminal() && !self.flags.output.is_for_programs() && !self.args.watch;
        loop {
            match choose::covering(facts, request) {
                Ok(Newest::Fetch { backup }) => {
                    if watched {
                        out::prose(&format!("reading what backup {backup} holds"));
                    }
                    self.fetch(facts, &backup, until).await?;
                }
                Ok(Newest::Found(covering)) => return Ok(Ok(covering)),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    async fn fetch(&self, facts: &mut Facts, backup: &str, until: Instant) -> Result<(), Failure> {
        if Instant::now() < until
            && let Ok(fetched) = timeout_at(until, self.session.fetch(facts, backup, What::VolumeInfos)).await
        {
            return fetched;
        }
        let patience = SignedDuration::try_from(self.args.timeout).unwrap_or(SignedDuration::MAX);
        let because = format!("not read within {}, the time for all lists (--timeout)", render::duration(patience));
        facts.documents.entry(backup.to_owned()).or_default().volume_infos = Document::Failed(because);
        Ok(())
    }

    /// What decides what a schedule takes. Policies that cannot be read leave it unknown.
    async fn velero(&self, facts: &Facts) -> Velero {
        let server = recovery::server(facts, self.args.velero_version);
        let mut policies = BTreeMap::new();
        for name in server.iter().flat_map(|server| recovery::policies_named(facts, server)) {
            let read = self.session.velero_config(&name).await;
            policies.insert(name, read.map_or(Policies::NotRead, coverage::policies));
        }
        Velero { server, policies }
    }

    fn recall(&self, facts: &mut Facts) {
        for (backup, uid) in backups(facts) {
            if let Some(documents) = self.kept.get(&uid) {
                facts.documents.insert(backup, documents.clone());
            }
        }
    }

    /// What could not be read is asked for again the next time.
    fn keep(&mut self, facts: &Facts) {
        let mut kept = BTreeMap::new();
        for (backup, uid) in backups(facts) {
            if let Some(documents) = facts.documents.get(&backup)
                && let Document::Read(_) = documents.volume_infos
            {
                kept.insert(uid, documents.clone());
            }
        }
        self.kept = kept;
    }
}

/// Name and uid.
fn backups(facts: &Facts) -> Vec<(String, String)> {
    let backups = facts.of(Kind::Backup, &facts.velero_namespace).into_iter().flatten();
    backups.filter_map(|backup| Some((backup.name().to_owned(), backup.uid()?.to_owned()))).collect()
}

fn limit(rpo: std::time::Duration, by: &str) -> Option<Limit> {
    let age = SignedDuration::try_from(rpo).ok()?;
    Some(Limit { age, because: format!("{by} allows {}", render::duration(age)) })
}

fn cannot_tell(unread: Unread) -> Failure {
    Failure::from_refusal("cannot tell which namespaces have claims", Refusal::from(unread))
}

fn nothing_of(facts: &Facts, namespace: &str) -> Failure {
    let listed = facts.all(Kind::Namespace);
    let exists = listed.is_ok_and(|all| all.iter().any(|one| one.name() == namespace));
    let message = if exists {
        format!("namespace {namespace} has no claims, and nothing in it asks for one")
    } else {
        format!("there is no namespace {namespace} with claims, and no backup holds data of it")
    };
    Failure::refused(message).hint("is this the right context? kubectl get namespaces")
}
