//! `kind: Coverage`: what a backup made now would hold of a namespace, and why.

use dr_core::schedule::Idle;
use dr_core::select::{Capture, HookTrouble, ItemRef, ItemVerdict, Phase, Reason, Shown, Verdict, VolumeVerdict};
use serde::Serialize;

use crate::backup::covered::{Covered, Judged, LeftOut, Line, Standing};
use crate::exit::Exit;
use crate::json::VERSION;
use crate::render::coverage::place;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CoverageV1<'a> {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'a str,
    velero_version: String,
    exit_code: u8,
    exit: Exit,
    volumes: Vec<BestV1<'a>>,
    left_out: Vec<LeftOutV1<'a>>,
    judged: Vec<JudgedV1<'a>>,
    not_read: Vec<NotReadV1<'a>>,
    assumed: &'a [String],
}

/// A volume with whatever takes best care of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BestV1<'a> {
    by: ByV1<'a>,
    #[serde(flatten)]
    volume: VolumeV1<'a>,
}

#[derive(Debug, Serialize)]
struct ByV1<'a> {
    kind: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct LeftOutV1<'a> {
    by: ByV1<'a>,
    idle: bool,
    #[serde(flatten)]
    item: ItemV1<'a>,
}

#[derive(Debug, Serialize)]
struct NotReadV1<'a> {
    resource: &'a str,
    because: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JudgedV1<'a> {
    kind: &'a str,
    name: &'a str,
    idle: Option<IdleV1<'a>>,
    phase: Phase,
    refused: Vec<ReasonV1<'a>>,
    errors: Vec<ReasonV1<'a>>,
    hooks: Vec<HookV1<'a>>,
    volumes: Vec<VolumeV1<'a>>,
    items: Vec<ItemV1<'a>>,
}

/// A hook that does not run where it is meant to.
#[derive(Debug, Serialize)]
struct HookV1<'a> {
    hook: &'a str,
    fix: &'a str,
    why: ReasonV1<'a>,
}

#[derive(Debug, Serialize)]
struct IdleV1<'a> {
    says: &'a str,
    place: String,
    fix: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeV1<'a> {
    claim: Option<&'a str>,
    pod: Option<&'a str>,
    volume: Option<&'a str>,
    captured: Option<bool>,
    listed: bool,
    path: &'static str,
    shown: Shown,
    fix: Option<&'a str>,
    why: Vec<ReasonV1<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemV1<'a> {
    resource: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    included: bool,
    by_accident: bool,
    fix: Option<String>,
    why: Vec<ReasonV1<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReasonV1<'a> {
    rule: &'static str,
    says: &'a str,
    place: String,
}

impl<'a> CoverageV1<'a> {
    fn new(covered: &'a Covered, exit: Exit, only: Option<&ItemRef>) -> Self {
        let wanted = |item: &ItemRef| only.is_none_or(|only| only == item);
        let volumes = covered.volumes().into_iter().filter(|line| of_item(line, only));
        let left_out = covered.left_out().into_iter().filter(|left| wanted(&left.verdict.item));
        let not_read = covered.cluster.not_read().iter();
        Self {
            api_version: VERSION,
            kind: "Coverage",
            namespace: &covered.namespace,
            velero_version: covered.version.to_string(),
            exit_code: exit.code(),
            exit,
            volumes: volumes.map(|line| BestV1::from(&line)).collect(),
            left_out: left_out.map(|left| LeftOutV1::from(&left)).collect(),
            judged: covered.judged.iter().map(|by| JudgedV1::new(covered, by, only)).collect(),
            not_read: not_read.map(|(resource, because)| NotReadV1 { resource, because }).collect(),
            assumed: &covered.assumed,
        }
    }

    /// Of one object, and of its volumes where it is a claim or a pod.
    pub(crate) fn of_item(covered: &'a Covered, item: &ItemRef) -> Self {
        Self::new(covered, covered.exit_of(item), Some(item))
    }
}

impl<'a> From<&'a Covered> for CoverageV1<'a> {
    fn from(covered: &'a Covered) -> Self {
        Self::new(covered, covered.exit(), None)
    }
}

fn of_item(line: &Line<'_>, only: Option<&ItemRef>) -> bool {
    only.is_none_or(|item| Covered::volumes_of(line.by, item).any(|of| of.verdict.volume == line.verdict.volume))
}

impl<'a> From<&'a Judged> for ByV1<'a> {
    fn from(by: &'a Judged) -> Self {
        Self { kind: &by.kind, name: &by.name }
    }
}

impl<'a> From<&Line<'a>> for BestV1<'a> {
    fn from(line: &Line<'a>) -> Self {
        let mut volume = VolumeV1::from(line.verdict);
        if let (Some(idle), Standing::Idle) = (&line.by.idle, line.standing()) {
            volume.captured = Some(false);
            volume.listed = false;
            volume.path = "none";
            volume.fix = Some(&idle.fix);
        }
        Self { by: ByV1::from(line.by), volume }
    }
}

impl<'a> From<&LeftOut<'a>> for LeftOutV1<'a> {
    fn from(left: &LeftOut<'a>) -> Self {
        let mut item = ItemV1::from(left.verdict);
        if let Some(idle) = left.idle {
            item.included = false;
            item.fix = Some(idle.fix.clone());
        }
        Self { by: ByV1::from(left.by), idle: left.idle.is_some(), item }
    }
}

impl<'a> JudgedV1<'a> {
    fn new(covered: &Covered, by: &'a Judged, only: Option<&ItemRef>) -> Self {
        let Judged { kind, name, idle, undecided: _, selection, hooks } = by;
        let namespace = covered.namespace.as_str();
        let lines = selection.volumes.iter().map(|verdict| Line { by, verdict });
        let volumes = lines.filter(|line| line.verdict.volume.namespace == namespace && of_item(line, only));
        // Of cluster-scoped objects only what is in the backup is told: others may be brought along by other namespaces.
        let items = selection.items.iter().filter(|verdict| match (only, verdict.item.namespace.as_deref()) {
            (Some(item), _) => verdict.item == *item,
            (None, Some(of)) => of == namespace,
            (None, None) => verdict.verdict == Verdict::Included,
        });
        Self {
            kind,
            name,
            idle: idle.as_ref().map(IdleV1::from),
            phase: selection.phase,
            refused: reasons(&selection.refused),
            errors: reasons(&selection.errors),
            hooks: hooks.iter().map(HookV1::from).collect(),
            volumes: volumes.map(|line| VolumeV1::from(line.verdict)).collect(),
            items: items.map(ItemV1::from).collect(),
        }
    }
}

impl<'a> From<&'a Idle> for IdleV1<'a> {
    fn from(idle: &'a Idle) -> Self {
        Self { says: &idle.says, place: place(&idle.place), fix: &idle.fix }
    }
}

impl<'a> From<&'a HookTrouble> for HookV1<'a> {
    fn from(trouble: &'a HookTrouble) -> Self {
        Self { hook: &trouble.hook, fix: &trouble.fix, why: ReasonV1::from(&trouble.reason) }
    }
}

fn reasons(reasons: &[Reason]) -> Vec<ReasonV1<'_>> {
    reasons.iter().map(ReasonV1::from).collect()
}

impl<'a> From<&'a Reason> for ReasonV1<'a> {
    fn from(reason: &'a Reason) -> Self {
        Self { rule: reason.rule.id(), says: &reason.says, place: place(&reason.place) }
    }
}

impl<'a> From<&'a VolumeVerdict> for VolumeV1<'a> {
    fn from(verdict: &'a VolumeVerdict) -> Self {
        let (captured, path) = match &verdict.capture {
            Capture::FileSystem { .. } => (Some(true), "file-system"),
            Capture::CsiSnapshot { .. } => (Some(true), "csi-snapshot"),
            Capture::CsiMoved { .. } => (Some(true), "csi-moved"),
            Capture::NativeSnapshot { .. } => (Some(true), "native-snapshot"),
            Capture::None => (Some(false), "none"),
            Capture::Unknown => (None, "unknown"),
        };
        let pod = verdict.volume.pod.as_ref();
        Self {
            claim: verdict.volume.claim.as_deref(),
            pod: pod.map(|(pod, _)| pod.as_str()),
            volume: pod.map(|(_, volume)| volume.as_str()),
            captured,
            listed: captured == Some(true) && verdict.unlisted.is_none(),
            path,
            shown: verdict.shown,
            fix: verdict.fix.as_deref(),
            why: verdict.chain.iter().chain(&verdict.unlisted).map(ReasonV1::from).collect(),
        }
    }
}

impl<'a> From<&'a ItemVerdict> for ItemV1<'a> {
    fn from(verdict: &'a ItemVerdict) -> Self {
        Self {
            resource: &verdict.item.resource,
            namespace: verdict.item.namespace.as_deref(),
            name: &verdict.item.name,
            included: verdict.verdict == Verdict::Included,
            by_accident: verdict.by_accident,
            fix: verdict.fix(),
            why: reasons(&verdict.chain),
        }
    }
}
