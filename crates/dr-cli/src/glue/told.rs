//! What is read of a cluster, told while it is read: on a terminal a line that counts, elsewhere one when it takes long
//! or the server asks to wait.

use std::future::Future;
use std::time::Duration;

use dr_cluster::tally::Far;
use tokio::time::Instant;

use super::{Session, connect};
use crate::flags::Flags;
use crate::out;
use crate::progress::{Progress, Waiting};
use crate::report::Failure;

const LOOK: Duration = Duration::from_millis(200);
/// A server that is away is told of this often.
const AGAIN: Duration = Duration::from_secs(15);
/// The step's name among those of a progress.
const STEP: &str = "reading";

/// Connects, and says at once what is read from where: the first answer may take a while.
pub(crate) async fn open(flags: &Flags, what: &str) -> Result<Session, Failure> {
    let connection = connect::connection(flags).await?;
    // What only a program reads is kept quiet, until there is something to say.
    if out::stderr_is_terminal() || !flags.output.is_for_programs() {
        let context = match connection.context.as_str() {
            "" => String::new(),
            context => format!(" (context {context})"),
        };
        out::prose(&format!("reading {what} from {}{context}", connection.server));
    }
    connect::session(connection, flags).await
}

impl Session {
    /// Tells how far the reading has come.
    pub(super) async fn told<T>(&self, reading: impl Future<Output = T>) -> T {
        let progress = Progress::start(self.output);
        progress.begin(STEP, "reading");
        let telling = async {
            let mut said = None;
            loop {
                tokio::time::sleep(LOOK).await;
                let far = self.connection.tally.far();
                if let Some(because) = &far.held_up
                    && said.is_none_or(|said: Instant| said.elapsed() > AGAIN)
                {
                    progress.say(because);
                    said = Some(Instant::now());
                }
                let because = words(&far);
                progress.waiting(&Waiting { step: STEP, title: "reading", because: &because, left: None, bytes: None });
            }
        };
        tokio::select! {
            done = reading => done,
            never = telling => never,
        }
    }
}

fn words(far: &Far) -> String {
    let Far { kinds, read, objects, held_up } = far;
    match (held_up, kinds) {
        (Some(because), _) => because.clone(),
        (None, 0) => "what the server has".to_owned(),
        (None, kinds) => format!("{read} of {kinds} lists, {objects} objects"),
    }
}
