//! Whatever the text: an answer, soon, and no span outside of it.
#![allow(clippy::format_collect, clippy::format_push_string, reason = "plain words in a test")]

use std::time::{Duration, Instant};

use dr_yaml::{Document, Node, Text, What};
use proptest::prelude::*;

/// Reads everything there is to read of a text.
fn exhaust(text: &str) {
    let text = Text::from(text);
    for Document { span, tree } in dr_yaml::read(&text).documents {
        assert!(text.text.get(span).is_some());
        match tree {
            Err(problem) => assert!(text.text.get(problem.span.clone()).is_some(), "{problem:?}"),
            Ok(tree) => {
                for (id, _) in tree.nodes() {
                    assert!(text.text.get(tree.span(id)).is_some());
                }
                for problem in &tree.problems {
                    assert!(text.text.get(problem.span.clone()).is_some(), "{problem:?}");
                }
                if let Err(problem) = tree.value() {
                    assert!(text.text.get(problem.span.clone()).is_some(), "{problem:?}");
                }
            }
        }
    }
}

#[track_caller]
fn soon(text: &str) {
    let began = Instant::now();
    exhaust(text);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{} bytes took {took:?}", text.len());
}

#[test]
fn nesting_without_end_is_an_error_with_its_place() {
    for text in [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        "{a: ".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
    ] {
        soon(&text);
        let documents = dr_yaml::read(&Text::from(text.as_str())).documents;
        let problem = documents.into_iter().next().unwrap().tree.unwrap_err();
        assert!(matches!(problem.what, What::TooDeep | What::Unreadable), "{problem:?}");
    }
}

#[test]
fn a_document_that_expands_without_bound_is_refused_in_no_time() {
    let laughs = |levels: usize, width: usize| {
        let mut text = String::from("a0: &a0 [lol]\n");
        for level in 1..=levels {
            let aliases = vec![format!("*a{}", level - 1); width].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        text
    };
    let merges = |levels: usize| {
        let mut text = String::from("a0: &a0 {k: 1}\n");
        for level in 1..=levels {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} {{<<: [{aliases}]}}\n"));
        }
        text
    };
    for text in [laughs(9, 9), laughs(60, 2), merges(9)] {
        soon(&text);
        let tree = dr_yaml::read(&Text::from(text.as_str())).documents.remove(0).tree.unwrap();
        assert_eq!(tree.value().unwrap_err().message, "the aliases of this document expand beyond what kubectl reads");
    }
}

#[test]
fn time_grows_with_the_text_and_not_with_its_square() {
    let many = |part: &str, count: usize| part.repeat(count);
    for text in [
        many("# comment\n", 300_000),
        many("a: 1\n", 100_000),
        (0..100_000).map(|at| format!("k{at}: &a{at} {at}\n")).collect(),
        format!("a: [{}]", many("1,", 200_000)),
        format!("{{\"a\": [{}1]}}", many("1,", 200_000)),
        format!("a: \"{}\"", many("x \\n", 200_000)),
        format!("a: |\n{}", many("  line\n", 200_000)),
        many("---\nkind: A\n", 50_000),
        many("{\"a\":1}\n", 100_000),
        format!("a: {}", "x ".repeat(300_000)),
        many("\r\n", 300_000),
        format!("{}: 1", "k".repeat(500_000)),
    ] {
        soon(&text);
    }
}

#[test]
fn comments_in_any_number_stand_before_a_value() {
    let text = format!("spec:\n{}  a: 1\n", "  # why\n".repeat(2_000));
    let tree = dr_yaml::read(&Text::from(text.as_str())).documents.remove(0).tree.unwrap();
    assert_eq!(tree.value().unwrap(), serde_json::json!({"spec": {"a": 1}}));
    assert_eq!(tree.comments.len(), 2_000);
}

#[test]
fn a_document_that_cannot_be_read_hides_no_other() {
    let documents = dr_yaml::read(&Text::from("a: 1\n---\nb: [\n---\nc: 3\n")).documents;
    let read: Vec<bool> = documents.iter().map(|document| document.tree.is_ok()).collect();
    assert_eq!(read, [true, false, true]);
}

#[test]
fn what_follows_an_end_of_document_is_said_to_be_dropped() {
    let text = "a: 1\n...\nb: 2\n";
    let tree = dr_yaml::read(&Text::from(text)).documents.remove(0).tree.unwrap();
    let problem = tree.problems.first().unwrap();
    assert_eq!((problem.what, &text[problem.span.start..]), (What::Dropped, "b: 2\n"));
}

#[test]
fn the_place_of_a_value_is_found_through_aliases_merges_and_duplicates() {
    let text = "base: &b {x: 1}\na:\n  x: 0\n  <<: *b\nb: *b\nc: 1\nc: 2\nd:\n- e: 3\n";
    let tree = dr_yaml::read(&Text::from(text)).documents.remove(0).tree.unwrap();
    let at = |path: &str| {
        let found = tree.find(&dr_yaml::Path::keys(path)).unwrap();
        (&text[tree.span(found.value)], tree.span(found.value).start, found.shared)
    };
    assert_eq!(at("a.x"), ("1", text.find("1}").unwrap(), true));
    assert_eq!(at("b.x"), ("1", text.find("1}").unwrap(), true));
    assert_eq!(at("c"), ("2", text.find('2').unwrap(), false));
    let found = tree.find(&dr_yaml::Path::keys("d").index(0).key("e")).unwrap();
    assert_eq!(&text[tree.span(found.key.unwrap())], "e");
    assert!(matches!(tree.node(found.value), Some(Node::Scalar { .. })));
}

/// Text that is nearly YAML: its own signs, in any order.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a",
        "b: ",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "#",
        " # c",
        "&x ",
        "*x",
        "<<: ",
        "|",
        ">",
        "|-\n",
        "!!str ",
        "!t ",
        "---",
        "\n---\n",
        "...",
        "?",
        "\t",
        "\r\n",
        "ä",
        "\u{feff}",
        "\u{2028}",
        "%YAML 1.1\n",
        "0x1F",
        "1_000",
        "~",
        "\\u00e9",
        "\\",
        "\u{0}",
        "{\"a\":",
        "1}",
        "k: v\n",
    ]);
    prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic_or_point_outside(text in nearly_yaml()) {
        exhaust(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(text) = Text::decode(bytes) {
            exhaust(&text.text);
        }
    }
}
