//! The rights a plan needs, read off its steps: each verb on each kind in each namespace, once.

use std::collections::BTreeSet;

use dr_core::kind::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, Move, Undo};
use crate::condition::Query;
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

/// Everything the plan's steps and their undos do, and what keeping its journal takes.
///
/// Rights in the staging namespace are asked of the cluster as a whole: the namespace does not exist yet.
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
    rights
}

fn of_move(plan: &Plan, direction: &Move, rights: &mut BTreeSet<Right>) {
    let scope = |namespace: &Option<String>| namespace.clone().filter(|name| *name != plan.place.staging_namespace);
    let mut add = |verb: &str, kind: Kind, namespace: &Option<String>, subresource: Option<&str>| {
        rights.insert(Right {
            verb: verb.to_owned(),
            kind,
            subresource: subresource.map(str::to_owned),
            namespace: scope(namespace),
        });
    };
    match &direction.action {
        Action::Observe | Action::Confirm => {}
        Action::Create { object, .. } => add("create", object.kind, &object.namespace, None),
        Action::Copy { from, to, .. } => {
            add("get", from.kind, &from.namespace, None);
            add("create", to.kind, &to.namespace, None);
        }
        Action::Patch { target, .. } => add("patch", target.object.kind, &target.object.namespace, None),
        Action::Delete { target, .. } => add("delete", target.object.kind, &target.object.namespace, None),
        Action::Examine(examination) => {
            add("get", Kind::Pod, &examination.pod.namespace, Some("exec"));
            add("create", Kind::Pod, &examination.pod.namespace, Some("exec"));
        }
    }
    if let Some(spot) = &direction.nudge {
        add("patch", spot.kind, &spot.namespace, None);
    }
    if let Some(spot) = direction.changes() {
        add("get", spot.kind, &spot.namespace, None);
    }
    for condition in direction.conditions() {
        // Names in slots do not matter for a right; the kind and the namespace do.
        let mut known = plan.bindings.clone();
        known.extend(condition.reads().into_iter().map(|slot| (slot, String::new())));
        let Ok(queries) = condition.queries(&known) else { continue };
        for query in queries {
            match query {
                Query::Get(key) => add("get", key.kind, &key.namespace, None),
                Query::List(listing) => add("list", listing.kind, &listing.namespace, None),
            }
        }
    }
}

/// The `Role` and `ClusterRole` that would give what is missing, as JSON that any YAML printer can take.
pub fn roles(missing: &BTreeSet<Right>) -> Vec<Value> {
    let mut namespaces: BTreeSet<Option<String>> = missing.iter().map(|right| right.namespace.clone()).collect();
    let mut documents = Vec::new();
    while let Some(namespace) = namespaces.pop_first() {
        let mut rules: std::collections::BTreeMap<(String, String), BTreeSet<String>> =
            std::collections::BTreeMap::new();
        for right in missing.iter().filter(|right| right.namespace == namespace) {
            let info = right.kind.info();
            let resource = match &right.subresource {
                Some(subresource) => format!("{}/{subresource}", info.plural),
                None => info.plural.to_owned(),
            };
            rules.entry((info.group.to_owned(), resource)).or_default().insert(right.verb.clone());
        }
        let rules: Vec<Value> = rules
            .into_iter()
            .map(|((group, resource), verbs)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs }))
            .collect();
        documents.push(match namespace {
            Some(namespace) => json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": { "name": "kubectl-dr-restore", "namespace": namespace }, "rules": rules,
            }),
            None => json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": { "name": "kubectl-dr-restore" }, "rules": rules,
            }),
        });
    }
    documents
}
