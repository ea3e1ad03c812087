//! A real node, a shop that runs on it, and commands typed as a user types them: through the real kubectl, with the
//! executables of this workspace on the PATH.
//!
//! A test panics when something is not as it should be; that is what it is for. Each test has a namespace of its own,
//! and one lock over the node keeps them from meeting in Velero, which restores one thing after the other.

mod dr;
mod node;
mod shop;
mod state;
mod writer;

pub use dr::{Ended, Running};
pub use node::{Node, until};
pub use shop::{By, Class, Fingerprint, Shop, password};
pub use state::state;
pub use writer::{Attempt, Writer};

/// The node of this run, or a line that says why there is none.
#[macro_export]
macro_rules! node {
    () => {
        match $crate::Node::find() {
            Ok(node) => node,
            Err(why) => {
                println!("SKIPPED: {why}");
                return;
            }
        }
    };
}
