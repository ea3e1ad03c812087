//! What the volumes hold just before and just after the backup, kept where a restore finds it.
//!
//! The ConfigMap in the namespace is made before the backup begins, so that the first reading is in the archive; the
//! copy in Velero's namespace outlives the namespace.

use std::collections::BTreeMap;

use dr_core::engine;
use dr_core::fingerprint::{self, Fingerprint};
use dr_core::kind::Kind;
use dr_core::object::Key;
use serde_json::{Map, Value, json};

use crate::backup::preflight::{Reader, Volume};
use crate::backup::result::Fingerprinted;
use crate::backup::spec::FINGERPRINT;
use crate::glue::Session;
use crate::progress::Progress;
use crate::report::Failure;

/// A ConfigMap holds 1 MiB; there are two readings in it.
const LARGEST: usize = 450 * 1024;
/// The most that one volume's reading may take.
const SECONDS: u64 = 30 * 60;

/// What was read of every volume at one time: the fingerprint, or why there is none.
pub(crate) type Readings = BTreeMap<String, Result<Fingerprint, String>>;

/// Reads every volume that a running pod mounts.
pub(crate) async fn read(session: &Session, volumes: &[Volume], when: &str, progress: &Progress) -> Readings {
    let mut readings = Readings::new();
    for Volume { claim, reader, .. } in volumes {
        let Some(reader) = reader else {
            readings.insert(claim.clone(), Err("no running pod mounts it".to_owned()));
            continue;
        };
        let title = format!("read {claim} {when} the backup, as {}", reader.found.profile);
        let step = format!("{when}/{claim}");
        progress.begin(&step, &title);
        let reading = read_one(session, reader).await;
        match &reading {
            Ok(found) => progress.done(&step, &format!("{title}: {} parts", found.parts.len())),
            Err(because) => progress.failed(&step, &title, because),
        }
        readings.insert(claim.clone(), reading);
    }
    readings
}

async fn read_one(session: &Session, reader: &Reader) -> Result<Fingerprint, String> {
    let Reader { pod, found } = reader;
    let profile = engine::named(found.profile).ok_or_else(|| format!("there is no profile {}", found.profile))?;
    let namespace = pod.namespace().unwrap_or_default();
    let key = Key::namespaced(Kind::Pod, namespace, pod.name());
    let command = engine::command(profile.fingerprint, &found.mount);
    let said = session.exec(&key, &found.container, &command, SECONDS).await?;
    if said.exit_code != 0 {
        let last = said.stderr.trim().lines().last().unwrap_or("nothing on stderr").to_owned();
        return Err(format!("the reading ended with exit code {}: {last}", said.exit_code));
    }
    fingerprint::read(&said.stdout).map_err(|error| error.to_string())
}

/// `before.<claim>` and `after.<claim>` of whatever could be read and fits.
fn data(when: &str, readings: &Readings) -> (Map<String, Value>, Vec<String>) {
    let mut data = Map::new();
    let mut warnings = Vec::new();
    let mut room = LARGEST;
    for (claim, reading) in readings {
        let Ok(found) = reading else { continue };
        match serde_json::to_string(found) {
            Ok(text) if text.len() <= room => {
                room -= text.len();
                data.insert(format!("{when}.{claim}"), text.into());
            }
            Ok(text) => warnings.push(format!(
                "the fingerprint of {claim} {when} the backup is not kept: {} do not fit into a ConfigMap",
                crate::render::bytes(text.len() as u64)
            )),
            Err(error) => warnings.push(format!("the fingerprint of {claim} is not kept: {error}")),
        }
    }
    (data, warnings)
}

pub(crate) fn in_namespace(namespace: &str, backup: &str) -> Key {
    Key::namespaced(Kind::ConfigMap, namespace, format!("kubectl-dr-fingerprint-{backup}"))
}

fn beside_velero(velero_namespace: &str, backup: &str) -> Key {
    Key::namespaced(Kind::ConfigMap, velero_namespace, format!("dr-fingerprint-{backup}"))
}

/// Makes the ConfigMap that goes into the archive.
pub(crate) async fn keep_before(
    session: &Session,
    namespace: &str,
    backup: &str,
    readings: &Readings,
) -> Result<Vec<String>, Failure> {
    let (data, warnings) = data("before", readings);
    let object = json!({ "metadata": { "labels": { FINGERPRINT: backup } }, "data": data });
    session.create(in_namespace(namespace, backup), object).await?;
    Ok(warnings)
}

/// Adds the second reading, and makes the copy that outlives the namespace.
pub(crate) async fn keep_after(
    session: &Session,
    namespace: &str,
    backup: &str,
    before: &Readings,
    after: &Readings,
) -> Result<Vec<String>, Failure> {
    let (later, mut warnings) = data("after", after);
    let (mut all, _) = data("before", before);
    all.extend(later.clone());
    session.patch(in_namespace(namespace, backup), json!({ "data": later })).await?;
    let labels = json!({ FINGERPRINT: backup, "kubectl-dr/namespace": namespace });
    let object = json!({ "metadata": { "labels": labels }, "data": all });
    if let Err(not) = session.create(beside_velero(session.velero_namespace(), backup), object).await {
        let failure = Failure::from(not);
        let because = std::iter::once(failure.error.to_string()).chain(failure.causes()).collect::<Vec<_>>();
        warnings.push(format!("no copy of the fingerprints beside Velero: {}", because.join(": ")));
    }
    Ok(warnings)
}

/// What a restore will have to compare with.
pub(crate) fn told(claim: &str, before: &Readings, after: &Readings) -> Fingerprinted {
    match (before.get(claim), after.get(claim)) {
        (Some(Ok(_)), Some(Ok(_))) => Fingerprinted::BeforeAndAfter,
        (Some(Ok(_)), Some(Err(because))) => Fingerprinted::Only(format!("before only: {because}")),
        (Some(Err(because)), Some(Ok(_))) => Fingerprinted::Only(format!("after only: {because}")),
        (Some(Ok(_)), None) => Fingerprinted::Only("before only".to_owned()),
        (None, Some(Ok(_))) => Fingerprinted::Only("after only".to_owned()),
        (Some(Err(because)), _) | (None, Some(Err(because))) => Fingerprinted::No(format!("none: {because}")),
        (None, None) => Fingerprinted::No("none".to_owned()),
    }
}
