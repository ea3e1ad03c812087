//! Which backup a restore takes: the newest that covers the namespace's volumes, not merely the newest.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claims;
use crate::cover::{self, Captured, Coverage, time};
use crate::facts::{Archive, Document, Facts, Unread};
use crate::kind::Kind;
use crate::object::{Key, Object};
use crate::refusal::{Reason, Refusal};

/// A backup that expires within this time may be deleted while it is being restored.
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// What the user asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `--from`
    pub backup: Option<String>,
    /// `--schedule`
    pub schedule: Option<String>,
    /// `--at`: the newest that began no later.
    pub at: Option<Timestamp>,
    /// `--claim`: these and no others.
    pub claims: Vec<String>,
    /// `--leave`
    pub leave: Vec<String>,
}

/// A document that the choice needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    VolumeInfos,
    Archive,
}

/// The next thing to do, or the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Download it into `Facts::documents` and ask again.
    Fetch {
        backup: String,
        what: What,
    },
    Take(Box<Chosen>),
}

/// A backup with everything the plan needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    pub backup: String,
    pub uid: String,
    pub started: Timestamp,
    pub because: String,
    /// Backup and reason, newest first.
    pub passed_over: Vec<(String, String)>,
    pub volumes: Vec<Captured>,
    /// Claims that stay as they are, with the reason.
    pub left_out: Vec<(String, String)>,
    pub archive: Archive,
}

struct Candidate<'a> {
    object: &'a Object,
    started: Timestamp,
}

/// A backup that covers every volume asked for, by its list of volumes; its archive was not looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Covering {
    pub backup: String,
    pub started: Timestamp,
    /// Backup and reason, newest first.
    pub passed_over: Vec<(String, String)>,
    pub volumes: Vec<Captured>,
}

/// The next thing to do, or the newest backup that covers.
#[derive(Debug, Clone, PartialEq)]
pub enum Newest {
    /// Download its list of volumes into `Facts::documents` and ask again.
    Fetch {
        backup: String,
    },
    Found(Covering),
}

pub fn choose(facts: &Facts, request: &Request) -> Result<Choice, Refusal> {
    newest(facts, request, |candidate, passed_over| consider(facts, request, candidate, passed_over))
}

/// The same choice without the archive: what a restore would begin with, as far as lists tell.
pub fn covering(facts: &Facts, request: &Request) -> Result<Newest, Refusal> {
    newest(facts, request, |candidate, passed_over| {
        let backup = candidate.object.name().to_owned();
        Ok(match covers(facts, request, candidate)? {
            Covers::Unread => Considered::Answer(Newest::Fetch { backup }),
            Covers::Unfit(refusal) => Considered::Unfit(refusal),
            Covers::All((volumes, _)) => Considered::Answer(Newest::Found(Covering {
                backup,
                started: candidate.started,
                passed_over: passed_over.to_vec(),
                volumes,
            })),
        })
    })
}

/// The first answer, newest backup first.
fn newest<T>(
    facts: &Facts,
    request: &Request,
    consider: impl Fn(&Candidate<'_>, &[(String, String)]) -> Result<Considered<T>, Refusal>,
) -> Result<T, Refusal> {
    for claim in &request.claims {
        if request.leave.contains(claim) {
            return Err(Refusal::one(
                format!("claim {claim}"),
                "it is named by --claim and by --leave",
                "drop one of them",
            ));
        }
    }
    let mut candidates = candidates(facts, request)?;
    candidates.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.object.name().cmp(b.object.name())));
    let named = request.backup.is_some();
    let mut passed_over = Vec::new();
    let mut unfit = Vec::new();
    for candidate in candidates {
        let name = candidate.object.name();
        match consider(&candidate, &passed_over)? {
            Considered::Answer(answer) => return Ok(answer),
            Considered::Unfit(refusal) => {
                if named {
                    return Err(refusal);
                }
                let because = refusal.reasons.iter().map(|reason| format!("{}: {}", reason.subject, reason.because));
                passed_over.push((name.to_owned(), because.collect::<Vec<_>>().join("; ")));
                unfit.push((name.to_owned(), refusal));
            }
        }
    }
    if unfit.is_empty() {
        return Err(no_candidate(facts, request)?);
    }
    Err(nothing_fits(unfit))
}

enum Considered<T> {
    Answer(T),
    Unfit(Refusal),
}

/// What a backup's list of volumes says.
enum Covers {
    /// The list has to be downloaded first.
    Unread,
    Unfit(Refusal),
    All(Volumes),
}

fn covers(facts: &Facts, request: &Request, candidate: &Candidate<'_>) -> Result<Covers, Refusal> {
    let name = candidate.object.name();
    let subject = format!("backup {name}");
    if let Some((because, hint)) = unusable(facts, candidate)? {
        return Ok(Covers::Unfit(Refusal::one(subject, because, hint)));
    }
    let infos = match facts.documents.get(name).map(|documents| &documents.volume_infos) {
        None | Some(Document::NotRead) => return Ok(Covers::Unread),
        Some(Document::Failed(because)) => {
            let because = format!("its list of volumes cannot be read from the object store: {because}");
            let hint = "a backup of another time may still be there: choose it with --from";
            return Ok(Covers::Unfit(Refusal::one(subject, because, hint)));
        }
        Some(Document::Read(infos)) => infos,
    };
    Ok(match volumes(facts, request, name, infos)? {
        Ok(found) => Covers::All(found),
        Err(refusal) => Covers::Unfit(refusal),
    })
}

fn consider(
    facts: &Facts,
    request: &Request,
    candidate: &Candidate<'_>,
    passed_over: &[(String, String)],
) -> Result<Considered<Choice>, Refusal> {
    let name = candidate.object.name();
    let (volumes, left_out) = match covers(facts, request, candidate)? {
        Covers::Unread => {
            return Ok(Considered::Answer(Choice::Fetch { backup: name.to_owned(), what: What::VolumeInfos }));
        }
        Covers::Unfit(refusal) => return Ok(Considered::Unfit(refusal)),
        Covers::All(found) => found,
    };
    let archive = match facts.documents.get(name).map(|documents| &documents.archive) {
        None | Some(Document::NotRead) => {
            return Ok(Considered::Answer(Choice::Fetch { backup: name.to_owned(), what: What::Archive }));
        }
        Some(Document::Failed(because)) => {
            let because = format!("its archive cannot be read from the object store: {because}");
            let hint = "what the object store lacks no restore can bring back; choose another with --from";
            return Ok(Considered::Unfit(Refusal::one(format!("backup {name}"), because, hint)));
        }
        Some(Document::Read(archive)) => archive,
    };
    let because = match (&request.backup, passed_over.len()) {
        (Some(_), _) => "named by --from".to_owned(),
        (None, 0) => "the newest that covers every volume asked for".to_owned(),
        (None, newer) => format!("the newest that covers every volume asked for; {newer} newer passed over"),
    };
    Ok(Considered::Answer(Choice::Take(Box::new(Chosen {
        backup: name.to_owned(),
        uid: candidate.object.uid().unwrap_or_default().to_owned(),
        started: candidate.started,
        because,
        passed_over: passed_over.to_vec(),
        volumes,
        left_out,
        archive: archive.clone(),
    }))))
}

type Volumes = (Vec<Captured>, Vec<(String, String)>);

/// The claims this backup would bring back, or every reason why one of them is not to be had.
fn volumes(
    facts: &Facts,
    request: &Request,
    backup: &str,
    infos: &[Value],
) -> Result<Result<Volumes, Refusal>, Unread> {
    let mut wanted: BTreeSet<String> = claims::wanted(facts)?.into_keys().collect();
    let in_backup = infos
        .iter()
        .filter(|info| info.pointer("/pvcNamespace").and_then(Value::as_str) == Some(facts.namespace.as_str()));
    wanted.extend(in_backup.filter_map(|info| info.pointer("/pvcName").and_then(Value::as_str)).map(str::to_owned));
    let mut refusal = Refusal::default();
    for claim in request.claims.iter().chain(&request.leave).filter(|claim| !wanted.contains(*claim)) {
        let known = wanted.iter().cloned().collect::<Vec<_>>().join(", ");
        refusal.add(
            format!("claim {claim}"),
            "neither the namespace nor the backup knows it",
            format!("known claims: {}", if known.is_empty() { "none" } else { &known }),
        );
    }
    let mut left_out = Vec::new();
    let mut volumes = Vec::new();
    for claim in wanted {
        if !request.claims.is_empty() && !request.claims.contains(&claim) {
            left_out.push((claim, "not named by --claim".to_owned()));
            continue;
        }
        if request.leave.contains(&claim) {
            left_out.push((claim, "named by --leave".to_owned()));
            continue;
        }
        match cover::judge(facts, backup, infos, &claim)? {
            Coverage::Captured(captured) => volumes.push(captured),
            Coverage::Lost { because, hint } => refusal.add(format!("claim {claim}"), because, hint),
        }
    }
    if volumes.is_empty() && refusal.reasons.is_empty() {
        refusal.add(format!("backup {backup}"), "it holds no volume of the namespace", "choose another with --from");
    }
    Ok(refusal.into_result().map(|()| (volumes, left_out)))
}

fn candidates<'a>(facts: &'a Facts, request: &Request) -> Result<Vec<Candidate<'a>>, Refusal> {
    let mut found = Vec::new();
    for object in facts.of(Kind::Backup, &facts.velero_namespace)? {
        if let Some(name) = &request.backup
            && object.name() != name
        {
            continue;
        }
        if request.backup.is_none() && !includes(object, "/spec", &facts.namespace) {
            continue;
        }
        if let Some(schedule) = &request.schedule
            && object.label("velero.io/schedule-name") != Some(schedule)
        {
            continue;
        }
        let started = time(object, "/status/startTimestamp").or_else(|| time(object, "/metadata/creationTimestamp"));
        let Some(started) = started else { continue };
        if request.at.is_some_and(|at| started > at) {
            continue;
        }
        found.push(Candidate { object, started });
    }
    if found.is_empty()
        && let Some(name) = &request.backup
    {
        let names = facts.of(Kind::Backup, &facts.velero_namespace)?.map(|backup| backup.name().to_owned());
        return Err(Refusal::one(format!("backup {name}"), "there is no such backup", nearest(name, names)));
    }
    Ok(found)
}

/// Whether the namespace filters of a `BackupSpec` at this place (`/spec`, `/spec/template`) let the namespace in.
pub(crate) fn includes(object: &Object, spec: &str, namespace: &str) -> bool {
    let fits = |pattern: &Value| pattern.as_str().is_some_and(|pattern| glob(pattern, namespace));
    let included = object.list_at(&format!("{spec}/includedNamespaces"));
    let excluded = object.list_at(&format!("{spec}/excludedNamespaces"));
    (included.is_empty() || included.iter().any(fits)) && !excluded.iter().any(fits)
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))),
    }
}

/// Why a backup cannot be restored from at all, and what to do.
fn unusable(facts: &Facts, candidate: &Candidate<'_>) -> Result<Option<(String, String)>, Unread> {
    let backup = candidate.object;
    let other = "choose another with --from".to_owned();
    let phase = backup.str_at("/status/phase").unwrap_or("New");
    match phase {
        "Completed" | "PartiallyFailed" => {}
        "New"
        | "Queued"
        | "ReadyToStart"
        | "InProgress"
        | "WaitingForPluginOperations"
        | "Finalizing"
        | "WaitingForPluginOperationsPartiallyFailed"
        | "FinalizingPartiallyFailed" => {
            return Ok(Some((
                format!("it is still running ({phase})"),
                "wait for it, or choose another with --from".into(),
            )));
        }
        "Deleting" => return Ok(Some(("it is being deleted".into(), other))),
        phase => return Ok(Some((format!("its phase is {phase}"), other))),
    }
    if let Some(expires) = time(backup, "/status/expiration")
        && expires < facts.taken + EXPIRY_MARGIN
    {
        let because =
            if expires < facts.taken { format!("it expired at {expires}") } else { format!("it expires at {expires}") };
        return Ok(Some((because, "raise its spec.ttl first, or choose another with --from".into())));
    }
    let deleting = facts.of(Kind::DeleteBackupRequest, &facts.velero_namespace)?.any(|request| {
        request.str_at("/spec/backupName") == Some(backup.name())
            && request.str_at("/status/phase") != Some("Processed")
    });
    if deleting || backup.is_terminating() {
        return Ok(Some(("its deletion was requested".into(), other)));
    }
    let location = backup.str_at("/spec/storageLocation").unwrap_or("default");
    let key = Key::namespaced(Kind::BackupStorageLocation, &facts.velero_namespace, location);
    match facts.get(&key)?.map(|location| (location.str_at("/status/phase"), location.str_at("/status/message"))) {
        Some((Some("Available"), _)) => {}
        Some((phase, message)) => {
            let because = format!(
                "its backup storage location {location} is {}{}",
                phase.unwrap_or("of unknown state"),
                message.map(|message| format!(": {message}")).unwrap_or_default()
            );
            return Ok(Some((because, format!("kubectl -n {} get bsl {location} -o yaml", facts.velero_namespace))));
        }
        None => {
            return Ok(Some((format!("its backup storage location {location} does not exist"), other)));
        }
    }
    overlapped(facts, candidate)
}

/// A time in which a restore was exchanging volumes, as its record keeps it.
#[derive(Deserialize)]
struct Exchange {
    from: Timestamp,
    until: Option<Timestamp>,
}

/// A backup taken while a restore of ours was swapping holds neither the old nor the new state.
fn overlapped(facts: &Facts, candidate: &Candidate<'_>) -> Result<Option<(String, String)>, Unread> {
    let ended = time(candidate.object, "/status/completionTimestamp").unwrap_or(candidate.started);
    for record in facts.of(Kind::ConfigMap, &facts.velero_namespace)? {
        if record.label("kubectl-dr/namespace") != Some(facts.namespace.as_str()) {
            continue;
        }
        let Some(text) = record.str_at("/data/exchanges") else { continue };
        let Ok(exchanges) = serde_json::from_str::<Vec<Exchange>>(text) else {
            let because = format!("{} does not say readably when it exchanged volumes", record.name());
            return Ok(Some((because, "name the backup with --from only if you know what it holds".into())));
        };
        let overlaps = exchanges
            .iter()
            .any(|exchange| candidate.started <= exchange.until.unwrap_or(facts.taken) && exchange.from <= ended);
        if overlaps {
            let id = record.label("kubectl-dr/operation").unwrap_or("?");
            return Ok(Some((
                format!("restore {id} was exchanging the volumes while it ran"),
                "name it with --from only if you know what it holds".into(),
            )));
        }
    }
    Ok(None)
}

/// As many of the newest tell why they do not fit; the others usually say the same.
const TOLD: usize = 5;

/// Nothing that could be looked at: the way the question was asked leaves none.
fn no_candidate(facts: &Facts, request: &Request) -> Result<Refusal, Unread> {
    let namespace = &facts.namespace;
    let of_namespace = |object: &&Object| includes(object, "/spec", namespace);
    let backups: Vec<&Object> = facts.of(Kind::Backup, &facts.velero_namespace)?.filter(of_namespace).collect();
    let look = format!("kubectl -n {} get backups", facts.velero_namespace);
    if backups.is_empty() {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for backup in facts.of(Kind::Backup, &facts.velero_namespace)? {
            let included = backup.list_at("/spec/includedNamespaces").iter().filter_map(Value::as_str);
            named.extend(included.filter(|name| !name.contains('*')).map(str::to_owned));
        }
        let near = if named.is_empty() { String::new() } else { format!(" {}", nearest(namespace, named)) };
        let hint = format!("{look}; is this the right context and namespace?{near}");
        return Ok(Refusal::one(format!("namespace {namespace}"), "no backup includes it", hint));
    }
    if let Some(schedule) = &request.schedule {
        let made = |backup: &&&Object| backup.label("velero.io/schedule-name") == Some(schedule);
        if backups.iter().find(made).is_none() {
            let names: BTreeSet<String> = backups
                .iter()
                .filter_map(|backup| backup.label("velero.io/schedule-name"))
                .map(str::to_owned)
                .collect();
            let because = format!("it has made no backup that includes namespace {namespace}");
            let hint = if names.is_empty() { format!("no schedule has; {look}") } else { nearest(schedule, names) };
            return Ok(Refusal::one(format!("schedule {schedule}"), because, hint));
        }
    }
    let began = backups.iter().filter_map(|backup| time(backup, "/status/startTimestamp")).min();
    let subject = match request.at {
        Some(at) => format!("time {at}"),
        None => format!("namespace {namespace}"),
    };
    let hint = began.map_or(look, |oldest| format!("the oldest backup of the namespace began at {oldest}"));
    Ok(Refusal::one(subject, format!("no backup of namespace {namespace} that was asked for began by then"), hint))
}

/// Backups that do not fit, newest first, each with why.
fn nothing_fits(unfit: Vec<(String, Refusal)>) -> Refusal {
    let older = unfit.len().saturating_sub(TOLD);
    let mut refusal = Refusal::default();
    for (name, reasons) in unfit.into_iter().take(TOLD) {
        let own = format!("backup {name}");
        for Reason { subject, because, hint } in reasons.reasons {
            let subject = if subject == own { subject } else { format!("{own}: {subject}") };
            refusal.add(subject, because, hint);
        }
    }
    if older > 0 {
        let because = "they do not fit either";
        refusal.add(format!("{older} older backups"), because, "name one with --from to be told why");
    }
    refusal
}

/// `did you mean …`, by edit distance; nothing near gives the whole list, cut short.
pub fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> String {
    let names = names.into_iter();
    let mut names: Vec<(usize, String)> = names.map(|name| (strsim::levenshtein(wanted, &name), name)).collect();
    names.sort();
    let near: Vec<&str> = names.iter().take(3).map(|(_, name)| name.as_str()).collect();
    if near.is_empty() { "there are none at all".to_owned() } else { format!("nearest names: {}", near.join(", ")) }
}
