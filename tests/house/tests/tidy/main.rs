//! The rules of this repository that no compiler holds.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: what cannot be read must stop the test that reads it"
)]

mod docs;
mod graph;
mod imports;
mod rbac;
mod shape;
