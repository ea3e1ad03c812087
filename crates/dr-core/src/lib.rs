//! dr-core
