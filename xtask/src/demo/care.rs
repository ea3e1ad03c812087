//! Before anything is lost: a Schedule that would have taken nothing, one that takes everything, and what a backup holds.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::NAMESPACE;
use super::stage::Stage;
use crate::cmd;
use crate::place::text;

/// The Schedule that somebody wrote by hand.
const NIGHTLY: &str = "nightly";

pub(super) fn play(stage: &mut Stage<'_>) -> Result<()> {
    stage.say("\n--- a Schedule that somebody wrote by hand");
    let template =
        json!({"includedNamespaces": [NAMESPACE], "labelSelector": {"matchLabels": {"part-of": "bookstore"}}});
    let manifest = json!({"apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": NIGHTLY, "namespace": "velero"}, "spec": {"schedule": "0 1 * * *", "template": template}});
    stage.place.apply(&manifest.to_string())?;
    let played = scene(stage);
    let schedules = ["delete", "schedules.velero.io", NIGHTLY, NAMESPACE, "-n", "velero", "--ignore-not-found"];
    cmd::output(&mut stage.place.kubectl(&schedules))?;
    played
}

fn scene(stage: &mut Stage<'_>) -> Result<()> {
    let cron = "jsonpath={.spec.schedule}{\"  \"}{.spec.template}{\"\\n\"}";
    let nightly = stage.place.kubectl(&["get", "schedules.velero.io", NIGHTLY, "-n", "velero", "-o", cron]);
    stage.types(
        "kubectl get schedules.velero.io nightly -n velero -o jsonpath='{.spec.schedule}  {.spec.template}'",
        nightly,
    )?;
    stage.kubectl_ending(&["dr", "backup", "coverage", "--ns", NAMESPACE], 1)?;
    let create = ["dr", "backup", "schedule", "create", "--ns", NAMESPACE, "--cron", "0 1 * * *", "--ttl", "720h"];
    let shown = format!("kubectl dr backup schedule create --ns {NAMESPACE} --cron '0 1 * * *' --ttl 720h");
    let create = stage.place.kubectl(&create);
    stage.types(&shown, create)?;
    stage.kubectl(&["dr", "backup", "coverage", "--ns", NAMESPACE])?;
    let backups = stage.place.items(&["backups.velero.io", "-n", "velero", "--sort-by=.metadata.creationTimestamp"])?;
    let newest = backups.iter().map(|backup| text(backup, "/metadata/name")).rfind(|name| name.starts_with(NAMESPACE));
    let newest = newest.context("there is no backup of the bookstore")?.to_owned();
    stage.kubectl(&["dr", "backup", "verify", &newest])?;
    stage.kubectl(&["dr", "backup", "status", "--ns", NAMESPACE])?;
    Ok(())
}
