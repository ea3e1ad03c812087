//! Native snapshots, by plugins behind `VolumeSnapshotLocation`s (`pkg/backup/item_backupper.go:takePVSnapshot` and
//! `pkg/controller/backup_controller.go:validateAndGetSnapshotLocations` at v1.18.3).

use std::collections::BTreeMap;

use super::blocks::Run;
use super::cluster::{Cluster, Item};
use super::policy::{Action, Described};
use super::reason::{Place, Reason, Rule};
use super::relations::{self, CLAIMS, VOLUMES};
use super::server::Server;
use super::spec::Spec;
use super::{Capture, ItemVerdict, Shown, Verdict, VolumeRef, snapshot};

const LOCATIONS: &str = "volumesnapshotlocations.velero.io";

/// The locations that are used, one for each provider; None when they were not read.
pub(crate) fn locations(cluster: &Cluster, server: &Server, spec: &Spec) -> Result<Option<Vec<String>>, Vec<String>> {
    if cluster.unread(LOCATIONS).is_some() {
        return Ok(None);
    }
    let found: Vec<&Item> = cluster.of_namespace(LOCATIONS, &server.namespace).map(|(_, item)| item).collect();
    let provider = |item: &Item| item.object.str_at("/spec/provider").unwrap_or_default().to_owned();
    let mut by_provider: BTreeMap<String, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for name in &spec.volume_snapshot_locations {
        let Some(item) = found.iter().find(|item| item.reference.name == *name) else {
            problems.push(format!("VolumeSnapshotLocation {name} does not exist"));
            continue;
        };
        let known = by_provider.entry(provider(item)).or_insert_with(|| name.clone());
        if known != name {
            problems.push(format!("VolumeSnapshotLocations {known} and {name} are of the same provider"));
        }
    }
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in &found {
        all.entry(provider(item)).or_default().push(item.reference.name.clone());
    }
    // Without an error so far, as Velero gives up at the first kind of them.
    for (provider, names) in all.into_iter().filter(|_| problems.is_empty()).collect::<Vec<_>>() {
        if by_provider.contains_key(&provider) {
            continue;
        }
        match (names.as_slice(), server.default_snapshot_locations.get(&provider)) {
            ([only], _) => {
                by_provider.insert(provider, only.clone());
            }
            (_, Some(default)) if names.contains(default) => {
                by_provider.insert(provider, default.clone());
            }
            _ => problems.push(format!(
                "provider {provider} has several VolumeSnapshotLocations, and neither the backup nor the server names one"
            )),
        }
    }
    if problems.is_empty() { Ok(Some(by_provider.into_values().collect())) } else { Err(problems) }
}

/// The claim a volume is bound to.
fn claim_of(volume: &Item) -> Option<VolumeRef> {
    let part = |key: &str| volume.object.str_at(&format!("/spec/claimRef/{key}")).map(str::to_owned);
    Some(VolumeRef { namespace: part("namespace")?, claim: Some(part("name")?), pod: None })
}

/// On every persistent volume that is backed up; an error drops it, and the claim that brought it.
pub(crate) fn volume(run: &mut Run<'_>, volume: &Item) -> Result<(), Reason> {
    let reference = claim_of(volume);
    let known = reference.filter(|reference| run.volumes.contains_key(reference));
    let skip = |run: &mut Run<'_>, reason: Reason| {
        if let Some(reference) = &known {
            run.skip(reference, reason, Shown::Silent);
        }
    };
    let why = match snapshot::decide_volume(run, volume) {
        Ok(why) => why,
        Err(reason) => {
            skip(run, reason);
            return Ok(());
        }
    };
    let csi = volume.object.at("/spec/csi").is_some_and(|value| !value.is_null());
    if csi && run.request.server.csi {
        return Ok(());
    }
    if let Some(policies) = &run.request.policies {
        let mut described = Described::default();
        described.volume(&volume.object);
        if let Some(VolumeRef { namespace, claim: Some(claim), .. }) = claim_of(volume) {
            let Some(found) = run.cluster.get(CLAIMS, Some(&namespace), &claim) else {
                let says = format!("claim {namespace}/{claim} of {} does not exist", volume.reference);
                return Err(Reason::new(Rule::ClaimMissing, Place::object(&volume.reference, "spec.claimRef"), says));
            };
            described.claim(&found.object);
        }
        if let Some((Action::Skip, field)) = policies.action(&described) {
            let says = format!("{field} says skip for {}", volume.reference);
            skip(run, Reason::new(Rule::PolicyMatched, Place::Policy { field }, says));
            return Ok(());
        }
    }
    match run.request.locations.as_deref() {
        None => {
            let says = format!("{LOCATIONS} were not read");
            skip(run, Reason::new(Rule::NotRead, Place::Velero, says));
        }
        Some([]) => {
            let says = "there is no VolumeSnapshotLocation, so no plugin is asked for a native snapshot".to_owned();
            skip(run, Reason::new(Rule::NoSnapshotLocation, run.request.field("volumeSnapshotLocations"), says));
        }
        Some([first, ..]) => {
            let says = format!("the plugin of VolumeSnapshotLocation {first} is asked for a snapshot");
            let reason = Reason::new(Rule::NativeSnapshot, run.request.field("volumeSnapshotLocations"), says);
            if let Some(reference) = &known {
                run.capture(reference, Capture::NativeSnapshot { location: first.clone() }, vec![why, reason]);
            }
        }
    }
    Ok(())
}

/// Of a claim that is in the backup without a capture: its volume was not, so no plugin was asked.
pub(crate) fn not_asked(run: &Run<'_>, namespace: &str, claim: &str, verdicts: &[ItemVerdict]) -> Vec<Reason> {
    let bound = run.cluster.get(CLAIMS, Some(namespace), claim).and_then(relations::bound_to);
    let Some(number) = bound.and_then(|bound| run.cluster.find(VOLUMES, None, bound)) else {
        return Vec::new();
    };
    match verdicts.get(number) {
        Some(judged) if judged.verdict == Verdict::Excluded => {
            let says = format!("{} is not in the backup, so no native snapshot is tried", judged.item);
            let place = Place::object(&judged.item, "metadata.name");
            let reason = Reason::new(Rule::VolumeNotInBackup, place, says);
            judged.chain.last().cloned().into_iter().chain([reason]).collect()
        }
        Some(_) | None => Vec::new(),
    }
}
