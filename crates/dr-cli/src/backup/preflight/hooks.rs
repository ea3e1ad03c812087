//! Hooks: whether those of `dr.yaml` can run, and which of ours a pod's own annotations displace.

use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::refusal::Refusal;
use serde_json::Value;

use crate::backup::preflight::{Engine, Volume};
use crate::config::Hook;

/// Refuses where a hook of the configuration would run nowhere, or its container is not there: Velero says nothing of
/// the one, and fails the other in the middle of the backup.
pub(crate) fn hooks(facts: &Facts, hooks: &[Hook]) -> Result<(), Refusal> {
    let mut refusal = Refusal::default();
    for hook in hooks {
        let subject = format!("hook {} of dr.yaml", hook.name);
        let runs = |pod: &&Object| pod.str_at("/status/phase") == Some("Running") && !pod.is_terminating();
        let labels = |pod: &&Object| hook.labels.iter().all(|(key, value)| pod.label(key) == Some(value.as_str()));
        let pods: Vec<&Object> = facts.of(Kind::Pod, &facts.namespace)?.filter(runs).filter(labels).collect();
        if pods.is_empty() {
            let wanted: Vec<String> = hook.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let because = format!("no running pod has the labels {}", wanted.join(","));
            refusal.add(subject, because, "correct its labels, or start the pod");
            continue;
        }
        for pod in pods {
            let own = [(&hook.pre, &PRE[..]), (&hook.post, &POST[..])];
            for (command, keys) in own {
                if let Some(key) = given(pod, keys).filter(|_| !command.is_empty()) {
                    let because = format!("{key} of pod {} takes its place: Velero would run that alone", pod.name());
                    refusal.add(subject.clone(), because, "have one of the two");
                }
            }
            let containers = pod.list_at("/spec/containers").iter();
            let names: Vec<&str> = containers.filter_map(|one| one.get("name").and_then(Value::as_str)).collect();
            if !names.contains(&hook.container.as_str()) {
                let because = format!("pod {} has no container {}", pod.name(), hook.container);
                refusal.add(subject.clone(), because, format!("name one of {}", names.join(", ")));
            }
        }
    }
    refusal.into_result()
}

const PRE: [&str; 2] = ["pre.hook.backup.velero.io/command", "hook.backup.velero.io/command"];
const POST: [&str; 1] = ["post.hook.backup.velero.io/command"];

/// The annotation by which a pod has a hook of its own.
fn given<'k>(pod: &Object, keys: &[&'k str]) -> Option<&'k str> {
    keys.iter().copied().find(|key| pod.annotation(key).is_some_and(|command| !command.is_empty()))
}

/// What an engine's hook does not do because the pod has one of its own
/// (`internal/hook/item_hook_handler.go:DefaultItemHookHandler.HandleHooks` at v1.18.3).
pub(crate) fn displaced(volumes: &[Volume]) -> Vec<String> {
    let displaced = |volume: &Volume| {
        let Engine { pod, care, .. } = volume.engine.as_ref()?;
        care.pre_backup?;
        let key = given(pod, &PRE)?;
        Some(format!(
            "claim {}: {key} of pod {} takes the place of our hook for {}",
            volume.claim,
            pod.name(),
            care.engine
        ))
    };
    volumes.iter().filter_map(displaced).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::backup::preflight::tests::facts;
    use crate::backup::preflight::{Wish, volumes};
    use crate::config::OnError;

    fn hook(label: &str, container: &str) -> Hook {
        Hook {
            name: "dump".into(),
            labels: [("app".to_owned(), label.to_owned())].into(),
            container: container.into(),
            pre: vec!["dump".into()],
            post: Vec::new(),
            on_error: OnError::Continue,
            timeout: Duration::from_secs(60),
        }
    }

    fn shop(annotations: &Value) -> Facts {
        let mut facts = facts(&["data"], annotations);
        let pods = facts.objects.get_mut(&Kind::Pod);
        let Some(dr_core::facts::Listed::Objects(pods)) = pods else { panic!("no pods") };
        pods[0].0["metadata"]["labels"] = json!({ "app": "db" });
        pods[0].0["spec"]["containers"] = json!([{ "name": "main", "image": "postgres:15",
            "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/postgresql/data" }] }]);
        facts
    }

    #[test]
    fn a_hook_that_no_pod_or_container_would_run_refuses_the_backup() {
        let facts = shop(&json!({}));
        let refused =
            |label, container| hooks(&facts, &[hook(label, container)]).map_err(|refusal| refusal.to_string());
        assert_eq!(refused("db", "main"), Ok(()));
        assert!(refused("web", "main").is_err_and(|says| says.contains("no running pod has the labels app=web")));
        assert!(refused("db", "dump").is_err_and(|says| says.contains("pod db-0 has no container dump")));
    }

    #[test]
    fn a_pods_own_hook_of_the_same_phase_refuses_one_of_the_configuration() {
        let refused = |key: &str, hook: &Hook| {
            hooks(&shop(&json!({ key: "[\"sync\"]" })), std::slice::from_ref(hook))
                .map_err(|refusal| refusal.to_string())
        };
        let before = hook("db", "main");
        let after = Hook { pre: Vec::new(), post: vec!["thaw".into()], ..before.clone() };
        let (pre, old, post) = (PRE[0], PRE[1], POST[0]);
        assert!(refused(pre, &before).is_err_and(|says| says.contains(&format!("{pre} of pod db-0 takes its place"))));
        assert!(refused(old, &before).is_err());
        assert!(refused(post, &after).is_err());
        assert_eq!((refused(post, &before), refused(pre, &after)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_pods_own_hook_displaces_ours_and_that_is_told() {
        let told = |annotations: &Value| displaced(&volumes(&shop(annotations), Wish::Best).unwrap());
        assert_eq!(told(&json!({})), [""; 0]);
        let key = "pre.hook.backup.velero.io/command";
        let says = format!("claim data: {key} of pod db-0 takes the place of our hook for postgres");
        assert_eq!(told(&json!({ key: "[\"sync\"]" })), [says]);
    }
}
