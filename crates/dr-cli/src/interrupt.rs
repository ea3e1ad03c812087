//! Ctrl-C: the first lets go of what runs in the cluster, the second ends the process at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::out;

/// What a shell says of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Whether somebody pressed Ctrl-C, and whether the time given is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    pub(crate) token: CancellationToken,
    /// Of `--timeout`: whoever has stopped an application first starts it again.
    pub(crate) overdue: CancellationToken,
}

impl Interrupt {
    /// From here on Ctrl-C no longer ends the process by itself.
    pub(crate) fn listen(&self) {
        let token = self.token.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if token.is_cancelled() {
                    end();
                }
                out::prose("\nletting go; press Ctrl-C again to end at once");
                token.cancel();
            }
        });
    }

    /// The time given is over then.
    pub(crate) fn after(&self, time: Duration) {
        let token = self.overdue.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            token.cancel();
        });
    }

    pub(crate) fn pressed(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Sleeps, unless somebody presses Ctrl-C.
    pub(crate) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.token.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

#[expect(clippy::exit, reason = "the second Ctrl-C means now; the journal is written before every act")]
fn end() {
    std::process::exit(INTERRUPTED);
}
