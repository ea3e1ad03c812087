//! Who may import whom: `docs/architecture.md` draws it, this holds it against cargo's own view and the sources.

use std::collections::{BTreeMap, BTreeSet};

use dr_house::{code, files, names};

use crate::graph::graph;

/// The packages each of ours may have among its direct dependencies, of ours.
const OURS: &[(&str, &[&str])] = &[
    ("dr-core", &[]),
    ("dr-run", &["dr-core"]),
    ("dr-yaml", &[]),
    ("dr-lint", &["dr-core", "dr-yaml"]),
    ("dr-cluster", &["dr-core", "dr-run"]),
    ("dr-cli", &["dr-cluster", "dr-core", "dr-lint", "dr-run", "dr-yaml"]),
    ("kubectl-dr", &["dr-cli"]),
];

/// Values only: none of these may be reachable, whatever the way.
const PURE: &[&str] = &["dr-core", "dr-run", "dr-yaml", "dr-lint"];
const EDGE: &[&str] = &[
    "kube",
    "kube-client",
    "kube-runtime",
    "tokio",
    "hyper",
    "tower",
    "reqwest",
    "clap",
    "anyhow",
    "rand",
    "getrandom",
];

/// What a pure crate may not even name.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "RandomState",
    "async",
    "await",
];

#[test]
fn each_crate_depends_only_on_those_below_it() {
    for (name, allowed) in OURS {
        let ours: BTreeSet<String> =
            graph().direct(name).into_iter().filter(|dep| OURS.iter().any(|(known, _)| known == dep)).collect();
        let wrong: Vec<_> = ours.iter().filter(|dep| !allowed.contains(&dep.as_str())).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn the_crates_of_values_reach_no_client_no_runtime_and_no_command_line() {
    for name in PURE {
        let reached = graph().reached(name);
        let wrong: Vec<_> = EDGE.iter().filter(|edge| reached.contains(**edge)).collect();
        assert!(wrong.is_empty(), "{name} reaches {wrong:?}");
    }
}

#[test]
fn only_dr_cluster_and_the_packages_for_tests_have_a_kubernetes_client() {
    let users: Vec<String> = graph()
        .members()
        .filter(|(_, manifest)| !manifest.contains("/tests/"))
        .filter(|(name, _)| {
            ["kube", "kube-client", "kube-runtime"].iter().any(|kube| graph().direct(name).contains(*kube))
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    let beside: Vec<_> = users.iter().filter(|name| *name != "dr-cluster").collect();
    assert!(beside.is_empty(), "{beside:?} have the client");
}

#[test]
fn the_crates_of_values_name_no_clock_no_randomness_and_no_io() {
    let mut wrong = Vec::new();
    for name in PURE {
        for file in files(&format!("crates/{name}/src")).iter().filter(|file| file.ends_with(&[".rs"])) {
            for (at, line) in code(&file.text).lines().enumerate() {
                let words = IMPURE_WORDS.iter().filter(|word| names(line, word)).copied();
                let grouped = grouped_std(line)
                    .into_iter()
                    .filter(|word| ["fs", "env", "net", "process", "thread"].contains(word));
                for word in words.chain(grouped) {
                    wrong.push(format!("{}:{}: {word}", file.path, at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The modules of a line `use std::{a, b::c};`.
fn grouped_std(line: &str) -> Vec<&str> {
    let Some(rest) = line.trim_start().trim_start_matches("pub ").strip_prefix("use std::{") else { return Vec::new() };
    rest.split(',').filter_map(|part| part.trim().split([':', '}', ' ']).next()).collect()
}

#[test]
fn a_grouped_import_does_not_hide_a_module() {
    assert_eq!(grouped_std("use std::{fmt, fs::File};"), ["fmt", "fs"]);
    assert_eq!(grouped_std("use std::fmt;"), Vec::<&str>::new());
}

#[test]
fn only_the_command_line_prints() {
    const PRINTS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"];
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for file in files("crates").into_iter().filter(|file| file.ends_with(&[".rs"])) {
        if file.path.starts_with("crates/dr-cli/") || file.path.contains("/tests/") {
            continue;
        }
        let code = code(&file.text);
        let words: Vec<&str> = PRINTS.iter().copied().filter(|word| names_call(&code, word)).collect();
        if !words.is_empty() {
            found.insert(file.path, words);
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

fn names_call(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        let before = code.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn the_executables_hold_nothing_but_a_call() {
    for file in files("src/bin") {
        let lines = file.text.lines().count();
        assert!(lines <= 15, "{} has {lines} lines; what it does belongs into dr-cli", file.path);
    }
}
