//! Blocks of related items, backed up one after the other (`pkg/backup/backup.go:BackupWithResolvers`,
//! `pkg/backup/item_backupper.go:backupItemInternal` at v1.18.3).
//!
//! Taken for granted: one worker (`--item-block-worker-count`), hooks that do not fail, and no plugin but the built-in
//! ones. What a snapshot or a copy itself may still run into is not a question of selection.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::cluster::{Cluster, Item, claim_name};
use super::collect::Collected;
use super::listing::name_filter;
use super::namespaces::EXCLUDE_LABEL;
use super::prepare::Request;
use super::reason::{Place, Reason, Rule};
use super::relations::{self, CLAIMS, PODS, VOLUMES};
use super::{Capture, Selection, Shown, VolumeRef, native, pods, snapshot};

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// What became of a volume so far.
#[derive(Default)]
pub(crate) struct Volume {
    pub(crate) capture: Option<(Capture, Vec<Reason>)>,
    /// Pods and their volumes that it is copied from beside that one.
    pub(crate) copies: Vec<(String, String)>,
    tracked: Option<Tracked>,
    /// Why each way that was looked at is not taken.
    pub(crate) skips: Vec<(Reason, Shown)>,
}

/// What the tracker of copies knows of a claim. One that was passed over first is never taken again, and copied from
/// every pod that chooses it (`pkg/podvolume/snapshot_tracker.go:recordStatus`).
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tracked {
    Chosen,
    Taken,
    PassedOver,
}

pub(crate) struct Run<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) request: &'a Request<'a>,
    pub(crate) collected: Collected,
    in_block: HashSet<usize>,
    /// Counted as backed up, which is not the same as archived.
    backed_up: HashSet<usize>,
    pub(super) archived: HashSet<usize>,
    /// Those that no filter selected: what brought them.
    pub(super) brought: HashMap<usize, (usize, Reason)>,
    pub(super) left_out: HashMap<usize, Vec<Reason>>,
    pub(super) failed: HashMap<usize, Reason>,
    pub(crate) volumes: BTreeMap<VolumeRef, Volume>,
    pub(crate) assumed: Vec<String>,
}

pub(crate) fn run(cluster: &Cluster, request: &Request<'_>, collected: Collected) -> Selection {
    let volumes = cluster.volumes().into_iter().map(|volume| (volume, Volume::default())).collect();
    let mut run = Run {
        cluster,
        request,
        collected,
        in_block: HashSet::new(),
        backed_up: HashSet::new(),
        archived: HashSet::new(),
        brought: HashMap::new(),
        left_out: HashMap::new(),
        failed: HashMap::new(),
        volumes,
        assumed: Vec::new(),
    };
    run.blocks();
    run.definitions();
    run.finish()
}

impl Run<'_> {
    fn blocks(&mut self) {
        let order = self.collected.order.clone();
        let mut block: Vec<usize> = Vec::new();
        for (position, number) in order.iter().enumerate() {
            if !self.in_block.contains(number) {
                self.enter(*number, &mut block);
            }
            let of = |number: &usize| self.cluster.item(*number).map(|item| item.of);
            let next = order.get(position + 1);
            let together = next.is_some_and(|next| {
                self.collected.ordered.contains(number)
                    && self.collected.ordered.contains(next)
                    && of(number) == of(next)
            });
            if !together {
                for number in std::mem::take(&mut block) {
                    self.item(number).unwrap_or_else(|reason| self.fails(number, reason));
                }
            }
        }
    }

    /// Adds an item to the block, with all that is related to it.
    fn enter(&mut self, number: usize, block: &mut Vec<usize>) {
        self.in_block.insert(number);
        let Some(item) = self.cluster.item(number) else {
            return;
        };
        if let Err(reason) = self.checks(item) {
            self.leave_out(number, reason);
            return;
        }
        block.push(number);
        for (related, reason) in relations::related(self.cluster, self.request, item) {
            let found = self.cluster.find(&related.resource, related.namespace.as_deref(), &related.name);
            if let Some(found) = found.filter(|found| !self.in_block.contains(found)) {
                if !self.collected.numbers.contains(&found) {
                    self.brought.insert(found, (number, reason));
                }
                self.enter(found, block);
            }
        }
    }

    /// `itemInclusionChecks`
    fn checks(&self, item: &Item) -> Result<(), Reason> {
        if item.object.label(EXCLUDE_LABEL) == Some("true") {
            let place = Place::object(&item.reference, format!("metadata.labels[{EXCLUDE_LABEL}]"));
            let says = format!("{} carries the label {EXCLUDE_LABEL}=true", item.reference);
            return Err(Reason::new(Rule::ExcludeLabel, place, says));
        }
        if let Some(namespace) = item.reference.namespace.as_deref() {
            self.request.namespaces.decide(namespace)?;
        }
        if let Some(resource) = self.cluster.resource(item) {
            if resource.name() != "namespaces" {
                self.request.types.keeps(resource, &self.request.namespaces)?;
            }
            if let Some(reason) = name_filter(self.request, item, resource) {
                return Err(reason);
            }
        }
        if item.object.is_terminating() {
            let place = Place::object(&item.reference, "metadata.deletionTimestamp");
            return Err(Reason::new(Rule::BeingDeleted, place, format!("{} is being deleted", item.reference)));
        }
        Ok(())
    }

    fn leave_out(&mut self, number: usize, reason: Reason) {
        let mut chain: Vec<Reason> =
            self.brought.get(&number).map(|(_, brought)| brought.clone()).into_iter().collect();
        chain.push(reason);
        self.left_out.entry(number).or_insert(chain);
    }

    fn fails(&mut self, number: usize, reason: Reason) -> bool {
        self.archived.remove(&number);
        self.failed.entry(number).or_insert(reason);
        false
    }

    /// Backs one item up; `Ok(true)` when it counts as backed up, an error when its manifest is dropped.
    fn item(&mut self, number: usize) -> Result<bool, Reason> {
        let Some(item) = self.cluster.item(number) else {
            return Ok(false);
        };
        if let Err(reason) = self.checks(item) {
            self.leave_out(number, reason);
            return Ok(false);
        }
        if !self.backed_up.insert(number) {
            return Ok(true);
        }
        let mut problems = Vec::new();
        let chosen = if item.reference.resource == PODS { pods::choose(self, item, &mut problems) } else { Vec::new() };
        self.actions(number, item)?;
        match item.reference.resource.as_str() {
            VOLUMES => problems.extend(native::volume(self, item).err()),
            PODS => pods::copy(self, item, &chosen, &mut problems),
            _ => {}
        }
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        self.archived.insert(number);
        Ok(true)
    }

    /// The built-in backup item actions, in their order.
    fn actions(&mut self, number: usize, item: &Item) -> Result<(), Reason> {
        for (other, brought) in relations::additional(item) {
            let found = self.cluster.find(&other.resource, other.namespace.as_deref(), &other.name);
            let Some(found) = found else {
                continue;
            };
            if !self.collected.numbers.contains(&found) {
                self.brought.entry(found).or_insert((number, brought));
            }
            if let Err(cause) = self.item(found) {
                self.fails(found, cause.clone());
                let place = Place::object(&item.reference, "spec");
                let says = format!("{} is dropped, because backing up its {other} fails: {cause}", item.reference);
                return Err(Reason::new(Rule::DroppedByError, place, says));
            }
        }
        if item.reference.resource == CLAIMS { snapshot::claim(self, item) } else { Ok(()) }
    }

    /// What a snapshot adds, which no check is asked about.
    pub(crate) fn must_include(&mut self, number: usize, by: &Item, reason: Reason) {
        if self.archived.insert(number) && !self.collected.numbers.contains(&number) {
            let by = self.cluster.find(&by.reference.resource, by.reference.namespace.as_deref(), &by.reference.name);
            if let Some(by) = by {
                self.brought.entry(number).or_insert((by, reason));
            }
        }
    }

    /// The definition of every custom kind of which something was backed up.
    fn definitions(&mut self) {
        let Some(resource) = self.cluster.resources.named(DEFINITIONS).and_then(|of| self.cluster.resources.0.get(of))
        else {
            return;
        };
        if self.request.types.collects(resource, &self.request.namespaces).is_ok()
            || self.request.types.keeps(resource, &self.request.namespaces).is_err()
        {
            return;
        }
        // What an action alone added, as a snapshot's class, does not count.
        let mut backed_up: Vec<usize> = self.backed_up.intersection(&self.in_block).copied().collect();
        backed_up.sort_unstable();
        for number in backed_up {
            let Some(item) = self.cluster.item(number).filter(|_| !self.failed.contains_key(&number)) else {
                continue;
            };
            if let Some(definition) = self.cluster.find(DEFINITIONS, None, &item.reference.resource) {
                let says = format!("{} is in the backup and of this kind", item.reference);
                let place = Place::object(&item.reference, "kind");
                let brought = (number, Reason::new(Rule::BroughtByInstance, place, says));
                self.brought.entry(definition).or_insert(brought);
                if let Err(reason) = self.item(definition) {
                    self.fails(definition, reason);
                }
            }
        }
    }

    pub(crate) fn skip(&mut self, volume: &VolumeRef, reason: Reason, shown: Shown) {
        // Only volumes that are asked about have an entry: others hold nothing of their own, or do not exist.
        let Some(state) = self.volumes.get_mut(volume) else {
            return;
        };
        if !state.skips.iter().any(|(known, _)| *known == reason) {
            state.skips.push((reason, shown));
        }
    }

    pub(crate) fn capture(&mut self, volume: &VolumeRef, capture: Capture, chain: Vec<Reason>) {
        let Some(state) = self.volumes.get_mut(volume) else {
            return;
        };
        match (&state.capture, capture) {
            (None, capture) => state.capture = Some((capture, chain)),
            (Some(_), Capture::FileSystem { pod, volume }) => state.copies.push((pod, volume)),
            (
                Some(_),
                Capture::CsiSnapshot { .. }
                | Capture::CsiMoved { .. }
                | Capture::NativeSnapshot { .. }
                | Capture::None
                | Capture::Unknown,
            ) => {}
        }
    }

    pub(crate) fn track(&mut self, volume: &VolumeRef, tracked: Tracked) {
        let Some(state) = self.volumes.get_mut(volume) else {
            return;
        };
        match (state.tracked, tracked) {
            (None, Tracked::Chosen | Tracked::PassedOver) | (Some(Tracked::Chosen), Tracked::Taken) => {
                state.tracked = Some(tracked);
            }
            (None | Some(Tracked::Taken | Tracked::PassedOver), Tracked::Taken)
            | (Some(_), Tracked::Chosen | Tracked::PassedOver) => {}
        }
    }

    pub(crate) fn taken(&self, volume: &VolumeRef) -> bool {
        self.volumes.get(volume).is_some_and(|state| state.tracked == Some(Tracked::Taken))
    }
}

/// The claim of a pod's volume, as a volume of its own.
pub(crate) fn volume_ref(pod: &Item, volume: &serde_json::Value) -> VolumeRef {
    let namespace = pod.reference.namespace.clone().unwrap_or_default();
    match claim_name(volume) {
        Some(claim) => VolumeRef { namespace, claim: Some(claim.to_owned()), pod: None },
        None => VolumeRef {
            namespace,
            claim: None,
            pod: Some((pod.reference.name.clone(), super::cluster::volume_name(volume).unwrap_or_default().to_owned())),
        },
    }
}
