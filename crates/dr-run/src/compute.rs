//! From facts and a chosen backup to a plan that leaves nothing to decide.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::choose::Chosen;
use dr_core::cover::{Captured, Path};
use dr_core::facts::Facts;
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_core::{gitops, room, writers};
use serde_json::{Value, json};

use crate::action::{Move, Phase, Step, StepName, Undo};
use crate::check;
use crate::plan::{self, DataPath, Expectation, LeftOut, PassedOver, Place, Plan, Section, Source, VolumePlan, Wave};
use crate::slot::{Bindings, Slot};

mod carrier;
mod claim;
mod consumer;
mod examiner;
mod premises;
mod release;
mod rest;
mod stage;
mod swap;
mod verify;
mod whole;

use claim::ClaimFacts;
use consumer::Consumer;

/// What the user decided beyond the choice of the backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Names everything of the run; lower-case letters and digits, made by the edge.
    pub id: String,
    /// `--objects missing`
    pub objects_missing: bool,
    pub accept_unproven: bool,
    /// The most that Velero may take to stage the data, in seconds.
    pub stage_seconds: u64,
}

/// Everything the parts of a plan are made from.
struct Context<'a> {
    facts: &'a Facts,
    chosen: &'a Chosen,
    request: &'a Request,
    place: Place,
    claims: Vec<ClaimFacts>,
    consumers: Vec<Consumer>,
    writers: Vec<writers::Writer>,
    /// What is not known of the room for the volumes.
    room: room::Unknown,
    namespace: Option<&'a Object>,
}

impl Context<'_> {
    fn label(&self) -> Value {
        json!({ plan::OPERATION: self.request.id })
    }

    fn staging(&self) -> &str {
        &self.place.staging_namespace
    }

    fn gone(&self) -> bool {
        self.namespace.is_none()
    }
}

/// Makes the plan, or says everything that stands against it.
pub fn compute(facts: &Facts, chosen: &Chosen, request: &Request) -> Result<Plan, Refusal> {
    let namespace = facts.get(&Key::cluster(Kind::Namespace, &facts.namespace))?;
    let mut refusal = Refusal::default();
    if let Some(namespace) = namespace.filter(|namespace| namespace.is_terminating()) {
        refusal.add(
            format!("namespace {}", namespace.name()),
            "it is being deleted",
            "wait until it is gone (kubectl get namespace), then restore it whole",
        );
    }
    let exchanged: BTreeSet<String> = chosen.volumes.iter().map(|volume| volume.claim.clone()).collect();
    let claims = claim::all(facts, chosen, &mut refusal)?;
    let asks: Vec<room::Ask> = claims.iter().map(ClaimFacts::ask).collect();
    let room = room::judge(facts, &asks, &mut refusal)?;
    let consumers = consumer::all(facts, chosen, &claims, &mut refusal)?;
    let writers = collect(writers::find(facts, &exchanged), &mut refusal).unwrap_or_default();
    let workloads = workloads(facts)?;
    collect(gitops::find(facts, &workloads), &mut refusal);
    stage::preflight(facts, chosen, &mut refusal)?;
    refusal.into_result()?;

    let place = Place {
        context: facts.context.clone(),
        server: facts.server.clone(),
        namespace: facts.namespace.clone(),
        cluster_uid: facts.cluster_uid.clone(),
        velero_namespace: facts.velero_namespace.clone(),
        staging_namespace: staging_name(&facts.namespace, &request.id),
    };
    let context = Context { facts, chosen, request, place, claims, consumers, writers, room, namespace };
    assemble(&context)
}

fn collect<T>(found: Result<T, Refusal>, refusal: &mut Refusal) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(more) => {
            refusal.reasons.extend(more.reasons);
            None
        }
    }
}

fn workloads(facts: &Facts) -> Result<Vec<&Object>, Refusal> {
    let mut found = Vec::new();
    for (kind, _) in dr_core::claims::WORKLOADS {
        found.extend(facts.of(*kind, &facts.namespace)?);
    }
    Ok(found)
}

/// `<namespace>-dr-<id>`, within the 63 characters a namespace may have.
fn staging_name(namespace: &str, id: &str) -> String {
    let room = 63_usize.saturating_sub(id.len() + 4);
    let head: String = namespace.chars().take(room).collect();
    format!("{}-dr-{id}", head.trim_end_matches('-'))
}

fn assemble(context: &Context<'_>) -> Result<Plan, Refusal> {
    let mut waves = Vec::new();
    let mut warnings = context.room.clone();
    stage::waves(context, &mut waves, &mut warnings)?;
    verify::waves(context, &mut waves);
    release::waves(context, &mut waves);
    if context.gone() {
        whole::waves(context, &mut waves);
    } else {
        rest::protect(context, &mut waves);
        rest::quiesce(context, &mut waves);
        swap::waves(context, &mut waves);
        rest::back(context, &mut waves, &mut warnings);
    }
    release::keep(context, &mut waves);
    waves.retain(|wave: &Wave| !wave.steps.is_empty());

    let Context { facts, chosen, request, .. } = context;
    let objects_missing = missing(context);
    for consumer in &context.consumers {
        warnings.extend(consumer.drift.clone());
    }
    let plan = Plan {
        format: plan::FORMAT,
        id: request.id.clone(),
        made: facts.taken,
        place: context.place.clone(),
        source: Source {
            backup: chosen.backup.clone(),
            uid: chosen.uid.clone(),
            started: chosen.started,
            because: chosen.because.clone(),
            passed_over: chosen
                .passed_over
                .iter()
                .map(|(backup, because)| PassedOver { backup: backup.clone(), because: because.clone() })
                .collect(),
        },
        namespace_gone: context.gone(),
        volumes: context.claims.iter().map(|claim| volume(context, claim)).collect(),
        left_out: chosen
            .left_out
            .iter()
            .map(|(claim, because)| LeftOut { claim: claim.clone(), because: because.clone() })
            .collect(),
        objects_missing,
        objects_restored: context.gone() || request.objects_missing,
        warnings,
        expectation: expectation(context),
        bindings: bindings(context),
        withheld: context.consumers.iter().flat_map(|consumer| examiner::build(context, consumer).withheld).collect(),
        premises: premises::all(context)?,
        waves,
    };
    let faults = check::check(&plan);
    if faults.is_empty() {
        return Ok(plan);
    }
    let mut refusal = Refusal::default();
    for fault in faults {
        refusal.add("plan", fault.to_string(), "this is a defect of kubectl dr; report it with --facts-out FILE");
    }
    Err(refusal)
}

fn volume(context: &Context<'_>, claim: &ClaimFacts) -> VolumePlan {
    let engine = context.consumers.iter().find_map(|consumer| consumer.engine_of(&claim.name));
    VolumePlan {
        claim: claim.name.clone(),
        path: match claim.captured.path {
            Path::FileSystem { .. } => DataPath::FileSystem,
            Path::CsiSnapshot { .. } => DataPath::CsiSnapshot,
        },
        taken: claim.captured.taken,
        bytes: claim.captured.bytes,
        engine: engine.unwrap_or("generic").to_owned(),
        old_volume: claim.live.as_ref().map(|live| live.volume.name().to_owned()),
        old_volume_uid: claim.live.as_ref().and_then(|live| live.volume.uid().map(str::to_owned)),
        older_run: claim.live.as_ref().and_then(|live| live.volume.label(plan::OPERATION)).map(str::to_owned),
        reclaim_policy: claim.reclaim_policy.clone(),
        storage_class: claim.storage_class.clone(),
        request: claim.request.clone(),
        because: claim.captured.because.clone(),
    }
}

/// Objects of the namespace that the backup holds and the cluster lacks, as far as we know the kind.
fn missing(context: &Context<'_>) -> Vec<String> {
    const SHOWN: &[Kind] = &[
        Kind::StatefulSet,
        Kind::Deployment,
        Kind::DaemonSet,
        Kind::CronJob,
        Kind::Service,
        Kind::ConfigMap,
        Kind::Secret,
        Kind::ServiceAccount,
        Kind::NetworkPolicy,
        Kind::HorizontalPodAutoscaler,
        Kind::PersistentVolumeClaim,
    ];
    let namespace = &context.facts.namespace;
    let archived = |item: &String| {
        let mut parts = item.split('/');
        let (resource, found, name) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = SHOWN.iter().copied().find(|kind| kind.info().resource() == resource)?;
        (found == namespace).then(|| Key::namespaced(kind, found, name))
    };
    let lacking = context.chosen.archive.items.iter().filter_map(archived).filter(|key| {
        // A kind that cannot be read is not called missing.
        matches!(context.facts.get(key), Ok(None))
    });
    lacking.map(|key| format!("{}/{}", key.kind.info().kind.to_lowercase(), key.name)).collect()
}

fn expectation(context: &Context<'_>) -> Expectation {
    let taken = context.claims.iter().map(|claim| claim.captured.taken).min();
    let loss = taken.map_or(0, |taken| context.facts.taken.duration_since(taken).as_secs());
    let grace = context.consumers.iter().map(|consumer| consumer.grace_seconds).max().unwrap_or(30);
    let bytes: u64 = context.claims.iter().filter_map(|claim| claim.captured.bytes).sum();
    Expectation {
        outage_seconds: if context.gone() { 0 } else { 10 + u64::from(grace.min(30)) },
        outage_because: if context.gone() {
            "the namespace is gone; nothing runs that could be interrupted".to_owned()
        } else {
            "stopping the pods, exchanging claims, starting them; it does not grow with the data".to_owned()
        },
        data_loss_seconds: u64::try_from(loss).unwrap_or(0),
        // Kopia on one node moves at least this much; Velero and scheduling take the rest.
        stage_seconds: 15 + bytes / (50 << 20),
    }
}

fn bindings(context: &Context<'_>) -> Bindings {
    let mut bindings = Bindings::new();
    for claim in &context.claims {
        if let Some(live) = &claim.live {
            bindings.insert(Slot::new(claim.live_uid()), live.claim.uid().unwrap_or_default().to_owned());
        }
    }
    bindings
}

/// Builds the steps of a plan without repeating their frame.
fn step(name: impl Into<String>, phase: Phase, title: impl Into<String>, forward: Move, undo: Undo) -> Step {
    Step { name: StepName(name.into()), phase, title: title.into(), forward, undo }
}

fn wave(section: Section, steps: Vec<Step>) -> Wave {
    Wave { section, steps }
}

/// A label set as a JSON object.
fn labels(pairs: &BTreeMap<String, String>) -> Value {
    pairs
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn captured_by_files(captured: &Captured) -> Option<(&str, &str, u64)> {
    match &captured.path {
        Path::FileSystem { pod, volume, bytes, .. } => Some((pod, volume, *bytes)),
        Path::CsiSnapshot { .. } => None,
    }
}
