//! Each rule with its file, page and cases: what fires, what nearly does and must not, and what a fix makes of it.
//!
//! `DR_WRITE=1 cargo test -p dr-lint --test cases` writes what is expected anew; read the difference.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "helpers of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_lint::baseline::{self, Whereabouts};
use dr_lint::{Added, Appetite, Finding, Fixable, Input, Judgement, Language, RULES, Reading, Rule, Settings, Version};
use dr_yaml::Text;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn folder(rule: &Rule) -> PathBuf {
    root().join("tests/cases").join(rule.id)
}

/// The cases of a kind: `fires.yaml`, `fires-2.yaml` and so on; of commands `fires.sh`.
fn cases(rule: &Rule, kind: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder(rule)).unwrap_or_else(|error| panic!("{}: {error}", folder(rule).display()));
    let mut found: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "sh"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .filter(|(name, _)| name.starts_with(kind))
        .collect();
    found.sort();
    found
}

fn everything() -> Settings {
    Settings { appetite: Appetite::Audit, ..Settings::default() }
}

fn read(name: &str, text: &str) -> Added {
    let commands = Reading::Commands(Language::Script, Version::default());
    Added::read(
        name,
        text.as_bytes(),
        false,
        if Path::new(name).extension().is_some_and(|end| end == "sh") { commands } else { Reading::Manifests },
    )
}

/// A case of a cluster holds what is in it: `fires-live.yaml`.
fn is_live(name: &str) -> bool {
    name.contains("-live.")
}

/// What the documents of a text would be in a cluster with Velero 1.18.3.
fn add_live(input: &mut Input, text: &str) {
    let mut objects: BTreeMap<Kind, Listed> = BTreeMap::new();
    for document in dr_yaml::read(&dr_yaml::Text::from(text)).documents {
        let raw = Raw(document.tree.unwrap().value().unwrap());
        let kind = Kind::of(raw.str_at("/apiVersion").unwrap(), raw.str_at("/kind").unwrap()).unwrap();
        let Listed::Objects(of_kind) = objects.entry(kind).or_insert(Listed::Objects(Vec::new())) else { panic!() };
        of_kind.push(raw);
    }
    let facts = Facts {
        format: dr_core::facts::FORMAT,
        taken: jiff::Timestamp::UNIX_EPOCH,
        context: String::new(),
        server: String::new(),
        server_version: String::new(),
        cluster_uid: String::new(),
        namespace: String::new(),
        velero_namespace: "velero".to_owned(),
        objects,
        documents: BTreeMap::new(),
    };
    input.add_live(&facts, Some(dr_core::select::Version::NEWEST));
}

/// A case, with the baseline that is beside it: `fires.baseline`.
fn input(rule: &Rule, name: &str, text: &str) -> Input {
    let mut input = Input::default();
    if is_live(name) {
        add_live(&mut input, text);
    } else {
        input.push(read(name, text));
    }
    let name = Path::new(name).with_extension("baseline");
    if let Ok(text) = fs::read_to_string(folder(rule).join(&name)) {
        let entries = baseline::read(&Text::from(text.as_str())).unwrap();
        let whereabouts = |file: &str| match file {
            "elsewhere.yaml" => Whereabouts::Elsewhere,
            "gone.yaml" => Whereabouts::Gone,
            _ => Whereabouts::Read(0),
        };
        input.hide(name.to_string_lossy(), &text, entries, whereabouts, |_| false);
    }
    input
}

fn judge(rule: &Rule, name: &str, text: &str) -> (Input, Judgement) {
    let input = input(rule, name, text);
    let judgement = dr_lint::judge(&input, &everything());
    (input, judgement)
}

fn line(input: &Input, finding: &Finding) -> String {
    let file = &input.files[finding.file];
    let at = file.lines.place(&file.text, finding.span.start);
    let source = file.text.get(finding.span.clone()).unwrap().lines().next().unwrap_or("");
    let mut text = format!(
        "{}:{}:{}: {} `{source}`: {}\n",
        file.name,
        at.line,
        at.column,
        finding.severity.name(),
        finding.message
    );
    for related in &finding.related {
        let at = file.lines.place(&file.text, related.span.start);
        text.push_str(&format!("  {}:{}: {}\n", at.line, at.column, related.message));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("  fix ({}): {}\n", if fix.safe { "safe" } else { "unsafe" }, fix.title));
    }
    text
}

fn of<'j>(judgement: &'j Judgement, rule: &Rule) -> Vec<&'j Finding> {
    judgement.findings.iter().filter(|finding| finding.rule == rule.id).collect()
}

/// What a rule says of all of its cases.
fn told(rule: &Rule) -> String {
    let mut text = String::new();
    for (name, source) in cases(rule, "fires") {
        let (input, judgement) = judge(rule, &name, &source);
        let found = of(&judgement, rule);
        assert!(!found.is_empty(), "{}/{name} does not fire", rule.id);
        for finding in &found {
            text.push_str(&line(&input, finding));
        }
        let (fixed, count) = dr_lint::fix::apply(&input, 0, &found).unwrap();
        if count > 0 {
            text.push_str(&format!("{name} with {count} fixed:\n"));
            text.extend(fixed.lines().map(|line| format!("  {line}\n")));
        }
    }
    text
}

#[test]
fn every_rule_tells_of_its_cases_what_is_expected() {
    for rule in RULES {
        let path = folder(rule).join("expected.txt");
        let told = told(rule);
        if std::env::var_os("DR_WRITE").is_some() {
            fs::write(&path, &told).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(told, expected, "{}", rule.id);
    }
}

#[test]
fn what_nearly_fires_does_not() {
    for rule in RULES {
        let cases = cases(rule, "near");
        assert!(!cases.is_empty(), "{} has no near miss", rule.id);
        for (name, source) in cases {
            let (input, judgement) = judge(rule, &name, &source);
            let told: Vec<String> = of(&judgement, rule).iter().map(|finding| line(&input, finding)).collect();
            assert!(told.is_empty(), "{}/{name}: {told:?}", rule.id);
        }
    }
}

#[test]
fn a_near_miss_of_one_rule_is_clean_by_default_for_all() {
    let settings = Settings::default();
    for rule in RULES {
        for (name, source) in cases(rule, "near") {
            let input = input(rule, &name, &source);
            let judgement = dr_lint::judge(&input, &settings);
            let told: Vec<String> = judgement
                .findings
                .iter()
                .map(|finding| format!("{} {}", finding.rule, line(&input, finding)))
                .collect();
            assert!(told.is_empty(), "{}/{name}: {told:?}", rule.id);
        }
    }
}

/// Findings that nothing mends and whose cause a fix takes away: rule, case, and the rules of those.
const GO_WITH_IT: [(&str, &str, &[&str]); 3] = [
    ("unknown-field", "fires.yaml", &["cluster-resources-left-out", "hook-error-ignored"]),
    ("engine-without-hook", "fires-6.yaml", &["engine-without-hook"]),
    ("unfit-for-kubernetes", "fires.yaml", &["unfit-for-kubernetes"]),
];

#[test]
fn a_fix_ends_its_finding_makes_no_other_and_changes_nothing_the_second_time() {
    for rule in RULES {
        let mut fixed_any = false;
        // Nothing is written into a cluster.
        for (name, source) in cases(rule, "fires").into_iter().filter(|(name, _)| !is_live(name)) {
            let (input, before) = judge(rule, &name, &source);
            let fixable: Vec<&Finding> = before.findings.iter().filter(|finding| finding.fix.is_some()).collect();
            let (once, count) = dr_lint::fix::apply(&input, 0, &fixable).unwrap();
            assert_eq!(count, fixable.len(), "{}/{name}", rule.id);
            let (input, after) = judge(rule, &name, &once);
            let says = |finding: &Finding| (finding.rule, finding.message.clone());
            let mut left: Vec<_> = before.findings.iter().filter(|finding| finding.fix.is_none()).map(says).collect();
            for finding in &after.findings {
                let known = left.iter().position(|known| *known == says(finding));
                let known = known.unwrap_or_else(|| panic!("{}/{name}: a new one: {finding:?}", rule.id));
                left.swap_remove(known);
            }
            let gone: Vec<&str> = left.iter().map(|(rule, _)| *rule).collect();
            let with_it = GO_WITH_IT.iter().find(|(id, case, _)| (*id, *case) == (rule.id, name.as_str()));
            assert_eq!(gone, with_it.map_or(&[][..], |(.., rules)| *rules), "{}/{name}", rule.id);
            let (twice, _) = dr_lint::fix::apply(&input, 0, &after.findings.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(twice, once, "{}/{name}", rule.id);
            let comments = |text: &str| {
                let documents = dr_yaml::read(&Text::from(text)).documents.into_iter();
                documents.filter_map(|document| Some(document.tree.ok()?.comments.len())).sum::<usize>()
            };
            assert_eq!(comments(&once), comments(&source), "{}/{name} loses a comment", rule.id);
            for finding in of(&before, rule).iter().filter_map(|finding| finding.fix.as_ref()) {
                fixed_any = true;
                assert_eq!(finding.safe, rule.fix == Fixable::Safe, "{} says otherwise of its fix", rule.id);
            }
        }
        assert_eq!(fixed_any, rule.fix != Fixable::No, "{} says otherwise of its fix", rule.id);
    }
}

#[test]
fn every_rule_has_its_file_its_page_and_its_cases_and_none_is_left_over() {
    let ids: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
    assert_eq!(ids.len(), RULES.len(), "two rules have one id");
    let names = |folder: PathBuf, end: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect()
    };
    assert_eq!(names(root().join("../../docs/rules"), ".md"), ids);
    assert_eq!(names(root().join("tests/cases"), ""), ids);
    let files: BTreeSet<String> = ids.iter().map(|id| id.replace('-', "_")).collect();
    assert_eq!(names(root().join("src/rules"), ".rs"), files);
}

#[test]
fn a_page_says_what_the_rule_says() {
    for rule in RULES {
        let Rule { id, family, severity, appetite, fix, summary, costs, proven, page, .. } = rule;
        let row = format!("| {} | {} | {} | {} |", family.name(), severity.name(), appetite.name(), fix.name());
        let head = format!(
            "# {id}\n\n{summary}\n\n| family | severity | appetite | fix |\n|---|---|---|---|\n{row}\n\n**What it costs.** {costs}\n\n**How it is known.** {proven}\n"
        );
        assert!(page.starts_with(&head), "docs/rules/{id}.md does not begin with:\n{head}");
        for sentence in [summary, costs, proven] {
            assert!(sentence.ends_with('.') && !sentence.contains("TODO"), "{id}: {sentence}");
        }
    }
}
