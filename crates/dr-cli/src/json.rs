//! What programs read: versioned copies of our values, so that a new field is a compile error until somebody places it.
//!
//! Every kind has a schema in `docs/schema/`; a test holds the outputs to them.

pub(crate) mod backup;
pub(crate) mod error;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod status;

/// `apiVersion` of everything written here.
pub(crate) const VERSION: &str = "dr/v1";
