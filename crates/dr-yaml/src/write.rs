//! Values written as a manifest, for what is not in any file: block style, keys in their order, lists as kubectl indents
//! them, and quotes wherever a reader of YAML could see something else than a string.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::edit::{is_plain, quoted};

/// The text of one document.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    match collection(value) {
        Some(Collection::Map(map)) => fields(&mut text, map, 0, false),
        Some(Collection::List(items)) => list(&mut text, items, 0),
        None => scalar(&mut text, value, 0),
    }
    text
}

/// What stands on lines of its own.
enum Collection<'v> {
    Map(&'v Map<String, Value>),
    List(&'v [Value]),
}

fn collection(value: &Value) -> Option<Collection<'_>> {
    let map = value.as_object().filter(|map| !map.is_empty()).map(Collection::Map);
    map.or_else(|| value.as_array().filter(|items| !items.is_empty()).map(|items| Collection::List(items)))
}

/// `inline`: the first field goes on with a line that is begun.
fn fields(text: &mut String, map: &Map<String, Value>, indent: usize, inline: bool) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 || !inline {
            pad(text, indent);
        }
        text.push_str(&if is_plain(key) { key.clone() } else { escaped(key) });
        text.push(':');
        match collection(value) {
            Some(Collection::Map(map)) => {
                text.push('\n');
                fields(text, map, indent + 2, false);
            }
            Some(Collection::List(items)) => {
                text.push('\n');
                list(text, items, indent);
            }
            None => {
                text.push(' ');
                scalar(text, value, indent);
            }
        }
    }
}

fn list(text: &mut String, items: &[Value], indent: usize) {
    for item in items {
        pad(text, indent);
        text.push_str("- ");
        match collection(item) {
            Some(Collection::Map(map)) => fields(text, map, indent + 2, true),
            // A list in a list: nobody writes it, and it is JSON here.
            Some(Collection::List(_)) | None => scalar(text, item, indent),
        }
    }
}

/// To the end of its line.
fn scalar(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(string) if is_plain(string) => text.push_str(string),
        Value::String(string) if is_block(string) => {
            text.push_str(if string.ends_with('\n') { "|" } else { "|-" });
            for line in string.lines() {
                text.push('\n');
                if !line.is_empty() {
                    pad(text, indent + 2);
                    text.push_str(line);
                }
            }
        }
        Value::String(string) => text.push_str(&escaped(string)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            text.push_str(&printable(&value.to_string()));
        }
    }
    text.push('\n');
}

fn escaped(string: &str) -> String {
    printable(&quoted(string))
}

/// JSON with what YAML does not take as it is: it stands in strings alone.
fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether its lines can stand as they are below a `|`.
fn is_block(text: &str) -> bool {
    let line = |line: &str| line.trim_end() == line && line.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    let body = text.strip_suffix('\n').unwrap_or(text);
    text.contains('\n')
        && !body.is_empty()
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && body.split('\n').all(line)
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Text, read};

    #[test]
    fn a_manifest_is_written_as_people_write_them() {
        let value = json!({
            "kind": "Schedule",
            "metadata": { "name": "nightly", "labels": {}, "annotations": { "a.b/c": "on", "d e": "" } },
            "spec": {
                "schedule": "0 2 * * *",
                "paused": false,
                "template": { "ttl": "720h", "includedNamespaces": ["bookstore", "1"], "hooks": { "resources": [
                    { "name": "flush", "pre": [{ "exec": { "command": ["sh", "-c", "sync; sync"], "timeout": null } }] },
                ] } },
            },
            "data": { "policies.yaml": "version: v1\n\nvolumePolicies:\n- a: 1\n", "cut": "a\nb" },
        });
        assert_eq!(
            write(&value),
            "\
data:
  cut: |-
    a
    b
  policies.yaml: |
    version: v1

    volumePolicies:
    - a: 1
kind: Schedule
metadata:
  annotations:
    a.b/c: \"on\"
    \"d e\": \"\"
  labels: {}
  name: nightly
spec:
  paused: false
  schedule: \"0 2 * * *\"
  template:
    hooks:
      resources:
      - name: flush
        pre:
        - exec:
            command:
            - sh
            - \"-c\"
            - \"sync; sync\"
            timeout: null
    includedNamespaces:
    - bookstore
    - \"1\"
    ttl: 720h
"
        );
    }

    #[test]
    fn what_is_written_reads_as_what_it_was() {
        let strings = [
            "",
            " ",
            "a ",
            "yes",
            "0o14",
            "0644",
            "1_000",
            "1:30",
            "1e3",
            "~",
            "null",
            "a: b",
            "# c",
            "- d",
            "{{ x }}",
            "\t",
            "a\n",
            "a\n\n",
            "\na",
            " a\nb",
            "a\n b\n",
            "a \nb",
            "a\tb\nc",
            "---\na",
            "a\n---\nb",
            "ü\nü",
            "\u{7f}",
            "\u{85}x\ny",
            "%a\nb",
            "&a",
            "*a",
            "!!str a",
            "'",
            "\"",
            "\\",
            "a\r\nb",
            "\u{2028}",
            "2001-01-01",
            ".inf",
            "=",
            "<<",
        ];
        for string in strings {
            let value = json!({ "k": string, string: [string, { "x": string }, [string, []], {}], "z": { "y": [[]] } });
            let text = write(&value);
            let mut documents = read(&Text::from(text.as_str())).documents;
            let tree = documents.pop().unwrap().tree.unwrap();
            assert_eq!(tree.value().unwrap(), value, "{text}");
            assert_eq!((documents.len(), tree.problems.len()), (0, 0), "{text}");
        }
        for value in [json!(1.5), json!(-3), json!(i64::MAX), json!(1e300), json!(true), json!(null)] {
            let text = write(&json!({ "k": value }));
            let tree = read(&Text::from(text.as_str())).documents.remove(0).tree.unwrap();
            assert_eq!(tree.value().unwrap()["k"], value, "{text}");
        }
    }
}
