//! A restore as a value: its plan, what each step needs and gives, and what comes next after any event.
//!
//! No clock, no randomness, no IO, no async. The edge observes, acts and waits; what an observation means is decided here.

pub mod action;
pub mod check;
pub mod compute;
pub mod condition;
pub mod decide;
pub mod finalize;
pub mod journal;
pub mod plan;
pub mod rights;
pub mod run;
pub mod slot;
pub mod withheld;
