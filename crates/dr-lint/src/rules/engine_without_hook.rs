//! A database is copied while it runs, and no hook makes the copy whole.

use std::collections::{BTreeSet, HashMap};

use dr_core::care::{self, Care};
use dr_core::engine;
use dr_core::object::Object as Pod;
use dr_core::select::{Before, Capture, Rule as Why, VolumeVerdict};
use serde_json::json;

use crate::derived::{Claim, Derived, Ran, Taken};
use crate::finding::{Draft, on_key};
use crate::fix::{Change, Fix};
use crate::hooks::{Hook, Phase, hooks, only_writes_out};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::velero::Spec;

pub(super) const RULE: Rule = Rule {
    id: "engine-without-hook",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "A database is copied while it runs, and no hook makes the copy whole.",
    costs: "The copy is of different moments, or as old as the last save: a restore opens with data missing, or not at all, and nothing says so before.",
    proven: "What each engine's own manual says of copying its files (the page on engines names them); which way a volume is taken, and which hooks run in its pod, is computed by dr_core::select.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/engine-without-hook.md"),
    check,
};

/// A claim that an engine keeps its data on.
struct Engine<'d> {
    claim: &'d Claim<'d>,
    care: &'static Care,
    container: String,
    mount: String,
}

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    let specs = context.backups();
    if specs.is_empty() {
        return;
    }
    let derived = Derived::of(context);
    let engines: Vec<Engine<'_>> = derived.claims.iter().filter_map(engine_of).collect();
    if engines.is_empty() {
        return;
    }
    let found = context.runner.each(specs.len(), |at| {
        specs.get(at).map_or_else(Vec::new, |spec| of_backup(context, &derived, &engines, spec))
    });
    out.extend(found.into_iter().flatten());
}

fn engine_of<'d>(claim: &'d Claim<'d>) -> Option<Engine<'d>> {
    let raw = &claim.workload.raw;
    let spec = raw.0.within(&claim.volumes.parent())?;
    // What runs for a while and ends is a client, whatever its image.
    if matches!(spec.get("restartPolicy").and_then(Value::as_str), Some("Never" | "OnFailure")) {
        return None;
    }
    let mounted = || {
        let volumes = spec.get("volumes").and_then(Value::as_array)?;
        let of_claim = |volume: &&Value| {
            volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(&claim.name)
        };
        volumes.iter().find(of_claim)?.get("name")
    };
    let volume = match &claim.template {
        Some(template) => raw.0.within(template)?.pointer("/metadata/name"),
        None => mounted(),
    };
    let pod = Pod(json!({ "spec": spec.loose() }));
    let (care, container, mount) = care::find(&pod, volume.and_then(Value::as_str)?)?;
    Some(Engine { claim, care, container: container.to_owned(), mount: mount.to_owned() })
}

impl Engine<'_> {
    /// Why the copy that a backup takes of it may not be whole; none where it is, or none is taken.
    fn says(&self, taken: &Taken, hooks: &[Hook<'_>], volume: &VolumeVerdict, is_live: bool) -> Option<String> {
        let Self { claim, care, container, .. } = self;
        // No manifest has the pods of node-agent.
        let no_agent = || volume.chain.iter().any(|reason| reason.rule == Why::NodeAgentMissing);
        let doubt = match &volume.capture {
            Capture::FileSystem { .. } => care.files,
            Capture::None if !is_live && no_agent() => care.files,
            Capture::None => return None,
            Capture::CsiSnapshot { .. }
            | Capture::CsiMoved { .. }
            | Capture::NativeSnapshot { .. }
            | Capture::Unknown => care.snapshot,
        };
        let says = match (care.unsaved, doubt) {
            (Some(says), _) => says.to_owned(),
            (None, Some(doubt)) => format!("{}; {}", doubt.says, doubt.instead),
            (None, None) => return None,
        };
        // Where none of its pods runs, it is copied as it was left.
        let mut running = claim.pods.iter().filter_map(|pod| taken.before(&claim.namespace, pod, container)).peekable();
        running.peek()?;
        (!running.any(|ran| self.is_helped(&ran, hooks))).then_some(says)
    }

    fn is_helped(&self, ran: &Ran, hooks: &[Hook<'_>]) -> bool {
        match ran {
            Ran::NotThere => false,
            Ran::In(Before::Own(command)) => {
                let words = serde_json::from_str(command).unwrap_or_else(|_| vec![command.clone()]);
                self.helps(&words)
            }
            Ran::In(Before::Entries(entries)) => {
                hooks.iter().any(|hook| entries.contains(&hook.entry) && self.helps(&hook.words()))
            }
        }
    }

    /// Anything but what only shortens a recovery, as our own hook does where no copy lacks what was not saved.
    fn helps(&self, command: &[String]) -> bool {
        let own = || self.care.pre_backup.filter(|_| self.care.unsaved.is_none());
        !only_writes_out(command) && own().is_none_or(|script| engine::command(script, &self.mount) != command)
    }

    /// The hook that has it write what it holds, where one does, and where a later version of the workload has it, too.
    fn hook(&self) -> Option<serde_json::Value> {
        let Self { claim, care, container, mount } = self;
        let raw = &claim.workload.raw;
        // Where it is applied decides of one that names no namespace.
        let namespace = raw.namespace().filter(|_| care.unsaved.is_some())?;
        let labels = raw
            .at("/spec/selector/matchLabels")
            .filter(|labels| labels.as_object().is_some_and(|map| !map.is_empty()))?;
        let name = format!("{}-{}", care.engine, claim.workload.name());
        care.hook(&name, namespace, &labels.loose(), container, mount)
    }
}

fn of_backup(context: &Context<'_>, derived: &Derived<'_>, engines: &[Engine<'_>], spec: &Spec<'_>) -> Vec<Draft> {
    let Some(taken) = derived.taken(context, spec.object) else { return Vec::new() };
    let volumes = taken.selection.volumes.iter();
    let volumes = volumes
        .filter_map(|volume| Some(((volume.volume.namespace.as_str(), volume.volume.claim.as_deref()?), volume)));
    let volumes: HashMap<_, _> = volumes.collect();
    let before: Vec<Hook<'_>> = hooks(spec).into_iter().filter(|hook| hook.phase == Phase::Pre).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    let (mut missing, mut of_first) = (Vec::new(), None);
    for engine in engines {
        let Engine { claim, care, .. } = engine;
        let (namespace, name) = (&claim.namespace, &claim.name);
        let Some(volume) = volumes.get(&(namespace.as_str(), name.as_str())) else { continue };
        let Some(says) = engine.says(&taken, &before, volume, context.input.live.is_some()) else { continue };
        // Replicas of one set are alike.
        if claim.template.is_some() && !told.insert((claim.workload.id, claim.template.clone())) {
            continue;
        }
        let message = format!(
            "claim {namespace}/{name} has the data of {}, and no hook makes a copy of it whole: {says}",
            care.engine
        );
        let draft = on_key(spec.object, spec.path.clone(), message).about(format!("{namespace}/{name}"));
        let place = claim.template.clone().unwrap_or_else(|| claim.volumes.clone());
        found.push(draft.related(claim.workload, place, "the volume"));
        let is_in = claim
            .pods
            .iter()
            .any(|pod| matches!(taken.before(namespace, pod, &engine.container), Some(Ran::In(Before::Entries(_)))));
        if let Some(hook) = engine.hook().filter(|_| is_in) {
            missing.push(hook);
            of_first.get_or_insert(found.len() - 1);
        }
    }
    // A backup has one list of hooks: all that are missing come with the first that is told.
    if spec.value.get("hooks").is_none()
        && let Some(first) = of_first.and_then(|at: usize| found.get_mut(at))
    {
        let value = json!({ "resources": missing });
        let change = Change::Insert { map: spec.path.clone(), key: "hooks".to_owned(), value };
        first.fix = Some(Fix { title: "write the hook that has it save first".to_owned(), safe: false, change });
    }
    found
}
