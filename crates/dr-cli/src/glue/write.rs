//! Single objects that commands write beside runs. What nobody answered is looked for before it is sent again.

use std::collections::BTreeSet;
use std::time::Duration;

use dr_cluster::act::{self, Answer};
use dr_core::object::{Key, Object};
use dr_run::condition::Query;
use dr_run::decide::Request;
use serde_json::Value;
use tokio::time::Instant;

use super::{PATIENCE, Session};
use crate::report::Failure;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

impl Session {
    /// Creates what is not there.
    pub(crate) async fn create(&self, key: Key, object: Value) -> Result<(), Failure> {
        let doing = format!("cannot create {key}");
        let until = Instant::now() + PATIENCE;
        let request = Request::Create { key: key.clone(), object: object.clone() };
        let mut unanswered = false;
        loop {
            match act::act(&self.connection, &request).await {
                Answer::Applied => return Ok(()),
                Answer::Conflict(_) if unanswered && self.holds(&key, &object).await? => return Ok(()),
                Answer::Conflict(because) | Answer::Rejected(because) => return Err(because_of(doing, because)),
                Answer::Unknown(because) if Instant::now() + PAUSE >= until => {
                    let look = format!("whether it is there is not known: kubectl get {}", words(&key));
                    return Err(because_of(doing, because).hint(look));
                }
                Answer::Unknown(because) => tracing::debug!("{key}: {because}; looking again"),
            }
            unanswered = true;
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) async fn patch(&self, key: Key, patch: Value) -> Result<(), Failure> {
        let doing = format!("cannot change {key}");
        match act::act(&self.connection, &Request::Patch { key, patch }).await {
            Answer::Applied => Ok(()),
            Answer::Conflict(because) | Answer::Rejected(because) | Answer::Unknown(because) => {
                Err(because_of(doing, because))
            }
        }
    }

    /// Takes away what this command made for an object that the server did not take. Of one that is there all the same
    /// nothing is taken.
    pub(crate) async fn take_back(&self, made: &[Key], of: &Key) {
        match self.there(of).await {
            Ok(None) => {}
            Ok(Some(_)) => return,
            Err(failure) => return tracing::warn!("{} is left: {}", told(made), failure.error),
        }
        for key in made {
            let found = self.there(key).await.ok().flatten();
            let Some((uid, version)) = found.as_ref().and_then(|found| found.uid().zip(found.resource_version()))
            else {
                continue;
            };
            let request = Request::Delete {
                key: key.clone(),
                uid: uid.to_owned(),
                resource_version: version.to_owned(),
                grace_seconds: None,
            };
            match act::act(&self.connection, &request).await {
                Answer::Applied => {}
                Answer::Conflict(because) | Answer::Rejected(because) | Answer::Unknown(because) => {
                    tracing::warn!("{key} is left: {because}");
                }
            }
        }
    }

    async fn there(&self, key: &Key) -> Result<Option<Object>, Failure> {
        let seen = self.read(&BTreeSet::from([Query::Get(key.clone())])).await?;
        let found = seen.get(key).map_err(|error| Failure::failed(format!("cannot read {key}"), error))?;
        Ok(found.cloned())
    }

    /// Whether it is there as it was sent. Servers add to objects, and leave nothing out.
    async fn holds(&self, key: &Key, sent: &Value) -> Result<bool, Failure> {
        Ok(self.there(key).await?.is_some_and(|found| within(sent, &found.0)))
    }
}

/// Whether everything of the first is in the second.
fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|found| within(value, found)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| within(part, whole))
        }
        (part, whole) => part == whole,
    }
}

fn because_of(doing: String, because: String) -> Failure {
    Failure::failed(doing, anyhow::Error::msg(because))
}

fn told(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn words(key: &Key) -> String {
    let namespace = key.namespace.as_ref().map(|namespace| format!("-n {namespace} ")).unwrap_or_default();
    format!("{namespace}{} {}", key.kind.info().resource(), key.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_added_does_not_make_it_another_object() {
        let sent = json!({ "spec": { "template": { "hooks": [{ "name": "a" }] } } });
        let live = json!({ "metadata": { "uid": "1" }, "spec": { "paused": false, "template": { "hooks": [{ "name": "a", "x": 1 }] } } });
        assert!(within(&sent, &live));
        assert!(!within(&sent, &json!({ "spec": { "template": { "hooks": [] } } })));
        assert!(!within(&sent, &json!({ "spec": { "template": { "hooks": [{ "name": "b" }] } } })));
    }
}
