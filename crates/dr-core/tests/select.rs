//! Whether an item is in a backup, how its data is captured, and why: the cases that decide nights.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "tests build JSON in place and stop at once"
)]

#[path = "select/build.rs"]
mod build;
#[path = "select/differences.rs"]
mod differences;
#[path = "select/docs.rs"]
mod docs;
#[path = "select/filters.rs"]
mod filters;
#[path = "select/hooks.rs"]
mod hooks;
#[path = "select/language.rs"]
mod language;
#[path = "select/versions.rs"]
mod versions;
#[path = "select/volumes.rs"]
mod volumes;
