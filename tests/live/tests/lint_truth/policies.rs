//! Rules about resource policies.

use super::seen::data;
use super::truth::{Rule, Truths, all, backup};
use super::volumes::{copied, deployment, with_the_deployment};

fn map(policies: &str) -> String {
    let lines: Vec<String> = policies.trim().lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: truth-policies, namespace: velero}}\ndata:\n  policies: |\n    version: v1\n{}",
        lines.concat()
    )
}

fn referring(kind: &str, more: &str) -> String {
    backup(&format!("includedNamespaces: [@ns@]\n{more}resourcePolicy: {{kind: {kind}, name: truth-policies}}"))
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let skip =
        |conditions: &str| map(&format!("volumePolicies:\n- conditions: {{{conditions}}}\n  action: {{type: skip}}"));
    let of = |id: &str, wrong: &str, right: &str, truths: &mut Truths<'_, '_>| {
        truths.rule(&Rule { id, beside: "", wrong, right }, data);
    };
    let reads = referring("configmap", "");
    let skipped = skip("volumeTypes: [csi]");
    of("policy-never-matches", &all(&[&skip("volumeTypes: [CSI]"), &reads]), &all(&[&skipped, &reads]), truths);
    of("policy-reference-ignored", &all(&[&skipped, &referring("policy", "")]), &all(&[&skipped, &reads]), truths);
    let unknown = "volumePolicies:\n- conditions: {volumeTypes: [csi]}\n  action: {type: ignore}";
    of("policy-unreadable", &all(&[&map(unknown), &reads]), &all(&[&skipped, &reads]), truths);
    let narrow = "- conditions: {volumeTypes: [csi], storageClass: [csi-wffc]}\n  action: {type: snapshot}\n";
    let wide = "- conditions: {volumeTypes: [csi]}\n  action: {type: skip}\n";
    let ordered = |first: &str, second: &str| all(&[&map(&format!("volumePolicies:\n{first}{second}")), &reads]);
    of("policy-never-reached", &ordered(wide, narrow), &ordered(narrow, wide), truths);
    let scratch = |action: &str| {
        let policies =
            format!("volumePolicies:\n- conditions: {{volumeTypes: [emptyDir]}}\n  action: {{type: {action}}}");
        let labels = "labelSelector: {matchLabels: {app: truth-sleeper}}\nsnapshotVolumes: true\n";
        all(&[&deployment("", ""), &map(&policies), &referring("configmap", labels)])
    };
    let (wrong, right) = (scratch("snapshot"), scratch("fs-backup"));
    let rule = Rule { id: "policy-snapshots-a-plain-volume", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| with_the_deployment(on, copied));
}
