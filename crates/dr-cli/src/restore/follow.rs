//! Driving a run and telling of it: from the confirmation to the final report.

use std::collections::BTreeMap;
use std::time::Duration;

use colored::Colorize;
use dr_cluster::execute::{Consent, Ended, Notice, Watcher};
use dr_run::action::{Action, Phase, Step, StepName};
use dr_run::journal::{Direction, Turn};
use dr_run::plan::Plan;
use dr_run::run::Run;

use crate::confirm::{Asker, Where};
use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue::{Driven, Record, Session, Start};
use crate::progress::{Progress, Waiting};
use crate::render::{evidence, status};
use crate::report::Failure;
use crate::restore::Again;
use crate::story::{self, Story};
use crate::{out, restore};

pub(crate) fn place(plan: &Plan) -> Where<'_> {
    Where { context: &plan.place.context, server: &plan.place.server, namespace: &plan.place.namespace }
}

/// Begins a run that nobody has seen yet.
pub(crate) async fn begin(
    session: &Session,
    plan: Plan,
    asker: Asker,
    flags: &Flags,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    session.may_execute(&plan).await?;
    say_if_no_events(session, &plan).await;
    let asks_later = plan.steps().any(|step| step.forward.action == Action::Confirm);
    if !asks_later && !asker.confirm(&place(&plan), "This changes the namespace.")? {
        return Err(Failure::refused("the namespace was not typed"));
    }
    drive(session, Start::New(Box::new(plan)), asker, flags, timeout).await
}

/// Goes on with a run, in another direction when one is named.
pub(crate) async fn take_over(
    session: &Session,
    story: Story,
    turn: Option<(Direction, Turn)>,
    asker: Asker,
    flags: &Flags,
    again: &Again,
) -> Result<Exit, Failure> {
    if turn.is_none()
        && let (Some(outcome), Some(exit)) = (story.outcome(), story.exit())
        && !matches!(outcome, dr_run::run::Outcome::Untidy { .. } | dr_run::run::Outcome::Stuck { .. })
    {
        restore::status::show(flags, &story)?;
        return Ok(exit);
    }
    session.may_execute(story.run.plan()).await?;
    say_if_no_events(session, story.run.plan()).await;
    let question = match &turn {
        Some((Direction::Back, _)) if story.run.switch_touched() => {
            "The application stops and gets its former volumes."
        }
        Some((Direction::Back, _)) => "What was staged is removed.",
        Some((Direction::Forward, _)) => "The application stops and gets the restored volumes again.",
        None => "This goes on where the run stopped.",
    };
    if !asker.confirm(&place(story.run.plan()), question)? {
        return Err(Failure::refused("the namespace was not typed"));
    }
    let start = Start::Again { story: Box::new(story), turn, take_over: again.take_over };
    drive(session, start, asker, flags, again.going.timeout).await
}

/// No reason to refuse anything: the record in Velero's namespace tells the same.
async fn say_if_no_events(session: &Session, plan: &Plan) {
    let because = match session.may_tell(plan).await {
        Ok(true) => return,
        Ok(false) => "create events is not allowed there".to_owned(),
        Err(error) => format!("whether create events is allowed there is not known ({error})"),
    };
    let namespace = &plan.place.namespace;
    out::prose(&format!("note: kubectl describe namespace {namespace} will not tell of this: {because}"));
}

async fn drive(
    session: &Session,
    start: Start,
    asker: Asker,
    flags: &Flags,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    session.listen_for_interrupts();
    let mut face = Face::new(Progress::start(flags.output), asker, start.plan());
    let driven = session.drive(start, &mut face, timeout).await;
    face.progress.end();
    let Driven { ended, story } = driven?;
    let id = &story.run.plan().id;
    let go_on = format!("kubectl dr restore resume {id}");
    match ended {
        Ended::Finished(_) => {
            restore::status::show(flags, &story)?;
            Ok(story.exit().unwrap_or(Exit::Failed))
        }
        Ended::Detached { because } => {
            Err(Failure::new(Exit::Detached, format!("let go of the restore {id}: {because}")).hint(go_on))
        }
        Ended::Late { step, waiting_for } => {
            let message = format!("{step} takes longer than expected and goes on in the cluster: {waiting_for}");
            Err(Failure::new(Exit::Detached, message).hint(go_on))
        }
        Ended::TakenOver { by } => {
            let message = format!("{by} has taken the restore {id} over and goes on with it");
            Err(Failure::new(Exit::Detached, message).hint(format!("kubectl dr restore status {id}")))
        }
    }
}

/// Refuses an undo or a redo that a newer run stands on.
pub(crate) async fn may_turn(session: &Session, story: &Story, to: Direction) -> Result<(), Failure> {
    let plan = story.run.plan();
    let verb = match to {
        Direction::Back => "undo",
        Direction::Forward => "redo",
    };
    let refused = |because: String| Failure::refused(format!("restore {} cannot be {verb}ne: {because}", plan.id));
    if story.run.is_finalized() {
        return Err(refused("it is closed".to_owned()));
    }
    if to == Direction::Forward && story.run.direction() == Direction::Forward {
        return Err(refused("it was not undone".to_owned()).hint(format!("kubectl dr restore status {}", plan.id)));
    }
    if to == Direction::Forward && !story.run.switch_touched() {
        let because = "what it had staged is removed".to_owned();
        return Err(refused(because).hint(format!("kubectl dr restore --ns {}", plan.place.namespace)));
    }
    if to == Direction::Forward && plan.namespace_gone {
        let because = "its namespace is back already; undo only stopped what writes".to_owned();
        return Err(refused(because).hint(format!("scale the workloads of {} up again", plan.place.namespace)));
    }
    if to == Direction::Back && story.run.direction() == Direction::Back && story.outcome().is_some() {
        return Err(refused("it is undone already".to_owned()));
    }
    let records = session.records(Some(&plan.place.namespace)).await?;
    let mut newer = records.iter().filter(|record| record.made > plan.made && record.id != plan.id);
    if let Some(newer) = newer.rfind(|record| record.stands()) {
        let hint = if newer.closed {
            "the newer one is closed; restore from a backup instead".to_owned()
        } else {
            format!("newest first: kubectl dr restore undo {}", newer.id)
        };
        return Err(refused(format!("restore {} was made on top of it", newer.id)).hint(hint));
    }
    Ok(())
}

/// Refuses to close a run while an older one of the namespace is open.
pub(crate) async fn may_finalize(session: &Session, story: &Story) -> Result<(), Failure> {
    let plan = story.run.plan();
    let records = session.records(Some(&plan.place.namespace)).await?;
    let older = records.iter().find(|record| record.made < plan.made && record.id != plan.id && !record.closed);
    match older {
        None => Ok(()),
        Some(Record { id, .. }) => {
            let message = format!("restore {} cannot be closed: restore {id} is older and not closed", plan.id);
            Err(Failure::refused(message).hint(format!("oldest first: kubectl dr restore finalize {id}")))
        }
    }
}

/// The run's watcher: what it says goes to the terminal, what it asks to whoever sits there.
struct Face {
    progress: Progress,
    asker: Asker,
    titles: BTreeMap<StepName, (Phase, String)>,
    bytes: BTreeMap<StepName, (u64, u64)>,
}

impl Face {
    fn new(progress: Progress, asker: Asker, plan: &Plan) -> Self {
        let titles = plan.steps().map(|step| (step.name.clone(), (step.phase, step.title.clone()))).collect();
        Self { progress, asker, titles, bytes: BTreeMap::new() }
    }

    fn title(&self, step: &StepName, direction: Direction) -> String {
        let title = self.titles.get(step).map_or(step.0.as_str(), |(_, title)| title.as_str());
        match direction {
            Direction::Forward => title.to_owned(),
            Direction::Back => format!("take back: {title}"),
        }
    }

    fn waiting(&self, step: &StepName, because: &str, left: Option<Duration>) {
        let title = self.title(step, Direction::Forward);
        let bytes = self.bytes.get(step).copied();
        self.progress.waiting(&Waiting { step: &step.0, title: &title, because, left, bytes });
    }
}

impl Watcher for Face {
    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Began { direction, steps } => {
                for step in &steps {
                    if let Some((phase, _)) = self.titles.get(step) {
                        let back = if direction == Direction::Back { "taking back: " } else { "" };
                        self.progress.phase(&format!("{back}{phase}"));
                    }
                    self.progress.begin(&step.0, &self.title(step, direction));
                }
            }
            Notice::Waiting { step, because, left } => self.waiting(&step, &because, Some(left)),
            Notice::Retrying { step, because } => {
                self.waiting(&step, &format!("the API server does not answer: {because}"), None);
            }
            Notice::Progress { step, done, total, objects: _ } => {
                self.bytes.insert(step, (done, total));
            }
            Notice::Done { step, direction, bound: _ } => {
                self.bytes.remove(&step);
                self.progress.done(&step.0, &self.title(&step, direction));
            }
            Notice::Failed { step, direction, because } => {
                self.progress.failed(&step.0, &self.title(&step, direction), &because);
            }
            Notice::Turned { to: Direction::Back, why: _, because } => {
                self.progress.say(&format!("{}: {because}", "taking back what was done".yellow()));
            }
            Notice::Turned { to: Direction::Forward, why: _, because } => {
                self.progress.say(&format!("going forward again: {because}"));
            }
        }
    }

    fn ask(&mut self, run: &Run, _step: &Step) -> Consent {
        let proofs = story::proofs(run);
        let asker = self.asker;
        self.progress.suspend(|| {
            out::prose(&format!("\n{}", "Evidence".bold()));
            out::prose(&evidence::text(&proofs));
            out::prose(&"Live against restored".bold().to_string());
            out::prose(&evidence::comparison(&proofs));
            let nothing = story::brings_back(&proofs) == Some(false);
            if nothing {
                out::prose(status::NOTHING_GAINED);
            }
            if nothing && asker == Asker::Yes {
                return Consent::No { because: status::NOTHING_GAINED.to_owned() };
            }
            match asker.confirm(&place(run.plan()), "The application stops now and gets the restored volumes.") {
                Ok(true) => Consent::Yes { how: asker.how().to_owned() },
                Ok(false) => Consent::No { because: "the namespace was not typed".to_owned() },
                Err(failure) => Consent::No { because: failure.error.to_string() },
            }
        })
    }
}
