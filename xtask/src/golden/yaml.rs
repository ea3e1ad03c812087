//! The cases about YAML: scalars in every position, styles, tags, anchors, merge keys, streams, JSON, and random documents.
#![expect(clippy::format_push_string, reason = "not a place where a second allocation is felt")]

use anyhow::{Context as _, Result};
use serde::Deserialize;

const HEAD: &str = "apiVersion: dr/v1\nkind: Case\nmetadata: {name: x}\n";

/// Name and text of each case.
pub(crate) fn inputs() -> Result<Vec<(String, String)>> {
    let named: Named = serde_json::from_str(include_str!("yaml.json")).context("read golden/yaml.json")?;
    let mut all = Vec::new();
    scalars(&mut all, &named.words);
    tags(&mut all);
    blocks(&mut all);
    quoted(&mut all);
    fragments(&mut all, &named.fragments);
    all.extend(named.streams.into_iter().enumerate().map(|(at, text)| (format!("stream {at}"), text)));
    random(&mut all, 300);
    Ok(all)
}

fn add(all: &mut Vec<(String, String)>, name: impl Into<String>, body: &str) {
    all.push((name.into(), format!("{HEAD}{body}")));
}

/// Each word as a value, as a key, in a flow map, a flow list and a block list.
fn scalars(all: &mut Vec<(String, String)>, words: &[String]) {
    for word in words {
        add(all, format!("value {word:?}"), &format!("spec:\n  v: {word}\n"));
        add(all, format!("key {word:?}"), &format!("spec:\n  {word}: 1\n"));
        add(all, format!("flow {word:?}"), &format!("spec: {{v: {word}, w: [{word}]}}\n"));
    }
    let signs = ["", "-", "+"];
    let wholes = ["0", "7", "12", "012", "0x1a", "0o7", "0b11", "1_2"];
    let rests = ["", ".0", ".25", "e2", ".5e-1", "_0"];
    for sign in signs {
        for whole in wholes {
            for rest in rests {
                add(
                    all,
                    format!("number {sign}{whole}{rest}"),
                    &format!("spec:\n  - {sign}{whole}{rest}\n  - a: {sign}{whole}{rest}\n"),
                );
            }
        }
    }
}

fn tags(all: &mut Vec<(String, String)>) {
    let tags = [
        "!!str",
        "!!int",
        "!!float",
        "!!bool",
        "!!null",
        "!!binary",
        "!!timestamp",
        "!!merge",
        "!!set",
        "!foo",
        "!",
        "!<tag:yaml.org,2002:int>",
        "!<tag:dr,2000:x>",
    ];
    let values = [
        "1",
        "1.5",
        "yes",
        "~",
        "",
        "a",
        "aGk=",
        "aGk",
        "a G k =",
        "2001-01-01",
        "2001-02-30",
        "2001-01-01T10:00:00Z",
        "'1'",
        "\"yes\"",
        "0x1F",
        "18446744073709551615",
        "<<",
    ];
    for tag in tags {
        for value in values {
            add(all, format!("tag {tag} {value:?}"), &format!("spec:\n  v: {tag} {value}\n"));
        }
    }
    for (name, body) in [
        ("tag on map", "spec: !!map {a: 1}\n"),
        ("tag on seq", "spec: !!seq [a]\n"),
        ("wrong tag on map", "spec: !!seq {a: 1}\n"),
        ("set", "spec: !!set {a, b}\n"),
        ("omap", "spec: !!omap\n- a: 1\n- b: 2\n"),
        ("tag on key", "spec: {!!int '1': a, !!str 2: b}\n"),
        ("binary key", "spec: {!!binary aGk=: a}\n"),
        ("binary block", "spec:\n  v: !!binary |\n    aGVs\n    bG8=\n"),
        ("binary of no text", "spec:\n  v: !!binary /w==\n"),
        ("tag and anchor", "spec:\n  a: !!str &x 1\n  b: *x\n"),
        ("anchor and tag", "spec:\n  a: &x !!str 1\n  b: *x\n"),
        ("unknown handle", "spec:\n  a: !e!x 1\n"),
    ] {
        add(all, name, body);
    }
}

fn blocks(all: &mut Vec<(String, String)>) {
    let heads = ["|", ">", "|-", ">-", "|+", ">+", "|2", ">2-", "|-2", "|1", "|0", "|10", "| # c", "|#c", "|x"];
    let bodies = [
        "    a\n",
        "    a\n    b\n",
        "    a\n\n    b\n",
        "    a\n      b\n    c\n",
        "      a\n    b\n",
        "\n\n    a\n",
        "    a\n\n\n",
        "    a",
        "",
        "    - a\n    - b\n",
        "    a # b\n",
        "    a\n   b\n",
        "    a\r\n    b\r\n",
        "    \ta\n",
        "    a \n    b\t\n",
        "    a\n  \n    b\n",
        "    ---\n    ...\n",
        "    # a\n    b\n",
    ];
    for head in heads {
        for (at, body) in bodies.iter().enumerate() {
            add(all, format!("block {head} {at}"), &format!("spec:\n  v: {head}\n{body}"));
        }
    }
    for (name, body) in [
        ("block then key", "spec:\n  v: |\n    a\n  w: 1\n"),
        ("block then comment", "spec:\n  v: |\n    a\n  # c\n  w: 1\n"),
        ("block keep then key", "spec:\n  v: |+\n    a\n\n\n  w: 1\n"),
        ("block in list", "spec:\n- |\n  a\n- >\n  b\n  c\n"),
        ("block at column 0", "spec: |\na\n"),
        ("folded paragraphs", "spec:\n  v: >\n    a\n    b\n\n    c\n      d\n    e\n"),
        ("block with tabs before", "spec:\n  v: |\n\t a\n"),
        ("script", "spec:\n  command: |\n    #!/bin/sh\n    set -eu\n    echo \"a: b\" | tee /x\n"),
    ] {
        add(all, name, body);
    }
}

fn quoted(all: &mut Vec<(String, String)>) {
    let insides = [
        "a\n  b",
        "a\n\n  b",
        "a \n  b",
        "a\n    b",
        "  a  ",
        "a\n\n\n  b",
        "\n  a",
        "a\n  ",
        "a\tb",
        "a\n\tb",
        "a: b\n  c",
        "- a",
        "{a",
        "# a",
        "a\r\n  b",
    ];
    for (at, inside) in insides.iter().enumerate() {
        add(all, format!("double quoted {at}"), &format!("spec:\n  v: \"{inside}\"\n"));
        add(all, format!("single quoted {at}"), &format!("spec:\n  v: '{inside}'\n"));
        add(all, format!("plain over lines {at}"), &format!("spec:\n  v: x{inside}\n  w: 1\n"));
        add(all, format!("quoted in flow {at}"), &format!("spec: [\"{inside}\", '{inside}']\n"));
    }
    for (name, body) in [
        ("quote not closed", "spec:\n  v: \"a\n"),
        ("single quote not closed", "spec:\n  v: 'a\n"),
        ("under-indented double", "spec:\n  v: \"a\nb\"\n"),
        ("under-indented single", "spec:\n  v: 'a\nb'\n"),
        ("escaped line break", "spec:\n  v: \"a \\\n     b\"\n"),
        ("long key", &format!("spec:\n  {}: 1\n", "k".repeat(1100))),
        ("long quoted key", &format!("spec:\n  \"{}\": 1\n", "k".repeat(1100))),
        ("long key in flow", &format!("spec: {{{}: 1}}\n", "k".repeat(1100))),
        ("key of 1000", &format!("spec:\n  {}: 1\n", "k".repeat(1000))),
        ("long value", &format!("spec:\n  v: {}\n", "v ".repeat(3000))),
    ] {
        add(all, name, body);
    }
}

/// What is easier said in a file of its own: words, parts of documents, whole streams.
#[derive(Deserialize)]
struct Named {
    words: Vec<String>,
    fragments: Vec<String>,
    streams: Vec<String>,
}

fn fragments(all: &mut Vec<(String, String)>, fragments: &[String]) {
    for (at, fragment) in fragments.iter().enumerate() {
        add(all, format!("fragment {at}"), fragment);
    }
    for depth in [10, 100] {
        let body = format!("spec: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        add(all, format!("{depth} brackets"), &body);
    }
    let keys: Vec<String> = (0..300).map(|at| format!("  k{at}: {at}\n")).collect();
    add(all, "300 keys", &format!("spec:\n{}", keys.concat()));
    for (name, levels) in [("billion laughs", 9), ("a few laughs", 3)] {
        let level = |at: i32| format!("  a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 9].join(", "));
        let levels: Vec<String> = (1..levels).map(level).collect();
        add(all, name, &format!("spec:\n  a0: &a0 lol\n{}", levels.concat()));
    }
}

/// Documents made by chance, always the same: what is nested, how it is written, what stands between.
fn random(all: &mut Vec<(String, String)>, count: usize) {
    let mut dice = Dice(0x5eed);
    for at in 0..count {
        let mut text = String::from("spec:\n");
        mapping(&mut dice, &mut text, 2, 0);
        add(all, format!("random {at}"), &text);
    }
}

/// A generator that every machine agrees on.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides.max(1) as u64).unwrap_or(0)
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words.get(self.roll(words.len())).copied().unwrap_or("")
    }
}

const KEYS: &[&str] = &["a", "b", "c-d", "e.f/g", "\"h\"", "'i j'", "yes", "1", "0x1F", "on", "k_l", "m"];
const VALUES: &[&str] = &[
    "1",
    "-5",
    "1.5",
    "yes",
    "off",
    "~",
    "",
    "text",
    "two words",
    "\"quoted\"",
    "'single'",
    "\"\\u00e9\\n\"",
    "0644",
    "1_000",
    "a:b",
    "a#b",
    "[]",
    "{}",
    "[1, two, \"3\"]",
    "{p: 1, q: [r, s]}",
    "2001-01-01",
    "!!str 12",
    "!!int \"7\"",
    "30d",
    "- x",
    "\"a # b\"",
];

fn mapping(dice: &mut Dice, text: &mut String, indent: usize, depth: usize) {
    for at in 0..=dice.roll(4) {
        text.push_str(&" ".repeat(indent));
        let key = dice.pick(KEYS);
        // Keys that differ, so that no two become one.
        if key.starts_with(['"', '\'']) || key.len() > 3 {
            text.push_str(key);
        } else {
            text.extend([key.to_owned(), (at + 1).to_string()]);
        }
        text.push(':');
        node(dice, text, indent, depth);
        if dice.roll(6) == 0 {
            text.push_str(&format!("{}# comment\n", " ".repeat(dice.roll(8))));
        }
    }
}

fn node(dice: &mut Dice, text: &mut String, indent: usize, depth: usize) {
    let comment = if dice.roll(8) == 0 { " # c" } else { "" };
    let end = if dice.roll(10) == 0 { "\r\n" } else { "\n" };
    match dice.roll(if depth < 3 { 7 } else { 4 }) {
        4 => {
            text.push_str(&format!("{comment}{end}"));
            let inner = indent + 1 + dice.roll(3);
            mapping(dice, text, inner, depth + 1);
        }
        5 => {
            text.push_str(&format!("{comment}{end}"));
            let dash = indent + dice.roll(3);
            for _ in 0..=dice.roll(3) {
                text.push_str(&format!("{}-", " ".repeat(dash)));
                node(dice, text, dash + 1, depth + 1);
            }
        }
        6 => {
            let head = dice.pick(&["|", ">", "|-", ">-", "|+"]);
            text.push_str(&format!(" {head}{comment}{end}"));
            let inner = " ".repeat(indent + 1 + dice.roll(3));
            for _ in 0..=dice.roll(3) {
                let line = dice.pick(&["line", "  more", "- a", "a: b", "# no comment", ""]);
                let line = if text.ends_with(&format!("{head}{comment}{end}")) { line.trim_start() } else { line };
                text.push_str(&format!("{inner}{line}\n"));
            }
        }
        _ => text.push_str(&format!(" {}{comment}{end}", dice.pick(VALUES))),
    }
}
