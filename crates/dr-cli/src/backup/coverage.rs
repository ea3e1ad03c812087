//! `kubectl dr backup coverage`: what a backup made now would hold of a namespace, and why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use dr_core::object::Object;
use dr_core::refusal::Refusal;
use dr_core::schedule::{self, Idle};
use dr_core::select::{Backup, Cluster, ItemRef, Policies, Server, UnknownServer, Version, select};
use serde_json::Value;

use crate::backup::covered::{self, Covered, Judged};
use crate::backup::manifest::Manifest;
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::glue::{self, Session};
use crate::json::coverage::CoverageV1;
use crate::report::Failure;
use crate::{out, render};

#[derive(Debug, Clone, Args)]
pub(crate) struct CoverageArgs {
    /// Judge what a backup like this one would hold now
    #[arg(long, value_name = "NAME", conflicts_with_all = ["schedule", "filename"])]
    backup: Option<String>,
    /// Judge what this schedule would take now; every schedule when nothing is named
    #[arg(long, value_name = "NAME", conflicts_with = "filename")]
    schedule: Option<String>,
    /// Judge the backups and schedules of a manifest before it is applied; - is standard input
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,
    /// Tell why an object is or is not in the backup, such as pvc/data-postgres-0
    #[arg(long, value_name = "KIND/NAME")]
    why: Option<String>,
    /// Velero's version, such as 1.18.3, where its image does not tell it
    #[arg(long, value_name = "VERSION")]
    velero_version: Option<Version>,
}

const USAGE: &str = "kubectl dr backup coverage --ns NAMESPACE";

pub(crate) fn main(flags: &Flags, args: &CoverageArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace(USAGE)?;
    let why = args.why.as_deref().map(split).transpose()?;
    let manifest = args.filename.as_deref().map(Manifest::open).transpose()?;
    if let Some(manifest) = &manifest {
        // What is wrong with a file is told without a cluster.
        manifest.backups(args.velero_version)?;
    }
    let covered = glue::block_on(async {
        let session = glue::open(flags, &format!("what namespace {namespace} is made of")).await?;
        judge(&session, namespace, args, manifest.as_ref()).await
    })?;
    let Some((kind, name)) = why else {
        match flags.output {
            Output::Table => out::result(&render::coverage::text(&covered, false)?)?,
            Output::Wide => out::result(&render::coverage::text(&covered, true)?)?,
            Output::Json => out::json(&CoverageV1::from(&covered))?,
            Output::Yaml => out::yaml(&CoverageV1::from(&covered))?,
            Output::Name => {
                for claim in covered.lost() {
                    out::result(&format!("persistentvolumeclaim/{claim}"))?;
                }
            }
        }
        return Ok(covered.exit());
    };
    let item = wanted(&covered, kind, name)?;
    match flags.output {
        Output::Table | Output::Wide | Output::Name => out::result(&render::coverage::why(&covered, &item))?,
        Output::Json => out::json(&CoverageV1::of_item(&covered, &item))?,
        Output::Yaml => out::yaml(&CoverageV1::of_item(&covered, &item))?,
    }
    Ok(covered.exit_of(&item))
}

async fn judge(
    session: &Session,
    namespace: &str,
    args: &CoverageArgs,
    manifest: Option<&Manifest>,
) -> Result<Covered, Failure> {
    let cluster = session.everything(namespace).await?;
    let velero = session.velero_namespace();
    let known = covered::unread(&cluster, "namespaces").is_none();
    if known && cluster.objects("namespaces", None).all(|object| object.name() != namespace) {
        return Err(Failure::refused(format!("there is no namespace {namespace}")).hint("kubectl get namespaces"));
    }
    let mut server = server(&cluster, velero, args.velero_version)?;
    if let Some(name) = &server.global_policies_name {
        server.global_policies = policies(session.velero_config(name).await?);
    }
    let of_file = manifest.map(|manifest| manifest.backups(Some(server.version))).transpose()?;
    let asked = match &of_file {
        Some(found) => found.iter().collect(),
        None => asked(&cluster, velero, args)?,
    };
    let mut assumed: Vec<String> = unknown_version(server.version).into_iter().collect();
    let unread = cluster.assumptions();
    let mut judged = Vec::new();
    for object in asked {
        let kind = kind(object);
        let doing = || format!("cannot judge {kind} {}", object.name());
        let mut backup = Backup::of(object).map_err(|error| Failure::failed(doing(), error))?;
        if let Some(name) = backup.spec.policy_name() {
            backup.policies = policies(match manifest.and_then(|manifest| manifest.config(velero, name)) {
                Some(data) => Some(data),
                None => session.velero_config(name).await?,
            });
        }
        if object.namespace().is_none() {
            assumed.push(format!("{kind} {} names no namespace, and is applied to {velero}", object.name()));
        }
        let selection = select(&cluster, &backup, &server);
        for says in selection.assumed.iter().filter(|says| !unread.contains(says)) {
            if !assumed.contains(says) {
                assumed.push(says.clone());
            }
        }
        let idle = idle(&cluster, velero, object);
        let undecided = covered::undecided(&cluster);
        let hooks = dr_core::select::hooks(&cluster, &backup, &selection, namespace);
        judged.push(Judged {
            kind: kind.to_owned(),
            name: object.name().to_owned(),
            idle,
            undecided,
            selection,
            hooks,
        });
    }
    Ok(Covered { namespace: namespace.to_owned(), version: server.version, judged, assumed, cluster })
}

fn kind(object: &Object) -> &str {
    object.str_at("/kind").unwrap_or("object")
}

/// Why it takes nothing: by itself, or because another Schedule or Backup keeps Velero from reading any.
fn idle(cluster: &Cluster, velero: &str, object: &Object) -> Option<Idle> {
    let itself = schedule::idle(object, velero).or_else(|| schedule::unreadable(object));
    let others = ["schedules.velero.io", "backups.velero.io"];
    let others = others.into_iter().flat_map(|resource| cluster.objects(resource, Some(velero)));
    // One of a file takes the place of its namesake.
    let mut others = others.filter(|other| kind(other) != kind(object) || other.name() != object.name());
    itself.or_else(|| others.find_map(schedule::unreadable))
}

/// The Backups or Schedules that are judged.
fn asked<'a>(cluster: &'a Cluster, velero: &str, args: &CoverageArgs) -> Result<Vec<&'a Object>, Failure> {
    let read = |resource: &str| match covered::unread(cluster, resource) {
        Some(why) => {
            let refusal = Refusal::one(format!("{resource} in {velero}"), why, "docs/rbac/coverage.yaml grants it");
            Err(Failure::from_refusal("cannot tell what is backed up", refusal))
        }
        None => Ok(cluster.objects(resource, Some(velero)).collect::<Vec<&Object>>()),
    };
    let named = |resource: &str, kind: &str, name: &str| {
        let found = read(resource)?.into_iter().find(|object| object.name() == name);
        let missing = || Failure::refused(format!("there is no {kind} {name} in namespace {velero}"));
        found.ok_or_else(|| missing().hint(format!("kubectl -n {velero} get {resource}")))
    };
    match (&args.backup, &args.schedule) {
        (Some(name), _) => Ok(vec![named("backups.velero.io", "backup", name)?]),
        (None, Some(name)) => Ok(vec![named("schedules.velero.io", "schedule", name)?]),
        (None, None) => {
            let all = read("schedules.velero.io")?;
            if all.is_empty() {
                let message = format!("there is no schedule in namespace {velero}: nothing is backed up by itself");
                return Err(Failure::refused(message).hint("judge a backup with --backup NAME"));
            }
            Ok(all)
        }
    }
}

/// The server's version and settings. Without them every verdict would be a guess.
fn server(cluster: &Cluster, velero: &str, told: Option<Version>) -> Result<Server, Failure> {
    let doing = "cannot tell how Velero's server is set up";
    let deployments = "deployments.apps";
    if let Some(why) = covered::unread(cluster, deployments) {
        let refusal = Refusal::one(format!("deployments in {velero}"), why, "docs/rbac/coverage.yaml grants it");
        return Err(Failure::from_refusal(doing, refusal));
    }
    for deployment in cluster.objects(deployments, Some(velero)) {
        match Server::of(deployment, told) {
            Ok(server) => return Ok(server),
            Err(UnknownServer::NoContainer(_)) => {}
            Err(error @ UnknownServer::NoVersion(_)) => {
                let subject = format!("deployment {}", deployment.name());
                let refusal = Refusal::one(subject, error.to_string(), "name it with --velero-version, such as 1.18.3");
                return Err(Failure::from_refusal(doing, refusal));
            }
        }
    }
    let because = "no Deployment in it has a container that runs the server";
    let hint = "is this Velero's namespace? name another with --velero-namespace";
    Err(Failure::from_refusal(doing, Refusal::one(format!("namespace {velero}"), because, hint)))
}

fn unknown_version(version: Version) -> Option<String> {
    let judged = |age: &str, like: Version| {
        format!("Velero {version} is {age} than what is known here, and is judged as if it were {like}")
    };
    if version < Version::OLDEST {
        Some(judged("older", Version::OLDEST))
    } else if version > Version::NEWEST {
        Some(judged("newer", Version::NEWEST))
    } else {
        None
    }
}

/// The one value of a ConfigMap with resource policies. Velero reads it with go-yaml v3, which is YAML 1.2, and not as
/// kubectl reads manifests.
pub(super) fn policies(data: Option<BTreeMap<String, String>>) -> Policies {
    let Some(data) = data else {
        return Policies::Missing;
    };
    let mut values = data.into_values();
    match (values.next(), values.next()) {
        (Some(text), None) => match serde_yaml::from_str::<Value>(&text) {
            Ok(value) => Policies::Read(value),
            Err(error) => Policies::Unreadable(error.to_string()),
        },
        (None | Some(_), _) => Policies::Unreadable("it has not exactly one key".to_owned()),
    }
}

/// `pvc/data` apart.
fn split(why: &str) -> Result<(&str, &str), Failure> {
    let parts = why.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
    parts.ok_or_else(|| Failure::usage(format!("--why {why} is not KIND/NAME")).hint("--why pvc/data-postgres-0"))
}

/// The object that `--why` names.
fn wanted(covered: &Covered, kind: &str, name: &str) -> Result<ItemRef, Failure> {
    let resource = covered.cluster.resources().resolve(kind);
    let resource = resource.ok_or_else(|| {
        let message = format!("the cluster serves no kind {kind} that Velero could take");
        Failure::refused(message).hint("kubectl api-resources --verbs=list,create,get,delete")
    })?;
    let namespace = resource.namespaced.then_some(covered.namespace.as_str());
    let item = ItemRef::new(&resource.name(), namespace, name);
    if covered.cluster.names().any(|known| *known == item) {
        return Ok(item);
    }
    if let Some(why) = covered::unread(&covered.cluster, &item.resource) {
        let refusal = Refusal::one(item.resource.clone(), why, "docs/rbac/coverage.yaml grants it");
        return Err(Failure::from_refusal(format!("cannot tell of {item}"), refusal));
    }
    let scope = if resource.namespaced { format!(" -n {}", covered.namespace) } else { String::new() };
    Err(Failure::refused(format!("there is no {item}")).hint(format!("kubectl get {kind}{scope}")))
}

#[cfg(test)]
mod tests {
    use dr_core::select::Resources;

    use super::*;

    #[test]
    fn a_group_whose_server_does_not_answer_is_not_taken_for_one_without_objects() {
        let args = CoverageArgs { backup: None, schedule: None, filename: None, why: None, velero_version: None };
        let without = |group: &str| {
            let unread = BTreeMap::from([(group.to_owned(), "the server does not answer".to_owned())]);
            Cluster::new(Resources::built_in(), Vec::<Object>::new(), unread)
        };
        let failure = asked(&without("*.velero.io"), "velero", &args).unwrap_err();
        let reason = &failure.reasons[0];
        assert_eq!(
            (reason.subject.as_str(), reason.because.as_str()),
            ("schedules.velero.io in velero", "the server does not answer")
        );
        let failure = server(&without("*.apps"), "velero", None).unwrap_err();
        assert_eq!(failure.reasons[0].subject, "deployments in velero");
    }
}
