//! A database is copied while it runs, and no hook makes the copy whole.

use std::collections::{BTreeSet, HashMap};

use dr_core::care::{self, Care};
use dr_core::engine;
use dr_core::object::{Object as Pod, string_map};
use dr_core::select::{Before, Capture, Rule as Why, VolumeVerdict};
use dr_yaml::Path;
use serde_json::json;

use crate::derived::{Claim, Derived};
use crate::finding::{Draft, on_key};
use crate::fix::{Change, Fix};
use crate::hooks::{Phase, hooks};
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
    // One that is stopped is copied as it was left.
    if raw.i64_at("/spec/replicas") == Some(0) {
        return None;
    }
    let spec = raw.0.within(&claim.volumes.parent())?;
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
    let volume = volume.and_then(Value::as_str)?;
    let pod = Pod(json!({ "spec": spec.loose() }));
    let (care, container, mount) = care::find(&pod, volume)?;
    Some(Engine { claim, care, container: container.to_owned(), mount: mount.to_owned() })
}

fn of_backup(context: &Context<'_>, derived: &Derived<'_>, engines: &[Engine<'_>], spec: &Spec<'_>) -> Vec<Draft> {
    let Some(taken) = derived.taken(context, spec.object) else { return Vec::new() };
    let volumes = taken.selection.volumes.iter();
    let volumes = volumes
        .filter_map(|volume| Some(((volume.volume.namespace.as_str(), volume.volume.claim.as_deref()?), volume)));
    let volumes: HashMap<_, _> = volumes.collect();
    // No manifest has the pods of node-agent.
    let is_known = context.input.live.is_some();
    let wants_files =
        |volume: &VolumeVerdict| !is_known && volume.chain.iter().any(|reason| reason.rule == Why::NodeAgentMissing);
    let helps = |entries: &[usize]| {
        let mut before = hooks(spec).into_iter().filter(|hook| hook.phase == Phase::Pre);
        before.any(|hook| entries.contains(&hook.entry) && !hook.only_writes_out())
    };
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for engine in engines {
        let Engine { claim, care, .. } = engine;
        let Some(volume) = volumes.get(&(claim.namespace.as_str(), claim.name.as_str())) else { continue };
        let doubt = match &volume.capture {
            Capture::FileSystem { .. } => care.files,
            Capture::None if wants_files(volume) => care.files,
            Capture::None => continue,
            Capture::CsiSnapshot { .. }
            | Capture::CsiMoved { .. }
            | Capture::NativeSnapshot { .. }
            | Capture::Unknown => care.snapshot,
        };
        let pod = claim.pods.first().map_or("", String::as_str);
        match taken.before(&claim.namespace, pod) {
            Before::Own => continue,
            Before::Entries(entries) if helps(&entries) => continue,
            Before::Entries(_) => {}
        }
        let says = match (care.unsaved, doubt) {
            (Some(says), _) => says.to_owned(),
            (None, Some(doubt)) => format!("{}; {}", doubt.says, doubt.instead),
            (None, None) => continue,
        };
        // Replicas of one set are alike.
        if claim.template.is_some() && !told.insert((claim.workload.id, claim.template.clone())) {
            continue;
        }
        let (namespace, name) = (&claim.namespace, &claim.name);
        let message = format!(
            "claim {namespace}/{name} has the data of {}, and no hook makes a copy of it whole: {says}",
            care.engine
        );
        let draft = on_key(spec.object, spec.path.clone(), message).about(format!("{namespace}/{name}"));
        let place = claim.template.clone().unwrap_or_else(|| claim.volumes.clone());
        let draft = draft.related(claim.workload, place, "the volume");
        found.push(match hook(engine, spec) {
            Some(fix) => draft.fix(fix),
            None => draft,
        });
    }
    found
}

/// The hook that has the engine write what it holds; into a backup that has none yet.
fn hook(engine: &Engine<'_>, spec: &Spec<'_>) -> Option<Fix> {
    let Engine { claim, care, container, mount } = engine;
    let script = care.pre_backup.filter(|_| care.unsaved.is_some() && spec.value.get("hooks").is_none())?;
    let template = claim.volumes.parent().parent();
    let labels = string_map(claim.workload.raw.0.within(&template.key("metadata").key("labels")));
    if labels.is_empty() {
        return None;
    }
    let hooks = json!({ "resources": [{
        "name": care.engine,
        "includedNamespaces": [claim.namespace],
        "includedResources": ["pods"],
        "labelSelector": { "matchLabels": labels },
        "pre": [{ "exec": {
            "container": container,
            "command": engine::command(script, mount),
            "onError": "Continue",
            "timeout": "2m",
        } }],
    }] });
    let (map, key): (Path, String) = (spec.path.clone(), "hooks".to_owned());
    Some(Fix {
        title: format!("have {} save first", care.engine),
        safe: false,
        change: Change::Insert { map, key, value: hooks },
    })
}
