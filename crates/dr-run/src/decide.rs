//! One direction of a step against what was seen: is it done, must it wait, may it act.
//!
//! The order of calls matters and is the fence: observe, then read the journal's epoch, then send the request made here.
//! The request carries the observed resourceVersion, and whoever takes a run over touches the objects of its open
//! intents, so a process that slept in between is refused by the API server.

use std::collections::BTreeSet;

use dr_core::fingerprint;
use dr_core::object::{Key, Object};
use serde_json::{Value, json};

use crate::action::{Action, Examination, Hopeless, Move, Reading, Target};
use crate::condition::{Condition, Listing, NotRead, Observation, Query, Unjudged, Verdict, misfit};
use crate::slot::{Bindings, Slot, Unbound};

/// One mutating request, complete: nothing is left to decide.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Create { key: Key, object: Value },
    Copy { from: Key, to: Key, labels: Value },
    Patch { key: Key, patch: Value },
    Delete { key: Key, uid: String, resource_version: String, grace_seconds: Option<u32> },
}

/// What to do next for one direction of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Done(Bindings),
    Wait {
        because: String,
    },
    Act(Request),
    /// As `Act`, until so many seconds after the step began; from then on a failure.
    Anew {
        request: Request,
        seconds: u64,
        because: String,
    },
    /// Run the examination, then [`judge_answer`].
    Examine {
        pod: Key,
        examination: Box<Examination>,
    },
    Ask,
    /// Not now and not later: the reason is final, and nothing was changed by this attempt.
    Refused {
        because: String,
    },
}

/// Everything that must be read before [`decide`] can answer.
pub fn queries(direction: &Move, bindings: &Bindings) -> Result<BTreeSet<Query>, Unbound> {
    let mut queries = BTreeSet::new();
    for condition in direction.conditions() {
        queries.extend(condition.queries(bindings)?);
    }
    for detail in direction.fails.iter().filter_map(|hopeless| hopeless.detail.as_ref()) {
        queries.insert(Query::Get(detail.object.resolve(bindings)?));
    }
    for bind in &direction.binds {
        queries.insert(Query::Get(bind.object.resolve(bindings)?));
    }
    if let Some(object) = direction.changes() {
        queries.insert(Query::Get(object.resolve(bindings)?));
    }
    if let Action::Clear { of } | Action::PatchEach { of, .. } = &direction.action {
        queries.insert(Query::List(of.clone()));
    }
    Ok(queries)
}

pub fn decide(direction: &Move, seen: &Observation, bindings: &Bindings) -> Result<Decision, Unjudged> {
    if let Some(anew) = &direction.anew
        && anew.when.judge(seen, bindings)? == Verdict::Holds
        && let Some(object) = direction.changes()
    {
        let key = object.resolve(bindings)?;
        match seen.get(&key)?.filter(|found| !found.is_terminating()) {
            None => return Ok(Decision::Wait { because: format!("{key} is being deleted, to be created once more") }),
            Some(found) => match deletion(key, found) {
                Ok(request) => {
                    return Ok(Decision::Anew { request, seconds: anew.seconds, because: anew.tell.clone() });
                }
                Err(because) => return Ok(Decision::Refused { because }),
            },
        }
    }
    for hopeless in &direction.fails {
        if hopeless.when.judge(seen, bindings)? == Verdict::Holds {
            return Ok(Decision::Refused { because: told(hopeless, seen, bindings)? });
        }
    }
    if !direction.overtaken.is_empty() && first_not(&direction.overtaken, seen, bindings)?.is_none() {
        return finish(direction, seen, bindings);
    }
    match effect(&direction.action, seen, bindings)? {
        Effect::There => finish(direction, seen, bindings),
        Effect::Coming { because } => Ok(Decision::Wait { because }),
        Effect::Never { .. } if direction.or_gone && is_gone(&direction.action, seen, bindings)? => {
            finish(direction, seen, bindings)
        }
        Effect::Never { because } => Ok(Decision::Refused { because }),
        Effect::Missing(pending) => {
            if let Some(because) = first_not(&direction.after, seen, bindings)? {
                return Ok(Decision::Wait { because });
            }
            if let Some(because) = first_not(&direction.expect, seen, bindings)? {
                return Ok(Decision::Refused { because });
            }
            Ok(match pending {
                Pending::Request(request) => Decision::Act(request),
                Pending::Examine { pod, examination } => Decision::Examine { pod, examination },
                Pending::Ask => Decision::Ask,
            })
        }
    }
}

fn told(hopeless: &Hopeless, seen: &Observation, bindings: &Bindings) -> Result<String, Unjudged> {
    let Some(detail) = &hopeless.detail else { return Ok(hopeless.tell.clone()) };
    let found = seen.get(&detail.object.resolve(bindings)?)?;
    let says = found.and_then(|object| object.str_at(&detail.pointer)).map(str::trim).filter(|says| !says.is_empty());
    Ok(says.map_or_else(|| hopeless.tell.clone(), |says| format!("{}: {says}", hopeless.tell)))
}

/// Whether the object that a patch is for does not exist any more, or another one has its name.
fn is_gone(action: &Action, seen: &Observation, bindings: &Bindings) -> Result<bool, Unjudged> {
    let Action::Patch { target, .. } = action else { return Ok(false) };
    let uid = target.uid.resolve(bindings)?;
    Ok(seen.get(&target.object.resolve(bindings)?)?.and_then(Object::uid) != Some(uid))
}

fn finish(direction: &Move, seen: &Observation, bindings: &Bindings) -> Result<Decision, Unjudged> {
    if let Some(because) = first_not(&direction.until, seen, bindings)? {
        return Ok(Decision::Wait { because });
    }
    let mut bound = Bindings::new();
    for bind in &direction.binds {
        let value = seen.get(&bind.object.resolve(bindings)?)?.and_then(|object| object.str_at(&bind.pointer));
        match value {
            Some(value) => bound.insert(bind.slot.clone(), value.to_owned()),
            None if bind.if_there => None,
            None => return Ok(Decision::Wait { because: format!("{} has no {} yet", bind.object, bind.pointer) }),
        };
    }
    Ok(Decision::Done(bound))
}

/// What a direction that was started has left in the cluster: the slots its effect lets us bind, whether or not `until`
/// holds yet. Empty when the effect is not there.
pub fn settle(direction: &Move, seen: &Observation, bindings: &Bindings) -> Result<Bindings, Unjudged> {
    let mut bound = Bindings::new();
    if let Effect::There = effect(&direction.action, seen, bindings)? {
        for bind in &direction.binds {
            if let Some(object) = seen.get(&bind.object.resolve(bindings)?)?
                && let Some(value) = object.str_at(&bind.pointer)
            {
                bound.insert(bind.slot.clone(), value.to_owned());
            }
        }
    }
    Ok(bound)
}

fn first_not(conditions: &[Condition], seen: &Observation, bindings: &Bindings) -> Result<Option<String>, Unjudged> {
    for condition in conditions {
        if let Verdict::Not { because } = condition.judge(seen, bindings)? {
            return Ok(Some(because));
        }
    }
    Ok(None)
}

/// Whether an action's effect is in the cluster, whoever brought it about.
enum Effect {
    There,
    Coming { because: String },
    Missing(Pending),
    Never { because: String },
}

enum Pending {
    Request(Request),
    Examine { pod: Key, examination: Box<Examination> },
    Ask,
}

fn effect(action: &Action, seen: &Observation, bindings: &Bindings) -> Result<Effect, Unjudged> {
    match action {
        Action::Observe => Ok(Effect::There),
        Action::Confirm => Ok(Effect::Missing(Pending::Ask)),
        Action::Examine(examination) => {
            let pod = examination.pod.resolve(bindings)?;
            Ok(Effect::Missing(Pending::Examine { pod, examination: Box::new(examination.clone()) }))
        }
        Action::Create { object, template } => {
            let key = object.resolve(bindings)?;
            let wanted = template.resolve(bindings)?;
            Ok(created(seen.get(&key)?, &key, &wanted, |key, object| Request::Create { key, object }))
        }
        Action::Copy { from, to, labels } => {
            let labels = labels.resolve(bindings)?;
            let wanted = json!({ "metadata": { "labels": labels.clone() } });
            let request = |to, _| Request::Copy { from: from.clone(), to, labels };
            Ok(created(seen.get(to)?, to, &wanted, request))
        }
        Action::Patch { target, patch } => patched(target, &patch.resolve(bindings)?, seen, bindings),
        Action::Delete { target, grace_seconds } => deleted(target, *grace_seconds, seen, bindings),
        Action::Clear { of } => Ok(cleared(of, seen.list(of)?)),
        Action::PatchEach { of, fields, patch } => {
            let patch = patch.resolve(bindings)?;
            for object in seen.list(of)? {
                if misfit(object, fields, bindings)?.is_none() && !changes_nothing(&patch, Some(&object.0)) {
                    return Ok(Effect::Missing(Pending::Request(guarded(listed(of, object), object, &patch))));
                }
            }
            Ok(Effect::There)
        }
    }
}

fn created(found: Option<&Object>, key: &Key, wanted: &Value, request: impl FnOnce(Key, Value) -> Request) -> Effect {
    match found {
        None => Effect::Missing(Pending::Request(request(key.clone(), wanted.clone()))),
        Some(found) if found.is_terminating() => {
            Effect::Coming { because: format!("{key} of before is still being deleted") }
        }
        Some(found) => match uncovered(&found.0, wanted) {
            None => Effect::There,
            Some(path) => Effect::Never {
                because: format!("{key} already exists and is not ours: {path} is not what the plan makes"),
            },
        },
    }
}

fn patched(target: &Target, patch: &Value, seen: &Observation, bindings: &Bindings) -> Result<Effect, Unjudged> {
    let key = target.object.resolve(bindings)?;
    let uid = target.uid.resolve(bindings)?;
    let Some(found) = seen.get(&key)?.filter(|found| found.uid() == Some(uid)) else {
        return Ok(Effect::Never { because: format!("{key} is not the object the plan was made for any more") });
    };
    if changes_nothing(patch, Some(&found.0)) {
        return Ok(Effect::There);
    }
    Ok(Effect::Missing(Pending::Request(guarded(key, found, patch))))
}

/// A patch that is refused once the object is not the one that was looked at.
fn guarded(key: Key, found: &Object, patch: &Value) -> Request {
    let mut guarded = patch.clone();
    let (uid, resource_version) = (found.uid(), found.resource_version());
    json_patch::merge(&mut guarded, &json!({ "metadata": { "uid": uid, "resourceVersion": resource_version } }));
    Request::Patch { key, patch: guarded }
}

fn listed(of: &Listing, object: &Object) -> Key {
    match object.namespace() {
        Some(namespace) => Key::namespaced(of.kind, namespace, object.name()),
        None => Key::cluster(of.kind, object.name()),
    }
}

/// Whether everything a merge patch says is so already. An object whose last label was taken away has no map of labels
/// any more: merging the patch and comparing would see a difference there for ever.
fn changes_nothing(patch: &Value, found: Option<&Value>) -> bool {
    match patch {
        Value::Null => found.is_none_or(Value::is_null),
        Value::Object(map) if map.is_empty() => found.is_some_and(Value::is_object),
        Value::Object(map) => map.iter().all(|(key, value)| changes_nothing(value, found.and_then(|map| map.get(key)))),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => found == Some(patch),
    }
}

fn deleted(
    target: &Target,
    grace_seconds: Option<u32>,
    seen: &Observation,
    bindings: &Bindings,
) -> Result<Effect, Unjudged> {
    let key = target.object.resolve(bindings)?;
    let uid = target.uid.resolve(bindings)?;
    Ok(match seen.get(&key)?.filter(|found| found.uid() == Some(uid)) {
        None => Effect::There,
        // A graceful deletion that already runs is ours or as good as ours; `until` waits for its end.
        Some(found) if found.is_terminating() => Effect::There,
        Some(found) => Effect::Missing(Pending::Request(Request::Delete {
            key,
            uid: uid.to_owned(),
            resource_version: found.resource_version().unwrap_or_default().to_owned(),
            grace_seconds,
        })),
    })
}

/// The first that is still there goes next; one whose deletion already runs is waited for.
fn cleared(of: &Listing, found: &[Object]) -> Effect {
    let Some(object) = found.iter().find(|object| !object.is_terminating()) else {
        return match found.first() {
            Some(object) => Effect::Coming { because: format!("{} is still being deleted", object.name()) },
            None => Effect::There,
        };
    };
    match deletion(listed(of, object), object) {
        Ok(request) => Effect::Missing(Pending::Request(request)),
        Err(because) => Effect::Never { because },
    }
}

fn deletion(key: Key, object: &Object) -> Result<Request, String> {
    match (object.uid(), object.resource_version()) {
        (Some(uid), Some(resource_version)) => Ok(Request::Delete {
            key,
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
            grace_seconds: None,
        }),
        (None, _) | (_, None) => Err(format!("{key} has no uid or resourceVersion")),
    }
}

/// The first path at which `live` lacks what `wanted` says; the server may have added fields and list elements.
fn uncovered(live: &Value, wanted: &Value) -> Option<String> {
    fn walk(live: Option<&Value>, wanted: &Value, path: &mut String) -> bool {
        let length = path.len();
        match wanted {
            Value::Object(map) => {
                for (key, wanted) in map {
                    path.push('.');
                    path.push_str(key);
                    if !walk(live.and_then(|live| live.get(key)), wanted, path) {
                        return false;
                    }
                    path.truncate(length);
                }
                live.is_some() || map.is_empty()
            }
            Value::Array(list) => {
                for (index, wanted) in list.iter().enumerate() {
                    path.push('[');
                    path.push_str(&index.to_string());
                    path.push(']');
                    if !walk(live.and_then(|live| live.get(index)), wanted, path) {
                        return false;
                    }
                    path.truncate(length);
                }
                true
            }
            Value::Null => live.is_none_or(Value::is_null),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => live == Some(wanted),
        }
    }
    let mut path = String::new();
    // `kind` and `apiVersion` are the request path's business and may come back in another version.
    let mut wanted = wanted.clone();
    if let Some(map) = wanted.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    if walk(Some(live), &wanted, &mut path) { None } else { Some(path) }
}

/// What an examination's answer means.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Fits(Bindings),
    Rejected { because: String },
}

/// How a command inside a pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub exit_code: i32,
    pub stdout: String,
    /// The last lines only.
    pub stderr: String,
}

/// Why the command is to be run again before its deadline: an engine that has just come up may still refuse to answer.
pub fn not_yet(examination: &Examination, said: &Said) -> Option<String> {
    match examination.reading {
        Reading::SameAs { .. } if said.exit_code != 0 => {
            Some(format!("{} does not answer yet: {}", examination.container, said.stderr.trim()))
        }
        Reading::SameAs { .. } | Reading::Fingerprint { .. } | Reading::Report => None,
    }
}

/// Judges what the command of an [`Action::Examine`] said.
pub fn judge_answer(examination: &Examination, said: &Said, bindings: &Bindings) -> Result<Answer, Unbound> {
    let bind = |text: String| Answer::Fits(Bindings::from([(examination.into.clone(), text)]));
    if said.exit_code != 0 {
        return Ok(match &examination.reading {
            Reading::Report => bind(String::new()),
            Reading::Fingerprint { .. } | Reading::SameAs { .. } => {
                Answer::Rejected { because: format!("exit code {}: {}", said.exit_code, said.stderr.trim()) }
            }
        });
    }
    Ok(match &examination.reading {
        Reading::Fingerprint { expected } => match fingerprint::read(&said.stdout) {
            Err(error) => Answer::Rejected { because: format!("the answer is no fingerprint: {error}") },
            Ok(found) => match fingerprint::judge(expected, &found) {
                Err(rejected) => Answer::Rejected { because: rejected.to_string() },
                Ok(evidence) => match serde_json::to_string(&evidence) {
                    Ok(text) => bind(text),
                    Err(error) => Answer::Rejected { because: format!("the evidence cannot be written down: {error}") },
                },
            },
        },
        Reading::Report => match fingerprint::read(&said.stdout).map(|found| serde_json::to_string(&found)) {
            Ok(Ok(text)) => bind(text),
            Ok(Err(_)) | Err(_) => bind(String::new()),
        },
        Reading::SameAs { slot, pointer } => same_as(&said.stdout, slot, pointer, bindings)?
            .map_or_else(|| bind(said.stdout.trim().to_owned()), |because| Answer::Rejected { because }),
    })
}

fn same_as(stdout: &str, slot: &Slot, pointer: &str, bindings: &Bindings) -> Result<Option<String>, Unbound> {
    let held = bindings.get(slot).ok_or_else(|| Unbound(slot.clone()))?;
    let wanted = serde_json::from_str::<Value>(held)
        .ok()
        .and_then(|value| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned));
    let found = stdout.trim();
    Ok(match wanted {
        Some(wanted) if wanted == found => None,
        Some(wanted) => Some(format!("expected {wanted} as verified before the swap, found {found}")),
        None => Some(format!("{slot} holds nothing at {pointer} to compare with")),
    })
}

/// A query that an observation lacks is a mistake in the caller; named here so that callers can carry it.
pub type Missing = NotRead;
