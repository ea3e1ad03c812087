//! One look at everything that `backup status` tells of.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::choose::{self, Covering, Newest, Request};
use dr_core::cover::time;
use dr_core::facts::{Document, Documents, Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::recovery::{self, Asked, Limit, Recovery, Standing, Velero};
use dr_core::refusal::Refusal;
use dr_core::select::Policies;
use dr_core::timetable::Clock;
use dr_core::verify::{Earlier, OfNamespace, Verdict};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Answer, StatusArgs};
use crate::backup::coverage;
use crate::backup::verify::VERDICT;
use crate::config::Config;
use crate::flags::Flags;
use crate::glue::{self, Session};
use crate::report::Failure;
use crate::{out, render};

/// What a backup's list of volumes is kept as.
const LIST: &str = "volumes";

/// Looks, and keeps what was downloaded: a finished backup's list of volumes does not change.
pub(super) struct Look<'a> {
    pub(super) session: &'a Session,
    flags: &'a Flags,
    pub(super) args: &'a StatusArgs,
    config: &'a Config,
    /// By the uid of the backup.
    kept: BTreeMap<String, Documents>,
    /// Those of which the cache has what was read.
    recalled: BTreeSet<String>,
    /// Not the first look.
    again: bool,
}

impl<'a> Look<'a> {
    pub(super) fn new(session: &'a Session, flags: &'a Flags, args: &'a StatusArgs, config: &'a Config) -> Self {
        Self { session, flags, args, config, kept: BTreeMap::new(), recalled: BTreeSet::new(), again: false }
    }

    pub(super) async fn once(&mut self) -> Result<Answer, Failure> {
        let asked = self.flags.namespace.as_deref();
        let mut facts = self.session.recovery(asked, !self.again).await?;
        self.again = true;
        self.recall(&mut facts);
        let velero = self.velero(&facts).await;
        let until = Instant::now() + self.args.timeout;
        let named = recovery::namespaces(&facts).map_err(cannot_tell)?;
        let mut namespaces = Vec::new();
        let mut notes: Vec<String> = Clock::of(&facts, &glue::zone).says.into_iter().collect();
        let wanted = || named.iter().filter(|name| asked.is_none_or(|asked| asked == *name));
        self.read_ahead(&mut facts, wanted(), until).await?;
        for name in wanted() {
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
            None => {
                let (gone, told) = self.gone(&mut facts, &named, &velero, until).await?;
                namespaces.extend(gone);
                notes.extend(told);
            }
        }
        self.keep(&facts);
        if namespaces.is_empty() {
            return Err(Failure::refused("no namespace has claims").hint("is this the right context?"));
        }
        let verified = self.verified(&facts, &mut namespaces);
        Ok(Answer { verified, notes, ..Answer::new(facts.taken, namespaces) })
    }

    /// Those that backups alone know of, and what is to be known beside. A list that is read for one of them may name another.
    async fn gone(
        &self,
        facts: &mut Facts,
        named: &BTreeSet<String>,
        velero: &Velero,
        until: Instant,
    ) -> Result<(Vec<Recovery>, Vec<String>), Failure> {
        let mut seen = named.clone();
        let mut found = Vec::new();
        let mut left = Vec::new();
        let verified = self.in_verified(facts);
        loop {
            let mut gone = recovery::gone(facts, &seen).map_err(cannot_tell)?;
            gone.extend(verified.iter().filter(|name| !seen.contains(*name)).cloned());
            let Some(name) = gone.pop_first() else { break };
            let (held, recovery) = self.of(facts, &name, velero, until).await?;
            let known = match self.config.deleted(&name) {
                Some(until) => {
                    recovery.standing == Standing::Gone
                        && recovery.point.as_ref().is_some_and(|point| point.taken < until)
                        && !recovery::is_held_since(facts, &name, until).map_err(cannot_tell)?
                }
                None => false,
            };
            match (held, known) {
                (true, true) => left.push(name.clone()),
                (true, false) => found.push(recovery),
                (false, _) => {}
            }
            seen.insert(name);
        }
        let mut notes = Vec::new();
        if !left.is_empty() {
            notes.push(format!(
                "deleted on purpose, by dr.yaml, and held by backups until they expire: {}",
                left.join(", ")
            ));
        }
        match recovery::unlooked(facts).map_err(cannot_tell)? {
            0 => {}
            count => notes.push(format!(
                "of {count} backups of all namespaces the lists were not read: a deleted namespace that only they hold is \
                 not told; --ns NAME looks for one"
            )),
        }
        Ok((found, notes))
    }

    /// Namespaces whose volumes a backup held when it was verified.
    fn in_verified(&self, facts: &Facts) -> BTreeSet<String> {
        let cache = self.session.cache();
        let earlier = backups(facts).into_iter().filter_map(|(_, uid)| cache.read::<Earlier>(&uid, VERDICT));
        earlier.flat_map(|earlier| earlier.namespaces().map(str::to_owned).collect::<Vec<_>>()).collect()
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
        let leave = self.left(name);
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
        loop {
            match choose::covering(facts, request) {
                Ok(Newest::Fetch { backup }) => {
                    if self.is_watched() {
                        out::prose(&format!("reading what backup {backup} holds"));
                    }
                    let list = self.list(&backup, until).await?;
                    facts.documents.entry(backup).or_default().volume_infos = list;
                }
                Ok(Newest::Found(covering)) => return Ok(Ok(covering)),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    /// Claims that nobody asks for.
    pub(super) fn left(&self, namespace: &str) -> Vec<String> {
        self.config.left(namespace)
    }

    /// Somebody looks on.
    pub(super) fn is_watched(&self) -> bool {
        out::stderr_is_terminal() && !self.flags.output.is_for_programs() && !self.args.watch
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

    /// What `backup verify` found of the recovery points. What it found not to come back is no good one.
    fn verified(&self, facts: &Facts, namespaces: &mut [Recovery]) -> BTreeMap<String, OfNamespace> {
        let cache = self.session.cache();
        let uids: BTreeMap<String, String> = backups(facts).into_iter().collect();
        let mut verified = BTreeMap::new();
        for one in namespaces {
            let uid = one.point.as_ref().and_then(|point| uids.get(&point.backup));
            let earlier: Option<Earlier> = uid.and_then(|uid| cache.read(uid, VERDICT));
            let Some(found) = earlier.as_ref().and_then(|earlier| earlier.of(&one.namespace)) else { continue };
            if found.verdict == Verdict::NotRestorable && one.standing != Standing::Gone {
                one.standing = Standing::Unknown;
                let ago = render::duration(facts.taken.duration_since(found.at));
                one.because =
                    format!("its backup could not be restored when it was verified {ago} ago: {}", found.because);
            }
            verified.insert(one.namespace.clone(), found.clone());
        }
        verified
    }

    /// What earlier looks, or earlier commands on this machine, have read.
    fn recall(&mut self, facts: &mut Facts) {
        let cache = self.session.cache();
        let known = backups(facts);
        if facts.all(Kind::Backup).is_ok() {
            cache.forget_all_but(&known.iter().map(|(_, uid)| uid.clone()).collect(), std::time::SystemTime::now());
        }
        for (backup, uid) in known {
            let mut documents = self.kept.get(&uid).cloned();
            if documents.is_none()
                && is_validated(facts, &backup)
                && let Some(infos) = cache.read(&uid, LIST)
            {
                self.recalled.insert(uid);
                documents = Some(Documents { volume_infos: Document::Read(infos), ..Documents::default() });
            }
            facts.documents.extend(documents.map(|documents| (backup, documents)));
        }
    }

    /// What could not be read is asked for again the next time.
    fn keep(&mut self, facts: &Facts) {
        let cache = self.session.cache();
        let mut kept = BTreeMap::new();
        for (backup, uid) in backups(facts) {
            if let Some(documents) = facts.documents.get(&backup)
                && let Document::Read(infos) = &documents.volume_infos
            {
                if !self.recalled.contains(&uid) && is_done(facts, &backup) {
                    cache.write(&uid, LIST, infos);
                    self.recalled.insert(uid.clone());
                }
                kept.insert(uid, documents.clone());
            }
        }
        self.kept = kept;
    }
}

/// Velero looks at its location once a minute, unless told otherwise; where it has not for long, only a download tells
/// whether anything is there.
const VALIDATED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

fn is_validated(facts: &Facts, backup: &str) -> bool {
    let key = |kind, name: &str| Key::namespaced(kind, &facts.velero_namespace, name);
    let backup = facts.get(&key(Kind::Backup, backup)).ok().flatten();
    // Velero writes the name of the default one into each backup that it takes up.
    let location = backup.map(|backup| backup.str_at("/spec/storageLocation").unwrap_or("default"));
    let location = location.and_then(|name| facts.get(&key(Kind::BackupStorageLocation, name)).ok().flatten());
    let validated = location.and_then(|location| time(location, "/status/lastValidationTime"));
    validated.is_some_and(|at| facts.taken.duration_since(at) < VALIDATED_WITHIN)
}

/// Its documents do not change any more.
fn is_done(facts: &Facts, backup: &str) -> bool {
    let key = Key::namespaced(Kind::Backup, &facts.velero_namespace, backup);
    let found = facts.get(&key).ok().flatten();
    found.is_some_and(|backup| matches!(backup.str_at("/status/phase"), Some("Completed" | "PartiallyFailed")))
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
