//! From the preflight to the table of what was taken.

use dr_core::choose::What;
use dr_core::cover::{self, Coverage};
use dr_core::facts::{Document, Facts};
use dr_core::kind::Kind;
use dr_core::object::Key;
use jiff::Timestamp;
use serde_json::Value;

use crate::backup::follow::{self, Followed};
use crate::backup::preflight::{self, Volume};
use crate::backup::result::{BackupResult, Kept, VolumeResult};
use crate::backup::spec::{self, Wanted};
use crate::backup::{BackupArgs, fingerprint};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::{self, Session};
use crate::progress::Progress;
use crate::report::Failure;
use crate::{config, json, out, render};

/// Which hooks failed helps; the backup is done without it.
const HOOKS_TOLD: std::time::Duration = std::time::Duration::from_secs(30);

pub(crate) fn main(flags: &Flags, args: &BackupArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace("kubectl dr backup --ns NAMESPACE")?;
    glue::block_on(async {
        let session = glue::open(flags, &format!("what namespace {namespace} is made of")).await?;
        run(&session, namespace, flags, args).await
    })
}

async fn run(session: &Session, namespace: &str, flags: &Flags, args: &BackupArgs) -> Result<Exit, Failure> {
    let doing = || format!("cannot back up namespace {namespace}");
    let refused = |refusal| Failure::from_refusal(doing(), refusal);
    let facts = session.capture(namespace).await?;
    let location = preflight::location(&facts, args.storage_location.as_deref()).map_err(refused)?;
    let volumes = preflight::volumes(&facts, args.way.wish()).map_err(refused)?;
    let mut warnings = preflight::objections(&volumes).map_err(refused)?;
    let config = config::find()?;
    let hooks = config.hooks(namespace);
    preflight::hooks(&facts, hooks).map_err(refused)?;
    warnings.extend(preflight::doubts(&volumes));
    warnings.extend(preflight::server(&facts).map_err(refused)?);
    let name = args.name.clone().unwrap_or_else(|| spec::name(namespace, facts.taken));
    let key = Key::namespaced(Kind::Backup, session.velero_namespace(), &name);
    if facts.get(&key).map_err(|unread| refused(unread.into()))?.is_some() {
        return Err(Failure::refused(format!("there is a backup {name} already")).hint("give another --name"));
    }
    let intended = render::backup::intended(&name, namespace, &location, &volumes, &warnings);
    if args.dry_run {
        let document = json::backup::BackupPlanV1::new(&name, namespace, &location, &volumes, &warnings);
        match flags.output {
            Output::Table | Output::Wide => out::result(&intended)?,
            Output::Json => out::json(&document)?,
            Output::Yaml => out::yaml(&document)?,
            Output::Name => out::result(&name)?,
        }
        return Ok(Exit::Done);
    }
    out::prose(&intended);
    session.need(&rights(namespace, session.velero_namespace())).await?;

    session.listen_for_interrupts();
    let progress = Progress::start(flags.output);
    let before = fingerprint::read(session, &volumes, "before", &progress).await;
    warnings.extend(fingerprint::keep_before(session, namespace, &name, &before).await?);
    let mut made = vec![fingerprint::in_namespace(namespace, &name)];
    let wanted = Wanted {
        name: &name,
        namespace,
        velero_namespace: session.velero_namespace(),
        location: &location,
        ttl: args.ttl,
        hooks,
    };
    let started = Timestamp::now();
    let mut created = Ok(());
    if let Some(policy) = spec::policy(&wanted, &volumes) {
        let key = Key::namespaced(Kind::ConfigMap, session.velero_namespace(), spec::policy_name(&name));
        created = session.create(key.clone(), policy).await;
        if created.is_ok() {
            made.push(key);
        }
    }
    if created.is_ok() {
        created = session.create(key.clone(), spec::backup(&wanted, &volumes)).await;
    }
    if let Err(not) = created {
        session.take_back(&made, &not).await;
        return Err(not.into());
    }
    progress.say(&format!("created backup {name}"));
    let ended = match follow::follow(session, &key, args.timeout, &progress).await {
        Followed::Ended(ended) => *ended,
        Followed::Left { phase } => {
            let message = format!("backup {name} is still running ({phase})");
            let look = format!("kubectl -n {} get backups.velero.io {name} -o yaml", session.velero_namespace());
            return Err(Failure::new(Exit::Detached, message).hint(look));
        }
        Followed::Gone => return Err(Failure::new(Exit::Failed, format!("backup {name} was deleted while it ran"))),
    };
    let took = Timestamp::now().duration_since(started);
    let after = fingerprint::read(session, &volumes, "after", &progress).await;
    warnings.extend(fingerprint::keep_after(session, namespace, &name, &before, &after).await?);
    warnings.extend(told_by_velero(&ended));
    if ended.i64_at("/status/hookStatus/hooksFailed").is_some_and(|count| count > 0) {
        // Which they were helps; that nobody can tell now does not make the backup worse.
        let hooks = tokio::time::timeout(HOOKS_TOLD, session.failed_hooks(&name)).await.unwrap_or_default();
        let means = "a file copy may be that of a running engine, and what the hook was to write is missing or old";
        warnings.extend(hooks.into_iter().map(|hook| format!("a hook failed in {hook}; {means}")));
    }
    let kept = verify(session, namespace, &name, &volumes).await?;
    progress.end();
    let volumes = volumes.into_iter().zip(kept).map(|(volume, kept)| VolumeResult {
        kept,
        engine: volume.reader.as_ref().map(|reader| reader.found.profile.to_owned()),
        fingerprint: fingerprint::told(&volume.claim, &before, &after),
        claim: volume.claim,
        method: volume.method,
    });
    let phase = ended.str_at("/status/phase").unwrap_or("of unknown phase").to_owned();
    let volumes = volumes.collect();
    finish(flags, &BackupResult { backup: name, namespace: namespace.to_owned(), phase, took, volumes, warnings })
}

fn finish(flags: &Flags, result: &BackupResult) -> Result<Exit, Failure> {
    match flags.output {
        Output::Table | Output::Wide => out::result(&render::backup::result(result))?,
        Output::Json => out::json(&json::backup::BackupResultV1::from(result))?,
        Output::Yaml => out::yaml(&json::backup::BackupResultV1::from(result))?,
        Output::Name => out::result(&result.backup)?,
    }
    Ok(result.exit())
}

/// Velero's own words about what went wrong.
fn told_by_velero(backup: &dr_core::object::Object) -> Vec<String> {
    let mut told: Vec<String> = ["/status/failureReason"]
        .iter()
        .filter_map(|pointer| backup.str_at(pointer))
        .chain(backup.list_at("/status/validationErrors").iter().filter_map(Value::as_str))
        .map(|text| format!("Velero says: {text}"))
        .collect();
    let counted = [
        ("/status/errors", "errors"),
        ("/status/warnings", "warnings"),
        ("/status/hookStatus/hooksFailed", "failed hooks"),
    ];
    for (pointer, noun) in counted {
        if let Some(count) = backup.i64_at(pointer).filter(|count| *count > 0) {
            told.push(format!("Velero counts {count} {noun}: velero backup logs {}", backup.name()));
        }
    }
    told
}

/// What a restore would find, judged the way a restore judges it; in the order of the volumes.
async fn verify(session: &Session, namespace: &str, backup: &str, volumes: &[Volume]) -> Result<Vec<Kept>, Failure> {
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let mut facts = session.capture(namespace).await?;
    session.fetch(&mut facts, backup, What::VolumeInfos).await?;
    volumes.iter().map(|volume| judge(&facts, backup, volume)).collect()
}

fn judge(facts: &Facts, backup: &str, volume: &Volume) -> Result<Kept, Failure> {
    let infos = match facts.documents.get(backup).map(|documents| &documents.volume_infos) {
        Some(Document::Read(infos)) => infos,
        Some(Document::Failed(because)) => {
            let because = format!("the backup's list of volumes cannot be read: {because}");
            return Ok(Kept::No { because });
        }
        Some(Document::NotRead) | None => {
            return Ok(Kept::No { because: "the backup's list of volumes was not read".to_owned() });
        }
    };
    let coverage = cover::judge(facts, backup, infos, &volume.claim);
    Ok(match coverage.map_err(|error| Failure::failed("cannot verify the backup", error))? {
        Coverage::Captured(captured) => Kept::Yes { because: captured.because, bytes: captured.bytes },
        Coverage::Lost { because, hint: _ } => {
            let objection = volume.objection.as_ref().map(|told| format!(" ({told})")).unwrap_or_default();
            Kept::No { because: format!("{because}{objection}") }
        }
    })
}

/// What the command does with the cluster beside reading it.
fn rights(namespace: &str, velero: &str) -> Vec<glue::Need> {
    let need = |verb, kind, namespace: &str, subresource| glue::Need {
        verb,
        kind,
        namespace: Some(namespace.to_owned()),
        subresource,
    };
    vec![
        need("get", Kind::Pod, namespace, Some("exec")),
        need("create", Kind::Pod, namespace, Some("exec")),
        need("create", Kind::ConfigMap, namespace, None),
        need("patch", Kind::ConfigMap, namespace, None),
        need("create", Kind::ConfigMap, velero, None),
        need("create", Kind::Backup, velero, None),
        need("get", Kind::Backup, velero, None),
        need("get", Kind::DownloadRequest, velero, None),
        need("create", Kind::DownloadRequest, velero, None),
        need("delete", Kind::DownloadRequest, velero, None),
    ]
}
