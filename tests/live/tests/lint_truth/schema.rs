//! Rules about manifests that the API server or kubectl reads otherwise, and about command lines.

use super::truth::{On, Rule, Truths, all, backup, text, velero, written};

fn taken(on: &On<'_>) -> String {
    let applied = on.node().try_kubectl(&["apply", "-f", &on.file(), "--dry-run=server"]);
    let told = if applied.status.success() { "the API server takes it" } else { "the API server refuses it" };
    told.to_owned()
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let of = |id: &str, wrong: &str, right: &str, truths: &mut Truths<'_, '_>| {
        truths.rule(&Rule { id, beside: "", wrong, right }, taken);
    };
    let whole = "includedNamespaces: [@ns@]\n";
    let right = backup(&format!("{whole}ttl: 720h"));
    of("wrong-type", &backup(&format!("{whole}ttl: 720")), &right, truths);
    let hook = |on_error: &str| {
        backup(&format!(
            "{whole}hooks: {{resources: [{{name: a, pre: [{{exec: {{command: [a], onError: {on_error}}}}}]}}]}}"
        ))
    };
    of("unknown-value", &hook("fail"), &hook("Fail"), truths);
    let schedule =
        |cron: &str| velero("Schedule", &format!("{cron}template: {{ttl: 720h, includedNamespaces: [@ns@]}}"));
    of("missing-field", &schedule(""), &schedule("schedule: 0 2 * * *\n"), truths);
    let wrong = backup(&format!("{whole}tll: 24h"));
    let right = backup(&format!("{whole}ttl: 24h"));
    // As a controller applies it; kubectl itself asks for a strict check.
    truths.rule(&Rule { id: "unknown-field", beside: "", wrong: &wrong, right: &right }, |on| {
        let made = ["create", "-f", &on.file(), "--dry-run=server", "--validate=ignore", "-o", "json"];
        let made: serde_json::Value = serde_json::from_str(&on.node().kubectl(&made)).expect("JSON");
        let kept = text(&made, "/spec/ttl") == "24h";
        format!("the API server takes it, {}", if kept { "with the field" } else { "without the field" })
    });
    let wrong = backup("includedNamespaces: [@ns@]\nlabelSelector: {matchLabels: {a: b}}\nincludedNamespaces: [books]");
    let right = backup("includedNamespaces: [@ns@]\nlabelSelector: {matchLabels: {a: b}}");
    truths.rule(&Rule { id: "duplicate-key", beside: "", wrong: &wrong, right: &right }, |on| {
        let made = ["create", "-f", &on.file(), "--dry-run=server", "-o", "json"];
        let made: serde_json::Value = serde_json::from_str(&on.node().kubectl(&made)).expect("JSON");
        let first = text(&made, "/spec/includedNamespaces/0") == on.namespace();
        format!("kubectl sends {}", if first { "what is written" } else { "the last one alone" })
    });
    let one = backup(whole);
    let other = one.replace("@name@", "@name@-second");
    let (wrong, right) = (format!("{one}...\n{other}"), all(&[&one, &other]));
    truths.rule(&Rule { id: "dropped-document", beside: "", wrong: &wrong, right: &right }, |on| {
        let made = on.node().kubectl(&["create", "-f", &on.file(), "--dry-run=server", "-o", "name"]);
        let count = made.lines().filter(|line| line.contains("backup")).count();
        format!("kubectl sends {count} of the 2 objects")
    });
    command(truths);
}

/// The lines of a runbook are judged as what they would make.
fn command(truths: &mut Truths<'_, '_>) {
    let shop = truths.shop;
    let look = |which: &str, ttl: &str| {
        let line = format!("velero backup create truth-of-a-line --include-namespaces @ns@ --ttl {ttl}");
        let file = written(shop, &format!("truth-line-{which}"), &format!("#!/bin/sh\n{line}\n")).with_extension("sh");
        std::fs::rename(file.with_extension("yaml"), &file).expect("rename");
        let told = shop.node.dr(&["lint", "--shell", &file.to_string_lossy(), "-o", "json"]).json();
        let mut findings = told["findings"].as_array().into_iter().flatten();
        let found = findings.any(|finding| finding["rule"] == "command-refused");
        let of = ["--include-namespaces", &shop.namespace, "--ttl", ttl, "-o", "json"];
        let ended = shop.node.velero(&[&["backup", "create", "truth-of-a-line"], of.as_slice()].concat());
        assert_eq!(found, !ended.status.success(), "{which}: {}", String::from_utf8_lossy(&ended.stderr));
        if found { "velero refuses it, and makes nothing" } else { "velero takes it" }.to_owned()
    };
    truths.otherwise("command-refused", || vec![("command-refused", [look("wrong", "30d"), look("right", "720h")])]);
}
