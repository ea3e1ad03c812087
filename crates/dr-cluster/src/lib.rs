//! The only crate that speaks to a cluster: it observes, acts, waits and writes the journal. What an observation means
//! and what is to be done is decided by `dr-run`; policy has no branch here.

pub mod act;
pub mod api_error;
pub mod archive;
pub mod cache;
pub mod capture;
pub mod connect;
pub mod documents;
pub mod events;
pub mod everything;
pub mod exec;
pub mod execute;
#[cfg(test)]
mod fake;
pub mod forward;
pub mod journal_store;
pub mod lease;
pub mod local_copy;
pub mod observe;
mod perform;
mod request;
pub mod rights;
mod stop;
pub mod takeover;
pub mod tally;
pub mod verify;
