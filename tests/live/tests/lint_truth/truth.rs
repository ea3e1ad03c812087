//! One rule and two manifests, what each of them does, and the page of all of them.

use std::fs;
use std::path::{Path, PathBuf};

use dr_live::{Cases, Node, Shop};
use serde_json::Value;

const HEAD: &str = "# What lint says, shown on a node

Written by the live test `lint_truth` (`DR_WRITE=1` writes it, every other run is held against it). For each rule a \
manifest that it is about and the mended one are linted, applied to a real Kubernetes with a real Velero, and looked at: \
what is said here is what was seen, in the object store and on the API server.

| rule | the manifest it is about | the mended one |
|---|---|---|
";

/// A manifest on the node, and what to look at.
pub(super) struct On<'a> {
    pub(super) shop: &'a Shop<'a>,
    pub(super) manifest: &'a Path,
    /// Of the backup, the schedule or whatever the manifest is about.
    pub(super) name: &'a str,
}

impl On<'_> {
    pub(super) fn node(&self) -> &Node {
        self.shop.node
    }

    pub(super) fn namespace(&self) -> &str {
        &self.shop.namespace
    }

    pub(super) fn file(&self) -> String {
        self.manifest.to_string_lossy().into_owned()
    }
}

pub(super) struct Rule<'a> {
    pub(super) id: &'a str,
    /// What is judged with it, and is there already.
    pub(super) beside: &'a str,
    pub(super) wrong: &'a str,
    pub(super) right: &'a str,
}

pub(super) struct Truths<'a, 'n> {
    pub(super) shop: &'a Shop<'n>,
    cases: &'a mut Cases,
    /// The page as it is.
    page: String,
    rows: Vec<String>,
}

impl<'a, 'n> Truths<'a, 'n> {
    pub(super) fn of(shop: &'a Shop<'n>, cases: &'a mut Cases) -> Self {
        let page = if writes() { String::new() } else { fs::read_to_string(page()).expect("read the page") };
        Self { shop, cases, page, rows: Vec::new() }
    }

    /// `@ns@` is the shop's namespace, `@name@` a name for this manifest alone.
    pub(super) fn rule(&mut self, rule: &Rule<'_>, look: impl Fn(&On<'_>) -> String) {
        self.told(rule, &[], look);
    }

    /// The same of a rule that looks at the cluster.
    pub(super) fn live_rule(&mut self, rule: &Rule<'_>, look: impl Fn(&On<'_>) -> String) {
        self.told(rule, &["--live"], look);
    }

    fn told(&mut self, rule: &Rule<'_>, flags: &[&str], look: impl Fn(&On<'_>) -> String) {
        let (shop, page, rows) = (self.shop, &self.page, &mut self.rows);
        self.cases.case(rule.id, || {
            let seen = [("wrong", rule.wrong), ("right", rule.right)].map(|(which, text)| {
                let name = name(rule.id, which);
                let manifest = written(shop, &name, text);
                let beside = written(shop, &format!("{name}-beside"), rule.beside);
                let said = said_with(shop.node, &manifest, &beside, flags);
                assert_eq!(said.iter().any(|id| id == rule.id), which == "wrong", "{name}: lint says {said:?}");
                let seen = look(&On { shop, manifest: &manifest, name: &name });
                let file = manifest.to_string_lossy();
                shop.node.try_kubectl(&["delete", "--ignore-not-found", "--timeout=60s", "-f", &file]);
                println!("  {which}: {seen}");
                seen
            });
            let [wrong, right] = seen;
            assert_ne!(wrong, right, "{}: both do the same", rule.id);
            seen_as_written(page, rows, row(rule.id, &wrong, &right));
        });
    }

    /// Rules that are looked at otherwise, each with what was seen of both.
    pub(super) fn otherwise(&mut self, what: &str, look: impl FnOnce() -> Vec<(&'static str, [String; 2])>) {
        let (page, rows) = (&self.page, &mut self.rows);
        self.cases.case(what, || {
            for (id, [wrong, right]) in look() {
                println!("  {id}: {wrong}; {right}");
                assert_ne!(wrong, right, "{id}: both do the same");
                seen_as_written(page, rows, row(id, &wrong, &right));
            }
        });
    }

    /// Each row was held against the page when it was seen: here it is that the page has no others.
    pub(super) fn are_written_down(&mut self) {
        assert!(self.cases.none_left() || !writes(), "a part of the rows is no page");
        let (known, rows) = (&self.page, &self.rows);
        self.cases.case("there are no other rows in docs/evidence/lint-truth.md", || {
            let text = format!("{HEAD}{}\n{} rules.\n", rows.concat(), rows.len());
            if writes() {
                fs::write(page(), text).expect("write the page");
            } else {
                let sorted = |text: &str| {
                    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                    lines.sort();
                    lines
                };
                assert_eq!(sorted(&text), sorted(known), "it was otherwise on this node");
            }
        });
    }
}

/// Whether this run writes the page.
pub(super) fn writes() -> bool {
    std::env::var_os("DR_WRITE").is_some()
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/evidence/lint-truth.md")
}

fn seen_as_written(page: &str, rows: &mut Vec<String>, row: String) {
    assert!(writes() || page.contains(&row), "docs/evidence/lint-truth.md does not say:\n{row}");
    rows.push(row);
}

fn row(id: &str, wrong: &str, right: &str) -> String {
    format!("| [{id}](../rules/{id}.md) | {wrong} | {right} |\n")
}

/// Names of Velero's objects go into labels: 63 letters at most.
pub(super) fn name(rule: &str, which: &str) -> String {
    format!("truth-{rule}-{which}")
}

pub(super) fn written(shop: &Shop<'_>, name: &str, text: &str) -> PathBuf {
    let file = shop.node.home().join(format!("{name}.yaml"));
    let text = text.replace("@ns@", &shop.namespace).replace("@name@", name);
    fs::write(&file, text).expect("write a manifest");
    file
}

/// The rules that have something to say of it.
pub(super) fn said(node: &Node, manifest: &Path, beside: &Path) -> Vec<String> {
    said_with(node, manifest, beside, &[])
}

fn said_with(node: &Node, manifest: &Path, beside: &Path, flags: &[&str]) -> Vec<String> {
    let (manifest, beside) = (manifest.to_string_lossy(), beside.to_string_lossy());
    let args = ["lint", &manifest, "--with", &beside, "--appetite", "audit", "-o", "json"];
    let told = node.dr(&[args.as_slice(), flags].concat());
    assert!(matches!(told.code, Some(0 | 1)), "{}", told.told());
    let report = told.json();
    let findings = report["findings"].as_array().into_iter().flatten();
    findings.filter_map(|finding| finding["rule"].as_str()).map(str::to_owned).collect()
}

/// A Backup with this spec, which may span lines.
pub(super) fn backup(spec: &str) -> String {
    velero("Backup", spec)
}

pub(super) fn velero(kind: &str, spec: &str) -> String {
    let spec: Vec<String> = spec.trim().lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: velero.io/v1\nkind: {kind}\nmetadata: {{name: @name@, namespace: velero}}\nspec:\n{}",
        spec.concat()
    )
}

/// Several documents.
pub(super) fn all(documents: &[&str]) -> String {
    documents.join("\n---\n")
}

pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
