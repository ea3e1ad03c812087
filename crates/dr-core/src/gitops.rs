//! Argo CD and Flux: whatever would put back what a restore changes, unless it is verifiably paused.

use serde_json::Value;

use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::Object;
use crate::refusal::Refusal;

/// Refuses for every owner that reconciles the namespace and is not paused.
///
/// Seen with Argo CD 3.2.5: replicas that were scaled to 0 are back after 1.4 s.
pub fn find(facts: &Facts, workloads: &[&Object]) -> Result<(), Refusal> {
    let mut refusal = Refusal::default();
    argo(facts, workloads, &mut refusal)?;
    flux(facts, workloads, &mut refusal)?;
    refusal.into_result()
}

fn argo(facts: &Facts, workloads: &[&Object], refusal: &mut Refusal) -> Result<(), Unread> {
    for application in facts.all(Kind::Application)? {
        let manages = application
            .list_at("/status/resources")
            .iter()
            .any(|resource| resource.get("namespace").and_then(Value::as_str) == Some(facts.namespace.as_str()));
        let targets = application.str_at("/spec/destination/namespace") == Some(facts.namespace.as_str());
        let tracked = workloads.iter().any(|workload| {
            workload.label("app.kubernetes.io/instance") == Some(application.name())
                || workload.label("argocd.argoproj.io/instance") == Some(application.name())
                || workload
                    .annotation("argocd.argoproj.io/tracking-id")
                    .is_some_and(|id| id.split(':').next() == Some(application.name()))
        });
        if !(manages || targets || tracked) {
            continue;
        }
        let automated = application.at("/spec/syncPolicy/automated").filter(|automated| !automated.is_null());
        let enabled = automated.is_some_and(|policy| policy.get("enabled").and_then(Value::as_bool) != Some(false));
        if enabled {
            let namespace = application.namespace().unwrap_or("argocd");
            refusal.add(
                format!("application {namespace}/{}", application.name()),
                "Argo CD syncs it automatically and would undo every step within seconds",
                format!(
                    "pause it, and the application that owns it if there is one: kubectl -n {namespace} patch application \
                     {} --type merge -p '{{\"spec\":{{\"syncPolicy\":{{\"automated\":null}}}}}}'",
                    application.name()
                ),
            );
        }
    }
    Ok(())
}

fn flux(facts: &Facts, workloads: &[&Object], refusal: &mut Refusal) -> Result<(), Unread> {
    const OWNERS: [(Kind, &str); 2] =
        [(Kind::Kustomization, "kustomize.toolkit.fluxcd.io"), (Kind::HelmRelease, "helm.toolkit.fluxcd.io")];
    for (kind, group) in OWNERS {
        for owner in facts.all(kind)? {
            let namespace = owner.namespace().unwrap_or("");
            let labelled = workloads.iter().any(|workload| {
                workload.label(&format!("{group}/name")) == Some(owner.name())
                    && workload.label(&format!("{group}/namespace")) == Some(namespace)
            });
            let targets = owner.str_at("/spec/targetNamespace") == Some(facts.namespace.as_str());
            if (labelled || targets) && owner.bool_at("/spec/suspend") != Some(true) {
                let what = kind.info().kind.to_lowercase();
                refusal.add(
                    format!("{what} {namespace}/{}", owner.name()),
                    "Flux reconciles it and would undo every step at its next interval",
                    format!("pause it: flux suspend {what} {} -n {namespace}", owner.name()),
                );
            }
        }
    }
    Ok(())
}
