//! Velero itself: whether it would take a backup up, and when.

use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_core::refusal::Refusal;
use dr_core::schedule;

/// Phases in which a backup holds up those that come after it.
const AHEAD: [&str; 4] = ["New", "Queued", "ReadyToStart", "InProgress"];

/// Refuses where Velero could not take a backup up; else what will hold it up, and what stops its schedules.
pub(crate) fn server(facts: &Facts) -> Result<Vec<String>, Refusal> {
    let velero = &facts.velero_namespace;
    let mut deployments = facts.of(Kind::Deployment, velero)?;
    match deployments.find(|deployment| deployment.name() == "velero") {
        Some(server) if server.i64_at("/status/availableReplicas").is_none_or(|replicas| replicas < 1) => {
            let look = format!("kubectl -n {velero} get deployment,pods");
            return Err(Refusal::one("velero", "its server is not available", look));
        }
        // Its Deployment may have another name.
        Some(_) | None => {}
    }
    let backups = || facts.of(Kind::Backup, velero);
    if let Some(idle) = backups()?.find_map(|backup| schedule::unreadable_as("Backup", backup)) {
        return Err(Refusal::one("velero", idle.says, idle.fix));
    }
    let all: Vec<_> = backups()?.collect();
    if let Some(idle) = schedule::jammed(all.iter().copied(), facts.taken, velero) {
        return Err(Refusal::one("velero", idle.says, idle.fix));
    }
    let ahead = backups()?.filter(|backup| AHEAD.contains(&backup.str_at("/status/phase").unwrap_or("New")));
    let ahead: Vec<&str> = ahead.map(dr_core::object::Object::name).collect();
    let mut told = Vec::new();
    if !ahead.is_empty() {
        told.push(format!("it may have to wait until Velero is done with {}", ahead.join(", ")));
    }
    let mut schedules = facts.of(Kind::Schedule, velero)?;
    if let Some(idle) = schedules.find_map(|found| schedule::unreadable_as("Schedule", found)) {
        told.push(format!("no schedule makes backups any more: {}; {}", idle.says, idle.fix));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use dr_core::facts::Listed;
    use dr_core::object::Object;
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::preflight::tests::facts;

    fn judged(deployments: &[Value], backups: &[Value], schedules: &[Value]) -> Result<Vec<String>, String> {
        let mut facts = facts(&["data"], &json!({}));
        let all = [(Kind::Deployment, deployments), (Kind::Backup, backups), (Kind::Schedule, schedules)];
        for (kind, objects) in all {
            let objects = objects.iter().map(|object| {
                let mut object = object.clone();
                object["metadata"]["namespace"] = json!("velero");
                Object(object)
            });
            facts.objects.insert(kind, Listed::Objects(objects.collect()));
        }
        server(&facts).map_err(|refusal| refusal.to_string())
    }

    fn velero(available: i64) -> Value {
        json!({ "metadata": { "name": "velero" }, "status": { "availableReplicas": available } })
    }

    fn backup(name: &str, phase: &str, ttl: &str) -> Value {
        json!({ "metadata": { "name": name }, "spec": { "ttl": ttl }, "status": { "phase": phase } })
    }

    #[test]
    fn a_server_that_does_not_run_refuses_the_backup_that_would_stay_new() {
        assert_eq!(judged(&[velero(1)], &[], &[]), Ok(vec![]));
        let refused = judged(&[velero(0)], &[], &[]).unwrap_err();
        assert!(refused.contains("its server is not available"), "{refused}");
    }

    #[test]
    fn backups_that_are_not_done_come_first() {
        let backups =
            [backup("old", "Completed", "1h"), backup("slow", "InProgress", "1h"), backup("next", "New", "1h")];
        let told = "it may have to wait until Velero is done with slow, next".to_owned();
        assert_eq!(judged(&[velero(1)], &backups, &[]), Ok(vec![told]));
    }

    #[test]
    fn a_velero_that_starts_no_backup_refuses_the_one_that_would_stay_queued() {
        let mut queued = backup("first", "Queued", "1h");
        queued["metadata"]["creationTimestamp"] = json!("1969-12-31T23:00:00Z");
        let refused = judged(&[velero(1)], &[queued], &[]).unwrap_err();
        assert!(refused.contains("Velero starts no backup any more: first has been queued"), "{refused}");
        assert!(refused.contains("kubectl -n velero rollout restart deployment/velero"), "{refused}");
    }

    #[test]
    fn a_duration_that_go_cannot_read_refuses_in_a_backup_and_is_told_of_a_schedule() {
        let refused = judged(&[velero(1)], &[backup("old", "Completed", "30d")], &[]).unwrap_err();
        assert!(refused.contains("Velero can read no Backup at all"), "{refused}");
        let schedule = json!({ "metadata": { "name": "s" }, "spec": { "template": { "ttl": "30d" } } });
        let told = judged(&[velero(1)], &[], &[schedule]).unwrap();
        assert!(told.iter().all(|line| line.starts_with("no schedule makes backups any more: ")), "{told:?}");
        assert_eq!(told.len(), 1);
    }
}
