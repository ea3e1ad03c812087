//! What is true of a cluster and of a backup, and what follows from it: plain functions over values.
//!
//! No clock, no randomness, no IO, no async. Time, facts and names come in as arguments.

pub mod facts;
pub mod fingerprint;
pub mod kind;
pub mod object;
