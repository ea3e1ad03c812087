//! `kubectl dr backup schedule create`.

use dr_core::kind::Kind;
use dr_core::object::Key;
use dr_core::recovery::Limit;

use super::would::would;
use super::{CreateArgs, warn};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::{Need, Session};
use crate::json::schedule::{Did, ScheduleV1};
use crate::report::Failure;
use crate::{out, render};

pub(super) async fn create(
    session: &Session,
    flags: &Flags,
    namespace: &str,
    args: &CreateArgs,
    rpo: Option<Limit>,
) -> Result<Exit, Failure> {
    let would = would(session, namespace, Some(&args.cron), &args.wish, rpo).await?;
    if would.live.is_some() {
        let hint = match would.foreign() {
            None => format!("kubectl dr backup schedule align --ns {namespace} --name {}", would.name),
            Some(because) => format!("{because}; give another --name"),
        };
        return Err(Failure::refused(format!("there is a Schedule {} already", would.name)).hint(hint));
    }
    // One of an earlier create that ended before its Schedule is as good as ours to make.
    let policy = would.policy.as_ref().filter(|policy| policy.differs());
    if let Some(policy) = policy.filter(|policy| policy.live.is_some()) {
        let message = format!("there is a ConfigMap {} in {} already, with other policies", policy.name, would.velero);
        return Err(Failure::refused(message).hint("give another --name"));
    }
    if let Some(stopped) = would.warnings.iter().find(|warning| warning.about == "stopped") {
        return Err(Failure::refused(stopped.says.clone()));
    }
    let undo = undo(&would, flags);
    if !args.dry_run {
        warn(&would);
        let mut needs = vec![need("create", Kind::Schedule, &would.velero)];
        needs.extend(policy.map(|_| need("create", Kind::ConfigMap, &would.velero)));
        session.need(&needs).await?;
        if let Some(policy) = policy {
            // Without it Velero refuses every backup of the schedule.
            let key = Key::namespaced(Kind::ConfigMap, &would.velero, &policy.name);
            session.create(key, policy.object.clone()).await?;
        }
        if let Err(not) = session.create(would.key(), would.object.clone()).await {
            let made = policy.map(|policy| Key::namespaced(Kind::ConfigMap, &would.velero, &policy.name));
            session.take_back(made.as_slice(), &not).await;
            return Err(not.into());
        }
    }
    let exit = would.shortfall().unwrap_or(Exit::Done);
    let did = if args.dry_run { Did::Nothing } else { Did::Created };
    let document = ScheduleV1::new(&would, did, exit, &undo);
    match flags.output {
        Output::Table | Output::Wide => {
            let text = render::schedule::created(&would, args.dry_run, &undo)?;
            out::result(&text)?;
            if args.dry_run {
                warn(&would);
            }
        }
        Output::Json => out::json(&document)?,
        Output::Yaml => out::yaml(&document)?,
        Output::Name => out::result(&format!("schedule.velero.io/{}", would.name))?,
    }
    Ok(exit)
}

pub(super) fn need(verb: &'static str, kind: Kind, namespace: &str) -> Need {
    Need { verb, kind, namespace: Some(namespace.to_owned()), subresource: None }
}

fn undo(would: &super::Would, flags: &Flags) -> Vec<String> {
    let kubectl = would.kubectl(flags);
    let policy = would.policy.as_ref().map(|policy| format!("{kubectl} delete configmap {}", policy.name));
    std::iter::once(format!("{kubectl} delete schedules.velero.io {}", would.name)).chain(policy).collect()
}
