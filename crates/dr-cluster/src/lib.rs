//! dr-cluster
