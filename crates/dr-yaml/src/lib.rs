//! Manifests as kubectl reads them, with the place of every key and value.
//!
//! kubectl splits a stream at lines that begin with `---`, reads each document with go-yaml v2 (YAML 1.1) and turns it
//! into JSON. All three steps have their own ideas of `on`, `0644`, merge keys and `...`; this crate has the same ones, and
//! says where it stood. What it says is held against the real kubectl by `tests/golden.rs`.
//!
//! Guarantees: no panic on any input; time and memory in proportion to the input; aliases expand within go-yaml's own
//! budget; a document nested deeper than [`MAX_DEPTH`] is an error with its place. A span never leaves its text.

pub mod edit;
mod json;
pub mod made;
mod number;
mod parse;
pub mod path;
pub mod problem;
mod scalar;
mod split;
pub mod stream;
mod strict;
pub mod text;
pub mod tree;
mod value;
pub mod write;

pub use made::Made;
pub use path::{Path, Step};
pub use problem::{Problem, What};
pub use stream::{Document, SideBySide, Stream, Syntax, again, read, read_each};
pub use text::{Encoding, Lines, Place, Span, Text};
pub use tree::{Comment, Found, Node, NodeId, Style, Tree};
pub use write::write;

/// The deepest nesting of maps and lists that is read. kubectl allows 10,000; nothing an API server takes comes near.
pub const MAX_DEPTH: usize = 500;
