//! A whole file: its documents, each read for itself, so that a broken one hides no other.

use std::sync::{Mutex, PoisonError};

use crate::json;
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

/// As what kubectl reads a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Yaml,
    Json,
}

/// Has each number below the first one worked on once, in any order, and as many at a time as it likes.
pub type SideBySide<'r> = &'r (dyn Fn(usize, &(dyn Fn(usize) + Sync)) + Sync);

/// Reads a text as kubectl does, except that it goes on behind a document that cannot be read.
pub fn read(text: &Text) -> Stream {
    let one_by_one = |count: usize, work: &(dyn Fn(usize) + Sync)| (0..count).for_each(work);
    Stream { documents: read_each(text, &one_by_one, |_, document| document) }
}

/// The same, and of each document only what is made of it: trees are far larger than what they are read from.
pub fn read_each<T: Send>(
    text: &Text,
    side_by_side: SideBySide<'_>,
    of: impl Fn(Syntax, Document) -> T + Sync,
) -> Vec<T> {
    enum Cell<T> {
        Piece(Piece),
        Made(T),
        Empty,
    }
    let read = |piece: Piece| match piece {
        Piece::Json(span, tree) => Some(of(Syntax::Json, Document { span, tree: Ok(*tree) })),
        Piece::Bad(span, problem) => Some(of(Syntax::Yaml, Document { span, tree: Err(problem) })),
        Piece::Yaml(span) => {
            let tree = parse::document(&text.text, span.clone()).transpose()?;
            Some(of(Syntax::Yaml, Document { span, tree }))
        }
    };
    let read = |cell: &mut Cell<T>| {
        *cell = match std::mem::replace(cell, Cell::Empty) {
            Cell::Piece(piece) => read(piece).map_or(Cell::Empty, Cell::Made),
            cell @ (Cell::Made(_) | Cell::Empty) => cell,
        }
    };
    let pieces = split::pieces(&text.text, text.encoding).into_iter();
    let cells: Vec<Mutex<Cell<T>>> = pieces.map(|piece| Mutex::new(Cell::Piece(piece))).collect();
    side_by_side(cells.len(), &|at| {
        if let Some(cell) = cells.get(at) {
            read(&mut cell.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
    let made = cells.into_iter().filter_map(|cell| {
        let mut cell = cell.into_inner().unwrap_or_else(PoisonError::into_inner);
        // One that was passed over is read all the same.
        read(&mut cell);
        match cell {
            Cell::Made(made) => Some(made),
            Cell::Piece(_) | Cell::Empty => None,
        }
    });
    made.collect()
}

/// The tree of a document that could be read of this text before, at the span it had.
pub fn again(text: &str, span: Span, syntax: Syntax) -> Option<Tree> {
    match syntax {
        Syntax::Json => json::read(text, span.start).ok().map(|(tree, _)| tree),
        Syntax::Yaml => parse::document(text, span).ok().flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 5] = [
        "a: 1\n---\n# nothing\n---\nb: {\n---\nc: [x, *x]\n---\nd: &d 2\ne: *d # said\n",
        "{\"a\": 1} {\"b\": [true]}",
        "{\"a\": 1}\n---\n{\"b\": 2}",
        "{\"a\": 1,}",
        "a: 1\n--- b\nc: 2\n",
    ];

    #[test]
    fn what_is_read_side_by_side_and_out_of_order_is_what_is_read_one_by_one() {
        let backwards = |count: usize, work: &(dyn Fn(usize) + Sync)| (0..count).rev().for_each(work);
        let twice_or_never = |count: usize, work: &(dyn Fn(usize) + Sync)| {
            (0..count).step_by(2).for_each(|at| [at, at].into_iter().for_each(work));
        };
        for text in TEXTS {
            let text = Text::from(text);
            let wanted = format!("{:?}", read(&text).documents);
            for side_by_side in [&backwards as SideBySide<'_>, &twice_or_never] {
                assert_eq!(format!("{:?}", read_each(&text, side_by_side, |_, document| document)), wanted);
            }
        }
    }

    #[test]
    fn a_document_that_is_read_again_is_the_same() {
        for text in TEXTS {
            let text = Text::from(text);
            let one_by_one = |count: usize, work: &(dyn Fn(usize) + Sync)| (0..count).for_each(work);
            for (syntax, Document { span, tree }) in
                read_each(&text, &one_by_one, |syntax, document| (syntax, document))
            {
                let Ok(tree) = tree else { continue };
                let found = again(&text.text, span, syntax);
                assert_eq!(format!("{found:?}"), format!("{:?}", Some(tree)));
            }
        }
    }
}
