//! When a Schedule fires where Velero's server has a `TZ`: on the node, by the clock.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;

use dr_live::{By, Class, Shop, node, until};

/// Half an hour off, whatever hour it is.
const ZONE: &str = "Asia/Kolkata";
const VELERO: &str = "deployment/velero";

/// A time as `date` has it in a zone.
fn date(zone: &str, of: &str, format: &str) -> String {
    let mut date = Command::new("date");
    let out = date.env("TZ", zone).args(["-d", of, format]).output().expect("start date");
    assert!(out.status.success(), "date: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
#[ignore = "long: waits for Velero to fire, whose server starts anew before and after"]
fn a_schedule_fires_when_status_says_by_the_zone_of_veleros_server() {
    let node = node!();
    let shop = Shop::open(&node, "live-zone", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let rolled_out = || node.kubectl(&["rollout", "status", "-n", "velero", VELERO, "--timeout=180s"]);
    // Velero's own image has the zones, that of the node none.
    let zones = r#"[
        {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "zones", "hostPath": {"path": "/usr/share/zoneinfo", "type": "Directory"}}},
        {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value": {"name": "zones", "mountPath": "/usr/share/zoneinfo", "readOnly": true}}
    ]"#;
    let before = node.get(&[VELERO, "-n", "velero"])["spec"]["template"].clone();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        node.kubectl(&["patch", "-n", "velero", VELERO, "--type=json", "-p", zones]);
        node.kubectl(&["set", "env", "-n", "velero", VELERO, &format!("TZ={ZONE}")]);
        rolled_out();
        let due = date("UTC", "+4 minutes", "+%Y-%m-%dT%H:%M:00Z");
        let cron = date(ZONE, &due, "+%-M %-H * * *");
        node.apply(&format!(
            "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {{name: live-zone, namespace: velero}}\nspec:\n  \
             schedule: \"{cron}\"\n  template: {{includedNamespaces: [live-zone], ttl: 1h}}\n"
        ));
        let phase = || node.get(&["schedules.velero.io", "live-zone", "-n", "velero"])["status"]["phase"].clone();
        until("Velero has looked at the schedule", 60, || (phase() == "Enabled").then_some(()));
        let told = node.dr(&["backup", "status", "--ns", &shop.namespace, "-o", "json"]).json();
        let said = told.pointer("/items/0/next/at").cloned().unwrap_or_default();
        assert_eq!(said, due.as_str(), "{cron} in {ZONE}: {told:#}");
        let backup = until("the schedule has fired", 480, || {
            let backups = node.get(&["backups.velero.io", "-n", "velero", "-l", "velero.io/schedule-name=live-zone"]);
            backups["items"].as_array().and_then(|items| items.first()).cloned()
        });
        let made = backup["metadata"]["creationTimestamp"].as_str().expect("a time").to_owned();
        // Velero looks once a minute for what is due.
        let next = date("UTC", &format!("{due} +1 minute"), "+%Y-%m-%dT%H:%M");
        assert!(made.starts_with(&due[..16]) || made.starts_with(&next), "due {due}, made {made}");
    }));
    node.try_kubectl(&["delete", "schedules.velero.io", "live-zone", "-n", "velero"]);
    let back = serde_json::json!([{ "op": "replace", "path": "/spec/template", "value": before }]).to_string();
    node.kubectl(&["patch", "-n", "velero", VELERO, "--type=json", "-p", &back]);
    rolled_out();
    if let Err(reason) = ended {
        resume_unwind(reason);
    }
}
