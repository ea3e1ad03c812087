//! dr-api
