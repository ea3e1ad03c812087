//! Rules about Restores.

use dr_live::until;
use serde_json::Value;

use super::seen::data;
use super::truth::{On, Rule, Truths, backup, text, velero, written};

const DRILL: &str = "live-truth-drill";

/// The phase in which the Restore ended.
fn restored(on: &On<'_>) -> String {
    on.apply();
    until(&format!("restore {} has ended", on.name), 180, || {
        let restore = on.node().get(&["restores.velero.io", on.name, "-n", "velero"]);
        let phase = text(&restore, "/status/phase").to_owned();
        matches!(phase.as_str(), "Completed" | "PartiallyFailed" | "Failed" | "FailedValidation").then_some(phase)
    })
}

fn without_the_drill(on: &On<'_>, look: impl Fn(&On<'_>) -> String) -> String {
    let seen = look(on);
    on.node().kubectl(&["delete", "namespace", DRILL, "--ignore-not-found", "--timeout=120s"]);
    seen
}

fn captured(truths: &Truths<'_, '_>, name: &str, spec: &str) -> String {
    let shop = truths.shop;
    let manifest = written(shop, name, &backup(spec));
    let on = On { shop, manifest: &manifest, name };
    assert_eq!(data(&on), "Completed, with the data", "{name}");
    std::fs::read_to_string(&manifest).expect("read")
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let of_snapshot = captured(truths, "truth-of-snapshot", "includedNamespaces: [@ns@]");
    let of_files = captured(
        truths,
        "truth-of-files",
        "includedNamespaces: [@ns@]\nsnapshotVolumes: false\ndefaultVolumesToFsBackup: true",
    );
    let restore = |spec: &str| velero("Restore", spec);
    let secrets = "backupName: truth-of-snapshot\nincludedNamespaces: [@ns@]\nincludedResources: [secrets]\n";
    let to_the_drill = format!("{secrets}namespaceMapping: {{'@ns@': {DRILL}}}");
    let (wrong, right) = (
        restore(&format!("includedNamespaces: [@ns@]\nnamespaceMapping: {{'@ns@': {DRILL}}}")),
        restore(&to_the_drill),
    );
    let phase = |on: &On<'_>| match restored(on).as_str() {
        "Completed" => "Completed".to_owned(),
        phase => format!("{phase}: nothing is restored"),
    };
    let rule = Rule { id: "restore-from-nowhere", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| without_the_drill(on, phase));
    let wrong = restore(&to_the_drill.replace("[secrets]", "[secrets, nodes]"));
    let rule = Rule { id: "never-restored", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| without_the_drill(on, phase));
    let wrong = restore(&format!("{secrets}namespaceMapping: {{'@ns@': '@ns@'}}"));
    let rule = Rule { id: "namespace-mapping-without-effect", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        without_the_drill(on, |on| {
            let phase = restored(on);
            let there = on.node().get(&["namespace", DRILL]) != Value::Null;
            format!("{phase}, and the copy beside the original {}", if there { "is there" } else { "is not there" })
        })
    });
    volumes(truths, &of_snapshot, &of_files);
}

fn volumes(truths: &mut Truths<'_, '_>, of_snapshot: &str, of_files: &str) {
    let claims = |backup: &str, more: &str| {
        velero(
            "Restore",
            &format!("backupName: {backup}\nincludedNamespaces: [@ns@]\nnamespaceMapping: {{'@ns@': {DRILL}}}\n{more}"),
        )
    };
    let wrong = claims("truth-of-snapshot", "restorePVs: false");
    let right = claims("truth-of-snapshot", "");
    let rule = Rule { id: "volumes-not-restored", beside: of_snapshot, wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        without_the_drill(on, |on| {
            let phase = restored(on);
            let claim = on.node().get(&["pvc", "data-postgres-0", "-n", DRILL]);
            let from = text(&claim, "/spec/dataSourceRef/kind");
            let empty = "the claim comes back empty".to_owned();
            format!("{phase}, {}", if from.is_empty() { empty } else { format!("the claim is made from a {from}") })
        })
    });
    let list = "includedResources: [persistentvolumeclaims, persistentvolumes";
    let wrong = claims("truth-of-files", &format!("{list}]"));
    let right = claims("truth-of-files", &format!("{list}, pods, serviceaccounts, secrets]"));
    let rule = Rule { id: "restore-without-pods", beside: of_files, wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        without_the_drill(on, |on| {
            let phase = restored(on);
            let label = format!("velero.io/restore-name={}", on.name);
            let made = on.node().get(&["podvolumerestores.velero.io", "-n", "velero", "-l", &label]);
            let made = made["items"].as_array().is_some_and(|made| !made.is_empty());
            format!("{phase}, {}", if made { "the files are written back" } else { "no file is written back" })
        })
    });
}
