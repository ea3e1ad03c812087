//! Rules about storage locations.

use dr_live::refused::PutBack;
use dr_live::until;
use serde_json::Value;

use super::seen::data;
use super::truth::{On, Rule, Truths, all, backup, text, velero};

const DEFAULT: [&str; 4] = ["backupstoragelocations.velero.io", "default", "-n", "velero"];

/// Beside the node's own: a location whose folder holds another's is Unavailable.
const BUCKET: &str = "truth";

/// What Velero says of the location once it has looked at it.
fn location(on: &On<'_>) -> String {
    on.apply();
    let phase = until("Velero has looked at the location", 120, || {
        let found = on.node().get(&["backupstoragelocations.velero.io", on.name, "-n", "velero"]);
        Some(text(&found, "/status/phase").to_owned()).filter(|phase| !phase.is_empty())
    });
    format!("the location is {phase}")
}

fn with(config: &str, storage: &str, more: &str) -> String {
    let storage = format!("{{bucket: {BUCKET}, prefix: truth{storage}}}");
    velero(
        "BackupStorageLocation",
        &format!("provider: aws\nvalidationFrequency: 5s\nobjectStorage: {storage}\nconfig: {config}\n{more}"),
    )
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let default = truths.shop.node.get(&DEFAULT);
    let bucket = truths.shop.node.dir().join("s3/data").join(BUCKET);
    // A backup of an earlier run would be in the way of another of its name.
    drop(std::fs::remove_dir_all(&bucket));
    std::fs::create_dir_all(bucket).expect("make a bucket");
    let config = default["spec"]["config"].to_string();
    let mut keyed = default["spec"]["config"].clone();
    keyed["accessKeyId"] = Value::from("written-down");
    let right = with(&config, "", "");
    let wrong = with(&keyed.to_string(), "", "");
    truths.rule(&Rule { id: "credentials-in-the-clear", beside: "", wrong: &wrong, right: &right }, location);
    let wrong = with(&config, ", caCert: bm8=, caCertRef: {name: none, key: ca.crt}", "");
    truths.rule(&Rule { id: "two-certificate-authorities", beside: "", wrong: &wrong, right: &right }, location);
    around(truths, &config);
    let to = |location: &str| backup(&format!("includedNamespaces: [@ns@]\nstorageLocation: {location}"));
    let (wrong, right) = (to("nowhere"), to("default"));
    truths.live_rule(&Rule { id: "backup-refused", beside: "", wrong: &wrong, right: &right }, data);
    let spec = to("@name@");
    let wrong = all(&[&with(&config, "", "accessMode: ReadOnly"), &spec]);
    let right = all(&[&with(&config, "", "accessMode: ReadWrite"), &spec]);
    truths.rule(&Rule { id: "location-read-only", beside: "", wrong: &wrong, right: &right }, |on| {
        on.node().kubectl(&["apply", "-f", &on.file(), "--dry-run=server"]);
        let only = on.manifest.with_extension("location.yaml");
        let text_of = std::fs::read_to_string(on.manifest).expect("read");
        std::fs::write(&only, text_of.split("\n---\n").next().unwrap_or_default()).expect("write");
        on.node().kubectl(&["apply", "-f", &only.to_string_lossy()]);
        until("the location is available", 120, || {
            let found = on.node().get(&["backupstoragelocations.velero.io", on.name, "-n", "velero"]);
            (text(&found, "/status/phase") == "Available").then_some(())
        });
        let phase = text(&on.backed_up(), "/status/phase").to_owned();
        if phase == "FailedValidation" { format!("{phase}: nothing is backed up") } else { phase }
    });
}

/// Which of two locations is the default: the node's own is none of them meanwhile.
pub(super) fn defaults(truths: &mut Truths<'_, '_>) {
    let config = truths.shop.node.get(&DEFAULT)["spec"]["config"].to_string();
    let named = |name: &str, default: bool| {
        with(&config, &format!("-{name}"), &format!("default: {default}")).replace("@name@", &format!("@name@-{name}"))
    };
    let wrong = all(&[&named("a", true), &named("b", true)]);
    let right = all(&[&named("a", true), &named("b", false)]);
    truths.rule(&Rule { id: "several-default-locations", beside: "", wrong: &wrong, right: &right }, |on| {
        let back = PutBack::keep(on.node(), &DEFAULT);
        on.node().kubectl(&[
            "patch",
            DEFAULT[0],
            "default",
            "-n",
            "velero",
            "--type=merge",
            "-p",
            "{\"spec\":{\"default\":false}}",
        ]);
        // The newest wins by its second of creation.
        let text_of = std::fs::read_to_string(on.manifest).expect("read");
        for (at, document) in text_of.split("\n---\n").enumerate() {
            if at > 0 {
                std::thread::sleep(std::time::Duration::from_millis(1500));
            }
            on.node().apply(document);
        }
        let flag = |which: &str| {
            let name = format!("{}-{which}", on.name);
            let found = on.node().get(&[DEFAULT[0], &name, "-n", "velero"]);
            (text(&found, "/status/phase") == "Available").then(|| found["spec"]["default"] == true)
        };
        until("Velero has looked at both", 120, || flag("a").zip(flag("b")));
        std::thread::sleep(std::time::Duration::from_secs(8));
        let seen = match flag("a").zip(flag("b")) {
            Some((true, _)) => "the first is the default".to_owned(),
            Some((false, true)) => "Velero took it from the first: backups go to the second".to_owned(),
            other => format!("{other:?}"),
        };
        drop(back);
        until("the node's own location is available again", 120, || {
            let found = on.node().get(&DEFAULT);
            (found["spec"]["default"] == true && text(&found, "/status/phase") == "Available").then_some(())
        });
        seen
    });
}

/// A bucket with a location's backup in a folder.
fn around(truths: &mut Truths<'_, '_>, config: &str) {
    let bucket = truths.shop.node.dir().join("s3/data/truth-nested");
    std::fs::create_dir_all(bucket.join("inner/backups/one")).expect("make a bucket");
    std::fs::write(bucket.join("inner/backups/one/velero-backup.json"), "{}").expect("write an object");
    let of = |prefix: &str| {
        let storage = format!("{{bucket: truth-nested{prefix}}}");
        velero("BackupStorageLocation", &format!("provider: aws\nobjectStorage: {storage}\nconfig: {config}"))
    };
    let inner = of(", prefix: inner").replace("@name@", "@name@-inner");
    let (wrong, right) = (all(&[&of(""), &inner]), all(&[&of(", prefix: outer"), &inner]));
    truths.rule(&Rule { id: "location-around-another", beside: "", wrong: &wrong, right: &right }, location);
}
