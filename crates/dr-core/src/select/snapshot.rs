//! Snapshots: whether one is taken (`internal/volumehelper/volume_policy_helper.go:ShouldPerformSnapshot`), and of a
//! claim by CSI (`pkg/backup/actions/csi/pvc_action.go`), at v1.18.3.

use super::blocks::Run;
use super::cluster::{Item, ItemRef, volume_name};
use super::pods;
use super::policy::{Action, Checked, Described};
use super::reason::{Place, Reason, Rule};
use super::relations::{self, VOLUMES};
use super::version::Feature;
use super::{Capture, Shown, VolumeRef};

/// `Ok(Ok)` take one, `Ok(Err)` do not, `Err` the item fails.
pub(crate) type Decision = Result<Result<Reason, Reason>, Reason>;

pub(crate) fn of_claim(claim: &Item) -> VolumeRef {
    let namespace = claim.reference.namespace.clone().unwrap_or_default();
    VolumeRef { namespace, claim: Some(claim.reference.name.clone()), pod: None }
}

/// The volume of a bound claim, or why there is none.
fn volume_of<'a>(run: &Run<'a>, claim: &Item) -> Result<&'a Item, Reason> {
    let phase = claim.object.str_at("/status/phase").unwrap_or("without a phase");
    match relations::bound_to(claim) {
        None => {
            let says = format!("{} is {phase} and has no volume", claim.reference);
            Err(Reason::new(Rule::ClaimUnbound, Place::object(&claim.reference, "status.phase"), says))
        }
        Some(bound) => run.cluster.get(VOLUMES, None, bound).ok_or_else(|| {
            let says = format!("volume {bound} of {} does not exist", claim.reference);
            Reason::new(Rule::VolumeMissing, Place::object(&claim.reference, "spec.volumeName"), says)
        }),
    }
}

/// Asked for a claim, with its volume.
pub(crate) fn decide_claim(run: &Run<'_>, claim: &Item, policies: Option<&Checked>) -> Decision {
    let volume = volume_of(run, claim);
    if let (Err(reason), false) = (&volume, run.request.version().has(Feature::UnboundClaimsMatched)) {
        return Err(reason.clone());
    }
    if let Some(policies) = policies {
        let mut described = Described::default();
        if let Ok(volume) = &volume {
            described.volume(&volume.object);
        }
        if run.request.version().has(Feature::PvcLabels) {
            described.claim(&claim.object);
        }
        if let Some(decision) = by_policy(policies, &described, &claim.reference) {
            return Ok(decision);
        }
    }
    Ok(decide(run, volume?))
}

/// Asked for a volume alone: conditions on its claim never match here.
pub(crate) fn decide_volume(run: &Run<'_>, volume: &Item) -> Result<Reason, Reason> {
    if let Some(policies) = &run.request.policies {
        let mut described = Described::default();
        described.volume(&volume.object);
        if let Some(decision) = by_policy(policies, &described, &volume.reference) {
            return decision;
        }
    }
    decide(run, volume)
}

fn by_policy(policies: &Checked, described: &Described, of: &ItemRef) -> Option<Result<Reason, Reason>> {
    let (action, field) = policies.action(described)?;
    let says = format!("{field} says {} for {of}", action.name());
    let reason = Reason::new(Rule::PolicyMatched, Place::Policy { field }, says);
    Some(if action == Action::Snapshot { Ok(reason) } else { Err(reason) })
}

fn decide(run: &Run<'_>, volume: &Item) -> Result<Reason, Reason> {
    let claim = |key: &str| volume.object.str_at(&format!("/spec/claimRef/{key}"));
    if let (Some(namespace), Some(name)) = (claim("namespace"), claim("name"))
        && sees_pods(run, namespace)
    {
        for (pod, mounted) in relations::mounting(run.cluster, namespace, name) {
            if let Ok(cause) = pods::legacy(run, pod, volume_name(mounted).unwrap_or_default()) {
                let says = format!("no snapshot is taken of claim {namespace}/{name}: {cause}");
                return Err(Reason::new(Rule::SnapshotSuppressed, cause.place, says));
            }
        }
    }
    if run.request.spec().snapshot_volumes == Some(false) {
        let says = "snapshotVolumes is false".to_owned();
        return Err(Reason::new(Rule::SnapshotsOff, run.request.field("snapshotVolumes"), says));
    }
    let says = format!("{} is to be snapshotted: snapshotVolumes is not false", volume.reference);
    Ok(Reason::new(Rule::SnapshotClassChosen, run.request.field("snapshotVolumes"), says))
}

/// Since v1.18 pods are looked up in what was listed for the backup's namespaces at the start.
fn sees_pods(run: &Run<'_>, namespace: &str) -> bool {
    if !run.request.version().has(Feature::PodsCached) {
        return true;
    }
    let included = |name: &str| run.request.namespaces.decide(name).is_ok();
    included(namespace) || !run.cluster.namespaces().into_iter().any(included)
}

/// The CSI action on a claim; an error drops the claim, and the pod that brought it.
pub(crate) fn claim(run: &mut Run<'_>, claim: &Item) -> Result<(), Reason> {
    let reference = of_claim(claim);
    let outcome = csi(run, claim);
    match outcome {
        Ok(Ok((capture, chain))) => {
            if let Capture::CsiSnapshot { class } = &capture
                && let Some(number) = run.cluster.find(CLASSES, None, class)
            {
                let says = format!("{} is snapshotted with it", claim.reference);
                let place = Place::object(&claim.reference, "spec.storageClassName");
                run.must_include(number, claim, Reason::new(Rule::BroughtBySnapshot, place, says));
            }
            run.capture(&reference, capture, chain);
        }
        Ok(Err(reason)) => run.skip(&reference, reason, Shown::Silent),
        Err(reason) => {
            run.skip(&reference, reason.clone(), Shown::Error);
            return Err(reason);
        }
    }
    Ok(())
}

type Outcome = Result<Result<(Capture, Vec<Reason>), Reason>, Reason>;

fn csi(run: &mut Run<'_>, claim: &Item) -> Outcome {
    if run.cluster.unread(VOLUMES).is_some() && volume_of(run, claim).is_err() && relations::bound_to(claim).is_some() {
        let says = format!("the volume of {} was not read", claim.reference);
        let place = Place::object(&claim.reference, "spec.volumeName");
        return Ok(Err(Reason::new(Rule::NotRead, place, says)));
    }
    if let Some(reason) = skipped_by_policy(run, claim)? {
        return Ok(Err(reason));
    }
    if !run.request.server.csi {
        let says = "the server runs without --features=EnableCSI, so no CSI snapshot is taken".to_owned();
        return Ok(Err(Reason::new(Rule::CsiOff, Place::server("--features"), says)));
    }
    let why = match decide_claim(run, claim, run.request.policies.as_ref())? {
        Ok(why) => why,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(class) = claim.object.str_at("/spec/storageClassName") else {
        let says = format!("{} has no storageClassName, so no VolumeSnapshotClass can be chosen", claim.reference);
        return Err(Reason::new(
            Rule::ClaimWithoutClass,
            Place::object(&claim.reference, "spec.storageClassName"),
            says,
        ));
    };
    let volume = volume_of(run, claim)?;
    if volume.object.at("/spec/csi").is_none_or(serde_json::Value::is_null) {
        let says = format!("{} is not of a CSI driver", volume.reference);
        return Ok(Err(Reason::new(Rule::NotCsi, Place::object(&volume.reference, "spec.csi"), says)));
    }
    // The plugin asks once more, and knows only the backup's own policies.
    if let Err(reason) = decide_claim(run, claim, run.request.own_policies.as_ref())? {
        return Ok(Err(reason));
    }
    if run.request.moves_data {
        node_agent_ready(run)?;
    }
    let grouped = claim.object.label(&run.request.group_label).is_some_and(|value| !value.is_empty());
    if grouped && run.request.version().has(Feature::VolumeGroups) {
        let says = format!("{} is of a volume group, whose group snapshot is not judged here", claim.reference);
        let place = Place::object(&claim.reference, format!("metadata.labels[{}]", run.request.group_label));
        return Ok(Err(Reason::new(Rule::NotRead, place, says)));
    }
    let found = run.cluster.get("storageclasses.storage.k8s.io", None, class);
    let Some(driver) = found.and_then(|class| class.object.str_at("/provisioner")) else {
        let place = Place::object(&claim.reference, "spec.storageClassName");
        if run.cluster.unread("storageclasses.storage.k8s.io").is_some() {
            return Ok(Err(Reason::new(Rule::NotRead, place, format!("StorageClass {class:?} was not read"))));
        }
        let says = format!("StorageClass {class:?} of {} does not exist", claim.reference);
        return Err(Reason::new(Rule::StorageClassMissing, place, says));
    };
    let (class, chosen) = match snapshot_class(run, claim, driver) {
        Err(reason) if reason.rule == Rule::NotRead => return Ok(Err(reason)),
        Err(reason) => return Err(reason),
        Ok(found) => found,
    };
    let mut chain = vec![why, chosen];
    if run.request.moves_data {
        let says = "the snapshot's data is moved to the object store".to_owned();
        chain.push(Reason::new(Rule::DataMoved, run.request.field("snapshotMoveData"), says));
        return Ok(Ok((Capture::CsiMoved { class }, chain)));
    }
    Ok(Ok((Capture::CsiSnapshot { class }, chain)))
}

/// `item_backupper.go:getMatchAction`: asked before it is known whether CSI is on at all.
fn skipped_by_policy(run: &Run<'_>, claim: &Item) -> Result<Option<Reason>, Reason> {
    let Some(policies) = &run.request.policies else {
        return Ok(None);
    };
    let mut described = Described::default();
    let version = run.request.version();
    match claim.object.str_at("/spec/volumeName").filter(|name| !name.is_empty()) {
        Some(bound) => {
            let Some(volume) = run.cluster.get(VOLUMES, None, bound) else {
                let says = format!("volume {bound} of {} does not exist, so no policy can be asked", claim.reference);
                let place = Place::object(&claim.reference, "spec.volumeName");
                return Err(Reason::new(Rule::VolumeMissing, place, says));
            };
            described.volume(&volume.object);
        }
        None if !version.has(Feature::UnboundClaimsMatched) => {
            let says = format!("{} has no volume, so no policy can be asked", claim.reference);
            return Err(Reason::new(Rule::ClaimUnbound, Place::object(&claim.reference, "spec.volumeName"), says));
        }
        None => {}
    }
    if version.has(Feature::PvcLabels) {
        described.claim(&claim.object);
    }
    let skipped = policies.action(&described).filter(|(action, _)| *action == Action::Skip);
    Ok(skipped.map(|(_, field)| {
        let says = format!("{field} says skip for {}", claim.reference);
        Reason::new(Rule::PolicyMatched, Place::Policy { field }, says)
    }))
}

fn node_agent_ready(run: &mut Run<'_>) -> Result<(), Reason> {
    let velero = run.request.server.namespace.as_str();
    let sets = "daemonsets.apps";
    let builtin = matches!(run.request.spec().datamover.as_str(), "" | "velero");
    if !builtin || !run.request.version().has(Feature::NodeAgentCheckedBeforeMove) || run.cluster.unread(sets).is_some()
    {
        let says = "the data mover is taken to be running".to_owned();
        if !run.assumed.contains(&says) {
            run.assumed.push(says);
        }
        return Ok(());
    }
    let ready = |name: &str| {
        let set = run.cluster.get(sets, Some(velero), name);
        set.and_then(|set| set.object.i64_at("/status/numberReady")).is_some_and(|ready| ready > 0)
    };
    if ready("node-agent") || ready("node-agent-windows") {
        return Ok(());
    }
    let place = Place::object(&ItemRef::new(sets, Some(velero), "node-agent"), "status.numberReady");
    let says = "snapshotMoveData needs node-agent, and none is ready".to_owned();
    Err(Reason::new(Rule::NodeAgentMissing, place, says))
}

const CLASSES: &str = "volumesnapshotclasses.snapshot.storage.k8s.io";
const CLASS_OF_CLAIM: &str = "velero.io/csi-volumesnapshot-class";
const CLASS_LABEL: &str = "velero.io/csi-volumesnapshot-class";
const CLASS_DEFAULT: &str = "snapshot.storage.kubernetes.io/is-default-class";

/// `GetVolumeSnapshotClass`: an annotation that names no fitting class is passed over in silence; of label and
/// default annotation only the presence counts.
fn snapshot_class(run: &Run<'_>, claim: &Item, driver: &str) -> Result<(String, Reason), Reason> {
    let classes: Vec<&Item> = run.cluster.of(CLASSES).map(|(_, class)| class).collect();
    let of_driver: Vec<&Item> =
        classes.iter().copied().filter(|class| class.object.str_at("/driver") == Some(driver)).collect();
    let on_backup = format!("velero.io/csi-volumesnapshot-class_{}", driver.to_lowercase());
    let named = [
        (
            claim.object.annotation(CLASS_OF_CLAIM),
            Place::object(&claim.reference, format!("metadata.annotations[{CLASS_OF_CLAIM}]")),
        ),
        (
            run.request.backup.annotations.get(&on_backup).map(String::as_str),
            Place::Backup { field: format!("metadata.annotations[{on_backup}]") },
        ),
    ];
    for (name, place) in named {
        let found = name.and_then(|name| {
            let same = |class: &&&Item| class.reference.name.eq_ignore_ascii_case(name);
            classes.iter().find(same)
        });
        if let Some(class) = found
            && class.object.str_at("/driver").is_some_and(|of| of.eq_ignore_ascii_case(driver))
        {
            return Ok(chosen(class, place, "it is named"));
        }
    }
    let marked = |class: &&&Item| class.object.label(CLASS_LABEL).is_some();
    if let Some(class) = of_driver.iter().find(marked) {
        let place = Place::object(&class.reference, format!("metadata.labels[{CLASS_LABEL}]"));
        return Ok(chosen(class, place, "it has Velero's label"));
    }
    let default = |class: &&&Item| class.object.annotation(CLASS_DEFAULT).is_some();
    if let Some(class) = of_driver.iter().find(default) {
        let place = Place::object(&class.reference, format!("metadata.annotations[{CLASS_DEFAULT}]"));
        return Ok(chosen(class, place, "it is the default"));
    }
    if let [only] = of_driver.as_slice() {
        return Ok(chosen(only, Place::object(&only.reference, "driver"), "it is the only one of the driver"));
    }
    if let Some(why) = run.cluster.unread(CLASSES) {
        return Err(Reason::new(Rule::NotRead, Place::Velero, format!("{CLASSES} were not read: {why}")));
    }
    let says = format!(
        "{} VolumeSnapshotClasses are of driver {driver}, and none of them is labelled {CLASS_LABEL}",
        of_driver.len()
    );
    Err(Reason::new(Rule::NoSnapshotClass, Place::object(&claim.reference, "spec.storageClassName"), says))
}

fn chosen(class: &Item, place: Place, why: &str) -> (String, Reason) {
    let says = format!("VolumeSnapshotClass {} is used: {why}", class.reference.name);
    (class.reference.name.clone(), Reason::new(Rule::SnapshotClassChosen, place, says))
}
