//! A whole file: its documents, each read for itself, so that a broken one hides no other.

use crate::parse;
use crate::problem::Problem;
use crate::split::{self, Piece};
use crate::text::{Span, Text};
use crate::tree::Tree;

/// One document of a stream.
#[derive(Debug)]
pub struct Document {
    /// The document's bytes, separator lines left out.
    pub span: Span,
    pub tree: Result<Tree, Problem>,
}

/// The documents of one file in their order; those that hold nothing but comments are left out, as kubectl does.
#[derive(Debug)]
pub struct Stream {
    pub documents: Vec<Document>,
}

/// Reads a text as kubectl does, except that it goes on behind a document that cannot be read.
pub fn read(text: &Text) -> Stream {
    let pieces = split::pieces(&text.text, text.encoding).into_iter();
    let documents = pieces.filter_map(|piece| match piece {
        Piece::Json(span, tree) => Some(Document { span, tree: Ok(*tree) }),
        Piece::Bad(span, problem) => Some(Document { span, tree: Err(problem) }),
        Piece::Yaml(span) => match parse::document(&text.text, span.clone()) {
            Ok(None) => None,
            Ok(Some(tree)) => Some(Document { span, tree: Ok(tree) }),
            Err(problem) => Some(Document { span, tree: Err(problem) }),
        },
    });
    Stream { documents: documents.collect() }
}
