//! A claim that is restored: what is live of it, what the archive says, and what the new one will look like.

use dr_core::choose::Chosen;
use dr_core::cover::Captured;
use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_core::refusal::Refusal;
use dr_core::{quantity, room};
use serde_json::{Map, Value, json};

use crate::plan::{OPERATION, RECLAIM_POLICY};

/// What the binder writes when it has bound; a claim that is made anew gets its own.
const BOUND: &str = "pv.kubernetes.io/bind-completed";

/// The node a scheduler chose for the volume of before; the restored volume may be elsewhere.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

pub(super) struct Live {
    pub claim: Object,
    pub volume: Object,
}

pub(super) struct ClaimFacts {
    pub name: String,
    pub namespace: String,
    pub captured: Captured,
    pub archived: Object,
    pub live: Option<Live>,
    pub storage_class: String,
    /// The live volume's from before any run, else the storage class's.
    pub reclaim_policy: String,
    /// The larger of backup and live.
    pub request: String,
}

impl ClaimFacts {
    pub(super) fn live_uid(&self) -> String {
        format!("live-claim-uid/{}", self.name)
    }

    pub(super) fn new_uid(&self) -> String {
        format!("new-claim-uid/{}", self.name)
    }

    pub(super) fn staged_uid(&self) -> String {
        format!("staged-claim-uid/{}", self.name)
    }

    /// The slot with the staged volume's name.
    pub(super) fn staged_volume(&self) -> String {
        format!("staged-volume/{}", self.name)
    }

    pub(super) fn staged_volume_uid(&self) -> String {
        format!("staged-volume-uid/{}", self.name)
    }

    pub(super) fn evidence(&self) -> String {
        format!("evidence/{}", self.name)
    }

    /// What the live volume held when the staged one was verified; empty when it could not be asked.
    pub(super) fn live_report(&self) -> String {
        format!("live/{}", self.name)
    }

    pub(super) fn ask(&self) -> room::Ask {
        room::Ask {
            claim: self.name.clone(),
            class: self.storage_class.clone(),
            request: self.request.clone(),
            live: self.live.as_ref().and_then(|live| live.claim.str_at(REQUEST)).map(str::to_owned),
            files: super::captured_by_files(&self.captured).map(|(_, _, bytes)| bytes),
        }
    }

    pub(super) fn key(&self) -> Key {
        Key::namespaced(Kind::PersistentVolumeClaim, &self.namespace, &self.name)
    }

    /// The live claim as it is made again when the restore is undone, on its old volume.
    pub(super) fn as_it_was(&self, live: &Live) -> Value {
        let mut spec = live.claim.at("/spec").cloned().unwrap_or_else(|| json!({}));
        set(&mut spec, "volumeName", Value::from(live.volume.name()));
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self.metadata(&live.claim, &[BOUND]),
            "spec": without(spec, &["dataSource", "dataSourceRef"]),
        })
    }

    /// The claim on the restored volume: the live one's name, labels and annotations, the archived one's volume.
    pub(super) fn restored(&self, volume: Value) -> Value {
        let source = self.live.as_ref().map_or(&self.archived, |live| &live.claim);
        let mut spec = json!({
            "accessModes": self.archived.at("/spec/accessModes"),
            "volumeMode": self.archived.str_at("/spec/volumeMode").unwrap_or("Filesystem"),
            "storageClassName": self.storage_class,
            "resources": { "requests": { "storage": self.request } },
        });
        set(&mut spec, "volumeName", volume);
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self.metadata(source, &[BOUND, SELECTED_NODE]),
            "spec": spec,
        })
    }

    fn metadata(&self, source: &Object, dropped: &[&str]) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".into(), self.name.as_str().into());
        metadata.insert("namespace".into(), self.namespace.as_str().into());
        if let Some(labels) = source.at("/metadata/labels").filter(|labels| labels.is_object()) {
            let mut labels = labels.clone();
            for ours in ["velero.io/backup-name", "velero.io/restore-name"] {
                labels.as_object_mut().map(|map| map.remove(ours));
            }
            metadata.insert("labels".into(), labels);
        }
        if let Some(annotations) = source.at("/metadata/annotations").filter(|annotations| annotations.is_object()) {
            metadata.insert("annotations".into(), without(annotations.clone(), dropped));
        }
        metadata.into()
    }
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), to);
    }
}

fn without(mut value: Value, keys: &[&str]) -> Value {
    if let Some(map) = value.as_object_mut() {
        for key in keys {
            map.remove(*key);
        }
    }
    value
}

pub(super) fn all(facts: &Facts, chosen: &Chosen, refusal: &mut Refusal) -> Result<Vec<ClaimFacts>, Unread> {
    let mut claims = Vec::new();
    for captured in &chosen.volumes {
        if let Some(claim) = one(facts, chosen, captured, refusal)? {
            claims.push(claim);
        }
    }
    Ok(claims)
}

fn one(
    facts: &Facts,
    chosen: &Chosen,
    captured: &Captured,
    refusal: &mut Refusal,
) -> Result<Option<ClaimFacts>, Unread> {
    let name = &captured.claim;
    let subject = format!("claim {name}");
    let Some(archived) = chosen.archive.get(Kind::PersistentVolumeClaim, Some(&facts.namespace), name) else {
        refusal.add(
            &subject,
            "its data is in the backup, the claim itself is not in the archive",
            "choose another backup",
        );
        return Ok(None);
    };
    let live = match live(facts, name)? {
        Standing::Absent => None,
        Standing::Bound(live) => Some(*live),
        Standing::Unfit { because, hint } => {
            refusal.add(&subject, because, hint);
            return Ok(None);
        }
    };
    if archived.str_at("/spec/volumeMode") == Some("Block") {
        refusal.add(&subject, "it is a block volume, which this version cannot verify", "leave it out with --leave");
        return Ok(None);
    }
    let Some(storage_class) = archived.str_at("/spec/storageClassName").filter(|class| !class.is_empty()) else {
        refusal.add(
            &subject,
            "it has no storage class, so no second volume can be made beside it",
            "leave it out with --leave",
        );
        return Ok(None);
    };
    let class = facts.all(Kind::StorageClass)?.iter().find(|class| class.name() == storage_class);
    let Some(class) = class else {
        refusal.add(
            &subject,
            format!("its storage class {storage_class} does not exist in this cluster"),
            "create the class, or leave the claim out with --leave",
        );
        return Ok(None);
    };
    let of_volume = live.as_ref().and_then(|live| own_policy(&live.volume));
    // The API's own default for a class that names none.
    let reclaim_policy = of_volume.or_else(|| class.str_at("/reclaimPolicy")).unwrap_or("Delete").to_owned();
    let Some(request) = larger(archived, live.as_ref().map(|live| &live.claim)) else {
        refusal.add(
            &subject,
            "neither its copy in the backup nor the live claim says in bytes how large it is",
            "leave it out with --leave, or take another backup with --from",
        );
        return Ok(None);
    };
    Ok(Some(ClaimFacts {
        name: name.clone(),
        namespace: facts.namespace.clone(),
        captured: captured.clone(),
        archived: archived.clone(),
        live,
        storage_class: storage_class.to_owned(),
        reclaim_policy,
        request,
    }))
}

/// What the volume had before a run that is still open set it to Retain.
fn own_policy(volume: &Object) -> Option<&str> {
    let noted = volume.annotation(RECLAIM_POLICY).filter(|_| volume.label(OPERATION).is_some());
    noted.or_else(|| volume.str_at("/spec/persistentVolumeReclaimPolicy"))
}

/// How a claim stands in the cluster.
enum Standing {
    Absent,
    Bound(Box<Live>),
    /// It cannot be exchanged as it is.
    Unfit {
        because: String,
        hint: String,
    },
}

fn live(facts: &Facts, name: &str) -> Result<Standing, Unread> {
    let key = Key::namespaced(Kind::PersistentVolumeClaim, &facts.namespace, name);
    let Some(claim) = facts.get(&key)? else { return Ok(Standing::Absent) };
    let volume_name = claim.str_at("/spec/volumeName").unwrap_or("");
    if claim.is_terminating() {
        return Ok(Standing::Unfit {
            because: "it is being deleted, and its volume may go with it".to_owned(),
            hint: format!(
                "rescue the volume first: kubectl patch pv {volume_name} --type merge -p \
                 '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}', then delete the pods that mount the \
                 claim and try again"
            ),
        });
    }
    let bound = claim.str_at("/status/phase") == Some("Bound");
    let volume = facts.get(&Key::cluster(Kind::PersistentVolume, volume_name))?.filter(|_| bound);
    if let Some(volume) = volume {
        return Ok(Standing::Bound(Box::new(Live { claim: claim.clone(), volume: volume.clone() })));
    }
    let phase = claim.str_at("/status/phase").unwrap_or("of unknown phase");
    Ok(Standing::Unfit {
        because: format!("it is {phase}, not bound to a volume"),
        hint: format!(
            "delete it if it holds nothing (kubectl -n {} delete pvc {name}), then try again",
            facts.namespace
        ),
    })
}

const REQUEST: &str = "/spec/resources/requests/storage";

/// The larger of what the backup's claim asks for and what the live one has; none where neither is a quantity.
fn larger(archived: &Object, live: Option<&Object>) -> Option<String> {
    let archived = archived.str_at(REQUEST);
    let live = live.and_then(|live| live.str_at("/status/capacity/storage").or_else(|| live.str_at(REQUEST)));
    let sizes = [archived, live].into_iter().flatten();
    // Of two that are equal the backup's own, written as it is there.
    let largest = sizes.filter_map(|text| Some((quantity::parse(text)?, text))).rev().max_by_key(|(bytes, _)| *bytes);
    largest.map(|(_, text)| text.to_owned())
}
