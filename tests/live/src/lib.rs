//! A real node, a shop that runs on it, and commands typed as a user types them: through the real kubectl, with the
//! executables of this workspace on the PATH.
//!
//! A test panics when something is not as it should be; that is what it is for. Each test has a namespace of its own,
//! and one lock over the node keeps them from meeting in Velero, which restores one thing after the other. `kubectl dr`
//! runs with the roles of `docs/rbac` and nothing else, the test's own kubectl as the administrator.

mod access;
pub mod backups;
mod cases;
mod dr;
mod left;
mod node;
mod picture;
pub mod refused;
mod remove;
mod secret;
mod shop;
mod state;
mod writer;

pub use access::{As, bind_everywhere};
pub use cases::{Cases, in_turn, seed};
pub use dr::{Ended, Running};
pub use left::{expect_closed, expect_only_kept};
pub use node::{Node, eventually, until};
pub use shop::{Both, By, Class, Fingerprint, Shop};
pub use state::{expect_state, state};
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
