//! What must not matter does not: order, JSON for YAML, a List around it, other files, unrelated objects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use std::fs;
use std::path::Path;

use dr_lint::{Appetite, Input, Settings};
use serde_json::{Value, json};

/// The streams that fire, by rule; those about the reading and about comments are about how things are written.
fn streams() -> Vec<(String, String)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found = Vec::new();
    for entry in fs::read_dir(cases).unwrap() {
        let folder = entry.unwrap().path();
        let rule = folder.file_name().unwrap().to_string_lossy().into_owned();
        let about = dr_lint::RULES.iter().find(|known| known.id == rule).unwrap().family;
        if matches!(about, dr_lint::Family::Manifest | dr_lint::Family::Suppression) {
            continue;
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let live = path.file_name().is_some_and(|name| name.to_string_lossy().contains("-live."));
            if !live && path.extension().is_some_and(|end| end == "yaml") {
                found.push((path.display().to_string(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 50);
    found
}

fn values(text: &str) -> Vec<Value> {
    let documents = dr_yaml::read(&dr_yaml::Text::from(text)).documents;
    documents.into_iter().map(|document| document.tree.unwrap().value().unwrap()).collect()
}

/// Rule, object, path and message of each finding, sorted: all but the places.
fn findings(texts: &[String]) -> Vec<String> {
    let mut input = Input::default();
    for (at, text) in texts.iter().enumerate() {
        input.add(format!("{at}.yaml"), text.as_bytes(), false);
    }
    let settings = Settings { appetite: Appetite::Audit, ..Settings::default() };
    let judgement = dr_lint::judge(&input, &settings);
    let mut told: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| {
            let object = finding.object.map(|id| input.objects[id].label());
            format!("{} {object:?} {} {}", finding.rule, finding.path, finding.message)
        })
        .collect();
    told.sort();
    told
}

#[track_caller]
fn same(name: &str, how: &str, before: &[String], texts: &[String]) {
    assert_eq!(findings(texts), before, "{name}, {how}");
}

#[test]
fn findings_do_not_hang_on_how_and_where_things_are_written() {
    for (name, text) in streams() {
        let before = findings(std::slice::from_ref(&text));
        let values = values(&text);
        let json: Vec<String> = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
        same(&name, "as JSON", &before, &[json.join("\n")]);
        same(&name, "a file each", &before, &json);
        let turned: Vec<String> = json.iter().rev().cloned().collect();
        same(&name, "turned round", &before, &turned);
        same(&name, "as a List", &before, &[json!({"apiVersion": "v1", "kind": "List", "items": values}).to_string()]);
        same(&name, "with CRLF", &before, &[text.replace('\n', "\r\n")]);
        same(&name, "behind a byte order mark", &before, &[format!("\u{feff}{text}")]);
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "other"}, "data": {"a": "b"}});
        same(&name, "beside another object", &before, &[other.to_string(), text.clone()]);
        let flow: Vec<String> = json.iter().map(|json| format!("---\n{json}\n")).collect();
        same(&name, "in flow style", &before, &[flow.concat()]);
    }
}

#[test]
fn keys_may_be_quoted() {
    for (name, text) in streams() {
        let before = findings(std::slice::from_ref(&text));
        let quoted: String = text
            .split_inclusive('\n')
            .map(|line| {
                let bare = line.trim_start_matches([' ', '-']);
                let indent = line.strip_suffix(bare).unwrap();
                match bare.split_once(':') {
                    Some((key, rest))
                        if key.chars().all(|c| c.is_ascii_alphanumeric()) && (rest.starts_with([' ', '\n'])) =>
                    {
                        format!("{indent}\"{key}\":{rest}")
                    }
                    Some(_) | None => line.to_owned(),
                }
            })
            .collect();
        // Inside of block scalars quotes are text.
        if values(&quoted) == values(&text) {
            same(&name, "with quoted keys", &before, &[quoted]);
        }
    }
}

#[test]
fn by_whom_and_in_which_order_rules_are_worked_on_does_not_matter() {
    let mut input = Input::default();
    for (name, text) in streams() {
        input.add(name, text.as_bytes(), false);
    }
    let settings = Settings { appetite: Appetite::Audit, ..Settings::default() };
    let one_after_the_other = dr_lint::judge(&input, &settings);
    assert!(one_after_the_other.findings.len() > 50);
    let backwards = dr_lint::judge_with(&input, &settings, &|count, work| (0..count).rev().for_each(work));
    let twice = dr_lint::judge_with(&input, &settings, &|count, work| (0..2 * count).for_each(|at| work(at % count)));
    let side_by_side = dr_lint::judge_with(&input, &settings, &|count, work| {
        std::thread::scope(|scope| (0..count).for_each(|at| drop(scope.spawn(move || work(at)))));
    });
    let none = dr_lint::judge_with(&input, &settings, &|_, _| ());
    for other in [backwards, twice, side_by_side, none] {
        assert!(other == one_after_the_other);
    }
}
