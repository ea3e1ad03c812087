//! Reads what conditions ask for: many queries at once, each a quorum read.

use std::collections::BTreeSet;

use dr_core::object::Object;
use dr_run::condition::{Observation, Query};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiErrorKind};
use crate::connect::Connection;
use crate::request::{self, Selection};

/// Reads in flight at once for one observation.
const AT_ONCE: usize = 8;

/// What could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {query}")]
pub struct ObserveError {
    pub query: String,
    #[source]
    pub cause: ApiError,
}

/// Every query answered, or the first reason why not. An object that does not exist is an answer; so is a kind that the
/// server does not serve: there are none of it.
pub async fn observe(
    connection: &Connection,
    queries: &BTreeSet<Query>,
    deadline: Instant,
) -> Result<Observation, ObserveError> {
    let reads = queries.iter().map(|query| async move {
        let found = answer(connection, query, deadline).await.map_err(|cause| ObserveError {
            query: match query {
                Query::Get(key) => key.to_string(),
                Query::List(listing) => listing.to_string(),
            },
            cause,
        })?;
        Ok((query.clone(), found))
    });
    // Collected first: the closure's borrow would otherwise not be general enough for a spawned future.
    let reads: Vec<_> = reads.collect();
    stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await.map(Observation)
}

async fn answer(connection: &Connection, query: &Query, deadline: Instant) -> Result<Vec<Object>, ApiError> {
    match query {
        Query::Get(key) => Ok(request::get(connection, key, deadline).await?.into_iter().collect()),
        Query::List(listing) => {
            let selection = Selection {
                kind: listing.kind,
                namespace: listing.namespace.as_deref(),
                labels: request::selector(&listing.labels),
                metadata_only: false,
            };
            match request::list(connection, &selection, deadline).await {
                Err(error) if error.kind == ApiErrorKind::NotFound => Ok(Vec::new()),
                other => other,
            }
        }
    }
}
