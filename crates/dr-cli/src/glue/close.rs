//! Closing a run: the steps of `finalize`, then its end in the journal, then the pieces go.

use std::time::Duration;

use dr_cluster::act::{self, Answer};
use dr_cluster::execute;
use dr_cluster::takeover;
use dr_run::action::Step;
use dr_run::decide::{self, Decision};
use dr_run::finalize;
use dr_run::journal::Event;
use dr_run::slot::Bindings;
use tokio::time::Instant;

use super::{Session, holder, stored};
use crate::report::Failure;
use crate::story::Story;

impl Session {
    /// What closing would do and leave; nothing is changed.
    pub(crate) async fn closing(&self, story: &Story, discard_old: bool) -> Result<finalize::Closing, Failure> {
        let seen = self.read(&finalize::queries(&story.run)).await?;
        finalize::closing(&story.run, &seen, discard_old).map_err(|not_yet| {
            Failure::refused(format!("restore {} cannot be closed: {not_yet}", story.run.plan().id))
                .hint(format!("kubectl dr restore status {}", story.run.plan().id))
        })
    }

    /// Closes the run. Sentences about what could not be done come back; they stop nothing.
    pub(crate) async fn finalize(&self, story: &Story, todo: &finalize::Closing) -> Result<Vec<String>, Failure> {
        let id = &story.run.plan().id;
        let journal = self.store();
        let doing = || format!("cannot close the restore {id}");
        let held = takeover::take(&journal, id, &holder(), execute::now()).await;
        let mut held = held.map_err(|error| Failure::failed(doing(), error))?;
        let mut left = Vec::new();
        for step in &todo.steps {
            if let Err(because) = self.step(step, held.run.bindings()).await {
                left.push(format!("{}: {because}", step.title));
            }
        }
        let ended = self.executor(&journal).append(&mut held, vec![Event::Finalized]).await;
        ended.map_err(|error| Failure::failed(doing(), error))?;
        let (plan, entries, _) = journal.load(id).await.map_err(stored)?;
        let run = dr_run::run::Run::replay(plan, &entries).map_err(|error| Failure::failed(doing(), error))?;
        self.write_down(&Story { run, entries }).await?;
        journal.delete_pieces(id).await.map_err(stored)?;
        Ok(left)
    }

    async fn step(&self, step: &Step, bindings: &Bindings) -> Result<(), String> {
        let forward = &step.forward;
        let queries = decide::queries(forward, bindings).map_err(|unbound| unbound.to_string())?;
        let deadline = Instant::now() + Duration::from_secs(forward.within);
        loop {
            let because = match self.observe(&queries).await {
                Err(because) => because,
                Ok(seen) => match decide::decide(forward, &seen, bindings).map_err(|error| error.to_string())? {
                    Decision::Done(_) => return Ok(()),
                    Decision::Refused { because } => return Err(because),
                    Decision::Wait { because } => because,
                    Decision::Act(request) | Decision::Anew { request, .. } => {
                        match act::act(&self.connection, &request).await {
                            Answer::Applied => continue,
                            Answer::Rejected(because) => return Err(because),
                            Answer::Conflict(because) | Answer::Throttled(because) | Answer::Unknown(because) => {
                                because
                            }
                        }
                    }
                    Decision::Ask | Decision::Examine { .. } => return Err("nobody can be asked here".to_owned()),
                },
            };
            if Instant::now() >= deadline {
                return Err(because);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}
