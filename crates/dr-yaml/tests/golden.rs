//! What the real kubectl made of each case, against what we make of it. `cargo xtask golden yaml` asks it again.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeSet;

use dr_yaml::{Document, Text, What};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    name: String,
    input: String,
    objects: Vec<Value>,
    fails: bool,
}

fn cases() -> Vec<Case> {
    let file = include_str!("golden.jsonl");
    file.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The objects before the first document that cannot be read, and whether there is one: where kubectl stops.
fn read(input: &str) -> (Vec<Value>, Option<String>) {
    let mut objects = Vec::new();
    for Document { tree, .. } in dr_yaml::read(&Text::from(input)).documents {
        match tree.and_then(|tree| tree.value()) {
            Ok(Value::Null) => {}
            Ok(value) => objects.push(value),
            Err(problem) => return (objects, Some(problem.message)),
        }
    }
    (objects, None)
}

/// Equal as kubectl prints it: numbers by their value.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) if a.is_i64() || b.is_i64() => a == b,
        // The test's own reader of JSON is off by one in the last bit of a float.
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON)
        }
        (a, b) => a == b,
    }
}

/// How we differ, in words; none where we do not.
fn difference(case: &Case) -> Option<String> {
    let (objects, failure) = read(&case.input);
    let agree = objects.len() == case.objects.len() && objects.iter().zip(&case.objects).all(|(a, b)| same(a, b));
    if agree && failure.is_some() == case.fails {
        return None;
    }
    let ours = failure.map_or_else(|| format!("{objects:?}"), |failure| format!("{objects:?}, then {failure}"));
    let theirs = if case.fails { format!("{:?}, then an error", case.objects) } else { format!("{:?}", case.objects) };
    Some(format!("{}: {:?}\n  ours    {ours}\n  kubectl {theirs}", case.name, case.input))
}

/// Cases in which we differ from kubectl, and know it. Only in what is refused: a value is never read otherwise.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "a line break of YAML 1.1 that no editor shows is refused, wherever it stands",
        &["key \"a\\u{85}b\"", "flow \"a\\u{85}b\"", "key \"a\\u{2028}b\"", "flow \"a\\u{2028}b\""],
    ),
    (
        "a comment without a blank before it",
        &[
            "value \"\\\"a\\\"#b\"",
            "key \"\\\"a\\\"#b\"",
            "block |#c 0",
            "block |#c 1",
            "block |#c 2",
            "block |#c 3",
            "block |#c 5",
            "block |#c 6",
            "block |#c 7",
            "block |#c 8",
            "block |#c 9",
            "block |#c 10",
            "block |#c 12",
            "block |#c 14",
            "block |#c 15",
            "block |#c 16",
            "block |#c 17",
        ],
    ),
    ("a dash alone, or a key without a value, in {} and []", &["flow \"-\"", "flow \"a:\"", "fragment 145"]),
    ("a tab as indentation in {} and []", &["fragment 51", "fragment 52"]),
    ("an alias as a key, without a blank before the colon", &["fragment 26"]),
];

fn known() -> BTreeSet<&'static str> {
    KNOWN.iter().flat_map(|(_, names)| names.iter().copied()).collect()
}

#[test]
fn every_case_is_read_as_kubectl_reads_it() {
    let cases = cases();
    assert!(cases.len() >= 1500, "only {} cases", cases.len());
    let known = known();
    let mut wrong = Vec::new();
    for case in &cases {
        match (difference(case), known.contains(case.name.as_str())) {
            (None, false) | (Some(_), true) => {}
            (None, true) => wrong.push(format!("{}: no difference any more; take it off the list", case.name)),
            (Some(difference), false) => wrong.push(difference),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn where_we_differ_we_refuse_what_kubectl_reads_and_never_read_another_value() {
    for case in cases().iter().filter(|case| known().contains(case.name.as_str())) {
        let (objects, failure) = read(&case.input);
        assert!(failure.is_some() || case.fails, "{}: both read it, differently", case.name);
        assert!(objects.iter().zip(&case.objects).all(|(a, b)| same(a, b)), "{}: {objects:?}", case.name);
    }
}

#[test]
fn every_span_of_every_case_lies_in_its_text_and_holds_what_it_says() {
    for case in cases() {
        let text = Text::from(case.input.as_str());
        for Document { tree, span } in dr_yaml::read(&text).documents {
            assert!(text.text.get(span).is_some(), "{}", case.name);
            let tree = match tree {
                Ok(tree) => tree,
                Err(problem) => {
                    assert!(text.text.get(problem.span.clone()).is_some(), "{}: {problem:?}", case.name);
                    continue;
                }
            };
            for problem in &tree.problems {
                assert!(text.text.get(problem.span.clone()).is_some(), "{}: {problem:?}", case.name);
                assert!(matches!(problem.what, What::Dropped | What::DuplicateKey), "{}", case.name);
            }
            for comment in &tree.comments {
                assert!(text.text[comment.span.clone()].starts_with('#'), "{}", case.name);
            }
            for (id, node) in tree.nodes() {
                let source = text.text.get(tree.span(id));
                let source = source.unwrap_or_else(|| panic!("{}: {node:?} at {:?}", case.name, tree.span(id)));
                if let dr_yaml::Node::Scalar { text, style: dr_yaml::Style::Plain } = node
                    && !text.contains([' ', '\n'])
                    && !source.is_empty()
                {
                    assert_eq!(source, &**text, "{}", case.name);
                }
            }
        }
    }
}
