//! kubectl's documents: a stream is cut at lines that begin with `---`, before any YAML is read.
//!
//! `k8s.io/apimachinery/pkg/util/yaml/decoder.go:YAMLReader.Read` and `YAMLOrJSONDecoder.Decode` at v0.34.

use crate::json;
use crate::problem::Problem;
use crate::text::{Encoding, Span};
use crate::tree::Tree;

/// One piece of a stream.
#[derive(Debug)]
pub(crate) enum Piece {
    Yaml(Span),
    Json(Span, Box<Tree>),
    /// A separator line with something behind it: kubectl stops here.
    Bad(Span, Problem),
}

pub(crate) fn pieces(text: &str, encoding: Encoding) -> Vec<Piece> {
    match encoding {
        // kubectl looks for its separators among bytes, and finds none in UTF-16: all of it is one document.
        Encoding::Utf16Le | Encoding::Utf16Be => vec![Piece::Yaml(0..text.len())],
        Encoding::Utf8 if text.trim_start().starts_with('{') => json_stream(text),
        Encoding::Utf8 => {
            let mut found = Vec::new();
            yaml(text, 0, &mut found);
            found
        }
    }
}

/// Concatenated JSON objects. Where at most one was read before something else comes, the rest is read as YAML.
fn json_stream(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let start = at + (rest.len() - rest.trim_start().len());
        if start >= text.len() {
            return found;
        }
        match json::read(text, start) {
            Ok((tree, end)) => {
                found.push(Piece::Json(start..end, Box::new(tree)));
                at = end;
            }
            Err(problem) if found.len() > 1 => {
                found.push(Piece::Bad(start..text.len(), problem));
                return found;
            }
            Err(problem) => {
                let from = after_blank(text, at);
                let before = found.len();
                yaml(text, from, &mut found);
                // A file that begins as JSON and is neither is told what its JSON lacks, as kubectl does.
                if before == 0 && !crate::parse::readable(text, &found) {
                    return vec![Piece::Bad(start..text.len(), problem)];
                }
                return found;
            }
        }
    }
}

/// Behind the whitespace, up to and including the first line break.
fn after_blank(text: &str, at: usize) -> usize {
    let mut end = at;
    for c in text.get(at..).unwrap_or("").chars() {
        if !c.is_whitespace() {
            break;
        }
        end += c.len_utf8();
        if c == '\n' {
            break;
        }
    }
    end
}

fn yaml(text: &str, from: usize, found: &mut Vec<Piece>) {
    let mut start = from;
    let mut at = from;
    for line in text.get(from..).unwrap_or("").split_inclusive('\n') {
        let end = at + line.len();
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                let span = at..at + line.trim_end().len();
                let message = format!("only blanks and a comment may follow --- on its line, not {rest:?}");
                // kubectl loses the document before it as well; it is judged all the same.
                found.push(Piece::Bad(at..end, Problem::unreadable(span, message)));
                if start < at {
                    found.push(Piece::Yaml(start..at));
                }
                start = end;
            } else {
                if start < at {
                    found.push(Piece::Yaml(start..at));
                }
                start = end;
            }
        }
        at = end;
    }
    if start < at {
        found.push(Piece::Yaml(start..at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let pieces = pieces(text, Encoding::Utf8);
        let shown = pieces.into_iter().map(|piece| match piece {
            Piece::Yaml(span) => text[span].to_owned(),
            Piece::Json(span, _) => format!("json {}", &text[span]),
            Piece::Bad(span, _) => format!("bad {}", &text[span]),
        });
        shown.collect()
    }

    #[test]
    fn a_stream_is_cut_at_lines_that_begin_with_three_dashes() {
        assert_eq!(texts("---\na: 1\n--- # two\nb: 2"), ["a: 1\n", "b: 2"]);
        assert_eq!(texts("a: |\n  x\n---\nb: 2\n ---\n"), ["a: |\n  x\n", "b: 2\n ---\n"]);
        assert_eq!(texts("a: 1\n---b\nc: 2\n"), ["bad ---b\n", "a: 1\n", "c: 2\n"]);
    }

    #[test]
    fn what_begins_with_a_brace_is_a_stream_of_json_objects_first() {
        assert_eq!(texts("{\"a\":1}{\"b\":2}\n {}"), ["json {\"a\":1}", "json {\"b\":2}", "json {}"]);
        assert_eq!(texts("{\"a\":1}\n---\nb: 2\n"), ["json {\"a\":1}", "b: 2\n"]);
        assert_eq!(texts("{a: 1}\n"), ["{a: 1}\n"]);
    }
}
