//! What is true of a cluster and of a backup, and what follows from it: plain functions over values.
//!
//! No clock, no randomness, no IO, no async. Time, facts and names come in as arguments.

pub mod care;
pub mod choose;
pub mod claims;
pub mod cover;
pub mod cron;
pub mod drift;
pub mod engine;
pub mod facts;
pub mod fingerprint;
pub mod gitops;
pub mod go_duration;
pub mod kind;
pub mod object;
pub mod quantity;
pub mod recovery;
pub mod redact;
pub mod refusal;
pub mod room;
pub mod schedule;
pub mod select;
pub mod timetable;
pub mod verify;
pub mod writers;
