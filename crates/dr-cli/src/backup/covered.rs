//! The answer of `kubectl dr backup coverage`, worst first.

use std::collections::BTreeMap;

use dr_core::schedule::Idle;
use dr_core::select::{
    Capture, Cluster, HookTrouble, ItemRef, ItemVerdict, Selection, Shown, Verdict, Version, VolumeVerdict,
};

use crate::exit::Exit;

/// One Backup or Schedule and what it would take.
pub(crate) struct Judged {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Why it takes nothing, whatever it selects.
    pub(crate) idle: Option<Idle>,
    /// Something that decides about every volume was not read, so none is known to be captured.
    pub(crate) undecided: bool,
    pub(crate) selection: Selection,
    /// Hooks that do not run where they are meant to.
    pub(crate) hooks: Vec<HookTrouble>,
}

/// What decides whether the data of any volume is captured, beside what the selection itself tells as unknown.
const DECIDING: [&str; 7] = [
    "persistentvolumeclaims",
    "pods",
    "namespaces",
    "persistentvolumes",
    "backupstoragelocations.velero.io",
    "backups.velero.io",
    "schedules.velero.io",
];

/// Whether one of those kinds, or its whole group, was not read.
pub(crate) fn undecided(cluster: &Cluster) -> bool {
    DECIDING.iter().any(|resource| is_unread(cluster, resource))
}

fn is_unread(cluster: &Cluster, resource: &str) -> bool {
    unread(cluster, resource).is_some()
}

/// Why a kind, or its whole group, was not read.
pub(crate) fn unread<'a>(cluster: &'a Cluster, resource: &str) -> Option<&'a str> {
    let group = resource.split_once('.').map_or("", |(_, group)| group);
    let not_read = cluster.not_read();
    not_read.get(resource).or_else(|| not_read.get(&format!("*.{group}"))).map(String::as_str)
}

pub(crate) struct Covered {
    pub(crate) namespace: String,
    pub(crate) version: Version,
    pub(crate) judged: Vec<Judged>,
    /// What was taken for granted, beside what the cluster did not let us read.
    pub(crate) assumed: Vec<String>,
    pub(crate) cluster: Cluster,
}

/// What becomes of a volume's data, from the worst to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Not captured, and nobody hears of it.
    Silent,
    /// It would be captured by what takes nothing.
    Idle,
    Warning,
    Error,
    /// Taken, but not in the list by which a restore of ours finds it.
    Unlisted,
    Unknown,
    Captured,
}

/// A volume with whatever takes best care of it.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) by: &'a Judged,
    pub(crate) verdict: &'a VolumeVerdict,
}

/// An object that nothing takes, with the first answer.
pub(crate) struct LeftOut<'a> {
    pub(crate) by: &'a Judged,
    pub(crate) verdict: &'a ItemVerdict,
    /// It would be taken by something that takes nothing.
    pub(crate) idle: Option<&'a Idle>,
}

impl Line<'_> {
    pub(crate) fn standing(&self) -> Standing {
        match (&self.verdict.capture, self.verdict.shown, &self.by.idle) {
            (Capture::None, Shown::Silent, _) => Standing::Silent,
            (Capture::None, Shown::Warning, _) => Standing::Warning,
            (Capture::None, Shown::Error, _) => Standing::Error,
            (Capture::Unknown, _, _) => Standing::Unknown,
            (
                Capture::FileSystem { .. }
                | Capture::CsiSnapshot { .. }
                | Capture::CsiMoved { .. }
                | Capture::NativeSnapshot { .. },
                _,
                Some(_),
            ) => Standing::Idle,
            (
                Capture::FileSystem { .. }
                | Capture::CsiSnapshot { .. }
                | Capture::CsiMoved { .. }
                | Capture::NativeSnapshot { .. },
                _,
                None,
            ) => {
                if self.by.undecided {
                    Standing::Unknown
                } else if self.verdict.unlisted.is_some() {
                    Standing::Unlisted
                } else {
                    Standing::Captured
                }
            }
        }
    }

    fn care(&self) -> (Standing, bool) {
        (self.standing(), self.by.idle.is_none())
    }
}

impl Covered {
    /// The namespace's volumes, claims first; of those the ones whose loss nobody would hear of.
    pub(crate) fn volumes(&self) -> Vec<Line<'_>> {
        let mut best = BTreeMap::new();
        for by in &self.judged {
            for verdict in by.selection.volumes.iter().filter(|v| v.volume.namespace == self.namespace) {
                let line = Line { by, verdict };
                let held = best.entry(&verdict.volume).or_insert(line);
                if held.care() < line.care() {
                    *held = line;
                }
            }
        }
        let mut lines: Vec<Line<'_>> = best.into_values().collect();
        lines.sort_by_key(|line| (line.verdict.volume.claim.is_none(), line.care()));
        lines
    }

    /// The namespace's claims, worst first.
    pub(crate) fn claims(&self) -> Vec<Line<'_>> {
        self.volumes().into_iter().filter(|line| line.verdict.volume.claim.is_some()).collect()
    }

    /// Objects of the namespace, and the Namespace itself, that nothing judged here would take.
    pub(crate) fn left_out(&self) -> Vec<LeftOut<'_>> {
        // Every selection holds every item of the cluster, in the cluster's order.
        let takes = |by: &Judged, index: usize| {
            by.selection.items.get(index).is_some_and(|verdict| verdict.verdict == Verdict::Included)
        };
        let active = |by: &&Judged| by.idle.is_none();
        let Some(first) = self.judged.iter().find(active).or(self.judged.first()) else {
            return Vec::new();
        };
        let mut left_out = Vec::new();
        for (index, verdict) in first.selection.items.iter().enumerate().filter(|(_, v)| self.is_of(&v.item)) {
            if self.judged.iter().filter(active).any(|by| takes(by, index)) {
                continue;
            }
            let would = self.judged.iter().find(|by| takes(by, index));
            left_out.push(match would {
                Some(by) => LeftOut { by, verdict, idle: by.idle.as_ref() },
                None => LeftOut { by: first, verdict, idle: None },
            });
        }
        left_out
    }

    fn is_of(&self, item: &ItemRef) -> bool {
        match &item.namespace {
            Some(namespace) => *namespace == self.namespace,
            None => item.resource == "namespaces" && item.name == self.namespace,
        }
    }

    /// Something takes something of the namespace.
    pub(crate) fn takes_any(&self) -> bool {
        let mut active = self.judged.iter().filter(|by| by.idle.is_none());
        active.any(|by| {
            let mut of_namespace = by.selection.items.iter().filter(|verdict| self.is_of(&verdict.item));
            of_namespace.any(|verdict| verdict.verdict == Verdict::Included)
        })
    }

    /// The item's answers, one for each that was judged.
    pub(crate) fn of_item<'a>(&'a self, item: &'a ItemRef) -> impl Iterator<Item = (&'a Judged, &'a ItemVerdict)> {
        self.judged.iter().filter_map(move |by| {
            by.selection.items.iter().find(|verdict| verdict.item == *item).map(|verdict| (by, verdict))
        })
    }

    /// The volume of an item that is a claim, the volumes that live with one that is a pod.
    pub(crate) fn volumes_of<'a>(by: &'a Judged, item: &'a ItemRef) -> impl Iterator<Item = Line<'a>> {
        let belongs = |verdict: &VolumeVerdict| {
            let of_claim = verdict.volume.claim.as_deref() == Some(item.name.as_str());
            let of_pod = verdict.volume.pod.as_ref().is_some_and(|(pod, _)| *pod == item.name);
            item.namespace.as_deref() == Some(verdict.volume.namespace.as_str())
                && ((item.resource == "persistentvolumeclaims" && of_claim) || (item.resource == "pods" && of_pod))
        };
        by.selection.volumes.iter().filter(move |verdict| belongs(verdict)).map(move |verdict| Line { by, verdict })
    }

    /// Claims whose data is not known to be captured, worst first.
    pub(crate) fn lost(&self) -> Vec<String> {
        let lost = self.claims().into_iter().filter(|line| line.standing() != Standing::Captured);
        lost.filter_map(|line| line.verdict.volume.claim.clone()).collect()
    }

    /// No claim is seen, and yet there may be some.
    pub(crate) fn claims_unread(&self) -> bool {
        is_unread(&self.cluster, "persistentvolumeclaims")
    }

    /// Done only when every claim's data is captured, the namespace is taken at all, and every hook runs.
    pub(crate) fn exit(&self) -> Exit {
        let known = !self.claims_unread();
        let hooks = self.judged.iter().filter(|by| by.idle.is_none()).all(|by| by.hooks.is_empty());
        if known && hooks && self.takes_any() && self.lost().is_empty() { Exit::Done } else { Exit::Failed }
    }

    /// Done only when something takes the item, and of a claim its data too.
    pub(crate) fn exit_of(&self, item: &ItemRef) -> Exit {
        let taken = self.of_item(item).any(|(by, verdict)| {
            let mut claims = Self::volumes_of(by, item).filter(|line| line.verdict.volume.claim.is_some());
            by.idle.is_none()
                && verdict.verdict == Verdict::Included
                && claims.all(|line| line.standing() == Standing::Captured)
        });
        if taken { Exit::Done } else { Exit::Failed }
    }
}

#[cfg(test)]
pub(crate) mod tests;
