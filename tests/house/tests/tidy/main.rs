//! The rules of this repository that no compiler holds.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: what cannot be read must stop the test that reads it"
)]

// The planner's own facts, so that the roles are held against the plans they make.
#[path = "../../../../crates/dr-run/tests/common/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "written for another test"
)]
mod bookstore;
mod docs;
mod graph;
mod imports;
mod rbac;
mod shape;
