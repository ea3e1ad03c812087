//! What a plan needs to be allowed, and the roles that are printed when it is not.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use std::collections::BTreeSet;

use common::{Bookstore, By};
use dr_run::rights::{Right, Subject, needed, roles};
use serde_json::{Value, json};

fn plans() -> Vec<dr_run::plan::Plan> {
    let mut gone = Bookstore::new(By::Snapshot);
    gone.lose_namespace();
    vec![Bookstore::new(By::Files).plan(), Bookstore::new(By::Snapshot).plan(), gone.plan()]
}

/// As the API server judges it: some binding of the subject leads to a role that has a rule for it.
fn allows(documents: &[Value], subject: &Value, right: &Right) -> bool {
    let of = |kind: &str| documents.iter().filter(move |document| document["kind"] == kind).collect::<Vec<_>>();
    let has = |role: &&Value| {
        let info = right.kind.info();
        let resource = match &right.subresource {
            Some(subresource) => format!("{}/{subresource}", info.plural),
            None => info.plural.to_owned(),
        };
        let holds = |list: &Value, wanted: &str| list.as_array().unwrap().contains(&json!(wanted));
        role["rules"].as_array().unwrap().iter().any(|rule| {
            holds(&rule["apiGroups"], info.group)
                && holds(&rule["resources"], &resource)
                && holds(&rule["verbs"], &right.verb)
        })
    };
    let bound = |binding: &&Value, kind: &str, role: &Value| {
        binding["roleRef"]
            == json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role["metadata"]["name"] })
            && binding["subjects"] == json!([subject])
    };
    let everywhere = of("ClusterRole").into_iter().filter(|role| has(role));
    let mut everywhere =
        everywhere.filter(|role| of("ClusterRoleBinding").iter().any(|b| bound(b, "ClusterRole", role)));
    let here = of("Role").into_iter().filter(|role| {
        has(role) && right.namespace.as_deref().is_some_and(|namespace| role["metadata"]["namespace"] == namespace)
    });
    let mut here = here.filter(|role| {
        of("RoleBinding")
            .iter()
            .any(|b| b["metadata"]["namespace"] == role["metadata"]["namespace"] && bound(b, "Role", role))
    });
    everywhere.next().is_some() || here.next().is_some()
}

#[test]
fn the_roles_that_are_printed_are_enough_and_no_more() {
    let ann = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann" });
    for plan in plans() {
        let all: Vec<Right> = needed(&plan).into_iter().collect();
        // Every second, every third, all: what is missing is never the same.
        for step in 1..4 {
            let missing: BTreeSet<Right> = all.iter().step_by(step).cloned().collect();
            let documents = roles(&missing, "kubectl-dr-x", Some(&Subject::of_user("ann")));
            let allowed: BTreeSet<Right> =
                all.iter().filter(|right| allows(&documents, &ann, right)).cloned().collect();
            let lacking: Vec<_> = missing.difference(&allowed).collect();
            assert!(lacking.is_empty(), "{lacking:?}");
            let more = allowed.difference(&missing).filter(|right| !covered(&missing, right));
            assert_eq!(more.collect::<Vec<_>>(), [] as [&Right; 0]);
        }
    }
}

/// A right in a namespace comes with the same right everywhere.
fn covered(missing: &BTreeSet<Right>, right: &Right) -> bool {
    missing.contains(&Right { namespace: None, ..right.clone() })
}

#[test]
fn no_role_is_printed_for_a_namespace_that_does_not_exist() {
    for plan in plans() {
        let there: BTreeSet<&str> =
            if plan.namespace_gone { BTreeSet::from(["velero"]) } else { BTreeSet::from(["velero", "bookstore"]) };
        let wanted: BTreeSet<String> = needed(&plan).into_iter().filter_map(|right| right.namespace).collect();
        assert_eq!(wanted.iter().map(String::as_str).collect::<BTreeSet<_>>(), there);
    }
}

#[test]
fn a_service_account_is_bound_as_one() {
    let account = Subject::of_user("system:serviceaccount:ops:restorer");
    assert_eq!(account, Subject::ServiceAccount { namespace: "ops".into(), name: "restorer".into() });
    let right = needed(&Bookstore::new(By::Files).plan()).into_iter().next().unwrap();
    let documents = roles(&BTreeSet::from([right]), "kubectl-dr-x", Some(&account));
    let subject = json!({ "kind": "ServiceAccount", "namespace": "ops", "name": "restorer" });
    assert_eq!(documents[1]["subjects"], json!([subject]));
}

#[test]
fn whoever_takes_a_run_over_may_touch_what_it_would_delete() {
    for plan in plans() {
        let rights = needed(&plan);
        for right in rights.iter().filter(|right| right.verb == "delete") {
            let touch = Right { verb: "patch".into(), ..right.clone() };
            assert!(rights.contains(&touch), "{touch:?}");
        }
    }
}
