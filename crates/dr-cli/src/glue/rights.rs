//! What a command may do, asked before it does anything.

use std::collections::BTreeSet;

use dr_cluster::api_error::ApiError;
use dr_cluster::rights;
use dr_core::kind::Kind;
use dr_core::refusal::Refusal;
use dr_run::action::Step;
use dr_run::plan::{Plan, Section, Wave};
use dr_run::rights::{Right, Subject};

use super::{Session, new_id};
use crate::exit::Exit;
use crate::report::Failure;

const UNKNOWN: &str = "cannot find out what we may do";

/// A right that a command will use.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) verb: &'static str,
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) subresource: Option<&'static str>,
}

impl Session {
    /// Refuses when a right is missing, with the role that would give it.
    pub(crate) async fn need(&self, needs: &[Need]) -> Result<(), Failure> {
        let needs = needs.iter().map(|need| Right {
            verb: need.verb.to_owned(),
            kind: need.kind,
            subresource: need.subresource.map(str::to_owned),
            namespace: need.namespace.clone(),
        });
        self.allowed(needs.collect()).await
    }

    pub(crate) async fn may_execute(&self, plan: &Plan) -> Result<(), Failure> {
        self.allowed(dr_run::rights::needed(plan)).await
    }

    /// The same for the steps of `finalize`.
    pub(crate) async fn may_close(&self, plan: &Plan, steps: &[Step]) -> Result<(), Failure> {
        let waves = vec![Wave { section: Section::Keep, steps: steps.to_vec() }];
        self.allowed(dr_run::rights::needed(&Plan { waves, ..plan.clone() })).await
    }

    async fn allowed(&self, needed: BTreeSet<Right>) -> Result<(), Failure> {
        let asked: Vec<_> = needed.into_iter().collect();
        let missing = rights::missing(&self.connection, &asked).await;
        let missing = missing.map_err(|error| Failure::failed(UNKNOWN, error).with_exit(Exit::Refused))?;
        if missing.is_empty() {
            return Ok(());
        }
        let ourselves = rights::ourselves(&self.connection).await;
        // A name that nothing has: applied over a role of ours, it would take away what that one gives.
        Err(lacking(&missing.into_iter().collect(), &format!("kubectl-dr-{}", new_id()), ourselves.as_ref()))
    }

    /// Whether an Event of a run may be put where `kubectl describe namespace` finds it.
    pub(crate) async fn may_tell(&self, plan: &Plan) -> Result<bool, ApiError> {
        let namespace = (!plan.namespace_gone).then_some(plan.place.namespace.as_str());
        rights::may_post_events(&self.connection, namespace).await
    }
}

/// Which rights are missing, and the roles that would give them.
fn lacking(missing: &BTreeSet<Right>, role: &str, ourselves: Option<&Subject>) -> Failure {
    let mut refusal = Refusal::default();
    for right in missing {
        let resource = right.kind.info().resource();
        let resource = match &right.subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource,
        };
        let namespace = right.namespace.as_deref().map_or("the whole cluster".to_owned(), str::to_owned);
        refusal.add(format!("{} {resource}", right.verb), format!("not allowed in {namespace}"), "");
    }
    let roles = dr_run::rights::roles(missing, role, ourselves);
    let documents: Result<Vec<String>, _> = roles.iter().map(serde_yaml::to_string).collect();
    match documents {
        Ok(documents) => {
            let bind = if ourselves.is_some() { "" } else { ", once it is bound to you" };
            let yaml = documents.join("---\n");
            let hint = format!("this would allow it{bind} (the roles for every restore: docs/rbac):\n---\n{yaml}");
            Failure::from_refusal("rights are missing", refusal).hint(hint)
        }
        Err(error) => Failure::failed("cannot print the roles that are missing", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rights_refuse_with_roles_that_can_be_applied_as_they_are() {
        colored::control::set_override(false);
        let right = |verb: &str, kind, subresource: Option<&str>, namespace: Option<&str>| Right {
            verb: verb.to_owned(),
            kind,
            subresource: subresource.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
        };
        let missing = BTreeSet::from([
            right("patch", Kind::PersistentVolume, None, None),
            right("create", Kind::Pod, Some("exec"), Some("shop")),
        ]);
        let failure = lacking(&missing, "kubectl-dr-q4ws2tze", Some(&Subject::of_user("ann")));
        assert_eq!(failure.exit, Exit::Refused);
        insta::assert_snapshot!(failure.render(), @r"
        error: rights are missing
          create pods/exec: not allowed in shop
          patch persistentvolumes: not allowed in the whole cluster
        nothing was changed
        hint: this would allow it (the roles for every restore: docs/rbac):
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata:
          name: kubectl-dr-q4ws2tze
        rules:
        - apiGroups:
          - ''
          resources:
          - persistentvolumes
          verbs:
          - patch
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata:
          name: kubectl-dr-q4ws2tze
        roleRef:
          apiGroup: rbac.authorization.k8s.io
          kind: ClusterRole
          name: kubectl-dr-q4ws2tze
        subjects:
        - apiGroup: rbac.authorization.k8s.io
          kind: User
          name: ann
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata:
          name: kubectl-dr-q4ws2tze
          namespace: shop
        rules:
        - apiGroups:
          - ''
          resources:
          - pods/exec
          verbs:
          - create
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata:
          name: kubectl-dr-q4ws2tze
          namespace: shop
        roleRef:
          apiGroup: rbac.authorization.k8s.io
          kind: Role
          name: kubectl-dr-q4ws2tze
        subjects:
        - apiGroup: rbac.authorization.k8s.io
          kind: User
          name: ann
        ");
    }
}
