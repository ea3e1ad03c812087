//! A cluster as a value, strict enough that what works on it has to work on a real one.
//!
//! [`world::World`] holds raw JSON objects and volumes with content; [`World::tick`](world::World::tick) lets every
//! controller take one step in an order that a seed chooses. [`drive`] performs a run on it, and can be stopped,
//! copied and woken up between any two of its acts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a model for tests only: a state it does not know must stop the test, with the line where it arose"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::similar_names,
    clippy::struct_excessive_bools,
    clippy::doc_markdown,
    reason = "a model names few of the many kinds; owner and owned, patch and patched are what the things are called; kinds are spelt as
              Kubernetes spells them"
)]

pub mod api;
pub mod app;
pub mod controllers;
pub mod drive;
pub mod facts;
pub mod fake_api;
pub mod invariant;
pub mod normal;
pub mod rng;
pub mod served;
pub mod sweep;
pub mod volume;
pub mod world;
