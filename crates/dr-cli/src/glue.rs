//! Where the commands meet the cluster: everything they need of `dr-cluster`, in the words they use.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use dr_cluster::cache::Cache;
use dr_cluster::capture::{self, CaptureError};
use dr_cluster::connect::Connection;
use dr_cluster::documents::{Documents, FetchError};
use dr_cluster::everything;
use dr_cluster::exec;
use dr_cluster::journal_store::{JournalStore, StoreError};
use dr_cluster::local_copy;
use dr_cluster::observe;
use dr_core::choose::{Chosen, What};
use dr_core::facts::{Archive, Document, Facts};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_run::condition::{Condition, Observation, Query, Verdict};
use dr_run::decide::Said;
use dr_run::plan::Plan;
use dr_run::run::{Outcome, Run};
use dr_run::{check, compute};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::exit::Exit;
use crate::flags::Output;
use crate::interrupt::Interrupt;
use crate::json::facts::Asked;
use crate::report::Failure;
use crate::story::Story;

mod close;
mod connect;
mod drive;
mod rights;
mod told;
mod verify;
mod write;

pub(crate) use connect::connect;
pub(crate) use drive::{Driven, Start};
pub(crate) use rights::Need;
pub(crate) use told::open;
pub(crate) use verify::Reading;

/// How long the first question to a cluster may take: nobody waits longer for a wrong address.
const FIRST: Duration = Duration::from_secs(5);
/// How long a read is tried again while the API server is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most that Velero may take to stage the data before the run lets go of it.
const STAGE_SECONDS: u64 = 4 * 3600;

/// A cluster we can speak to.
pub(crate) struct Session {
    connection: Connection,
    velero_namespace: String,
    interrupt: Interrupt,
    output: Output,
}

/// A run as the list shows it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) backup: String,
    pub(crate) made: Timestamp,
    /// None while it is to go on.
    pub(crate) outcome: Option<&'static str>,
    /// Finalized.
    pub(crate) closed: bool,
}

impl Record {
    /// The application runs, or may run, on what this run brought.
    pub(crate) fn stands(&self) -> bool {
        match self.outcome {
            None | Some("restored" | "untidy" | "stuck") => true,
            Some(_) => false,
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed("cannot start", error))?;
    let ended = runtime.block_on(future);
    // A question that still stands must not keep the process.
    runtime.shutdown_background();
    ended
}

impl Session {
    pub(crate) fn velero_namespace(&self) -> &str {
        &self.velero_namespace
    }

    pub(crate) fn listen_for_interrupts(&self) {
        self.interrupt.listen();
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.pressed()
    }

    pub(crate) async fn pause(&self, time: Duration) {
        self.interrupt.pause(time).await;
    }

    /// What was found out about this Velero's backups before.
    pub(crate) fn cache(&self) -> Cache {
        Cache::of_user(&self.connection.server, &self.velero_namespace)
    }

    fn store(&self) -> JournalStore {
        JournalStore::new(&self.connection, &self.velero_namespace).with_local_copy()
    }

    pub(crate) async fn capture(&self, namespace: &str) -> Result<Facts, Failure> {
        let velero = Some(self.velero_namespace.as_str());
        let facts = self.told(capture::capture(&self.connection, namespace, velero, Timestamp::now())).await;
        facts.map_err(|error| not_read(format!("cannot read what namespace {namespace} is made of"), error))
    }

    /// The archive of a plan's backup, from any machine and at any time of its run.
    async fn archive_of(&self, plan: &Plan) -> Result<Archive, Failure> {
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        let archive = documents.archive(&plan.source.backup, &plan.place.namespace, &format!("dr-{}", new_id())).await;
        archive.map_err(|error| Failure::failed(format!("cannot read the archive of {}", plan.source.backup), error))
    }

    /// What tells how well a namespace, or all of them, could be brought back. `told`: with how far the reading has come.
    pub(crate) async fn recovery(&self, namespace: Option<&str>, told: bool) -> Result<Facts, Failure> {
        let velero = self.velero_namespace.as_str();
        let reading = capture::recovery::recovery(&self.connection, namespace, velero, Timestamp::now());
        let facts = if told { self.told(reading).await } else { reading.await };
        facts.map_err(|error| not_read("cannot read what is backed up", error))
    }

    /// What Velero is told to do, and what it would do it with. The facts' namespace is empty where all are meant.
    pub(crate) async fn live(&self, namespace: Option<&str>) -> Result<Facts, Failure> {
        let velero = self.velero_namespace.as_str();
        let facts = self.told(capture::live::live(&self.connection, namespace, velero, Timestamp::now())).await;
        facts.map_err(|error| not_read("cannot read what is backed up", error))
    }

    /// Every kind the cluster serves, as far as a backup of the namespace depends on it.
    pub(crate) async fn everything(&self, namespace: &str) -> Result<dr_core::select::Cluster, Failure> {
        let read = self.told(everything::everything(&self.connection, namespace, &self.velero_namespace)).await;
        read.map_err(|error| not_read(format!("cannot read what namespace {namespace} is made of"), error))
    }

    /// One object of Velero's namespace.
    pub(crate) async fn velero_object(&self, kind: Kind, name: &str) -> Result<Option<Object>, Failure> {
        let key = Key::namespaced(kind, &self.velero_namespace, name);
        let seen = self.read(&BTreeSet::from([Query::Get(key.clone())])).await?;
        let found = seen.get(&key).map_err(|error| Failure::failed(format!("cannot read {key}"), error))?;
        Ok(found.cloned())
    }

    /// A ConfigMap of Velero's namespace.
    pub(crate) async fn velero_config(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let read = everything::config_map(&self.connection, &self.velero_namespace, name).await;
        read.map_err(|error| Failure::failed("cannot read resource policies", error))
    }

    /// Downloads a document of a backup; one that cannot be had is a fact, too.
    pub(crate) async fn fetch(&self, facts: &mut Facts, backup: &str, what: What) -> Result<(), Failure> {
        if what == What::VolumeInfos {
            let infos = self.volume_infos(backup).await?;
            facts.documents.entry(backup.to_owned()).or_default().volume_infos = infos;
            return Ok(());
        }
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        let archive = document(documents.archive(backup, &facts.namespace, &format!("dr-{}", new_id())).await);
        facts.documents.entry(backup.to_owned()).or_default().archive = archive;
        if self.interrupted() { Err(Failure::refused("interrupted")) } else { Ok(()) }
    }

    /// Downloads what Velero noted of each volume of a backup.
    pub(crate) async fn volume_infos(&self, backup: &str) -> Result<Document<Vec<Value>>, Failure> {
        let documents = Documents::new(&self.connection, &self.velero_namespace);
        let infos = document(documents.volume_infos(backup, &format!("dr-{}", new_id())).await);
        if self.interrupted() { Err(Failure::refused("interrupted")) } else { Ok(infos) }
    }

    pub(crate) fn compute(facts: &Facts, chosen: &Chosen, asked: &Asked) -> Result<Plan, Failure> {
        let request = compute::Request {
            id: asked.id.clone(),
            objects_missing: asked.objects_missing,
            accept_unproven: asked.accept_unproven,
            stage_seconds: STAGE_SECONDS,
        };
        let doing = || format!("cannot restore namespace {}", facts.namespace);
        let plan =
            compute::compute(facts, chosen, &request).map_err(|refusal| Failure::from_refusal(doing(), refusal))?;
        sound(&plan).map_err(|refusal| Failure::from_refusal(doing(), refusal))?;
        Ok(plan)
    }

    /// Whether a saved plan is sound, for this cluster, and made from what is still so.
    pub(crate) async fn still_holds(&self, plan: &Plan) -> Result<(), Failure> {
        let doing = || format!("the plan {} cannot be applied", plan.id);
        let refused = |refusal| Failure::from_refusal(doing(), refusal).hint("make the plan again");
        sound(plan).map_err(refused)?;
        let system: Condition =
            Condition::is(Key::cluster(Kind::Namespace, "kube-system"), plan.place.cluster_uid.as_str(), Vec::new());
        let mut queries = BTreeSet::new();
        for premise in plan.premises.iter().chain([&system]) {
            queries.extend(premise.queries(&plan.bindings).map_err(|error| Failure::failed(doing(), error))?);
        }
        let seen = self.read(&queries).await.map_err(|failure| Failure::failed(doing(), failure.error))?;
        let judge = |premise: &Condition| premise.judge(&seen, &plan.bindings);
        if let Verdict::Not { .. } = judge(&system).map_err(|error| Failure::failed(doing(), error))? {
            let message = format!("the plan is for another cluster than {}", self.connection.server);
            return Err(Failure::refused(message).hint(format!("it was made with context {}", plan.place.context)));
        }
        let mut refusal = Refusal::default();
        for premise in &plan.premises {
            if let Verdict::Not { because } = judge(premise).map_err(|error| Failure::failed(doing(), error))? {
                refusal.add("changed since the plan was made", because, "");
            }
        }
        refusal.into_result().map_err(refused)
    }

    pub(crate) async fn records(&self, namespace: Option<&str>) -> Result<Vec<Record>, Failure> {
        let records = self.store().list(namespace).await.map_err(stored)?;
        Ok(records
            .into_iter()
            .map(|record| Record {
                outcome: record.outcome.as_ref().map(outcome_name),
                closed: record.report.as_ref().and_then(|report| report.pointer("/finalized"))
                    == Some(&Value::Bool(true)),
                id: record.id,
                namespace: record.namespace,
                backup: record.backup,
                made: record.made,
            })
            .collect())
    }

    /// The run of this id, or the newest of the namespace.
    pub(crate) async fn story(&self, id: Option<&str>, namespace: Option<&str>) -> Result<Story, Failure> {
        let id = match id {
            Some(id) => id.to_owned(),
            None => self.newest(namespace).await?,
        };
        match self.store().load(&id).await {
            Ok((plan, entries, _)) => {
                let run = Run::replay(plan, &entries);
                let run = run.map_err(|error| Failure::failed(format!("cannot read the restore {id}"), error))?;
                Ok(Story { run, entries })
            }
            Err(StoreError::NoSuchRun { .. }) => {
                let known = self.records(None).await?;
                let nearest = dr_core::choose::nearest(&id, known.into_iter().map(|record| record.id));
                Err(Failure::refused(format!("there is no restore {id}")).hint(nearest))
            }
            Err(error) => match self.report(&id).await? {
                Some(_) => Err(Failure::refused(format!("restore {id} is closed; only its record is left"))
                    .hint(format!("kubectl -n {} get configmap dr-{id} -o yaml", self.velero_namespace))),
                None => Err(stored(error)),
            },
        }
    }

    async fn newest(&self, namespace: Option<&str>) -> Result<String, Failure> {
        let records = self.records(namespace).await?;
        let newest = records.into_iter().next_back();
        newest.map(|record| record.id).ok_or_else(|| {
            let of = namespace.map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
            Failure::refused(format!("there is no restore{of}")).hint("kubectl dr restore list")
        })
    }

    /// What is left of a run that was closed.
    pub(crate) async fn report(&self, id: &str) -> Result<Option<Value>, Failure> {
        Ok(self.store().record(id).await.map_err(stored)?.and_then(|record| record.report))
    }

    /// Answers to queries, tried again while the API server is away.
    pub(crate) async fn read(&self, queries: &BTreeSet<Query>) -> Result<Observation, Failure> {
        let seen = observe::observe(&self.connection, queries, Instant::now() + PATIENCE).await;
        seen.map_err(|error| Failure::failed("cannot read the cluster", error))
    }

    /// The same for who goes on asking anyway.
    pub(crate) async fn observe(&self, queries: &BTreeSet<Query>) -> Result<Observation, String> {
        let seen = observe::observe(&self.connection, queries, Instant::now() + FIRST).await;
        seen.map_err(|error| format!("{error}: {}", error.cause))
    }

    pub(crate) async fn exec(
        &self,
        pod: &Key,
        container: &str,
        command: &[String],
        seconds: u64,
    ) -> Result<Said, String> {
        let within = Duration::from_secs(seconds);
        exec::exec(&self.connection, pod, container, command, within).await.map_err(|error| error.to_string())
    }

    /// Keeps a text on this machine, readable to its user alone, for who has to take something back.
    pub(crate) fn keep_locally(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let doing = "cannot keep on this machine what would take it back";
        let kept = local_copy::keep(&self.connection.server, name, text);
        kept.map_err(|error| Failure::failed(doing, error).with_exit(Exit::Refused).hint("nothing was changed"))
    }
}

pub(crate) fn not_read(doing: impl Into<String>, error: CaptureError) -> Failure {
    match error {
        CaptureError::NoVelero | CaptureError::NotThere(_) => {
            let hint = "is this the right context? kubectl config current-context";
            Failure::failed(doing, error).with_exit(Exit::Refused).hint(hint)
        }
        CaptureError::NoStorageLocation
        | CaptureError::SeveralVeleros(_)
        | CaptureError::Unreachable { .. }
        | CaptureError::Read { .. } => Failure::failed(doing, error),
    }
}

fn document<T>(fetched: Result<T, FetchError>) -> Document<T> {
    match fetched {
        Ok(read) => Document::Read(read),
        Err(error) => Document::Failed(Failure::failed("", error).causes().join(": ")),
    }
}

/// What the checker of plans has against it.
fn sound(plan: &Plan) -> Result<(), Refusal> {
    let mut refusal = Refusal::default();
    for fault in check::check(plan) {
        refusal.add(
            format!("plan {}", plan.id),
            fault.to_string(),
            "this is a mistake of kubectl dr: please report it",
        );
    }
    refusal.into_result()
}

fn stored(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::NoSuchRun { .. } | StoreError::NewerFormat { .. } | StoreError::Exists { .. } => Exit::Refused,
        StoreError::Damaged { .. } | StoreError::Api { .. } => Exit::Failed,
        StoreError::TakenOver { .. } => Exit::Detached,
    };
    Failure::failed("cannot read or write the journal", error).with_exit(exit)
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Restored => "restored",
        Outcome::Untidy { .. } => "untidy",
        Outcome::RolledBack { .. } => "rolled-back",
        Outcome::Undone => "undone",
        Outcome::Stuck { .. } => "stuck",
    }
}

/// A time zone by its name.
pub(crate) fn zone(name: &str) -> Option<jiff::tz::TimeZone> {
    jiff::tz::TimeZone::get(name).ok()
}

/// Eight letters and digits that nobody has used before.
pub(crate) fn new_id() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rest = RandomState::new().hash_one(Timestamp::now().as_nanosecond());
    let mut id = String::new();
    while id.len() < 8 {
        let index = usize::try_from(rest % 32).unwrap_or(0);
        id.extend(ALPHABET.get(index).copied().map(char::from));
        rest /= 32;
    }
    id
}

/// Who we are, for the Lease and the journal.
fn holder() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "unknown-host" } else { host };
    format!("{user}@{host}/{}", std::process::id())
}
