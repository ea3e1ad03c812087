//! Carries a run on: Lease, journal, the executor, and what is written down at the end.

use std::time::Duration;

use dr_cluster::connect::Connection;
use dr_cluster::events::{self, News, Severity};
use dr_cluster::exec::InPod;
use dr_cluster::execute::{self, Ended, Executor, Held, Watcher};
use dr_cluster::journal_store::JournalStore;
use dr_cluster::lease::{Lease, LeaseError};
use dr_cluster::takeover;
use dr_run::journal::{Direction, Event, Turn};
use dr_run::plan::Plan;
use dr_run::run::Run;
use dr_run::slot::Bindings;
use dr_run::withheld;
use jiff::Timestamp;

use super::{Session, holder, outcome_name, stored};
use crate::exit::Exit;
use crate::json::status::RunStatusV1;
use crate::report::Failure;
use crate::story::Story;

/// A third of what the Lease lasts.
const RENEW: Duration = Duration::from_secs(20);

/// What is carried on.
pub(crate) enum Start {
    New(Box<Plan>),
    /// A run that is in the journal already, perhaps in another direction from now on.
    Again {
        story: Box<Story>,
        turn: Option<(Direction, Turn)>,
        /// Whoever holds the Lease is dead, says the user.
        take_over: bool,
    },
}

/// How it ended here, and all that is known of it.
pub(crate) struct Driven {
    pub(crate) ended: Ended,
    pub(crate) story: Story,
}

impl Start {
    pub(crate) fn plan(&self) -> &Plan {
        match self {
            Self::New(plan) => plan,
            Self::Again { story, .. } => story.run.plan(),
        }
    }
}

impl Session {
    pub(crate) async fn drive<W: Watcher>(
        &self,
        start: Start,
        watcher: &mut W,
        timeout: Option<Duration>,
    ) -> Result<Driven, Failure> {
        let (id, namespace) = (start.plan().id.clone(), start.plan().place.namespace.clone());
        let by = holder();
        let take_over = matches!(start, Start::Again { take_over: true, .. });
        let lease = self.lease(&namespace, &by, take_over).await?;
        let renewing = tokio::spawn(renew(lease.clone(), self.connection.clone()));
        let driven = self.hold(start, &by, watcher, timeout).await;
        renewing.abort();
        if let Err(error) = lease.release(&self.connection, Timestamp::now()).await {
            tracing::warn!(target: "dr_cluster", "the lease of {namespace} is not given back: {error}");
        }
        let ended = driven?;
        let story = self.story(Some(&id), None).await?;
        if let Ended::Finished(_) = ended {
            self.write_down(&story).await?;
        }
        Ok(Driven { ended, story })
    }

    /// The Lease is a courtesy: a process that is gone, or that the user says is gone, keeps nobody waiting. What it
    /// might still do is fenced off by the journal's epoch.
    async fn lease(&self, namespace: &str, by: &str, take_over: bool) -> Result<Lease, Failure> {
        let acquire = |by: String| async move {
            Lease::acquire(&self.connection, &self.velero_namespace, namespace, &by, Timestamp::now()).await
        };
        let mut lease = acquire(by.to_owned()).await;
        if let Err(LeaseError::Held { holder, .. }) = &lease
            && (take_over || is_gone(holder))
            && let Ok(left) = acquire(holder.clone()).await
            && left.release(&self.connection, Timestamp::now()).await.is_ok()
        {
            lease = acquire(by.to_owned()).await;
        }
        lease.map_err(|error| not_alone(namespace, error))
    }

    async fn hold<W: Watcher>(
        &self,
        start: Start,
        by: &str,
        watcher: &mut W,
        timeout: Option<Duration>,
    ) -> Result<Ended, Failure> {
        let store = self.store();
        let id = start.plan().id.clone();
        // Before anything is written down: what cannot be read any more refuses.
        let withheld = match &start {
            Start::New(plan) => self.withheld(&Run::new((**plan).clone())).await?,
            Start::Again { story, turn: None, .. } => self.withheld(&story.run).await?,
            Start::Again { turn: Some(_), .. } => None,
        };
        let turn = match start {
            Start::New(plan) => {
                store.create(&plan).await.map_err(stored)?;
                None
            }
            Start::Again { turn, .. } => {
                store.set_record(&id, None, None).await.map_err(stored)?;
                turn
            }
        };
        let held = takeover::take(&store, &id, by, execute::now()).await;
        let mut held = held.map_err(|error| Failure::failed(format!("cannot take the restore {id}"), error))?;
        if let Some(withheld) = withheld {
            held.run.know(withheld);
        }
        let executor = self.executor(&store);
        if let Some((to, why)) = turn
            && held.run.direction() != to
        {
            let because = match to {
                Direction::Back => "asked for by kubectl dr restore undo",
                Direction::Forward => "asked for by kubectl dr restore redo",
            };
            let event = Event::Turned { to, why, because: because.to_owned() };
            let turned = executor.append(&mut held, vec![event]).await;
            turned.map_err(|error| Failure::failed(format!("cannot turn the restore {id}"), error))?;
        }
        if let Some(timeout) = timeout {
            self.interrupt.after(timeout);
        }
        self.tell(held.run.plan(), Severity::Normal, "RestoreBegan", &began_message(&held, by)).await;
        let ended = executor.execute(&mut held, watcher).await;
        let ended = ended.map_err(|error| {
            Failure::failed(format!("the restore {id} cannot go on"), error)
                .hint(format!("kubectl dr restore status {id}"))
        })?;
        Ok(ended)
    }

    /// What the plan withholds, read where it stands; none when nobody needs it any more.
    async fn withheld(&self, run: &Run) -> Result<Option<Bindings>, Failure> {
        if !run.wants_withheld() {
            return Ok(None);
        }
        let plan = run.plan();
        let seen = self.read(&withheld::queries(plan)).await?;
        let archive = if withheld::wants_archive(plan) { Some(self.archive_of(plan).await?) } else { None };
        withheld::values(plan, &seen, archive.as_ref()).map(Some).map_err(|lost| {
            let hint = format!(
                "make the plan again; a restore under way is taken back with kubectl dr restore undo {}",
                plan.id
            );
            Failure::refused(format!("restore {} cannot go on: {lost}", plan.id)).hint(hint)
        })
    }

    pub(super) fn executor<'a>(&self, store: &'a JournalStore) -> Executor<'a, InPod> {
        Executor {
            store,
            examiner: InPod(self.connection.clone()),
            clock: execute::now,
            cancel: self.interrupt.token.clone(),
            overdue: self.interrupt.overdue.clone(),
        }
    }

    /// The record and the events: what `list` and `kubectl describe namespace` tell for good.
    pub(super) async fn write_down(&self, story: &Story) -> Result<(), Failure> {
        let Some(outcome) = story.outcome() else { return Ok(()) };
        let plan = story.run.plan();
        let report = serde_json::to_value(RunStatusV1::from(story));
        let report = report.map_err(|error| Failure::failed("cannot write the report", error))?;
        self.store().set_record(&plan.id, Some(&outcome), Some(&report)).await.map_err(stored)?;
        let severity = if story.exit() == Some(Exit::Done) { Severity::Normal } else { Severity::Warning };
        let message = format!("restore {} from backup {}: {}", plan.id, plan.source.backup, outcome_name(&outcome));
        self.tell(plan, severity, "RestoreEnded", &message).await;
        Ok(())
    }

    async fn tell(&self, plan: &Plan, severity: Severity, reason: &str, message: &str) {
        let news = News { namespace: &plan.place.namespace, severity, reason, message, at: Timestamp::now() };
        events::post(&self.connection, news).await;
    }
}

fn not_alone(namespace: &str, error: LeaseError) -> Failure {
    match &error {
        LeaseError::Held { holder, until, .. } => {
            let message = format!("{holder} is restoring namespace {namespace} (until {until} unless it goes on)");
            Failure::refused(message)
                .hint("kubectl dr restore status shows how far it is; if that process is dead: resume or undo with --take-over")
        }
        LeaseError::Api { .. } => Failure::failed("cannot make sure that nobody else restores it", error),
    }
}

fn began_message(held: &Held, by: &str) -> String {
    let plan = held.run.plan();
    let way = match held.run.direction() {
        Direction::Forward => "restore",
        Direction::Back => "taking back restore",
    };
    format!("{way} {} from backup {}, by {by}", plan.id, plan.source.backup)
}

/// Whether the holder was a process of this machine that does not run any more.
fn is_gone(holder: &str) -> bool {
    let Some((who, pid)) = holder.rsplit_once('/') else { return false };
    let ours = super::holder();
    let here = ours.rsplit_once('/').map(|(who, _)| who.split_once('@').map(|(_, host)| host));
    let processes = std::path::Path::new("/proc");
    here == Some(who.split_once('@').map(|(_, host)| host))
        && processes.join("self").exists()
        && !processes.join(pid).exists()
}

async fn renew(lease: Lease, connection: Connection) {
    loop {
        tokio::time::sleep(RENEW).await;
        if let Err(error) = lease.renew(&connection, Timestamp::now()).await {
            tracing::warn!(target: "dr_cluster", "the lease is not renewed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_that_holds_the_lease_refuses_with_who_it_is_and_what_to_do() {
        colored::control::set_override(false);
        let until = Timestamp::constant(1_769_828_400, 0);
        let held = LeaseError::Held { name: "dr-shop".into(), holder: "ann@laptop/7".into(), until };
        insta::assert_snapshot!(not_alone("shop", held).render(), @r"
        error: ann@laptop/7 is restoring namespace shop (until 2026-01-31T03:00:00Z unless it goes on)
        nothing was changed
        hint: kubectl dr restore status shows how far it is; if that process is dead: resume or undo with --take-over
        ");
    }
}
