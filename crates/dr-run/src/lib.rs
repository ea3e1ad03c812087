//! dr-run
