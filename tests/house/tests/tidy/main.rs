//! The rules of this repository that no compiler holds.

mod docs;
mod graph;
mod imports;
mod rbac;
mod shape;
