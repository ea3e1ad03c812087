//! Reads every kind a cluster serves, as far as one namespace's backup depends on it: kinds × pages requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dr_core::object::Object;
use dr_core::select::{Cluster, Resource, Resources};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::capture::CaptureError;
use crate::connect::Connection;
use crate::request::{self, JSON};

const AT_ONCE: usize = 8;
/// Of the whole; thousands of objects take seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of one kind: a webhook that is down must not keep the others waiting.
const OF_ONE: Duration = Duration::from_secs(20);
/// Servers behind the API server that know no metadata answer with the whole.
const METADATA_FIRST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

const VELERO: &str = "velero.io";

/// Kinds of which more than the metadata decides.
pub const WHOLE: &[&str] = &[
    "pods",
    "persistentvolumeclaims",
    "persistentvolumes",
    "namespaces",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "storageclasses.storage.k8s.io",
    "volumesnapshotclasses.snapshot.storage.k8s.io",
];

/// Whole, of Velero's namespace.
pub const OF_VELERO: &[&str] = &[
    "pods",
    "deployments.apps",
    "daemonsets.apps",
    "backups.velero.io",
    "schedules.velero.io",
    "backupstoragelocations.velero.io",
    "volumesnapshotlocations.velero.io",
];

/// Cluster-scoped kinds whole, namespaced ones of `namespace`, and of Velero's namespace what decides there. What cannot
/// be read is told by [`Cluster::not_read`] in the server's own words. Secrets and the like are read as metadata only.
pub async fn everything(connection: &Connection, namespace: &str, velero: &str) -> Result<Cluster, CaptureError> {
    let deadline = Instant::now() + PATIENCE;
    let (resources, mut unread) = resources(connection, deadline).await?;
    let mut wanted: Vec<(usize, Option<&str>, bool)> = Vec::new();
    for (of, resource) in resources.0.iter().enumerate().filter(|(_, resource)| resource.collectable) {
        let name = resource.name();
        let whole = WHOLE.contains(&name.as_str());
        if !resource.namespaced {
            wanted.push((of, None, whole));
            continue;
        }
        let of_velero = OF_VELERO.contains(&name.as_str());
        if of_velero {
            wanted.push((of, Some(velero), true));
        }
        if namespace != velero || !of_velero {
            wanted.push((of, Some(namespace), whole));
        }
    }
    connection.tally.begin(wanted.len());
    let reads: Vec<_> = wanted
        .into_iter()
        .filter_map(|(of, namespace, whole)| Some((resources.0.get(of)?, namespace, whole)))
        .map(|(resource, namespace, whole)| async move {
            let listed = list(connection, resource, namespace, whole, deadline).await;
            connection.tally.kind();
            listed.map(|listed| (unread_as(&resource.name(), namespace, velero), listed))
        })
        .collect();
    let answers: Vec<(String, Result<Vec<Object>, String>)> =
        stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let mut objects = Vec::new();
    for (name, listed) in answers {
        match listed {
            Ok(found) => objects.extend(found),
            Err(why) => {
                unread.insert(name, why);
            }
        }
    }
    Ok(Cluster::new(resources, objects, unread))
}

/// What a list that fails is told as. Of these kinds only those in Velero's namespace decide, except pods.
fn unread_as(name: &str, namespace: Option<&str>, velero: &str) -> String {
    match namespace {
        Some(namespace) if namespace != velero && name != "pods" && OF_VELERO.contains(&name) => {
            format!("{name} in {namespace}")
        }
        Some(_) | None => name.to_owned(),
    }
}

/// A ConfigMap's data, none when it does not exist.
pub async fn config_map(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, CaptureError> {
    let key = dr_core::object::Key::namespaced(dr_core::kind::Kind::ConfigMap, namespace, name);
    let deadline = Instant::now() + PATIENCE;
    let found = request::get(connection, &key, deadline).await;
    let found = found.map_err(|cause| CaptureError::Read { what: key.to_string(), cause })?;
    Ok(found.map(|object| dr_core::object::string_map(object.at("/data"))))
}

/// The types in the order of discovery, each in its group's preferred version; and the groups that do not answer.
async fn resources(
    connection: &Connection,
    deadline: Instant,
) -> Result<(Resources, BTreeMap<String, String>), CaptureError> {
    let groups = request::read(connection, "/apis", JSON, deadline).await;
    let groups = groups.map_err(|cause| CaptureError::Read { what: "the groups of the API".to_owned(), cause })?;
    let mut documents: Vec<(String, String)> = vec![(String::new(), "v1".to_owned())];
    for group in groups.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let text = |pointer: &str| group.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (Some(name), Some(preferred)) = (text("/name"), text("/preferredVersion/version")) else {
            continue;
        };
        let all = group.get("versions").and_then(Value::as_array).into_iter().flatten();
        let all = all.filter_map(|version| version.get("version")?.as_str()).map(str::to_owned);
        let others: Vec<String> = all.filter(|version| *version != preferred).collect();
        documents.extend([preferred].into_iter().chain(others).map(|version| (name.clone(), version)));
    }
    let reads: Vec<_> = documents
        .into_iter()
        .map(|(group, version)| async move {
            let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
            let read = request::read(connection, &path, JSON, deadline.min(Instant::now() + OF_ONE)).await;
            let what = format!("the kinds of {path}");
            match read {
                Ok(list) => Ok((group, version, Ok(list))),
                Err(cause) => unreadable(cause, what).map(|why| (group, version, Err(why))),
            }
        })
        .collect();
    let lists: Vec<(String, String, Result<Value, Option<String>>)> =
        stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut unread = BTreeMap::new();
    let mut found = Vec::new();
    for (group, version, list) in lists {
        let list = match list {
            Ok(list) => list,
            Err(why) => {
                unread.extend(why.map(|why| (format!("*.{group}"), why)));
                continue;
            }
        };
        for entry in list.get("resources").and_then(Value::as_array).into_iter().flatten() {
            if let Some(resource) = Resource::of(&group, &version, entry)
                && seen.insert((resource.group.clone(), resource.plural.clone()))
            {
                found.push(resource);
            }
        }
    }
    Ok((Resources(found), unread))
}

async fn list(
    connection: &Connection,
    resource: &Resource,
    namespace: Option<&str>,
    whole: bool,
    deadline: Instant,
) -> Result<Result<Vec<Object>, String>, CaptureError> {
    let (root, api_version) = if resource.group.is_empty() {
        (format!("/api/{}", resource.version), resource.version.clone())
    } else {
        let api_version = format!("{}/{}", resource.group, resource.version);
        (format!("/apis/{api_version}"), api_version)
    };
    let base = match namespace {
        Some(namespace) => format!("{root}/namespaces/{}/{}", request::escape(namespace), resource.plural),
        None => format!("{root}/{}", resource.plural),
    };
    let accept = if whole { JSON } else { METADATA_FIRST };
    match request::pages(connection, &base, "", accept, deadline.min(Instant::now() + OF_ONE)).await {
        Ok(mut objects) => {
            for object in &mut objects {
                if let Value::Object(object) = &mut object.0 {
                    object.insert("apiVersion".to_owned(), json!(api_version));
                    object.insert("kind".to_owned(), json!(resource.kind));
                }
            }
            Ok(Ok(objects))
        }
        // What Velero does hangs on them: that they went away must not look like none there are.
        Err(error)
            if error.kind == ApiErrorKind::NotFound
                && resource.group == VELERO
                && OF_VELERO.contains(&resource.name().as_str()) =>
        {
            Ok(Err("its kind is not served any more".to_owned()))
        }
        Err(error) => Ok(unreadable(error, base)?.map_or_else(|| Ok(Vec::new()), Err)),
    }
}

/// What one kind's failure means: it went away while we read and has no objects (none), or it cannot be read and that is
/// told (some). A server that does not answer at all is an error of the whole.
fn unreadable(error: ApiError, what: String) -> Result<Option<String>, CaptureError> {
    match error.kind {
        ApiErrorKind::NotFound => Ok(None),
        ApiErrorKind::Forbidden
        | ApiErrorKind::Conflict
        | ApiErrorKind::AlreadyExists
        | ApiErrorKind::Invalid
        | ApiErrorKind::Timeout
        | ApiErrorKind::Other => Ok(Some(error.message)),
        ApiErrorKind::Unreachable => Err(CaptureError::Read { what, cause: error }),
    }
}

#[cfg(test)]
mod tests;
