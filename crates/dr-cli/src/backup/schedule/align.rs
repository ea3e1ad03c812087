//! `kubectl dr backup schedule diff` and `align`.

use dr_core::drift;
use dr_core::engine::quoted;
use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::recovery::Limit;
use serde_json::{Value, json};

use super::create::need;
use super::would::{Policy, would};
use super::{AlignArgs, DiffArgs, Would, warn};
use crate::confirm::{Asker, Where};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::Session;
use crate::json::schedule::{Did, ScheduleV1};
use crate::report::Failure;
use crate::{out, render};

async fn compared(
    session: &Session,
    namespace: &str,
    args: &DiffArgs,
    rpo: Option<Limit>,
) -> Result<(Would, Value), Failure> {
    if let Some(cron) = &args.cron {
        super::would::timetable(cron)?;
    }
    let would = would(session, namespace, args.cron.as_deref(), &args.wish, rpo).await?;
    let Some(live) = would.live.clone() else {
        let hint =
            format!("kubectl dr backup schedule create --ns {namespace} --cron '0 1 * * *', or name one with --name");
        return Err(
            Failure::refused(format!("there is no Schedule {} of namespace {namespace}", would.name)).hint(hint)
        );
    };
    if let Some(because) = would.foreign() {
        let message = format!("Schedule {} is not written for namespace {namespace} alone: {because}", would.name);
        let hint = format!(
            "one of its own: kubectl dr backup schedule create --ns {namespace} --name NAME --cron '0 1 * * *'"
        );
        return Err(Failure::refused(message).hint(hint));
    }
    Ok((would, live))
}

pub(super) async fn diff(
    session: &Session,
    flags: &Flags,
    namespace: &str,
    args: &DiffArgs,
    rpo: Option<Limit>,
) -> Result<Exit, Failure> {
    let (would, live) = compared(session, namespace, args, rpo).await?;
    let exit = if would.drifts() { Exit::Failed } else { would.shortfall().map_or(Exit::Done, |_| Exit::Failed) };
    show(flags, &would, &live, Did::Nothing, exit, &[])?;
    warn(&would);
    Ok(exit)
}

pub(super) async fn align(
    session: &Session,
    flags: &Flags,
    namespace: &str,
    args: &AlignArgs,
    rpo: Option<Limit>,
) -> Result<Exit, Failure> {
    // Before anything is read: nobody waits for a question that cannot be asked.
    let asker = if args.dry_run { None } else { Some(Asker::find(args.yes, flags.output)?) };
    let (would, live) = compared(session, namespace, &args.of, rpo).await?;
    let Some(asker) = asker.filter(|_| would.drifts()) else {
        let exit = would.shortfall().unwrap_or(Exit::Done);
        show(flags, &would, &live, Did::Nothing, exit, &[])?;
        warn(&would);
        return Ok(exit);
    };
    if !flags.output.is_for_programs() {
        out::prose(&render::schedule::difference(&would, &live)?);
    }
    warn(&would);
    let Some(version) = would.resource_version.clone() else {
        return Err(Failure::refused(format!(
            "Schedule {} has no resourceVersion, so a change to it cannot be seen",
            would.name
        )));
    };
    let mut needs = vec![need("patch", Kind::Schedule, &would.velero)];
    let policy = would.policy.as_ref().filter(|policy| policy.differs());
    if let Some(policy) = policy {
        let verb = if policy.live.is_some() { "patch" } else { "create" };
        needs.push(need(verb, Kind::ConfigMap, &would.velero));
    }
    session.need(&needs).await?;
    let place = Where { context: &would.context, server: &would.server, namespace };
    if !asker.confirm(&place, &format!("This changes Schedule {}.", would.name))? {
        return Err(Failure::refused("the namespace was not typed"));
    }
    let undo = undo(session, flags, &would, &live, policy)?;
    if let Some(policy) = policy {
        write(session, &would, policy).await?;
    }
    if let Some(patch) = drift::merge_patch(&live, &would.object) {
        let written = session.patch(would.key(), drift::overlay(&patch, &fence(&version))).await;
        written.map_err(|failure| {
            // Of the Schedule nothing is known to be written; what is said of it must not undo somebody else's change.
            let of_policy: Vec<&str> = undo.iter().skip(1).map(String::as_str).collect();
            let look = format!("kubectl dr backup schedule diff --ns {namespace} shows how it stands");
            match of_policy.as_slice() {
                [] => failure.hint(look),
                commands => failure.hint(format!("{look}; its policies were written: {}", commands.join("; "))),
            }
        })?;
    }
    let exit = would.shortfall().unwrap_or(Exit::Done);
    show(flags, &would, &live, Did::Aligned, exit, &undo)?;
    Ok(exit)
}

/// Somebody who changes it meanwhile is not overwritten.
fn fence(version: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version } })
}

async fn write(session: &Session, would: &Would, policy: &Policy) -> Result<(), Failure> {
    let key = Key::namespaced(Kind::ConfigMap, &would.velero, &policy.name);
    let Some(live) = &policy.live else {
        return Ok(session.create(key, policy.object.clone()).await?);
    };
    let Some(version) = live.resource_version() else {
        return Err(Failure::refused(format!("{key} has no resourceVersion, so a change to it cannot be seen")));
    };
    match drift::merge_patch(&json!({ "data": policy.live_data() }), &json!({ "data": policy.data() })) {
        Some(patch) => session.patch(key, drift::overlay(&patch, &fence(version))).await,
        None => Ok(()),
    }
}

/// The commands that take it back. What they write lies on this machine before anything is changed: it may hold what
/// hooks keep secret, so it is not printed.
fn undo(
    session: &Session,
    flags: &Flags,
    would: &Would,
    live: &Value,
    policy: Option<&Policy>,
) -> Result<Vec<String>, Failure> {
    let kubectl = would.kubectl(flags);
    let mut commands = Vec::new();
    let mut keep = |resource: &str, name: &str, patch: &Value| {
        let text = serde_json::to_string_pretty(patch).map_err(|error| Failure::failed("cannot write JSON", error))?;
        let at = would.taken.strftime("%Y%m%d%H%M%S");
        let file = session.keep_locally(&format!("{resource}-{name}-{at}.undo.json"), &text)?;
        let file = quoted(&file.to_string_lossy());
        commands.push(format!("{kubectl} patch {resource} {name} --type merge --patch-file {file}"));
        Ok::<(), Failure>(())
    };
    if let Some(patch) = drift::merge_patch(&would.object, live) {
        keep("schedules.velero.io", &would.name, &patch)?;
    }
    match policy.map(|policy| (policy, policy.live_data())) {
        Some((policy, Some(live))) => {
            if let Some(patch) = drift::merge_patch(&json!({ "data": policy.data() }), &json!({ "data": live })) {
                keep("configmaps", &policy.name, &patch)?;
            }
        }
        Some((policy, None)) => {
            commands.push(format!("{kubectl} delete configmap {}", policy.name));
        }
        None => {}
    }
    Ok(commands)
}

fn show(flags: &Flags, would: &Would, live: &Value, did: Did, exit: Exit, undo: &[String]) -> Result<(), Failure> {
    let document = ScheduleV1::new(would, did, exit, undo);
    match flags.output {
        Output::Table | Output::Wide => match did {
            Did::Aligned | Did::Created => out::result(&render::schedule::aligned(would, undo)),
            Did::Nothing => out::result(&render::schedule::difference(would, live)?),
        },
        Output::Json => out::json(&document),
        Output::Yaml => out::yaml(&document),
        Output::Name if would.drifts() => out::result(&format!("schedule.velero.io/{}", would.name)),
        Output::Name => Ok(()),
    }
}
