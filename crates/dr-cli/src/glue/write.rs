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
use crate::out;
use crate::report::Failure;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Why something was not made.
#[derive(Debug)]
pub(crate) struct NotMade {
    failure: Failure,
    /// No server took it. Otherwise it may be there, or come about yet.
    surely: bool,
}

impl From<NotMade> for Failure {
    fn from(not: NotMade) -> Self {
        not.failure
    }
}

impl Session {
    /// Creates what is not there. What nobody answered is looked for before it is sent again.
    pub(crate) async fn create(&self, key: Key, object: Value) -> Result<(), NotMade> {
        let not = |because: String, surely: bool| {
            let mut failure = because_of(format!("cannot create {key}"), because);
            if !surely {
                failure = failure.hint(format!("whether it is there is not known: kubectl get {}", words(&key)));
            }
            NotMade { failure, surely }
        };
        let until = Instant::now() + PATIENCE;
        let request = Request::Create { key: key.clone(), object: object.clone() };
        let mut unanswered = false;
        let mut told = String::new();
        loop {
            let because = match act::act(&self.connection, &request).await {
                Answer::Applied => return Ok(()),
                Answer::Conflict(because) if unanswered => {
                    return match self.there(&key).await {
                        Ok(Some(found)) if within(&object, &found.0) => Ok(()),
                        Ok(_) => Err(not(because, true)),
                        Err(unread) => Err(not(format!("{because}; {}", unread.error), false)),
                    };
                }
                Answer::Conflict(because) | Answer::Rejected(because) | Answer::Throttled(because) => {
                    return Err(not(because, !unanswered));
                }
                Answer::Unknown(because) => because,
            };
            unanswered = true;
            if Instant::now() + PAUSE >= until || self.interrupted() {
                return Err(not(because, false));
            }
            if told != because {
                out::prose(&format!("{key}: {because}; looking whether it is there, and trying again"));
                told.clone_from(&because);
            }
            self.pause(PAUSE).await;
            if let Ok(Some(found)) = self.there(&key).await
                && within(&object, &found.0)
            {
                return Ok(());
            }
        }
    }

    pub(crate) async fn patch(&self, key: Key, patch: Value) -> Result<(), Failure> {
        let doing = format!("cannot change {key}");
        match act::act(&self.connection, &Request::Patch { key, patch }).await {
            Answer::Applied => Ok(()),
            Answer::Conflict(because)
            | Answer::Rejected(because)
            | Answer::Throttled(because)
            | Answer::Unknown(because) => Err(because_of(doing, because)),
        }
    }

    /// Takes away what this command made for an object that no server took; where it may come about yet, nothing.
    pub(crate) async fn take_back(&self, made: &[Key], not: &NotMade) {
        for key in made {
            let left = if not.surely { self.delete(key).await.err() } else { Some("it may be wanted yet".to_owned()) };
            if let Some(because) = left {
                out::prose(&format!("{key} is left ({because}): kubectl delete {}", words(key)));
            }
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), String> {
        let found = self.there(key).await.map_err(|unread| unread.error.to_string())?;
        let Some((uid, version)) = found.as_ref().and_then(|found| found.uid().zip(found.resource_version())) else {
            return Ok(());
        };
        let (uid, resource_version) = (uid.to_owned(), version.to_owned());
        let request = Request::Delete { key: key.clone(), uid, resource_version, grace_seconds: None };
        match act::act(&self.connection, &request).await {
            Answer::Applied => Ok(()),
            Answer::Conflict(because)
            | Answer::Rejected(because)
            | Answer::Throttled(because)
            | Answer::Unknown(because) => Err(because),
        }
    }

    async fn there(&self, key: &Key) -> Result<Option<Object>, Failure> {
        let seen = self.read(&BTreeSet::from([Query::Get(key.clone())])).await?;
        let found = seen.get(key).map_err(|error| Failure::failed(format!("cannot read {key}"), error))?;
        Ok(found.cloned())
    }
}

/// Whether everything of the first is in the second: servers add to objects, and leave nothing out.
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
