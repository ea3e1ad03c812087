//! One direction of one step, from its intent to its end: observe, check the epoch, act, again until it is done.

use std::time::Duration;

use dr_core::object::Object;
use dr_run::action::{Late, Move, NUDGE, Reading, Step};
use dr_run::condition::{Observation, Query};
use dr_run::decide::{self, Answer as Judged, Decision};
use dr_run::slot::Bindings;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::act::{Answer, act};
use crate::exec::{Examiner, ExecError};
use crate::execute::Notice;
use crate::journal_store::{JournalStore, StoreError};
use crate::observe::{ObserveError, observe};
use crate::stop::{self, Point};
use crate::takeover::touch;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sooner than a person notices, later than a binder that is not behind needs.
const NUDGE_EVERY: Duration = Duration::from_millis(400);

/// How long nobody may answer before the tool lets go. The step's own deadline stands still meanwhile.
pub(crate) const UNREACHABLE: Duration = Duration::from_secs(300);

/// How a step came to an end, as far as this process is concerned.
#[derive(Debug)]
pub(crate) enum End {
    Done(Bindings),
    Failed(String),
    /// It is the user's turn.
    Ask,
    /// It goes on in the cluster, later than expected.
    Late {
        waiting_for: String,
    },
    Detached {
        because: String,
    },
    Lost(StoreError),
}

pub(crate) struct Performer<'a, E> {
    pub(crate) store: &'a JournalStore,
    pub(crate) examiner: &'a E,
    pub(crate) id: &'a str,
    pub(crate) epoch: u64,
    pub(crate) let_go: LetGo<'a>,
    pub(crate) notices: UnboundedSender<Notice>,
}

/// What may tell this process to let go of the run.
pub(crate) struct LetGo<'a> {
    pub(crate) cancel: &'a CancellationToken,
    /// None while the application is stopped: then no time is up.
    pub(crate) overdue: Option<&'a CancellationToken>,
}

impl LetGo<'_> {
    /// Why, when it is now.
    pub(crate) fn now(&self) -> Option<&'static str> {
        if self.cancel.is_cancelled() {
            return Some("interrupted");
        }
        self.overdue.filter(|overdue| overdue.is_cancelled()).map(|_| "the time given with --timeout is over")
    }

    async fn told(&self) {
        match self.overdue {
            None => self.cancel.cancelled().await,
            Some(overdue) => tokio::select! {
                () = self.cancel.cancelled() => {}
                () = overdue.cancelled() => {}
            },
        }
    }
}

/// Backs off while nothing changes.
struct Pause(Duration);

impl Pause {
    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 3 / 2).min(LONGEST_PAUSE);
        now
    }
}

impl<E: Examiner> Performer<'_, E> {
    #[expect(clippy::too_many_lines, reason = "one loop, read from top to bottom: observe, decide, act, wait")]
    pub(crate) async fn perform(&self, step: &Step, one_way: &Move, bindings: &Bindings) -> End {
        let mut queries = match decide::queries(one_way, bindings) {
            Ok(queries) => queries,
            Err(unbound) => return End::Failed(unbound.to_string()),
        };
        if let Some(progress) = &one_way.progress {
            queries.insert(Query::List(progress.clone()));
        }
        let began = Instant::now();
        let mut deadline = began + Duration::from_secs(one_way.within);
        let mut pause = Pause(FIRST_PAUSE);
        let mut unreachable_since: Option<Instant> = None;
        let mut nudged = Instant::now();
        loop {
            if let Some(because) = self.let_go.now() {
                return End::Detached { because: because.to_owned() };
            }
            let looked = Instant::now();
            let seen = match observe(self.store.connection(), &queries, looked + Duration::from_secs(5)).await {
                Ok(seen) => seen,
                Err(error) if error.cause.is_passing() => {
                    let since = *unreachable_since.get_or_insert(looked);
                    if since.elapsed() > UNREACHABLE {
                        return End::Detached { because: told(&error) };
                    }
                    self.tell(Notice::Retrying { step: step.name.clone(), because: told(&error) });
                    self.sleep(pause.next()).await;
                    deadline += looked.elapsed();
                    continue;
                }
                Err(error) => return End::Failed(told(&error)),
            };
            unreachable_since = None;
            self.tell_progress(step, one_way, &seen);
            let decision = match decide::decide(one_way, &seen, bindings) {
                Ok(decision) => decision,
                Err(unjudged) => return End::Failed(unjudged.to_string()),
            };
            if let Some(because) = self.let_go.now()
                && matches!(decision, Decision::Act(_) | Decision::Examine { .. })
            {
                return End::Detached { because: because.to_owned() };
            }
            let waiting_for = match decision {
                Decision::Done(bound) => return self.rested(step, one_way, bound).await,
                Decision::Refused { because } => return End::Failed(because),
                Decision::Ask => return End::Ask,
                Decision::Wait { because } => {
                    if nudged.elapsed() >= NUDGE_EVERY {
                        self.nudge(one_way, bindings).await;
                        nudged = Instant::now();
                    }
                    because
                }
                Decision::Anew { seconds, because, .. } if began.elapsed() >= Duration::from_secs(seconds) => {
                    return End::Failed(because);
                }
                Decision::Act(request) | Decision::Anew { request, .. } => {
                    if let Err(lost) = self.store.check(self.id, self.epoch).await {
                        return End::Lost(lost);
                    }
                    let answer = act(self.store.connection(), &request).await;
                    stop::at(Point::AfterAct, &step.name.0);
                    match answer {
                        Answer::Applied => {
                            pause = Pause(FIRST_PAUSE);
                            continue;
                        }
                        Answer::Rejected(because) => return End::Failed(because),
                        Answer::Conflict(because) | Answer::Throttled(because) | Answer::Unknown(because) => because,
                    }
                }
                Decision::Examine { pod, examination } => {
                    if let Err(lost) = self.store.check(self.id, self.epoch).await {
                        return End::Lost(lost);
                    }
                    let said = match self.examiner.examine(&pod, &examination).await {
                        Ok(said) => said,
                        // What is only reported is no reason to stop: the live engine may be the one that is broken.
                        Err(_) if matches!(examination.reading, Reading::Report) => {
                            return End::Done(Bindings::from([(examination.into.clone(), String::new())]));
                        }
                        Err(ExecError::NotStarted(because)) => {
                            if let Some(end) = late(one_way, deadline, &because) {
                                return end;
                            }
                            self.wait(step, because, deadline, pause.next()).await;
                            continue;
                        }
                        Err(error) => return End::Failed(format!("in {pod}: {error}")),
                    };
                    if let Some(because) = decide::not_yet(&examination, &said) {
                        if let Some(end) = late(one_way, deadline, &because) {
                            return end;
                        }
                        self.wait(step, because, deadline, pause.next()).await;
                        continue;
                    }
                    return match decide::judge_answer(&examination, &said, bindings) {
                        Ok(Judged::Fits(bound)) => End::Done(bound),
                        Ok(Judged::Rejected { because }) => End::Failed(because),
                        Err(unbound) => End::Failed(unbound.to_string()),
                    };
                }
            };
            if let Some(end) = late(one_way, deadline, &waiting_for) {
                return end;
            }
            self.wait(step, waiting_for, deadline, pause.next()).await;
        }
    }

    /// Lets the time pass that the step asks for; nothing is begun meanwhile.
    async fn rested(&self, step: &Step, one_way: &Move, bound: Bindings) -> End {
        let over = Instant::now() + Duration::from_secs(one_way.rest);
        while Instant::now() < over {
            if let Some(because) = self.let_go.now() {
                return End::Detached { because: because.to_owned() };
            }
            let because = format!("it is done; {} s are let pass", one_way.rest);
            self.wait(step, because, over, LONGEST_PAUSE).await;
        }
        End::Done(bound)
    }

    /// A touch that does not arrive is no failure: the next one may, and waiting goes on.
    async fn nudge(&self, one_way: &Move, bindings: &Bindings) {
        if let Some(Ok(key)) = one_way.nudge.as_ref().map(|object| object.resolve(bindings))
            && self.store.check(self.id, self.epoch).await.is_ok()
        {
            let _ = touch(self.store.connection(), &key, NUDGE, self.id).await;
        }
    }

    async fn wait(&self, step: &Step, because: String, deadline: Instant, pause: Duration) {
        let left = deadline.saturating_duration_since(Instant::now());
        self.tell(Notice::Waiting { step: step.name.clone(), because, left });
        self.sleep(pause).await;
    }

    async fn sleep(&self, pause: Duration) {
        tokio::select! {
            () = self.let_go.told() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    fn tell(&self, notice: Notice) {
        // Nobody listens any more only while the run is being let go.
        let _ = self.notices.send(notice);
    }

    fn tell_progress(&self, step: &Step, one_way: &Move, seen: &Observation) {
        let Some(Ok(found)) = one_way.progress.as_ref().map(|listing| seen.list(listing)) else { return };
        let sum = |pointer: &str| {
            found.iter().filter_map(|object| object.i64_at(pointer)).filter_map(|bytes| u64::try_from(bytes).ok()).sum()
        };
        let (done, total): (u64, u64) = (sum("/status/progress/bytesDone"), sum("/status/progress/totalBytes"));
        if total > 0 {
            let objects = found.iter().map(Object::name).map(str::to_owned).collect();
            self.tell(Notice::Progress { step: step.name.clone(), done, total, objects });
        }
    }
}

fn late(one_way: &Move, deadline: Instant, waiting_for: &str) -> Option<End> {
    if Instant::now() < deadline {
        return None;
    }
    Some(match one_way.late {
        Late::Fail => End::Failed(format!("not done within {} s: {waiting_for}", one_way.within)),
        Late::Detach => End::Late { waiting_for: waiting_for.to_owned() },
    })
}

fn told(error: &ObserveError) -> String {
    format!("{error}: {}", error.cause)
}
