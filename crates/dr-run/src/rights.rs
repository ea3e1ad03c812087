//! The rights a plan needs, read off its steps: each verb on each kind in each namespace, once.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, Move, Undo};
use crate::condition::{Condition, Query};
use crate::plan::Plan;

/// One thing that must be allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    pub verb: String,
    pub kind: Kind,
    /// `exec` of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// None: cluster-scoped.
    pub namespace: Option<String>,
}

/// Who a role is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    User(String),
    ServiceAccount { namespace: String, name: String },
}

impl Subject {
    /// By the name the API server knows a user by.
    pub fn of_user(name: &str) -> Self {
        let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, name)) => Self::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() },
            None => Self::User(name.to_owned()),
        }
    }

    fn manifest(&self) -> Value {
        match self {
            Self::User(name) => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
            Self::ServiceAccount { namespace, name } => {
                json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
            }
        }
    }
}

const GROUP: &str = "rbac.authorization.k8s.io";

/// Everything the plan's steps and their undos do, what keeping its journal takes, and what another process needs to
/// take the run over.
///
/// Rights in the staging namespace are asked of the cluster as a whole: the namespace does not exist yet. So are those
/// in a namespace that is gone, for no Role can be in it.
pub fn needed(plan: &Plan) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let velero = Some(plan.place.velero_namespace.clone());
    for verb in ["get", "list", "create", "update", "patch", "delete"] {
        rights.insert(Right { verb: verb.into(), kind: Kind::ConfigMap, subresource: None, namespace: velero.clone() });
    }
    for verb in ["get", "create", "update"] {
        rights.insert(Right { verb: verb.into(), kind: Kind::Lease, subresource: None, namespace: velero.clone() });
    }
    for step in plan.steps() {
        of_move(plan, &step.forward, &mut rights);
        if let Undo::Move(back) = &step.undo {
            of_move(plan, back, &mut rights);
        }
    }
    // What `apply` looks at before it believes the plan.
    let mut add = adder(plan, &mut rights);
    for premise in &plan.premises {
        reads(plan, premise, &mut add);
    }
    drop(add);
    rights
}

/// Adds rights in the namespace where a role can give them.
fn adder<'a>(
    plan: &'a Plan,
    rights: &'a mut BTreeSet<Right>,
) -> impl FnMut(&str, Kind, &Option<String>, Option<&str>) + 'a {
    let scope = move |namespace: &Option<String>| {
        namespace.clone().filter(|name| {
            *name != plan.place.staging_namespace && !(plan.namespace_gone && *name == plan.place.namespace)
        })
    };
    move |verb, kind, namespace, subresource| {
        rights.insert(Right {
            verb: verb.to_owned(),
            kind,
            subresource: subresource.map(str::to_owned),
            namespace: scope(namespace),
        });
    }
}

fn of_move(plan: &Plan, direction: &Move, rights: &mut BTreeSet<Right>) {
    let mut add = adder(plan, rights);
    match &direction.action {
        Action::Observe | Action::Confirm => {}
        Action::Create { object, .. } => add("create", object.kind, &object.namespace, None),
        Action::Copy { from, to, .. } => {
            add("get", from.kind, &from.namespace, None);
            add("create", to.kind, &to.namespace, None);
        }
        Action::Patch { target, .. } => add("patch", target.object.kind, &target.object.namespace, None),
        Action::Delete { target, .. } => {
            add("delete", target.object.kind, &target.object.namespace, None);
            // Whoever takes the run over touches it, so that a delete of the older process is refused.
            add("patch", target.object.kind, &target.object.namespace, None);
        }
        Action::Clear { of } => {
            for verb in ["list", "delete", "patch"] {
                add(verb, of.kind, &of.namespace, None);
            }
        }
        Action::PatchEach { of, .. } => {
            add("list", of.kind, &of.namespace, None);
            add("patch", of.kind, &of.namespace, None);
        }
        Action::Examine(examination) => {
            add("get", Kind::Pod, &examination.pod.namespace, Some("exec"));
            add("create", Kind::Pod, &examination.pod.namespace, Some("exec"));
        }
    }
    if direction.anew.is_some()
        && let Some(spot) = direction.changes()
    {
        add("delete", spot.kind, &spot.namespace, None);
        add("patch", spot.kind, &spot.namespace, None);
    }
    if let Some(spot) = &direction.nudge {
        add("patch", spot.kind, &spot.namespace, None);
    }
    if let Some(spot) = direction.changes() {
        add("get", spot.kind, &spot.namespace, None);
    }
    for condition in direction.conditions() {
        reads(plan, condition, &mut add);
    }
}

/// What looking at a condition reads.
fn reads(plan: &Plan, condition: &Condition, add: &mut impl FnMut(&str, Kind, &Option<String>, Option<&str>)) {
    // Names in slots do not matter for a right; the kind and the namespace do.
    let mut known = plan.bindings.clone();
    known.extend(condition.reads().into_iter().map(|slot| (slot, String::new())));
    let Ok(queries) = condition.queries(&known) else { return };
    for query in queries {
        match query {
            Query::Get(key) => add("get", key.kind, &key.namespace, None),
            Query::List(listing) => add("list", listing.kind, &listing.namespace, None),
        }
    }
}

/// The `Role`s and `ClusterRole`s that would give what is missing, each bound to whoever lacks it, as JSON that any YAML
/// printer can take. `name` must be one that nothing has: applied over a role, they would take away what it gave.
pub fn roles(missing: &BTreeSet<Right>, name: &str, subject: Option<&Subject>) -> Vec<Value> {
    let namespaces: BTreeSet<Option<&str>> = missing.iter().map(|right| right.namespace.as_deref()).collect();
    let mut documents = Vec::new();
    for namespace in namespaces {
        let rules = rules(missing.iter().filter(|right| right.namespace.as_deref() == namespace));
        let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
        let mut metadata = json!({ "name": name });
        if let (Some(namespace), Some(map)) = (namespace, metadata.as_object_mut()) {
            map.insert("namespace".to_owned(), namespace.into());
        }
        let api_version = format!("{GROUP}/v1");
        documents.push(json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules }));
        if let Some(subject) = subject {
            documents.push(json!({
                "apiVersion": api_version, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": { "apiGroup": GROUP, "kind": kind, "name": name },
                "subjects": [subject.manifest()],
            }));
        }
    }
    documents
}

/// One rule per resource.
fn rules<'a>(rights: impl Iterator<Item = &'a Right>) -> Vec<Value> {
    let mut verbs: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let info = right.kind.info();
        let resource = match &right.subresource {
            Some(subresource) => format!("{}/{subresource}", info.plural),
            None => info.plural.to_owned(),
        };
        verbs.entry((info.group, resource)).or_default().insert(&right.verb);
    }
    let rule = |((group, resource), verbs)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
    verbs.into_iter().map(rule).collect()
}
